//! The status dialect: what becomes of messages, whoever sends them and however, and nothing else.

use std::collections::HashSet;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use tertulia::domain::{OrgId, Role};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::{Message, WebSocket, client};
use ureq::http::Request;
use uuid::Uuid;

use crate::chat::{Chat, assert_time};
use crate::colleagues;
use crate::hub::{Hub, Person, fresh_id};

/// Much longer than anything takes; only a hang runs into it.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection.
struct Listener(WebSocket<TcpStream>);

impl Listener {
    fn open(hub: &Hub, token: &str) -> Self {
        let url = format!("ws://{}/ws/status?access_token={token}", hub.address);
        let stream = TcpStream::connect(hub.address).expect("a hub that listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let (socket, _) = client(url.into_client_request().expect("a request"), stream).expect("let in");
        Self(socket)
    }

    fn subscribed(hub: &Hub, person: &Person, room: Uuid) -> Self {
        let mut listener = Self::open(hub, &person.token());
        let answer = listener.ask(&json!({"type": "subscribe", "conversationId": room}));
        assert_eq!(answer, json!({"type": "subscribed", "conversationId": room}));
        listener
    }

    fn say(&mut self, frame: &Value) {
        self.0.send(Message::text(frame.to_string())).expect("a hub that reads");
    }

    /// The next frame, after this was said.
    #[track_caller]
    fn ask(&mut self, frame: &Value) -> Value {
        self.say(frame);
        self.next()
    }

    #[track_caller]
    fn next(&mut self) -> Value {
        loop {
            match self.0.read().expect("a frame") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Ping(_) => {}
                other => panic!("no frame of the dialect: {other:?}"),
            }
        }
    }

    /// The next frame, which tells of this message.
    #[track_caller]
    fn expect(&mut self, room: Uuid, message: &Value, status: &str, user: Option<&Person>) {
        let mut told = self.next();
        assert_time(&told["timestamp"]);
        told.as_object_mut().expect("an object").remove("timestamp");
        let mut expected =
            json!({"type": "message.status", "conversationId": room, "messageId": message, "status": status});
        if let Some(user) = user {
            expected["userId"] = json!(user.id);
        }
        assert_eq!(told, expected);
    }

    fn closed(&mut self) -> (u16, Vec<Value>) {
        let mut frames = Vec::new();
        loop {
            match self.0.read().expect("a Close frame") {
                Message::Text(text) => frames.push(serde_json::from_str(&text).expect("JSON")),
                Message::Close(close) => return (close.expect("a code").code.into(), frames),
                _ => {}
            }
        }
    }
}

#[test]
fn a_message_of_any_dialect_is_told_as_sent_and_nothing_else_is() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let (room, other) = (fresh_id(), fresh_id());
    let mut sender = Chat::join(&hub, &ada, room);
    let mut listener = Listener::subscribed(&hub, &bo, room);
    sender.say("typing", json!({"session_id": room, "is_typing": true}));
    sender.send(other, "elsewhere");
    let first = sender.send(room, "one");
    listener.expect(room, &first["message_id"], "SENT", Some(&ada));
    sender.ask("edit_message", json!({"session_id": room, "message_id": first["message_id"], "text": "won"}));
    sender.ask("react", json!({"session_id": room, "message_id": first["message_id"], "emoji": "👍"}));
    let second = sender.send(room, "two");
    listener.expect(room, &second["message_id"], "SENT", Some(&ada));
    let left = listener.ask(&json!({"type": "unsubscribe", "conversation_id": room}));
    assert_eq!(left, json!({"type": "unsubscribed", "conversationId": room}));
    sender.send(room, "three");
    assert_eq!(listener.ask(&json!({"type": "ping"})), json!({"type": "pong"}));
    let again = listener.ask(&json!({"type": "unsubscribe", "conversationId": room}));
    assert_eq!((&again["type"], &again["code"]), (&json!("error"), &json!("not_joined")));
}

