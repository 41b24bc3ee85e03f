//! Nothing acknowledged is lost: senders at full speed while the hub, or its database, is killed again and again.
//!
//! Every message that was acknowledged must be stored under the id and the number that the acknowledgement gave; the
//! numbers of each room must have no gap; nothing may be stored twice, however often it was sent.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod client;
#[path = "../support/hub.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod hub;
mod moving;
#[path = "../support/postgres.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod postgres;
mod sender;
mod unstored;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::json;
use tertulia::domain::{OrgId, Role};
use uuid::Uuid;

use hub::{Hub, Person};
use postgres::Postgres;
use sender::{Ack, Address, Report};

const ROOMS: u128 = 3;
const SENDERS_PER_ROOM: u128 = 2;
const KILLS: u64 = 6;

fn room(number: u128) -> String {
    Uuid::from_u128(0x5555_5555_5555_4555_8555_0000_0000_0000 + number).to_string()
}

fn token() -> String {
    Person::new(OrgId(Uuid::from_u128(1)), Role::Agent, "Ana").token()
}

/// Lets senders send while `disturb` does its worst, then compares what was acknowledged with what is stored.
fn story(settings: &[&str], disturb: impl FnOnce(&mut Hub, &Address)) -> Report {
    let mut hub = Hub::start(&[settings, &["--set", "limits.events_per_connection=0"]].concat());
    let address = Arc::new(Address::default());
    address.set(hub.address);
    let senders: Vec<_> = (0..ROOMS)
        .flat_map(|room| (0..SENDERS_PER_ROOM).map(move |sender| (room, sender)))
        .map(|(at, sender)| {
            let name = format!("sender-{at}-{sender}");
            (at, sender::start(name, room(at), token(), address.clone()))
        })
        .collect();
    disturb(&mut hub, &address);
    address.end();
    let mut sum = Report::default();
    let mut acked: BTreeMap<u128, BTreeMap<String, Ack>> = BTreeMap::new();
    for (room, sender) in senders {
        let report = sender.join().expect("a sender came to its end");
        acked.entry(room).or_default().extend(report.acked);
        sum.resent += report.resent;
        sum.failures += report.failures;
        sum.reconnects += report.reconnects;
    }
    for (number, acked) in acked {
        assert!(acked.len() > 20, "only {} messages were acknowledged in room {number}", acked.len());
        check_room(&hub, number, &acked);
        sum.acked.extend(acked);
    }
    println!(
        "{} messages acknowledged, {} sent again, {} refused, {} reconnects",
        sum.acked.len(),
        sum.resent,
        sum.failures,
        sum.reconnects
    );
    sum
}

/// Reads a room from its beginning, as a client that comes back after a long time.
fn check_room(hub: &Hub, number: u128, acked: &BTreeMap<String, Ack>) {
    let mut socket = sender::connect(hub.address, &token()).expect("the hub is there");
    sender::say(&mut socket, "join_session", json!({ "session_id": room(number), "after_seq": 0 })).unwrap();
    let mut stored = BTreeMap::new();
    let mut ids = BTreeSet::new();
    let mut last_seq = None;
    while last_seq.is_none_or(|last| (stored.len() as u64) < last) {
        let frame = sender::hear(&mut socket).expect("the room is told to its end");
        let payload = &frame["payload"];
        match frame["type"].as_str() {
            Some("session_joined") => last_seq = payload["last_seq"].as_u64(),
            Some("new_message") => {
                let seq = payload["seq"].as_u64().unwrap();
                assert_eq!(seq, stored.len() as u64 + 1, "the numbers of a room have no gap and no repetition");
                let id = payload["message_id"].as_str().unwrap().to_owned();
                assert!(ids.insert(id.clone()), "{id} is there twice");
                let name = payload["client_message_id"].as_str().unwrap().to_owned();
                assert_eq!(payload["text"], format!("text of {name}"));
                assert!(stored.insert(name.clone(), Ack { id, seq }).is_none(), "{name} is stored twice");
            }
            Some("connected") => {}
            _ => panic!("unexpected {frame}"),
        }
    }
    for (name, ack) in acked {
        assert_eq!(stored.get(name), Some(ack), "{name} was acknowledged");
    }
}

fn kill_the_hub(hub: &mut Hub, address: &Address) {
    for round in 0..KILLS {
        // Any moment will do, as long as it is another one each time.
        thread::sleep(Duration::from_millis(250 + 137 * round));
        hub.restart();
        address.set(hub.address);
    }
    thread::sleep(Duration::from_millis(200));
}

#[test]
fn a_killed_hub_has_lost_nothing_acknowledged_on_sqlite() {
    // One worker, whose thread everything shares; the others have two, and the ChatServer a thread of its own.
    let report = story(&["--workers", "1"], kill_the_hub);
    assert!(report.reconnects >= usize::try_from(KILLS).unwrap(), "the kills were felt");
}

#[test]
fn a_killed_hub_has_lost_nothing_acknowledged_on_postgres() {
    let postgres = Postgres::start();
    let report = story(&["--database-url", &postgres.database()], kill_the_hub);
    assert!(report.reconnects >= usize::try_from(KILLS).unwrap(), "the kills were felt");
}

#[test]
fn a_killed_postgres_loses_nothing_acknowledged_and_the_hub_stays_up() {
    let postgres = Postgres::start();
    let report = story(&["--database-url", &postgres.database()], |hub, _| {
        for round in 0..3 {
            thread::sleep(Duration::from_millis(300 + 170 * round));
            postgres.kill();
            thread::sleep(Duration::from_millis(700));
            assert!(hub.is_running(), "the hub does without its database");
            postgres.restart();
        }
        thread::sleep(Duration::from_millis(500));
        assert!(hub.is_running());
    });
    assert!(report.failures > 0, "senders were told while the database was away");
    assert_eq!(report.reconnects, 0, "nobody was disconnected");
}
