//! What other systems hand in: messages, also those of contacts, and what became of them out there.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::caller::{Answer, Caller, PATIENCE, ask, id};
use crate::chat::{Chat, assert_time};
use crate::hub::{Hub, fresh_id};
use crate::{Company, company, on_both};

const HAND_IN: &str = "/api/v1/messages";

/// Another system, with a key of its own.
struct Line<'a> {
    hub: &'a Hub,
    bearer: String,
}

impl<'a> Line<'a> {
    /// With a key that an administrator has made for Gil, who is an agent.
    fn new(us: &Company<'a>, scopes: &[&str]) -> Self {
        let body = json!({"name": "line", "user_id": us.agent.id(), "scopes": scopes});
        let made = us.admin.post("/api/v1/auth/api-key", body).is(201);
        Self { hub: us.admin.hub, bearer: format!("Bearer {}", made["key"].as_str().expect("a key")) }
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let own = [("Authorization", &*self.bearer), ("Content-Type", "application/json")];
        ask(self.hub, method, path, &[&own, headers].concat(), Some(body.to_string().as_bytes()))
    }

    fn hand_in(&self, body: &Value) -> Answer {
        self.ask("POST", HAND_IN, &[], body)
    }

    fn report(&self, message: Uuid, body: &Value) -> Answer {
        self.ask("PUT", &format!("{HAND_IN}/{message}/status"), &[], body)
    }
}

#[test]
fn a_message_is_handed_in_in_either_spelling() {
    on_both(|hub| {
        let us = company(hub);
        let room = us.agent.room("conversation", &[]);
        let mut listener = Chat::join(hub, &us.admin.person, room);
        let question = id(&us.agent.say(room, "?"));
        listener.expect("new_message");
        let camel = json!({"conversationId": room, "content": "Olá", "messageType": "TEXT", "direction": "OUTBOUND",
            "senderType": "agent", "externalId": "wamid.1", "replyToId": question, "clientMessageId": "c-1"});
        let sent = us.agent.post(HAND_IN, camel);
        let location = sent.header("location").to_owned();
        let message = sent.is(201);
        assert_eq!(location, format!("/api/v1/chat/messages/{}", id(&message)));
        for name in ["id", "messageId"] {
            assert_eq!(message[name], json!(id(&message)), "{name}");
        }
        for name in ["conversationId", "conversation_id", "room_id"] {
            assert_eq!(message[name], json!(room), "{name}");
        }
        assert_eq!((&message["status"], &message["direction"]), (&"sent".into(), &"outbound".into()));
        assert_eq!((&message["sender_type"], &message["sender_id"]), (&"agent".into(), &json!(us.agent.id())));
        assert_eq!((&message["reply_to_id"], &message["client_message_id"]), (&json!(question), &"c-1".into()));
        assert_eq!(message["external_id"], "wamid.1");
        assert_eq!(listener.expect("new_message")["payload"]["text"], "Olá", "and it is heard on sockets");

        let snake = json!({"conversation_id": room, "content": {"media_url": "/x.png", "caption": "c"},
            "message_type": "image", "external_id": "wamid.2", "reply_to_id": question, "client_message_id": "c-2"});
        let message = us.agent.post(HAND_IN, snake).is(201);
        assert_eq!((&message["message_type"], &message["external_id"]), (&"image".into(), &"wamid.2".into()));
        let stored = us.agent.get(&format!("/api/v1/chat/messages/{}", id(&message))).is(200);
        assert_eq!((&stored["external_id"], &stored["whatsapp_message_id"]), (&"wamid.2".into(), &"wamid.2".into()));
    });
}

