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
    assert_eq!(call(&hub, "POST", "login", &[JSON], Some("{} {}")).problem(400), "invalid_payload");
    let login = json!({"email": "ana@example.com", "password": PASSWORD}).to_string();
    for kind in ["text/plain", "application/x-www-form-urlencoded"] {
        let answer = call(&hub, "POST", "login", &[("content-type", kind)], Some(&login));
        assert_eq!(answer.problem(415), "unsupported_media_type");
    }
    let large = json!({"email": "a".repeat(20_000), "password": PASSWORD}).to_string();
    assert_eq!(call(&hub, "POST", "login", &[JSON], Some(&large)).problem(413), "payload_too_large");
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
