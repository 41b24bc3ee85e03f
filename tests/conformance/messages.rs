//! Messages: acknowledged, told to the others in one order, stored once, and safe to show.

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use serde_json::{Value, json};

use crate::chat::{Chat, assert_time};
use crate::colleagues;
use crate::hub::{Hub, fresh_id};

#[test]
fn a_message_is_acknowledged_and_told_to_every_other_session() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let (room, contact) = (fresh_id(), fresh_id());
    let (mut sender, mut device, mut other) =
        (Chat::join(&hub, &ada, room), Chat::join(&hub, &ada, room), Chat::join(&hub, &bo, room));
    let text = "Olá! Como posso ajudar? 👋";
    let answer = sender.ask(
        "send_message",
        json!({"session_id": room, "contact_id": contact, "text": text, "content_type": "text", "reply_to_id": null}),
    );
    assert_eq!(answer["type"], "message_sent");
    let mut sent = answer["payload"].clone();
    for (field, value) in [
        ("session_id", json!(room)),
        ("seq", json!(1)),
        ("contact_id", json!(contact)),
        ("text", json!(text)),
        ("content_type", json!("text")),
        ("from_me", json!(true)),
        ("agent_id", json!(ada.id)),
        ("agent_name", json!("Ada")),
        ("status", json!("sent")),
    ] {
        assert_eq!(sent[field], value, "{field}: {sent}");
    }
    assert_time(&sent["timestamp"]);
    assert!(sent.get("duplicate").is_none() && sent.get("reply_to_id").is_none(), "{sent}");
    for chat in [&mut device, &mut other] {
        assert_eq!(chat.expect("new_message")["payload"], sent);
    }
    // The sender is not told twice.
    let next = other.send(room, "next");
    assert_eq!(sender.expect("new_message")["payload"]["message_id"], next["message_id"]);
    sent["seq"] = json!(2);
    assert_eq!(next["seq"], sent["seq"]);
}

#[test]
fn one_may_send_without_having_joined() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let mut listener = Chat::join(&hub, &bo, room);
    let sent = Chat::open(&hub, &ada).send(room, "from outside");
    assert_eq!(listener.expect("new_message")["payload"], sent);
}

#[test]
fn everyone_sees_the_messages_of_a_room_in_one_order_without_gaps() {
    const EACH: u64 = 40;
    let hub = Hub::start(&["--set", "limits.events_per_connection=0"]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let mut listener = Chat::join(&hub, &bo, room);
    let mut senders = [Chat::join(&hub, &ada, room), Chat::join(&hub, &bo, room), Chat::join(&hub, &ada, room)];
    for number in 0..EACH {
        for sender in &mut senders {
            sender.say("send_message", json!({"session_id": room, "text": number.to_string()}));
        }
    }
    let seqs =
        |chat: &mut Chat| -> Vec<Value> { (0..3 * EACH).map(|_| chat.next()["payload"]["seq"].clone()).collect() };
    let expected: Vec<_> = (1..=3 * EACH).map(Value::from).collect();
    assert_eq!(seqs(&mut listener), expected);
    for sender in &mut senders {
        assert_eq!(seqs(sender), expected, "own acknowledgements stand in the same order");
    }
}

#[test]
fn sending_twice_is_sending_once() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let (room, other_room) = (fresh_id(), fresh_id());
    let (mut sender, mut listener) = (Chat::join(&hub, &ada, room), Chat::join(&hub, &bo, room));
    let send = |chat: &mut Chat, room, text| {
        let payload = json!({"session_id": room, "text": text, "client_message_id": "c-1"});
        chat.ask("send_message", payload)["payload"].clone()
    };
    let mut first = send(&mut sender, room, "once");
    let again = send(&mut sender, room, "twice");
    let from_another_device = send(&mut Chat::open(&hub, &ada), room, "thrice");
    first["duplicate"] = json!(true);
    assert_eq!((&again, &from_another_device), (&first, &first));
    // Another sender's, or another room's, is another message.
    let others = send(&mut listener, room, "mine");
    assert_eq!((&others["seq"], others.get("duplicate")), (&json!(2), None));
    assert_eq!(send(&mut sender, other_room, "elsewhere").get("duplicate"), None);
    assert_eq!(listener.expect("new_message")["payload"]["text"], "once");
    assert_eq!(sender.expect("new_message")["payload"]["text"], "mine");
    sender.send(room, "three");
    assert_eq!(listener.expect("new_message")["payload"]["seq"], 3);
}

