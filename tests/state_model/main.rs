//! `hub::state` against a model that is obviously right: whatever comes in, the same connections are told the same.
//!
//! The store answers at once here, and never fails; what lateness and failures do is the simulation's business.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::cast_possible_truncation, reason = "numbers in here are small")]

mod harness;
mod lateness;
mod model;
mod rights;

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use tertulia::domain::{MarkKind, MessageStatus, Role};
use tertulia::hub::handle::Departure;

use harness::{Harness, ROOMS, USERS};

/// One thing that happens. Connections are named by their place among those that are open.
#[derive(Clone, Debug)]
enum Step {
    Connect { user: usize },
    Disconnect { conn: usize, departure: Departure },
    Renew { conn: usize, role: Role },
    Join { conn: usize, room: usize, watch: bool },
    Leave { conn: usize, room: usize },
    Send { conn: usize, room: usize },
    Typing { conn: usize, room: usize },
    Presence { conn: usize, room: usize },
    Mark { conn: usize, room: usize, kind: MarkKind, seq: u64 },
    Report { conn: usize, room: usize, seq: u64, status: MessageStatus },
    Wait(Duration),
}

fn step() -> impl Strategy<Value = Step> {
    // Mostly the same people in the same room.
    let (conn, room) = (0..6_usize, prop_oneof![3 => Just(0), 1 => 0..ROOMS]);
    let user = prop_oneof![3 => 0..3_usize, 1 => 0..USERS];
    let departure = prop_oneof![Just(Departure::Left), Just(Departure::Lost)];
    let kind = prop_oneof![Just(MarkKind::Read), Just(MarkKind::Delivered)];
    let status = proptest::sample::select(&MessageStatus::ALL[..]);
    let time = prop_oneof![Just(1), Just(500), Just(1_000), Just(4_000), Just(10_000)].prop_map(Duration::from_millis);
    prop_oneof![
        4 => user.prop_map(|user| Step::Connect { user }),
        2 => (conn.clone(), departure).prop_map(|(conn, departure)| Step::Disconnect { conn, departure }),
        1 => (conn.clone(), proptest::sample::select(&Role::ALL[..])).prop_map(|(conn, role)| Step::Renew { conn, role }),
        8 => (conn.clone(), room.clone(), any::<bool>()).prop_map(|(conn, room, watch)| Step::Join { conn, room, watch }),
        3 => (conn.clone(), room.clone()).prop_map(|(conn, room)| Step::Leave { conn, room }),
        3 => (conn.clone(), room.clone()).prop_map(|(conn, room)| Step::Send { conn, room }),
        2 => (conn.clone(), room.clone()).prop_map(|(conn, room)| Step::Typing { conn, room }),
        1 => (conn.clone(), room.clone()).prop_map(|(conn, room)| Step::Presence { conn, room }),
        3 => (conn.clone(), room.clone(), kind, 1..6_u64)
            .prop_map(|(conn, room, kind, seq)| Step::Mark { conn, room, kind, seq }),
        3 => (conn, room, 1..4_u64, status)
            .prop_map(|(conn, room, seq, status)| Step::Report { conn, room, seq, status }),
        2 => time.prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/state_model/regressions.txt"))),
        ..ProptestConfig::with_cases(1_000)
    })]

    #[test]
    fn everyone_is_told_what_the_plain_rules_say(
        max_rooms in 0..3_usize,
        max_conns in 0..3_usize,
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut harness = Harness::new(max_rooms, max_conns);
        for step in steps {
            match step {
                Step::Connect { user } => harness.connect(user),
                Step::Disconnect { conn, departure } => harness.disconnect(conn, departure),
                Step::Renew { conn, role } => harness.renew(conn, role),
                Step::Join { conn, room, watch } => harness.join(conn, room, watch),
                Step::Leave { conn, room } => harness.leave(conn, room),
                Step::Send { conn, room } => harness.send(conn, room),
                Step::Typing { conn, room } => harness.typing(conn, room),
                Step::Presence { conn, room } => harness.presence(conn, room),
                Step::Mark { conn, room, kind, seq } => harness.mark(conn, room, kind, seq),
                Step::Report { conn, room, seq, status } => harness.report(conn, room, seq, status),
                Step::Wait(time) => harness.wait(time),
            }
            let (told, expected) = harness.take_told();
            prop_assert_eq!(told, expected);
            prop_assert_eq!(harness.state.connections(), harness.model.connections());
            prop_assert_eq!(harness.state.rooms_with_connections(), harness.model.rooms_with_connections());
            prop_assert_eq!(harness.state.writes_in_flight(), 0);
        }
    }
}

#[test]
fn a_report_is_told_to_the_room_and_answered_once() {
    let mut harness = Harness::new(0, 0);
    // An agent of the room, and an administrator who is not in it.
    harness.connect(0);
    harness.connect(1);
    harness.renew(1, Role::Admin);
    harness.join(0, 0, false);
    harness.send(0, 0);
    harness.take_told();
    for (status, told) in
        [(MessageStatus::Sent, 1), (MessageStatus::Read, 2), (MessageStatus::Delivered, 1), (MessageStatus::Read, 1)]
    {
        harness.report(1, 0, 1, status);
        let (heard, expected) = harness.take_told();
        assert_eq!(heard, expected);
        assert_eq!(heard.len(), told, "{status}");
    }
}

#[test]
fn a_mark_that_waits_is_written_even_if_everyone_has_left() {
    let mut harness = Harness::new(0, 0);
    harness.connect(0);
    harness.join(0, 0, false);
    for _ in 0..3 {
        harness.send(0, 0);
    }
    harness.mark(0, 0, MarkKind::Read, 1);
    harness.mark(0, 0, MarkKind::Read, 3);
    harness.disconnect(0, Departure::Left);
    harness.wait(Duration::from_secs(1));
    assert_eq!(harness.marks_written(), [1, 3]);
}
