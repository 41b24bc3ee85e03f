//! The hub's own end: everyone is told, nothing acknowledged is lost, and the next one goes on.

use serde_json::json;

use crate::chat::Chat;
use crate::colleagues;
use crate::hub::{Hub, fresh_id};

#[test]
fn before_a_restart_everyone_is_told_when_to_come_back() {
    let mut hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let (mut sender, mut other) = (Chat::join(&hub, &ada, room), Chat::open(&hub, &bo));
    sender.say("send_message", json!({"session_id": room, "text": "last words"}));
    let sent = sender.expect("message_sent");
    hub.terminate();
    for chat in [&mut sender, &mut other] {
        let (code, reason, frames) = chat.closed();
        assert_eq!((code, &*reason), (1012, "restarting"));
        let told = frames.iter().find(|frame| frame["type"] == "server_restarting").expect("a word before the end");
        assert!(told["payload"]["reconnect_after_ms"].as_u64().is_some_and(|ms| ms <= 5_000), "{told}");
    }
    assert_eq!(hub.ended().code(), Some(0));
    hub.restart();
    let mut back = Chat::open(&hub, &bo);
    back.ask("join_session", json!({"session_id": room, "after_seq": 0}));
    assert_eq!(back.expect("new_message")["payload"], sent["payload"]);
}

#[test]
fn a_client_that_does_not_close_does_not_hold_the_end_up() {
    let mut hub = Hub::start(&[]);
    let _silent = Chat::open(&hub, &colleagues().0);
    hub.terminate();
    assert_eq!(hub.ended().code(), Some(0));
}
