//! Coming back: what was missed comes first, then what happens, nothing twice and nothing left out.

use serde_json::{Value, json};

use crate::chat::Chat;
use crate::colleagues;
use crate::hub::{Hub, fresh_id};

fn texts(chat: &mut Chat, count: usize) -> Vec<Value> {
    (0..count).map(|_| chat.expect("new_message")["payload"]["text"].clone()).collect()
}

#[test]
fn what_was_missed_comes_before_what_happens() {
    let hub = Hub::start(&["--set", "limits.events_per_connection=0"]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let mut sender = Chat::join(&hub, &ada, room);
    let numbers = |from, to| (from..=to).map(|number: usize| json!(number.to_string())).collect::<Vec<_>>();
    for number in 1..=250 {
        sender.say("send_message", json!({"session_id": room, "text": number.to_string()}));
    }
    for _ in 1..=250 {
        sender.expect("message_sent");
    }
    let mut returning = Chat::open(&hub, &bo);
    let joined = returning.ask("join_session", json!({"session_id": room, "after_seq": 20}));
    assert_eq!(joined["payload"]["last_seq"], 250);
    sender.send(room, "251");
    assert_eq!(texts(&mut returning, 231), numbers(21, 251));
    // Its own acknowledgements stand in the same order.
    assert_eq!(returning.send(room, "252")["seq"], 252);
    let mut up_to_date = Chat::open(&hub, &bo);
    up_to_date.ask("join_session", json!({"session_id": room, "after_seq": 252}));
    sender.send(room, "253");
    assert_eq!(texts(&mut up_to_date, 1), numbers(253, 253));
}

#[test]
fn after_pos_tells_changes_too() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let mut sender = Chat::join(&hub, &ada, room);
    let mut reader = Chat::open(&hub, &bo);
    sender.send(room, "one");
    let joined = reader.ask("join_session", json!({"session_id": room}));
    let pos = joined["payload"]["last_pos"].clone();
    reader.leave();
    let two = sender.send(room, "two");
    let mut another = Chat::join(&hub, &bo, room);
    another.ask("mark_read", json!({"session_id": room, "message_id": two["message_id"]}));
    let mut returning = Chat::open(&hub, &ada);
    returning.ask("join_session", json!({"session_id": room, "after_pos": pos}));
    assert_eq!(returning.expect("new_message")["payload"]["text"], "two");
    let read = returning.expect("message_read");
    assert_eq!((&read["payload"]["up_to_seq"], &read["payload"]["user_id"]), (&json!(2), &json!(bo.id)));
    sender.send(room, "three");
    assert_eq!(texts(&mut returning, 1), [json!("three")]);
}

#[test]
fn joining_again_reads_the_past_again() {
    let hub = Hub::start(&[]);
    let (ada, _) = colleagues();
    let room = fresh_id();
    let mut chat = Chat::join(&hub, &ada, room);
    chat.send(room, "one");
    chat.send(room, "two");
    assert_eq!(chat.ask("join_session", json!({"session_id": room, "after_seq": 0}))["type"], "session_joined");
    assert_eq!(texts(&mut chat, 2), [json!("one"), json!("two")]);
}

#[test]
fn what_was_acknowledged_survives_a_crash() {
    let mut hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let mut sender = Chat::join(&hub, &ada, room);
    let send = json!({"session_id": room, "text": "kept", "client_message_id": "c-1"});
    let sent = sender.ask("send_message", send.clone())["payload"].clone();
    hub.restart();
    let mut returning = Chat::open(&hub, &bo);
    returning.ask("join_session", json!({"session_id": room, "after_seq": 0}));
    assert_eq!(returning.expect("new_message")["payload"], sent);
    let again = Chat::open(&hub, &ada).ask("send_message", send)["payload"].clone();
    assert_eq!((&again["message_id"], &again["duplicate"]), (&sent["message_id"], &json!(true)));
    assert_eq!(Chat::open(&hub, &ada).send(room, "next")["seq"], 2);
    assert_eq!(texts(&mut returning, 1), [json!("next")]);
}
