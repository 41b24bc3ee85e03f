//! Somebody who does not read, behind a gateway: nobody else suffers, nothing is heaped up, and in the end it is closed.

use serde_json::json;

use crate::chat::Chat;
use crate::house::{USUAL, people};
use crate::hub::gateway::Gateway;
use crate::hub::{Hub, fresh_id};

/// How many messages are on their way at once.
const BATCH: usize = 50;

#[test]
fn a_client_that_stalls_is_closed_in_the_end_and_comes_back_for_the_rest() {
    let hub = Hub::start(&[&USUAL[..], &["--set", "limits.outbound_queue_bytes=64KiB"]].concat());
    let gateway = Gateway::start(&[hub.address], &[]);
    let (people, room) = (people(3), fresh_id());
    let open = |person: usize| {
        let query = format!("?token={}", people[person].token());
        let mut chat = Chat::knock_at(gateway.address, &query, &[]).expect("let in").0;
        assert_eq!(chat.ask("join_session", json!({"session_id": room, "after_seq": 0}))["type"], "session_joined");
        chat
    };
    let (mut sender, mut slow, mut other) = (open(0), open(1), open(2));
    let before = (gateway.peak(), hub.peak());
    let text = "x".repeat(10_000);
    let mut sent = 0;
    // Until what the kernel takes in for the slow one on the whole way is full, which depends on the machine; and then as
    // much again as would be seen if it were kept.
    let mut until = usize::MAX;
    while sent < until {
        for _ in 0..BATCH {
            sender.say("send_message", json!({"session_id": room, "text": text}));
        }
        for _ in 0..BATCH {
            sent += 1;
            assert_eq!(sender.expect("message_sent")["payload"]["seq"], sent);
            assert_eq!(other.expect("new_message")["payload"]["seq"], sent);
        }
        if until == usize::MAX && hub.metric("slow_consumers_total") > 0 {
            until = (sent + 10 * BATCH).max(2_000);
        }
        assert!(sent < 12_000, "the slow reader is never closed");
    }
    for (name, before, now, room) in
        [("gateway", before.0, gateway.peak(), 8 * 1_024), ("hub", before.1, hub.peak(), 32)]
    {
        if let (Some(before), Some(now)) = (before, now) {
            assert!(now < before + room, "the {name} had {before}, then {now}");
        }
    }

    let (code, reason, frames) = slow.closed();
    assert_eq!((code, &*reason), (4430, "slow_consumer"));
    let heard: Vec<_> = frames.iter().map(|it| it["payload"]["seq"].as_u64().expect("a number")).collect();
    let last = heard.len();
    assert_eq!(heard, (1..=last as u64).collect::<Vec<_>>(), "all of it up to there");
    assert!(last < sent);
    let mut back = Chat::knock_at(gateway.address, &format!("?token={}", people[1].token()), &[]).expect("let in").0;
    back.ask("join_session", json!({"session_id": room, "after_seq": last}));
    for seq in last + 1..=sent {
        assert_eq!(back.expect("new_message")["payload"]["seq"], seq);
    }
    assert_eq!(gateway.metric("websocket_proxy_errors_total{reason=\"upstream_lost\"}"), 0, "it was an orderly end");
}