#[test]
fn the_same_key_is_the_same_request_in_all_rooms_and_after_a_restart() {
    let mut hub = Hub::start(&["--set", "limits.requests_per_ip=0"]);
    let (first, room, token) = {
        let us = company(&hub);
        let (room, other) = (us.agent.room("conversation", &[]), us.agent.room("conversation", &[]));
        let named = |key: &str, body: &Value| us.agent.ask("POST", HAND_IN, &[("Idempotency-Key", key)], Some(body));
        let body = json!({"conversationId": room, "content": "once"});
        let first = named("\"k-1\"", &body);
        assert_eq!(first.header("idempotent-replayed"), "");
        let first = first.is(201);
        let again = named("k-1", &body);
        assert_eq!(again.header("idempotent-replayed"), "true", "in quotes or without");
        assert_eq!(again.is(201), first, "the first answer again");
        named("k-1", &json!({"conversationId": room, "content": "else"})).fails(422, "idempotency_key_reused");
        named("k-1", &json!({"conversationId": other, "content": "once"})).fails(422, "idempotency_key_reused");
        let theirs = us.admin.ask("POST", HAND_IN, &[("Idempotency-Key", "k-1")], Some(&body));
        assert_eq!(theirs.header("idempotent-replayed"), "", "another sender's keys are others");
        assert_ne!(id(&theirs.is(201)), id(&first));

        // Where there is no header, the sender's own name for the message is the key.
        let body = |room: Uuid, text| json!({"conversationId": room, "content": text, "clientMessageId": "c-1"});
        let sent = us.agent.post(HAND_IN, body(room, "named")).is(201);
        let again = us.agent.post(HAND_IN, body(room, "named"));
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!(id(&again.is(201)), id(&sent));
        us.agent.post(HAND_IN, body(room, "renamed")).fails(422, "idempotency_key_reused");
        us.agent.post(HAND_IN, body(other, "named")).fails(422, "idempotency_key_reused");

        let other = json!({"conversationId": room, "content": "renamed", "clientMessageId": "c-1"});
        let under = us.agent.ask("POST", HAND_IN, &[("Idempotency-Key", "k-2")], Some(&other));
        under.fails(422, "idempotency_key_reused");

        let bare = json!({"conversationId": room, "content": "nameless"});
        let twice = [us.agent.post(HAND_IN, bare.clone()).is(201), us.agent.post(HAND_IN, bare).is(201)];
        assert_ne!(id(&twice[0]), id(&twice[1]), "without a name nothing is the same");
        assert_eq!(us.agent.all(&format!("/api/v1/chat/rooms/{room}/messages"), 50).len(), 5);
        (first, room, format!("Bearer {}", us.agent.person.token()))
    };
    hub.restart();
    let body = json!({"conversationId": room, "content": "once"}).to_string();
    let headers = [("Authorization", &*token), ("Content-Type", "application/json"), ("Idempotency-Key", "k-1")];
    let again = ask(&hub, "POST", HAND_IN, &headers, Some(body.as_bytes()));
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.is(201), first);
}

#[test]
fn two_hubs_on_one_database_know_each_others_keys() {
    let postgres = crate::postgres::Postgres::shared();
    let url = format!("database.url={}", postgres.database());
    let settings = ["--set", "limits.requests_per_ip=0", "--set", &url];
    let (one, two) = (Hub::start(&settings), Hub::start(&settings));
    let us = company(&one);
    let room = us.agent.room("conversation", &[]);
    let elsewhere = Caller::new(&two, us.agent.person);
    let body = json!({"conversationId": room, "content": "once"});
    let named = |who: &Caller<'_>| who.ask("POST", HAND_IN, &[("Idempotency-Key", "k")], Some(&body));
    let first = named(&us.agent).is(201);
    let again = named(&elsewhere);
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(id(&again.is(201)), id(&first));
}

#[test]
fn while_the_first_is_being_done_the_second_is_told_so() {
    let (hub, begun) = (Arc::new(Hub::start(&["--set", "limits.requests_per_ip=0"])), Instant::now());
    let us = company(&hub);
    let room = us.agent.room("conversation", &[]);
    let token = format!("Bearer {}", us.agent.person.token());
    let send = {
        let hub = hub.clone();
        move |body: &Value| {
            let headers = [("Authorization", &*token), ("Content-Type", "application/json"), ("Idempotency-Key", "k")];
            ask(&hub, "POST", HAND_IN, &headers, Some(body.to_string().as_bytes()))
        }
    };
    let once = json!({"conversationId": room, "content": "once"});
    // Whoever holds the database's one place to write keeps the first request waiting.
    let mut other = SqliteConnection::establish(&hub.database()).expect("the hub's database");
    // The hub may still be writing down who has come.
    other.batch_execute("PRAGMA busy_timeout = 10000; BEGIN IMMEDIATE").expect("the place to write");
    let first = thread::spawn({
        let (send, once) = (send.clone(), once.clone());
        move || loop {
            // Should it meet the other in its short moment, it comes again.
            let answer = send(&once);
            if answer.status == 201 || begun.elapsed() > PATIENCE {
                break answer;
            }
        }
    });
    // Another request under the same key, which is refused for what it says unless it is refused for that.
    let wrong = json!({"conversationId": room, "content": "x", "senderType": "contact", "direction": "outbound"});
    let second = loop {
        let second = send(&wrong);
        if second.status != 400 || begun.elapsed() > PATIENCE {
            break second;
        }
    };
    second.fails(422, "idempotency_key_reused");
    let same = send(&once);
    assert!(!same.header("retry-after").is_empty());
    same.fails(409, "idempotency_key_in_use");
    other.batch_execute("ROLLBACK").expect("done");
    let first = first.join().expect("an answer").is(201);
    let again = send(&once);
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(id(&again.is(201)), id(&first));
}