#[test]
fn whoever_comes_later_is_told_each_present_status_once() {
    const COUNT: usize = 230;
    let hub = Hub::start(&["--set", "limits.events_per_connection=0"]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let mut sender = Chat::join(&hub, &ada, room);
    let sent: Vec<_> = (0..COUNT).map(|n| sender.send(room, &n.to_string())["message_id"].clone()).collect();
    let mut reader = Chat::join(&hub, &bo, room);
    reader.ask("mark_read", json!({"session_id": room, "up_to_seq": 100}));
    reader.ask("mark_delivered", json!({"session_id": room, "up_to_seq": 200}));
    let mut listener = Listener::open(&hub, &bo.token());
    let answer = listener.ask(&json!({"type": "subscribe", "conversationId": room, "afterSeq": 20}));
    assert_eq!(answer["type"], "subscribed");
    for (index, message) in sent.iter().enumerate().skip(20) {
        let status = if index < 100 {
            "READ"
        } else if index < 200 {
            "DELIVERED"
        } else {
            "SENT"
        };
        // Who has read it, nobody knows any more.
        listener.expect(room, message, status, (status == "SENT").then_some(&ada));
    }
    let next = sender.send(room, "live");
    listener.expect(room, &next["message_id"], "SENT", Some(&ada));
}

/// Calls the hub over HTTP as this person.
fn call(hub: &Hub, person: &Person, method: &str, path: &str, body: &Value) -> Value {
    let request = Request::builder().method(method).uri(hub.url(path)).header("Content-Type", "application/json");
    let request = request.header("Authorization", format!("Bearer {}", person.token())).body(body.to_string());
    let mut answer = ureq::run(request.expect("a request")).expect("it is done");
    serde_json::from_str(&answer.body_mut().read_to_string().expect("text")).expect("JSON")
}

#[test]
fn the_first_mark_of_another_moves_a_message_and_later_ones_do_not() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let cy = Person::new(ada.organization.expect("one"), Role::Agent, "Cy");
    let room = fresh_id();
    let (mut ada_s, mut bo_s) = (Chat::join(&hub, &ada, room), Chat::join(&hub, &bo, room));
    let mut listener = Listener::subscribed(&hub, &cy, room);
    let sent = [ada_s.send(room, "one"), ada_s.send(room, "two")].map(|it| it["message_id"].clone());
    for message in &sent {
        listener.expect(room, message, "SENT", Some(&ada));
    }
    ada_s.ask("mark_read", json!({"session_id": room, "up_to_seq": 2}));
    bo_s.ask("mark_delivered", json!({"session_id": room, "up_to_seq": 1}));
    listener.expect(room, &sent[0], "DELIVERED", Some(&bo));
    bo_s.ask("mark_read", json!({"session_id": room, "up_to_seq": 2}));
    listener.expect(room, &sent[1], "READ", Some(&bo));
    Chat::join(&hub, &cy, room).ask("mark_read", json!({"session_id": room, "up_to_seq": 2}));
    let third = ada_s.send(room, "three");
    listener.expect(room, &third["message_id"], "SENT", Some(&ada));
}

#[test]
fn what_goes_out_to_a_contact_moves_when_the_outside_says_so() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let admin = Person::new(ada.organization.expect("one"), Role::Admin, "Eva");
    let room = fresh_id();
    let mut agent = Chat::join(&hub, &ada, room);
    let mut listener = Listener::subscribed(&hub, &bo, room);
    let said = json!({"conversationId": room, "content": "?", "senderType": "contact", "contactId": fresh_id()});
    let question = call(&hub, &admin, "POST", "/api/v1/messages", &said)["id"].take();
    listener.expect(room, &question, "SENT", None);
    let answer = agent.send(room, "!")["message_id"].take();
    listener.expect(room, &answer, "SENT", Some(&ada));
    agent.ask("mark_read", json!({"session_id": room, "up_to_seq": 2}));
    listener.expect(room, &question, "READ", Some(&ada));
    let report = |status| {
        let path = format!("/api/v1/messages/{}/status", answer.as_str().expect("an id"));
        call(&hub, &admin, "PUT", &path, &json!({"status": status}));
    };
    for status in ["delivered", "delivered", "read", "delivered", "failed"] {
        report(status);
    }
    listener.expect(room, &answer, "DELIVERED", None);
    listener.expect(room, &answer, "READ", None);
    let lost = agent.send(room, "lost")["message_id"].take();
    listener.expect(room, &lost, "SENT", Some(&ada));
    let path = format!("/api/v1/messages/{}/status", lost.as_str().expect("an id"));
    call(&hub, &admin, "PUT", &path, &json!({"status": "FAILED", "timestamp": "2025-10-10T15:30:00+02:00"}));
    listener.expect(room, &lost, "FAILED", None);
}

