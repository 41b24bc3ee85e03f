//! What ends a connection, with which code, and what is only answered.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tertulia::domain::{OrgId, Role};
use tungstenite::{Bytes, Message};

use crate::chat::{Chat, assert_time};
use crate::colleagues;
use crate::hub::{Hub, Person, fresh_id};

fn closed(chat: &mut Chat) -> (u16, String) {
    let (code, reason, _) = chat.closed();
    (code, reason)
}

#[test]
fn what_is_not_text_of_the_right_size_closes() {
    let hub = Hub::start(&[]);
    let (ada, _) = colleagues();
    let mut binary = Chat::open(&hub, &ada);
    binary.message(Message::Binary(Bytes::from_static(b"{}")));
    assert_eq!(closed(&mut binary).0, 1003);
    let mut big = Chat::open(&hub, &ada);
    // The header alone says too much: 65,537 bytes of masked text.
    big.raw(&[0x81, 0xFF, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
    assert_eq!(closed(&mut big).0, 1009);
    let mut broken = Chat::open(&hub, &ada);
    broken.raw(&[0x81, 0x82, 0, 0, 0, 0, 0xC3, 0x28]);
    assert_eq!(closed(&mut broken).0, 1007);
    let mut unmasked = Chat::open(&hub, &ada);
    unmasked.raw(b"\x81\x02{}");
    assert_eq!(closed(&mut unmasked).0, 1002);
    let mut largest = Chat::open(&hub, &ada);
    let frame = format!(r#"{{"type":"ping","payload":"{}"}}"#, "x".repeat(65_536 - 28));
    assert_eq!(frame.len(), 65_536);
    largest.text(&frame);
    largest.expect("pong");
}

#[test]
fn twenty_frames_that_cannot_be_read_close() {
    let hub = Hub::start(&[]);
    let mut chat = Chat::open(&hub, &colleagues().0);
    for number in 0..20 {
        chat.text(if number % 2 == 0 { "nonsense" } else { r#"{"type":"dance"}"# });
    }
    let (code, reason, frames) = chat.closed();
    assert_eq!((code, &*reason), (4400, "too_many_errors"));
    assert_eq!(frames.iter().filter(|frame| frame["type"] == "error").count(), 20);
}

#[test]
fn wrong_payloads_do_not_close() {
    let hub = Hub::start(&[]);
    let mut chat = Chat::open(&hub, &colleagues().0);
    for _ in 0..30 {
        assert_eq!(chat.fails("join_session", json!({})), "invalid_payload");
    }
}

#[test]
fn too_many_frames_are_answered_with_when_to_go_on() {
    let hub = Hub::start(&["--set", "limits.events_per_connection=2/1h burst 2"]);
    let mut chat = Chat::open(&hub, &colleagues().0);
    for _ in 0..2 {
        assert_eq!(chat.ask("ping", json!({}))["type"], "pong");
    }
    let limited = chat.ask("ping", json!({}));
    assert_eq!(limited["error"], "rate_limited");
    assert!(limited["payload"]["details"]["retry_after_ms"].as_u64().is_some_and(|ms| ms > 1_000_000), "{limited}");
    for _ in 0..120 {
        // The hub may have closed in the middle of these.
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| chat.text("{}"))).is_err() {
            break;
        }
    }
    assert_eq!(closed(&mut chat), (4429, "rate_limited".to_owned()));
}

#[test]
fn typing_has_a_limit_of_its_own() {
    let hub = Hub::start(&["--set", "limits.typing_per_connection=2/1h"]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let (mut typist, mut other) = (Chat::join(&hub, &ada, room), Chat::join(&hub, &bo, room));
    for _ in 0..2 {
        typist.say("typing", json!({"session_id": room, "is_typing": true}));
    }
    assert_eq!(typist.fails("typing", json!({"session_id": room, "is_typing": true})), "rate_limited");
    typist.send(room, "messages still go");
    other.expect("user_typing");
    other.expect("user_typing");
    other.expect("new_message");
}

/// A bucket would give back one every half second.
#[test]
fn typing_is_counted_within_any_such_time() {
    let hub = Hub::start(&["--set", "limits.typing_per_connection=4/2s"]);
    let (ada, _) = colleagues();
    let room = fresh_id();
    let mut typist = Chat::join(&hub, &ada, room);
    let typing = json!({"session_id": room, "is_typing": true});
    let start = Instant::now();
    for _ in 0..4 {
        typist.say("typing", typing.clone());
    }
    assert_eq!(typist.fails("typing", typing.clone()), "rate_limited");
    let all_were_heard = Instant::now();
    while start.elapsed() < Duration::from_millis(1_300) {
        thread::sleep(Duration::from_millis(100));
        assert_eq!(typist.fails("typing", typing.clone()), "rate_limited", "after {:?}", start.elapsed());
    }
    thread::sleep(Duration::from_secs(2).saturating_sub(all_were_heard.elapsed()));
    // What was refused does not count: all four are to be had again.
    for _ in 0..4 {
        typist.say("typing", typing.clone());
    }
    assert_eq!(typist.fails("typing", typing), "rate_limited");
}

#[test]
fn a_connection_that_says_nothing_and_is_nowhere_is_closed() {
    let hub = Hub::start(&["--set", "limits.idle_timeout=1s"]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let mut in_a_room = Chat::join(&hub, &bo, room);
    let mut idle = Chat::open(&hub, &ada);
    assert_eq!(closed(&mut idle), (4408, "idle".to_owned()));
    assert_eq!(in_a_room.ask("ping", json!({}))["type"], "pong");
}

#[test]
fn a_peer_that_answers_no_ping_is_taken_for_gone() {
    let hub = Hub::start(&["--set", "limits.heartbeat_interval=1s", "--set", "limits.heartbeat_timeout=2s"]);
    let mut silent = Chat::open(&hub, &colleagues().0);
    assert_eq!(silent.connected["heartbeat_interval"], 1);
    // While nothing is read, nothing is answered.
    thread::sleep(Duration::from_secs(5));
    assert_eq!(closed(&mut silent), (4408, "heartbeat_timeout".to_owned()));
}

#[test]
fn a_connection_ends_with_its_token() {
    let hub = Hub::start(&[]);
    let token = colleagues().0.token_of_past(Duration::from_secs(28));
    let (mut chat, _) = Chat::knock(&hub, &format!("?token={token}"), &[]).expect("let in");
    let (code, reason, frames) = chat.closed();
    assert_eq!((code, &*reason), (4401, "token_expired"));
    assert_eq!(frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect::<Vec<_>>(), ["token_expiring"]);
}

#[test]
fn a_fresh_token_keeps_the_connection() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let token = ada.token_of_past(Duration::from_secs(27));
    let (mut chat, _) = Chat::knock(&hub, &format!("?token={token}"), &[]).expect("let in");
    chat.expect("token_expiring");
    for (bad, code) in [
        (bo.token(), "invalid_token"),
        (Person { organization: Some(OrgId(fresh_id())), ..ada }.token(), "invalid_token"),
        ("nonsense".to_owned(), "invalid_token"),
        (ada.token_of_past(Duration::from_secs(60)), "token_expired"),
        (String::new(), "invalid_payload"),
    ] {
        assert_eq!(chat.fails("refresh_token", json!({"token": bad})), code);
    }
    let refreshed = chat.ask("refresh_token", json!({"token": ada.token_for(Duration::from_secs(50))}));
    assert_eq!(refreshed["type"], "token_refreshed");
    assert_time(&refreshed["payload"]["expires_at"]);
    // The new one ends within a minute, too.
    chat.expect("token_expiring");
    let refreshed = chat.ask("refresh_token", json!({"token": ada.token()}));
    assert_eq!(refreshed["type"], "token_refreshed");
    // Outlives the first token's end and leeway.
    thread::sleep(Duration::from_secs(5));
    assert_eq!(chat.ask("ping", json!({}))["type"], "pong");
}

#[test]
fn the_role_of_a_fresh_token_rules() {
    let hub = Hub::start(&[]);
    let (agent, _) = colleagues();
    let room = fresh_id();
    Chat::join(&hub, &Person::new(agent.organization.unwrap(), Role::Agent, "Bo"), room);
    let member = Person { role: Role::Member, ..agent };
    let mut chat = Chat::open(&hub, &member);
    assert_eq!(chat.fails("join_session", json!({"session_id": room})), "forbidden");
    chat.ask("refresh_token", json!({"token": agent.token()}));
    assert_eq!(chat.ask("join_session", json!({"session_id": room}))["type"], "session_joined");
}

#[test]
fn a_slow_reader_is_closed_and_harms_nobody() {
    let hub = Hub::start(&["--set", "limits.outbound_queue_bytes=64KiB", "--set", "limits.events_per_connection=0"]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let (mut sender, mut slow, mut other) =
        (Chat::join(&hub, &ada, room), Chat::join(&hub, &bo, room), Chat::join(&hub, &bo, room));
    let text = "x".repeat(10_000);
    let mut sent = 0;
    // Until what the kernel takes in for the slow one is full, which depends on the machine.
    while hub.metric("slow_consumers_total") == 0 {
        for _ in 0..50 {
            sender.send(room, &text);
            other.expect("new_message");
        }
        sent += 50;
        assert!(sent < 10_000, "the slow reader is never closed");
    }
    let (code, reason, frames) = slow.closed();
    assert_eq!((code, &*reason), (4430, "slow_consumer"));
    // It comes back for the rest.
    let last = frames.last().expect("some frames")["payload"]["seq"].as_u64().unwrap();
    assert_eq!(last, frames.len() as u64);
    let mut back = Chat::open(&hub, &bo);
    back.ask("join_session", json!({"session_id": room, "after_seq": last}));
    for seq in last + 1..=sent {
        assert_eq!(back.expect("new_message")["payload"]["seq"], seq);
    }
}