#[test]
fn a_line_to_the_outside_hands_in_what_contacts_say() {
    on_both(|hub| {
        let us = company(hub);
        let line = Line::new(&us, &["messages:write"]);
        let (room, contact) = (us.agent.room("conversation", &[]), fresh_id());
        let mut agent = Chat::join(hub, &us.agent.person, room);
        let body = json!({"conversationId": room, "content": "Olá", "direction": "inbound", "senderType": "contact",
            "contactId": contact, "externalId": "wamid.7", "clientMessageId": "w-7"});
        let message = line.hand_in(&body).is(201);
        assert_eq!((&message["sender_type"], &message["direction"]), (&"contact".into(), &"inbound".into()));
        assert_eq!((&message["sender_id"], &message["contact_id"]), (&json!(contact), &json!(contact)));
        assert!(message["sender_name"].is_null());
        let heard = agent.expect("new_message")["payload"].take();
        assert_eq!((&heard["from_me"], &heard["contact_id"]), (&false.into(), &json!(contact)));
        // Also to the agent whose key it was.
        let known = line.hand_in(&json!({"conversationId": room, "content": "again", "direction": "inbound"})).is(201);
        assert_eq!((&known["sender_type"], &known["contact_id"]), (&"contact".into(), &json!(contact)), "known by now");
        agent.expect("new_message");
        let message = agent.ask("mark_read", json!({"session_id": room, "up_to_seq": 2}));
        assert_eq!(message["payload"]["up_to_seq"], 2);
        let read = us.agent.get(&format!("/api/v1/chat/messages/{}", id(&known))).is(200);
        assert_eq!(read["status"], "read", "an agent's mark is what inbound messages go by");

        for (field, value) in [("direction", "outbound"), ("senderType", "agent"), ("senderType", "bot")] {
            let mut body = body.clone();
            body.as_object_mut().unwrap().remove("clientMessageId");
            body[field] = value.into();
            assert_eq!(line.hand_in(&body).fails(400, "invalid_payload")["field"], "direction", "{field} {value}");
        }
        let public = us.agent.room("public", &[]);
        let elsewhere = json!({"conversationId": public, "content": "x", "senderType": "contact"});
        line.hand_in(&elsewhere).fails(400, "invalid_payload");
    });
}

#[test]
fn only_keys_for_it_and_administrators_speak_for_contacts() {
    on_both(|hub| {
        let us = company(hub);
        let room = us.agent.room("conversation", &[]);
        let (ours, theirs) = (json!({"conversationId": room, "content": "x"}), {
            json!({"conversationId": room, "content": "x", "senderType": "contact"})
        });
        let bots = json!({"conversationId": room, "content": "x", "senderType": "bot"});
        us.agent.post(HAND_IN, theirs.clone()).fails(403, "forbidden");
        us.agent.post(HAND_IN, bots.clone()).fails(403, "forbidden");
        us.admin.post(HAND_IN, theirs.clone()).is(201);
        let reader = Line::new(&us, &["chat:read", "chat:write"]);
        reader.hand_in(&theirs).fails(403, "forbidden");
        reader.hand_in(&ours).is(201);
        let line = Line::new(&us, &["messages:write"]);
        line.hand_in(&ours).fails(403, "forbidden");
        line.hand_in(&theirs).is(201);
        let speaker = Line::new(&us, &["messages:write", "chat:write"]);
        assert_eq!(speaker.hand_in(&bots).is(201)["sender_type"], "bot");
        let stranger = company(hub);
        let foreign = Line::new(&stranger, &["messages:write"]);
        foreign.hand_in(&theirs).fails(404, "not_found");
        let message = id(&us.agent.say(room, "out"));
        let read = json!({"status": "read"});
        foreign.report(message, &read).fails(404, "not_found");
        reader.report(message, &read).fails(403, "forbidden");
        us.agent.put(&format!("{HAND_IN}/{message}/status"), read.clone()).fails(403, "forbidden");
        us.admin.put(&format!("{HAND_IN}/{message}/status"), read.clone()).is(200);
        line.report(fresh_id(), &read).fails(404, "not_found");
        line.report(message, &read).is(200);
    });
}

