//! Requests that are not as they should be, and what they are told.

use serde_json::json;

use crate::api::{Guest, PASSWORD, call, register, say};
use crate::hub::Hub;

const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn every_mistake_in_a_body_is_named() {
    let hub = Hub::start(&["--set", "limits.logins_per_ip=0"]);
    for (field, body) in [
        ("email", json!({"email": "ana", "password": PASSWORD, "name": "Ana"})),
        ("email", json!({"password": PASSWORD, "name": "Ana"})),
        ("email", json!({"email": 7, "password": PASSWORD, "name": "Ana"})),
        ("password", json!({"email": "ana@example.com", "password": "1234567", "name": "Ana"})),
        ("password", json!({"email": "ana@example.com", "password": "x".repeat(257), "name": "Ana"})),
        ("name", json!({"email": "ana@example.com", "password": PASSWORD, "name": " "})),
        ("organization", json!({"email": "ana@example.com", "password": PASSWORD, "name": "Ana", "organization": ""})),
    ] {
        let answer = say(&hub, "POST", "register", None, &body);
        assert!(answer.body["detail"].as_str().unwrap().contains(field), "{}", answer.body);
        assert_eq!(answer.problem(400), "invalid_payload");
    }
    assert_eq!(call(&hub, "POST", "login", &[JSON], Some("{")).problem(400), "invalid_json");
    assert_eq!(call(&hub, "POST", "login", &[JSON], Some("")).problem(400), "invalid_json");
    assert_eq!(call(&hub, "POST", "login", &[JSON], Some("{} {}")).problem(400), "invalid_json");
    let login = json!({"email": "ana@example.com", "password": PASSWORD}).to_string();
    for kind in ["text/plain", "application/x-www-form-urlencoded"] {
        let answer = call(&hub, "POST", "login", &[("content-type", kind)], Some(&login));
        assert_eq!(answer.problem(415), "unsupported_media_type");
    }
    let large = json!({"email": "a".repeat(300_000), "password": PASSWORD}).to_string();
    assert_eq!(call(&hub, "POST", "login", &[JSON], Some(&large)).problem(413), "message_too_large");
    let wrong_method = call(&hub, "GET", "login", &[], None);
    assert_eq!(wrong_method.header("allow"), "POST");
    assert_eq!(wrong_method.problem(405), "method_not_allowed");
    assert_eq!(call(&hub, "GET", "health", &[], None).of(200), json!({"status": "ok"}));
}

#[test]
fn pages_of_other_origins_may_neither_register_nor_log_in() {
    let hub = Hub::start(&[]);
    let body = json!({"email": "ana@example.com", "password": PASSWORD, "name": "Ana"}).to_string();
    let evil = [JSON, ("origin", "https://evil.example")];
    for path in ["register", "login", "refresh", "logout", "invites"] {
        assert_eq!(call(&hub, "POST", path, &evil, Some(&body)).problem(403), "origin_not_allowed", "{path}");
    }
    let own = format!("http://{}", hub.address);
    call(&hub, "POST", "register", &[JSON, ("origin", &own)], Some(&body)).of(201);
}

#[test]
fn nothing_that_is_secret_is_cached_or_told_twice() {
    let hub = Hub::start(&[]);
    let answer = register(&hub, "ana@example.com", "Ana");
    assert_eq!(answer.header("cache-control"), "no-store");
    let ana = Guest::of(&answer.of(201));
    let profile = ana.profile(&hub).of(200);
    assert!(profile.get("password").is_none() && profile.get("password_hash").is_none(), "{profile}");
    let stored = std::fs::read(hub.database()).unwrap();
    let log = std::fs::read(format!("{}-wal", hub.database())).unwrap_or_default();
    for secret in [PASSWORD, &ana.refresh, &ana.token] {
        let found = |file: &[u8]| file.windows(secret.len()).any(|it| it == secret.as_bytes());
        assert!(!found(&stored) && !found(&log), "a secret stands in the database");
    }
}

#[test]
fn who_was_refused_and_who_came_stands_in_the_audit_log() {
    let mut hub = Hub::start(&[]);
    let ana = Guest::registered(&hub, "ana@example.com", "Ana");
    crate::api::log_in(&hub, "ana@example.com", "a guess").problem(401);
    crate::api::ask(&hub, "GET", "profile", "no token").problem(401);
    call(&hub, "GET", "profile", &[("origin", "https://evil.example")], None).problem(403);
    crate::api::ask(&hub, "POST", "logout", &ana.token).of(204);
    hub.terminate();
    assert_eq!(hub.ended().code(), Some(0));
    let lines = audit(&hub.database());
    let expected = [
        "logged_out",
        "refused invalid_credentials",
        "refused origin_not_allowed",
        "refused token_malformed",
        "registered",
    ];
    assert_eq!(lines, expected);
}

/// What the audit log says was done over HTTP, in the order of the words.
fn audit(database: &str) -> Vec<String> {
    use diesel::{Connection as _, QueryableByName, RunQueryDsl as _, SqliteConnection, sql_query, sql_types::Text};

    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = Text)]
        line: String,
    }
    let mut connection = SqliteConnection::establish(database).unwrap();
    let query = "SELECT trim(action || ' ' || coalesce(reason, '')) AS line FROM audit_log WHERE dialect = 'rest' ORDER BY line";
    sql_query(query).load::<Line>(&mut connection).unwrap().into_iter().map(|it| it.line).collect()
}