#[test]
fn text_arrives_as_the_text_of_a_page() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let (mut sender, mut listener) = (Chat::join(&hub, &ada, room), Chat::join(&hub, &bo, room));
    for (written, told) in [
        ("Olá! 1 < 2", "Olá! 1 &lt; 2"),
        ("<script>alert(1)</script>Olá <b onclick='x()'>você</b>", "Olá você"),
        ("<img src=x onerror=alert(1)>a & b", "a &amp; b"),
        ("a\u{0}b\u{7}c\n\td\u{9b}", "abc\n\td"),
    ] {
        assert_eq!(sender.send(room, written)["text"], told);
        assert_eq!(listener.expect("new_message")["payload"]["text"], told);
    }
    let media = json!({"session_id": room, "content_type": "document", "media_url": "https://files.example/a.pdf?x=1&y=2",
        "filename": "<b>a</b>.pdf", "caption": "<script>x</script>c"});
    let sent = sender.ask("send_message", media)["payload"].clone();
    assert_eq!(sent["media_url"], "https://files.example/a.pdf?x=1&y=2");
    assert_eq!((&sent["filename"], &sent["caption"]), (&json!("a.pdf"), &json!("c")));
    assert_eq!(sent["content_type"], "document");
}

#[test]
fn a_reply_names_what_it_answers() {
    let hub = Hub::start(&[]);
    let (ada, _) = colleagues();
    let room = fresh_id();
    let mut chat = Chat::join(&hub, &ada, room);
    let first = chat.send(room, "question");
    let payload =
        json!({"session_id": room, "text": "answer", "reply_to_id": first["message_id"], "client_message_id": "c-2"});
    let reply = chat.ask("send_message", payload);
    assert_eq!(reply["payload"]["reply_to_id"], first["message_id"]);
    assert_eq!(reply["payload"]["client_message_id"], "c-2");
}

#[test]
fn what_cannot_be_stored_is_told_and_can_be_sent_again() {
    let hub = Hub::start(&["--set", "limits.events_per_connection=0"]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let (mut sender, mut listener) = (Chat::join(&hub, &ada, room), Chat::join(&hub, &bo, room));
    let mut rival = SqliteConnection::establish(&hub.database()).expect("the database");
    rival.batch_execute("PRAGMA busy_timeout = 30000; BEGIN IMMEDIATE").expect("the only writer");
    let payload = json!({"session_id": room, "text": "patience", "client_message_id": "c-1"});
    assert_eq!(sender.fails("send_message", payload.clone()), "send_failed");
    rival.batch_execute("ROLLBACK").expect("no writer");
    // Whoever repeats it does so until it is known to be stored.
    let sent = loop {
        let answer = sender.ask("send_message", payload.clone());
        if answer["type"] == "message_sent" {
            break answer;
        }
        assert_eq!(answer["error"], "send_failed");
    };
    assert_eq!(sent["payload"]["seq"], 1);
    assert_eq!(listener.expect("new_message")["payload"]["text"], "patience");
}

#[test]
fn an_error_answers_one_frame_and_leaves_the_connection_open() {
    let hub = Hub::start(&[]);
    let room = fresh_id();
    let mut chat = Chat::join(&hub, &colleagues().0, room);
    for (frame, code) in [
        ("no json", "invalid_json"),
        ("[]", "invalid_json"),
        ("{}", "invalid_json"),
        (r#"{"type":"dance"}"#, "unknown_type"),
        (r#"{"type":"join_session"}"#, "invalid_payload"),
        (r#"{"type":"join_session","payload":{"session_id":"x"}}"#, "invalid_payload"),
        (r#"{"type":"ping","message_id":{}}"#, "invalid_payload"),
    ] {
        chat.text(frame);
        let error = chat.expect("error");
        assert_eq!((&error["error"], &error["payload"]["code"]), (&json!(code), &json!(code)), "{frame}");
        assert!(error.get("in_reply_to").is_none());
    }
    let answer = chat.ask("send_message", json!({"session_id": room, "text": 5}));
    assert_eq!(answer["payload"]["details"], json!({"field": "text"}));
    assert_eq!(chat.fails("send_message", json!({"session_id": room, "text": ""})), "invalid_payload");
    let long = "é".repeat(5_121);
    assert_eq!(chat.fails("send_message", json!({"session_id": room, "text": long})), "message_too_large");
    assert_eq!(chat.send(room, &long[..10_240])["seq"], 1);
}

#[test]
fn a_ping_is_answered_under_its_name() {
    let hub = Hub::start(&[]);
    let mut chat = Chat::open(&hub, &colleagues().0);
    chat.text(r#"{"type":"ping"}"#);
    let pong = chat.expect("pong");
    assert!(pong.get("payload").is_none() && pong.get("in_reply_to").is_none(), "{pong}");
    chat.text(r#"{"type":"ping","message_id":17}"#);
    assert_eq!(chat.expect("pong")["in_reply_to"], 17);
}