#[test]
fn what_became_of_a_message_out_there_is_told_and_only_moves_forward() {
    on_both(|hub| {
        let us = company(hub);
        let line = Line::new(&us, &["messages:write"]);
        let room = us.agent.room("conversation", &[]);
        line.hand_in(
            &json!({"conversationId": room, "content": "?", "senderType": "contact", "contactId": fresh_id()}),
        )
        .is(201);
        let mut agent = Chat::join(hub, &us.agent.person, room);
        let sent = agent.send(room, "!");
        let message: Uuid = sent["message_id"].as_str().unwrap().parse().unwrap();
        agent.ask("mark_read", json!({"session_id": room, "up_to_seq": 2}));

        let at = "2025-10-10T15:30:00.000Z";
        line.report(message, &json!({"status": "sent"})).is(200);
        let now = line.report(message, &json!({"status": "DELIVERED"})).is(200);
        assert_eq!((&now["status"], &now["messageId"]), (&"delivered".into(), &json!(message)));
        assert_time(&now["delivered_at"]);
        let told = agent.expect("message_status")["payload"].take();
        assert_eq!((&told["message_id"], &told["status"]), (&json!(message), &"delivered".into()));
        let now = line.report(message, &json!({"status": "Read", "timestamp": at})).is(200);
        assert_eq!(now["status"], "read");
        assert_time(&now["read_at"]);
        assert_eq!(agent.expect("message_status")["payload"]["status"], "read");
        for late in ["delivered", "failed", "sent", "pending", "read"] {
            assert_eq!(line.report(message, &json!({"status": late})).is(200)["status"], "read", "{late} comes late");
        }
        let lost = agent.send(room, "lost")["message_id"].as_str().unwrap().parse().unwrap();
        assert_eq!(line.report(lost, &json!({"status": "FAILED"})).is(200)["status"], "failed");
        let told = agent.expect("message_status")["payload"].take();
        assert_eq!((&told["message_id"], &told["status"]), (&json!(lost), &"failed".into()), "and nothing in between");
        for bad in [json!({}), json!({"status": "seen"}), json!({"status": null}), json!({"status": 1})] {
            assert_eq!(line.report(message, &bad).fails(400, "invalid_payload")["field"], "status", "{bad}");
        }
        let when = json!({"status": "read", "timestamp": "yesterday"});
        assert_eq!(line.report(message, &when).fails(400, "invalid_payload")["field"], "timestamp");
    });
}

#[test]
fn what_is_wrong_with_a_message_is_said_of_its_field() {
    on_both(|hub| {
        let us = company(hub);
        let room = us.agent.room("conversation", &[]);
        let good = json!({"conversationId": room, "content": "x"});
        let with = |field: &str, value: Value| {
            let mut body = good.clone();
            body[field] = value;
            body
        };
        for (field, value) in [
            ("conversationId", json!("x")),
            ("messageType", json!("song")),
            ("direction", json!("up")),
            ("senderType", json!("robot")),
            ("externalId", json!("")),
            ("externalId", json!("x".repeat(257))),
            ("replyToId", json!(7)),
            ("content", json!(7)),
        ] {
            let problem = us.agent.post(HAND_IN, with(field, value.clone())).fails(400, "invalid_payload");
            assert_eq!(problem["field"], field, "{value}");
        }
        us.agent.post(HAND_IN, json!({"content": "x"})).fails(400, "invalid_payload");
        let blank = us.agent.post(HAND_IN, with("content", json!(" "))).fails(400, "invalid_payload");
        assert_eq!(blank["field"], "content");
        let nowhere = us.agent.post(HAND_IN, with("replyToId", json!(fresh_id()))).fails(400, "invalid_payload");
        assert_eq!(nowhere["field"], "replyToId");
        let twice = us.agent.post(HAND_IN, with("conversation_id", json!(room))).fails(400, "invalid_payload");
        assert_eq!(twice["field"], "conversationId");
        us.agent.post(HAND_IN, with("conversationId", json!(fresh_id()))).fails(404, "not_found");
        us.agent.post(HAND_IN, with("content", json!("x".repeat(20_000)))).fails(413, "message_too_large");
        let nobody = ask(hub, "POST", HAND_IN, &[("Content-Type", "application/json")], Some(b"{}"));
        nobody.fails(401, "authentication_required");
        us.agent.get(HAND_IN).fails(405, "method_not_allowed");
    });
}