#[test]
fn what_is_asked_wrongly_is_answered_and_the_connection_stays() {
    let hub = Hub::start(&["--set", "rooms.auto_create=false"]);
    let (ada, _) = colleagues();
    let mut listener = Listener::open(&hub, &ada.token());
    for (frame, code) in [
        (json!({"type": "send_message", "conversationId": fresh_id()}), "unknown_type"),
        (json!({"kind": "ping"}), "invalid_json"),
        (json!({"type": "subscribe"}), "invalid_payload"),
        (json!({"type": "subscribe", "conversationId": fresh_id(), "afterSeq": -1}), "invalid_payload"),
        (json!({"type": "subscribe", "conversationId": fresh_id()}), "not_found"),
        (json!({"type": "refresh_token", "token": "nonsense"}), "invalid_token"),
    ] {
        let answer = listener.ask(&frame);
        let keys: HashSet<_> = answer.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(keys, HashSet::from(["type", "code", "message"]), "{answer}");
        assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!(code)), "{frame}: {answer}");
    }
    let renewed = listener.ask(&json!({"type": "refresh_token", "token": ada.token()}));
    assert_eq!(renewed, json!({"type": "token_refreshed"}));
}

#[test]
fn strangers_hear_nothing() {
    let hub = Hub::start(&[]);
    let (ada, _) = colleagues();
    let room = fresh_id();
    let mut sender = Chat::join(&hub, &ada, room);
    let stranger = Person::new(OrgId(fresh_id()), Role::Admin, "Eve");
    let mut listener = Listener::open(&hub, &stranger.token());
    let refused = listener.ask(&json!({"type": "subscribe", "conversationId": room, "afterSeq": 0}));
    assert_eq!((&refused["type"], &refused["code"]), (&json!("error"), &json!("not_found")));
    let customer = Person::new(ada.organization.expect("one"), Role::Member, "Cy");
    let mut listener = Listener::open(&hub, &customer.token());
    let refused = listener.ask(&json!({"type": "subscribe", "conversationId": room}));
    assert_eq!((&refused["type"], &refused["code"]), (&json!("error"), &json!("forbidden")));
    sender.send(room, "among us");
    assert_eq!(listener.ask(&json!({"type": "ping"})), json!({"type": "pong"}));
}

#[test]
fn the_first_frame_is_the_answer_even_where_the_token_is_about_to_end() {
    let hub = Hub::start(&[]);
    let (ada, _) = colleagues();
    let room = fresh_id();
    let mut listener = Listener::open(&hub, &ada.token_for(Duration::from_secs(20)));
    let answer = listener.ask(&json!({"type": "subscribe", "conversationId": room}));
    assert_eq!(answer["type"], "subscribed");
    let notice = listener.next();
    assert_eq!(notice["type"], "token_expiring");
    assert_time(&notice["expiresAt"]);
    let renewed = listener.ask(&json!({"type": "refresh_token", "token": ada.token()}));
    assert_eq!(renewed["type"], "token_refreshed");
}

#[test]
fn the_end_has_a_word_and_a_code() {
    let mut hub = Hub::start(&[]);
    let (ada, _) = colleagues();
    let mut listener = Listener::subscribed(&hub, &ada, fresh_id());
    hub.terminate();
    let (code, frames) = listener.closed();
    assert_eq!(code, 1012);
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0]["type"], "server_restarting");
    assert!(frames[0]["reconnectAfterMs"].as_u64().is_some_and(|ms| ms <= 5_000), "{frames:?}");
    drop(listener);
    assert_eq!(hub.ended().code(), Some(0));
    let log = hub.log();
    let line = log.lines().find(|line| line.contains("[WebSocket] Connected: ConnectionId=")).expect("a line");
    assert!(line.contains(&format!("UserId={}", ada.id.0)), "{line}");
    assert!(log.contains("Client subscribed: ConnectionId=") && log.contains(" ConversationId="), "{log}");
}
