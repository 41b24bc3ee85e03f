//! Who may do what, over every call: the same rules as on sockets.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::caller::{Answer, Caller, id};
use crate::{company, on_both};

/// A call, as its method, its path and its body.
type Call = (&'static str, String, Option<Value>);

#[track_caller]
fn try_each(who: &str, caller: &Caller<'_>, calls: &[Call], expected: &[u16]) {
    for ((method, path, body), expected) in calls.iter().zip(expected) {
        let answer: Answer = caller.ask(method, path, &[], body.as_ref());
        assert_eq!(answer.status, *expected, "{who}: {method} {path}: {answer:?}");
    }
}

fn calls(room: Uuid, message: Uuid, somebody: Uuid) -> Vec<Call> {
    let room = format!("/api/v1/chat/rooms/{room}");
    let message = format!("/api/v1/chat/messages/{message}");
    vec![
        ("GET", room.clone(), None),
        ("GET", format!("{room}/members"), None),
        ("GET", format!("{room}/members?banned=true"), None),
        ("GET", format!("{room}/messages"), None),
        ("GET", message.clone(), None),
        ("GET", format!("{message}/edits"), None),
        ("POST", format!("{room}/messages"), Some(json!({"content": "x"}))),
        ("PUT", format!("{room}/read"), Some(json!({"up_to_seq": 1}))),
        ("PUT", format!("{message}/reactions/x"), None),
        ("DELETE", format!("{message}/reactions/x"), None),
        ("PUT", message, Some(json!({"text": "y"}))),
        ("PUT", format!("{room}/members/{somebody}"), Some(json!({"muted": true}))),
        ("PUT", format!("{room}/members/{somebody}"), Some(json!({"role": "member"}))),
        ("PUT", room.clone(), Some(json!({"name": "Room"}))),
        ("DELETE", format!("{room}?purge=true"), None),
    ]
}

#[test]
fn each_call_asks_who_may() {
    on_both(|hub| {
        let us = company(hub);
        let others = company(hub);
        // Ana owns the room, Eva moderates, Rui and Leo are members; the agent stands outside.
        let room = us.ana.room("private", &[&us.rui, &us.eva, &us.leo]);
        let of_eva = format!("/api/v1/chat/rooms/{room}/members/{}", us.eva.id());
        us.ana.put(&of_eva, json!({"role": "moderator"})).is(200);
        let message = id(&us.ana.say(room, "hello"));
        let calls = calls(room, message, us.leo.id());

        #[rustfmt::skip]
        let table: [(&str, &Caller<'_>, [u16; 15]); 6] = [
            //                  room members banned history message edits send read react unreact edit mute role update purge
            ("a member", &us.rui,   [200, 200, 403, 200, 200, 200, 201, 200, 200, 200, 403, 403, 403, 403, 403]),
            ("a moderator", &us.eva,[200, 200, 200, 200, 200, 200, 201, 200, 200, 200, 200, 200, 200, 403, 403]),
            ("the owner", &us.ana,  [200, 200, 200, 200, 200, 200, 201, 200, 200, 200, 200, 200, 200, 200, 403]),
            ("an agent outside", &us.agent,
                                    [403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403]),
            ("another organization's admin", &others.admin,
                                    [404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404]),
            ("an admin outside", &us.admin,
                                    [403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 200, 200, 200, 200, 204]),
        ];
        for (who, caller, expected) in table {
            try_each(who, caller, &calls, &expected);
        }
        us.ana.get(&calls[0].1).fails(404, "not_found");
    });
}

#[test]
fn the_kind_of_a_room_decides_who_comes_in_by_themselves() {
    on_both(|hub| {
        let us = company(hub);
        let join = |caller: &Caller<'_>, room: Uuid| {
            caller.post(&format!("/api/v1/chat/rooms/{room}/members"), json!({"user_id": caller.id()})).status
        };
        let (public, private) = (us.ana.room("public", &[]), us.ana.room("private", &[]));
        assert_eq!((join(&us.rui, public), join(&us.rui, private)), (201, 403));
        assert_eq!(us.rui.get(&format!("/api/v1/chat/rooms/{public}")).is(200)["membership"]["role"], "member");
        us.rui
            .post(&format!("/api/v1/chat/rooms/{public}/members"), json!({"user_id": us.rui.id(), "role": "owner"}))
            .fails(403, "forbidden");
        us.rui.post("/api/v1/chat/rooms", json!({"kind": "conversation"})).fails(403, "forbidden");
        let customer = id(&us.agent.post("/api/v1/chat/rooms", json!({"kind": "conversation"})).is(201));
        assert_eq!(us.rui.get(&format!("/api/v1/chat/rooms/{customer}/messages")).status, 403);
        assert_eq!(us.admin.get(&format!("/api/v1/chat/rooms/{customer}/messages")).status, 200);
    });
}

#[test]
fn nothing_crosses_from_one_organization_to_another() {
    on_both(|hub| {
        let (us, them) = (company(hub), company(hub));
        let room = us.ana.room("public", &[]);
        us.ana.say(room, "ours");
        assert_eq!(them.admin.all("/api/v1/chat/rooms", 10), [json!(null); 0]);
        assert_eq!(them.admin.all("/api/v1/chat/unread", 10), [json!(null); 0]);
        let theirs = them.admin.all("/api/v1/users", 50);
        assert!(theirs.iter().all(|it| it["id"] != json!(us.ana.id())), "{theirs:?}");
        them.ana.ask("POST", &format!("/api/v1/chat/direct/{}", us.ana.id()), &[], None).fails(404, "not_found");
        let with_ours = json!({"name": "x", "kind": "private", "members": [us.ana.id()]});
        them.ana.post("/api/v1/chat/rooms", with_ours).fails(404, "not_found");
    });
}

#[test]
fn a_key_may_do_what_its_scopes_say() {
    on_both(|hub| {
        let us = company(hub);
        let room = us.ana.room("public", &[]);
        us.ana.say(room, "hello");
        let key = |scopes: &[&str]| {
            let wanted = json!({"name": "program", "user_id": us.rui.id(), "scopes": scopes});
            us.admin.post("/api/v1/auth/api-key", wanted).is(201)["key"].as_str().unwrap().to_owned()
        };
        let (reader, writer) = (key(&["chat:read"]), key(&["chat:write"]));
        let messages = format!("/api/v1/chat/rooms/{room}/messages");
        let ask = |key: &str, method: &str, path: &str, body: Option<&str>| {
            let token = format!("Bearer {key}");
            let headers = [("Authorization", &*token), ("Content-Type", "application/json")];
            crate::caller::ask(hub, method, path, &headers, body.map(str::as_bytes))
        };
        let said = Some(r#"{"content": "from a program"}"#);
        for path in [&*messages, "/api/v1/chat/rooms", "/api/v1/chat/unread", "/api/v1/users"] {
            ask(&reader, "GET", path, None).is(200);
            let refused = ask(&writer, "GET", path, None).fails(403, "forbidden");
            assert!(refused["detail"].as_str().unwrap().contains("chat:read"), "{refused}");
        }
        let refused = ask(&reader, "POST", &messages, said).fails(403, "forbidden");
        assert!(refused["detail"].as_str().unwrap().contains("chat:write"), "{refused}");
        let sent = ask(&writer, "POST", &messages, said).is(201);
        assert_eq!(sent["sender_id"], json!(us.rui.id()), "in the name of whom the key was made for");
        ask(&reader, "PUT", &format!("/api/v1/chat/rooms/{room}/read"), Some(r#"{"up_to_seq": 1}"#)).is(200);
    });
}
