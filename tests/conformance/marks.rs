//! Marks: who has received and read how much.

use serde_json::json;

use crate::chat::{Chat, assert_time};
use crate::colleagues;
use crate::hub::{Hub, fresh_id};

#[test]
fn the_room_is_told_of_a_mark() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let (mut sender, mut reader) = (Chat::join(&hub, &ada, room), Chat::join(&hub, &bo, room));
    sender.send(room, "one");
    let two = sender.send(room, "two");
    for (ask, told, when) in
        [("mark_delivered", "message_delivered", "delivered_at"), ("mark_read", "message_read", "read_at")]
    {
        let answer = reader.ask(ask, json!({"session_id": room, "message_id": two["message_id"]}));
        assert_eq!(answer["type"], told, "{answer}");
        let payload = &answer["payload"];
        assert_eq!((&payload["message_id"], &payload["session_id"]), (&two["message_id"], &json!(room)));
        assert_eq!((&payload["user_id"], &payload["up_to_seq"]), (&json!(bo.id), &json!(2)));
        assert_time(&payload[when]);
        assert_eq!(sender.expect(told)["payload"], *payload);
    }
}

#[test]
fn a_mark_may_name_a_number_and_moves_the_status() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let mut sender = Chat::join(&hub, &ada, room);
    let first = sender.send(room, "one");
    sender.send(room, "two");
    let mut reader = Chat::join(&hub, &bo, room);
    let read = reader.ask("mark_read", json!({"session_id": room, "up_to_seq": 1}));
    assert_eq!(read["payload"]["message_id"], first["message_id"]);
    sender.expect("message_read");
    let mut later = Chat::open(&hub, &ada);
    later.ask("join_session", json!({"session_id": room, "after_seq": 0}));
    assert_eq!(later.expect("new_message")["payload"]["status"], "read");
    assert_eq!(later.expect("new_message")["payload"]["status"], "sent");
}

#[test]
fn a_mark_that_moves_nothing_is_answered_and_not_told() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let (mut sender, mut reader) = (Chat::join(&hub, &ada, room), Chat::join(&hub, &bo, room));
    sender.send(room, "one");
    sender.send(room, "two");
    assert_eq!(reader.ask("mark_read", json!({"session_id": room, "up_to_seq": 2}))["payload"]["up_to_seq"], 2);
    sender.expect("message_read");
    let back = reader.ask("mark_read", json!({"session_id": room, "up_to_seq": 1}));
    assert_eq!((&back["type"], &back["payload"]["up_to_seq"]), (&json!("message_read"), &json!(2)));
    reader.send(room, "three");
    sender.expect("new_message");
}

#[test]
fn marks_of_what_is_not_there_are_errors() {
    let hub = Hub::start(&[]);
    let room = fresh_id();
    let mut chat = Chat::join(&hub, &colleagues().0, room);
    assert_eq!(chat.fails("mark_read", json!({"session_id": room})), "invalid_payload");
    assert_eq!(chat.fails("mark_read", json!({"session_id": room, "up_to_seq": -1})), "invalid_payload");
    chat.send(room, "one");
    assert_eq!(chat.fails("mark_read", json!({"session_id": room, "message_id": fresh_id()})), "not_found");
}
