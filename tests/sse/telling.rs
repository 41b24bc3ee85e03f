//! What a stream tells, and in which words.

use serde_json::json;

use crate::chat::Chat;
use crate::colleagues;
use crate::hub::{Hub, fresh_id};
use crate::stream::{Stream, rooms};

#[test]
fn a_message_is_told_in_both_words_and_named_behind_the_second() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let mut sender = Chat::join(&hub, &ada, room);
    let mut stream = Stream::open(&hub, &bo, &rooms(&[room]));
    for line in ["content-type: text/event-stream", "cache-control: no-store", "x-accel-buffering: no"] {
        assert!(stream.head.contains(&format!("\r\n{line}\r\n")), "{line}: {}", stream.head);
    }
    assert!(!stream.head.contains("content-encoding"), "{}", stream.head);
    let sent = sender.send(room, "one\n\"two\" £");
    let (first, second) = (stream.block().unwrap(), stream.block().unwrap());
    assert_eq!(first.id, None, "whoever is cut off here hears both again");
    assert_eq!(
        (&first.data.as_ref().unwrap()["type"], &first.data.as_ref().unwrap()["payload"]),
        (&json!("new_message"), &sent)
    );
    let pos = u64::from_str_radix(&second.id.expect("a place"), 36).unwrap();
    assert_eq!(pos, sent["pos"]);
    let status = second.data.unwrap();
    assert_eq!((&status["type"], &status["status"]), (&json!("message.status"), &json!("SENT")));
    assert_eq!((&status["messageId"], &status["userId"]), (&sent["message_id"], &json!(ada.id)));
    // What is not stored has no place.
    sender.say("typing", json!({"session_id": room, "is_typing": true}));
    let typing = stream.block().unwrap();
    assert_eq!((&typing.data.unwrap()["type"], typing.id), (&json!("user_typing"), None));
    // What only one of them has words for is named there.
    sender.ask("react", json!({"session_id": room, "message_id": sent["message_id"], "emoji": "👍"}));
    let reaction = stream.block().unwrap();
    assert_eq!(reaction.data.unwrap()["type"], "reaction_added");
    assert!(reaction.id.is_some());
}

#[test]
fn one_vocabulary_is_told_alone() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let (room, other, elsewhere) = (fresh_id(), fresh_id(), fresh_id());
    let mut sender = Chat::join(&hub, &ada, room);
    let all = rooms(&[room, other]);
    let mut messages = Stream::open(&hub, &bo, &format!("{all}&dialect=messages"));
    let mut statuses = Stream::open(&hub, &bo, &format!("dialect=status&{all}"));
    for room in [room, elsewhere, other] {
        let sent = sender.send(room, "hello");
        if room != elsewhere {
            assert_eq!(messages.expect("new_message")["payload"], sent);
            assert_eq!(statuses.expect("message.status")["messageId"], sent["message_id"]);
            assert_eq!(messages.last, statuses.last);
        }
    }
}

#[test]
fn it_shows_that_it_lives() {
    let hub = Hub::start(&["--set", "limits.heartbeat_interval=1s"]);
    let mut stream = Stream::open(&hub, &colleagues().0, &rooms(&[fresh_id()]));
    for _ in 0..2 {
        assert_eq!(stream.block().unwrap().comment.as_deref(), Some("still here"));
    }
}

#[test]
fn a_room_is_heard_from_the_moment_of_the_answer() {
    let hub = Hub::start(&["--set", "limits.events_per_connection=0"]);
    let (ada, bo) = colleagues();
    let mut sender = Chat::open(&hub, &ada);
    for _ in 0..30 {
        let room = fresh_id();
        let mut stream = Stream::open(&hub, &bo, &rooms(&[room]));
        let sent = sender.send(room, "at once");
        assert_eq!(stream.expect("new_message")["payload"]["message_id"], sent["message_id"]);
    }
}

#[test]
fn a_burst_ends_nobody_who_reads() {
    const BURST: usize = 300;
    const BURSTS: usize = 8;
    let few = ["--set", "limits.events_per_connection=0", "--set", "limits.outbound_queue_frames=64"];
    let hub = Hub::start(&few);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let mut stream = Stream::open(&hub, &bo, &rooms(&[room]));
    let mut sender = Chat::open(&hub, &ada);
    for burst in 0..BURSTS {
        for number in 0..BURST {
            sender.say("send_message", json!({"session_id": room, "text": number.to_string()}));
        }
        for _ in 0..BURST {
            sender.expect("message_sent");
        }
        for number in 0..BURST {
            assert_eq!(stream.expect("new_message")["payload"]["seq"], burst * BURST + number + 1);
            stream.expect("message.status");
        }
    }
}
