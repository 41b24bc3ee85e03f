//! API keys: who may make them, what they open, and that they open nothing once they are revoked.

use std::time::Instant;

use serde_json::json;

use crate::api::{Guest, ask, ended_within_a_second, say, socket, try_socket};
use crate::chat::assert_time;
use crate::hub::{Hub, Person, fresh_id};
use tertulia::domain::{OrgId, Role};

#[test]
fn a_key_is_shown_once_and_opens_what_its_scopes_say() {
    let hub = Hub::start(&[]);
    let ana = Guest::registered(&hub, "ana@example.com", "Ana");
    let rui = Guest::registered(&hub, "rui@example.com", "Rui");
    let body = json!({"name": "reports", "user_id": rui.id, "scopes": ["chat:read"], "expires_in": 3600});
    let made = say(&hub, "POST", "api-key", Some(&ana.token), &body).of(201);
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with("tk_") && key.len() == 46, "{key}");
    assert_eq!(made["hint"], key[..7]);
    assert_eq!(
        (&made["name"], &made["user_id"], &made["scopes"]),
        (&json!("reports"), &json!(rui.id), &json!(["chat:read"]))
    );
    assert_time(&made["created_at"]);
    assert_time(&made["expires_at"]);

    let list = ask(&hub, "GET", "api-keys", &ana.token).of(200);
    let mut listed = made.clone();
    listed.as_object_mut().unwrap().remove("key");
    assert_eq!(list, json!({"items": [listed], "next": null}));

    assert_eq!(ask(&hub, "GET", "profile", key).of(200)["id"], json!(rui.id));
    assert_eq!(socket(&hub, key).connected["user_id"], json!(rui.id));
    assert_eq!(say(&hub, "PUT", "profile", Some(key), &json!({"name": "X"})).problem(403), "forbidden");
    for (method, path) in [("GET", "sessions"), ("POST", "logout")] {
        assert_eq!(ask(&hub, method, path, key).problem(403), "forbidden", "{path}");
    }
}

#[test]
fn keys_are_for_administrators_and_so_are_keys_that_make_keys() {
    let hub = Hub::start(&[]);
    let ana = Guest::registered(&hub, "ana@example.com", "Ana");
    let rui = Guest::registered(&hub, "rui@example.com", "Rui");
    for (method, path) in [("POST", "api-key"), ("GET", "api-keys"), ("DELETE", "api-keys/x"), ("POST", "invites")] {
        assert_eq!(ask(&hub, method, path, &rui.token).problem(403), "forbidden", "{path}");
    }
    let plain = ask(&hub, "POST", "api-key", &ana.token).of(201);
    assert_eq!(plain["scopes"], json!(["chat:read", "chat:write"]));
    assert_eq!(ask(&hub, "GET", "api-keys", plain["key"].as_str().unwrap()).problem(403), "forbidden");
    let admin = say(&hub, "POST", "api-key", Some(&ana.token), &json!({"scopes": ["admin"]})).of(201);
    ask(&hub, "GET", "api-keys", admin["key"].as_str().unwrap()).of(200);

    let of = |body: &serde_json::Value| say(&hub, "POST", "api-key", Some(&ana.token), body);
    assert_eq!(of(&json!({"user_id": fresh_id()})).problem(404), "not_found");
    for wrong in [
        json!({"scopes": ["chat:fly"]}),
        json!({"scopes": []}),
        json!({"expires_in": 0}),
        json!({"expires_in": u64::MAX}),
        json!({"name": " "}),
        json!({"user_id": "me"}),
    ] {
        assert_eq!(of(&wrong).problem(400), "invalid_payload", "{wrong}");
    }
}

#[test]
fn a_revoked_key_closes_its_sockets_and_opens_no_more() {
    let hub = Hub::start(&[]);
    let ana = Guest::registered(&hub, "ana@example.com", "Ana");
    let made = ask(&hub, "POST", "api-key", &ana.token).of(201);
    let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    let (mut keyed, mut person) = (socket(&hub, key), socket(&hub, &ana.token));
    let since = Instant::now();
    ask(&hub, "DELETE", &format!("api-keys/{id}"), &ana.token).of(204);
    ended_within_a_second(&mut keyed, since);
    assert_eq!(try_socket(&hub, key).err().map(|it| it.status), Some(401));
    assert_eq!(ask(&hub, "GET", "profile", key).problem(401), "invalid_token");
    assert_eq!(hub.metric("auth_failures_total{reason=\"key_revoked\"}"), 2);
    assert_eq!(ask(&hub, "DELETE", &format!("api-keys/{id}"), &ana.token).problem(404), "not_found");
    assert_eq!(ask(&hub, "GET", "api-keys", &ana.token).of(200)["items"], json!([]));
    person.say("ping", json!({}));
    person.expect("pong");
}

#[test]
fn another_organization_s_keys_do_not_exist() {
    let hub = Hub::start(&[]);
    let ana = Guest::registered(&hub, "ana@example.com", "Ana");
    let made = ask(&hub, "POST", "api-key", &ana.token).of(201);
    let stranger = Person::new(OrgId(fresh_id()), Role::Admin, "Eve").token();
    assert_eq!(ask(&hub, "GET", "api-keys", &stranger).of(200)["items"], json!([]));
    let path = format!("api-keys/{}", made["id"].as_str().unwrap());
    assert_eq!(ask(&hub, "DELETE", &path, &stranger).problem(404), "not_found");
    let theirs = say(&hub, "POST", "api-key", Some(&stranger), &json!({"user_id": ana.id}));
    assert_eq!(theirs.problem(404), "not_found");
    ask(&hub, "GET", "profile", made["key"].as_str().unwrap()).of(200);
}

#[test]
fn a_key_that_there_is_not_is_counted_as_such() {
    let hub = Hub::start(&[]);
    let guess = format!("tk_{}", "A".repeat(43));
    assert_eq!(ask(&hub, "GET", "profile", &guess).problem(401), "invalid_token");
    assert_eq!(hub.metric("auth_failures_total{reason=\"key_unknown\"}"), 1);
}
