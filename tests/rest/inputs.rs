//! What is wrong with a request is told, with what would be right.

use serde_json::{Value, json};

use crate::caller::ask;
use crate::hub::{Hub, fresh_id};
use crate::{company, on_both};

#[test]
fn bodies_that_cannot_be_read_are_told_of_their_field() {
    on_both(|hub| {
        let us = company(hub);
        let room = us.ana.room("public", &[]);
        let (rooms, messages) = ("/api/v1/chat/rooms".to_owned(), format!("/api/v1/chat/rooms/{room}/messages"));
        let read = format!("/api/v1/chat/rooms/{room}/read");
        let members = format!("/api/v1/chat/rooms/{room}/members");
        for (method, path, body, field) in [
            ("POST", &rooms, json!({"kind": "public"}), "name"),
            ("POST", &rooms, json!({"name": "x"}), "kind"),
            ("POST", &rooms, json!({"name": 1, "kind": "public"}), "name"),
            ("POST", &rooms, json!({"name": "x", "kind": "secret"}), "kind"),
            ("POST", &rooms, json!({"name": "x", "kind": "public", "members": [1]}), "members[0]"),
            ("POST", &rooms, json!({"name": "x", "kind": "public", "id": "x"}), "id"),
            ("POST", &rooms, json!({"name": " ", "kind": "public"}), "name"),
            ("POST", &messages, json!({}), "content"),
            ("POST", &messages, json!({"content": 1}), "content"),
            ("POST", &messages, json!({"content": " "}), "text"),
            ("POST", &messages, json!({"content": {"media_url": "javascript:alert(1)"}}), "media_url"),
            ("POST", &messages, json!({"content": "x", "message_type": "smell"}), "message_type"),
            ("POST", &messages, json!({"content": "x", "client_message_id": ""}), "client_message_id"),
            ("POST", &members, json!({"user_id": "x"}), "user_id"),
            ("PUT", &read, json!({"up_to_seq": -1}), "up_to_seq"),
        ] {
            let problem = us.ana.ask(method, path, &[], Some(&body)).fails(400, "invalid_payload");
            assert_eq!(problem["field"], field, "{body}: {problem}");
        }
        let long = json!({"content": "x".repeat(11_000)});
        us.ana.post(&messages, long).fails(413, "message_too_large");
        let huge = json!({"content": "x".repeat(100_000)});
        us.ana.post(&messages, huge).fails(413, "message_too_large");

        let token = format!("Bearer {}", us.ana.person.token());
        let raw = |kind: &str, body: &[u8]| {
            ask(hub, "POST", &messages, &[("Authorization", &token), ("Content-Type", kind)], Some(body))
        };
        for body in ["", "{", "[]", "\"x\"", "{\"content\":\"\\ud800\"}"] {
            raw("application/json", body.as_bytes()).fails(400, "invalid_json");
        }
        raw("application/json", b"{\"content\": \"\xff\"}").fails(400, "invalid_json");
        raw("text/plain", b"{}").fails(415, "unsupported_media_type");
        assert_eq!(raw("application/json; charset=utf-8", b"{\"content\": \"x\", \"unknown\": 1}").status, 201);
        for coding in ["br", "gzip", "identity, gzip", "zstd"] {
            let packed =
                [("Authorization", &*token), ("Content-Type", "application/json"), ("Content-Encoding", coding)];
            // Not opened to see what is wrong with it, either.
            ask(hub, "POST", &messages, &packed, Some(b"{}")).fails(415, "unsupported_content_encoding");
        }
    });
}

#[test]
fn methods_and_paths_that_are_not_there_are_told_of_those_that_are() {
    let hub = Hub::start(&["--set", "limits.requests_per_ip=0"]);
    let us = company(&hub);
    let refused = us.ana.ask("PATCH", "/api/v1/chat/rooms", &[], Some(&json!({})));
    assert_eq!(refused.header("allow"), "GET, HEAD, POST");
    refused.fails(405, "method_not_allowed");
    let options = us.ana.ask("OPTIONS", "/api/v1/chat/rooms", &[], None);
    assert_eq!((options.status, options.header("allow")), (204, "GET, HEAD, POST"));
    for path in ["/api/v1/chat/rooms/1", "/api/v1/chat/messages/x", "/api/v1/users/me", "/api/v1/chat/nothing"] {
        us.ana.get(path).fails(404, "not_found");
    }
    us.ana.get(&format!("/api/v1/chat/rooms/{}", fresh_id())).fails(404, "not_found");
    let head = us.ana.ask("HEAD", "/api/v1/chat/rooms", &[], None);
    assert_eq!((head.status, &head.body), (200, &Value::Null));
    assert!(head.header("content-length").parse::<u64>().is_ok_and(|it| it > 10), "{head:?}");
}

#[test]
fn without_a_good_token_nothing_is_told() {
    let hub = Hub::start(&["--set", "limits.requests_per_ip=0"]);
    for path in ["/api/v1/chat/rooms", "/api/v1/chat/unread", "/api/v1/users", "/api/v1/users/presence?ids="] {
        let nobody = ask(&hub, "GET", path, &[], None);
        assert_eq!(nobody.header("www-authenticate"), "Bearer");
        nobody.fails(401, "authentication_required");
        ask(&hub, "GET", path, &[("Authorization", "Bearer x.y.z")], None).fails(401, "invalid_token");
    }
    // The body is not looked at before the caller is known.
    ask(&hub, "POST", "/api/v1/chat/rooms", &[], Some(b"{")).fails(401, "authentication_required");
    let page = ask(&hub, "POST", "/api/v1/chat/rooms", &[("Origin", "https://evil.example")], Some(b"{}"));
    page.fails(403, "origin_not_allowed");
    assert_eq!(ask(&hub, "GET", "/api/v1/chat/health", &[], None).is(200)["status"], "ok");
}
