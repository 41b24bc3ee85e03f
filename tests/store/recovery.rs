//! Connections that are kept so that they can be taken up again.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use tertulia::clock;
use tertulia::domain::{Recoverable, RecoverableRoom, RecoveryId, RoomId, RoomKind, Timestamp};
use tertulia::hub::ports::{Store, Unavailable, WriteError};
use tertulia::store::Options;

use crate::desk::{Backend, Desk, organization, text, user};
use crate::on_both;
use crate::tables::{count, execute, read};

const SECOND: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_mins(2);

on_both! {
    a_connection_is_found_as_it_was_kept_last_and_not_once_it_is_forgotten,
    what_is_older_never_overwrites_what_is_newer,
    a_connection_that_was_lost_too_long_ago_is_not_found_and_removed,
    a_connection_that_the_database_refuses_takes_no_other_with_it,
    a_thousand_connections_a_second_reach_the_disk_beside_messages,
}

/// An open connection of user 1, kept at this time.
pub(crate) fn open(at: Timestamp) -> Recoverable {
    let room = |views, joined_pos| RecoverableRoom { room: RoomId(clock::fresh_id()), views, joined_pos };
    Recoverable {
        id: RecoveryId(clock::fresh_id()),
        organization: organization(),
        user: user(1),
        rooms: vec![room(1, 0), room(3, 1 << 40), room(255, 7)],
        barrier: 12,
        past: 5,
        stale: 3,
        taken_up: 0,
        taken_from: 0,
        kept_at: at,
        lost_at: None,
    }
}

pub(crate) fn lost(connection: &Recoverable, at: Timestamp) -> Recoverable {
    Recoverable { kept_at: at, lost_at: Some(at), ..connection.clone() }
}

pub(crate) async fn found(desk: &Desk, connection: &Recoverable) -> Option<Recoverable> {
    desk.store.recall(connection.id).await.unwrap()
}

/// How many rows there are of which this is true.
pub(crate) fn rows(desk: &Desk, condition: &str) -> i64 {
    count(&desk.url, &format!("recoverable_connections WHERE {condition}"))
}

pub(crate) async fn until(what: &str, mut reached: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !reached().await {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        actix::clock::sleep(Duration::from_millis(10)).await;
    }
}

async fn a_connection_is_found_as_it_was_kept_last_and_not_once_it_is_forgotten(desk: Desk) {
    let mut kept = open(clock::now());
    assert_eq!(found(&desk, &kept).await, None);
    for settled in [false, true] {
        for rooms in [3, 0] {
            kept.rooms.truncate(rooms);
            kept.barrier += 1;
            kept.stale += 1;
            kept.kept_at = clock::now();
            desk.store.keep(kept.clone());
            if settled {
                desk.store.settle().await.unwrap();
                assert_eq!(rows(&desk, "lost_at IS NULL"), 1);
            }
            assert_eq!(found(&desk, &kept).await.as_ref(), Some(&kept));
        }
        let lost = lost(&kept, clock::now());
        desk.store.keep(lost.clone());
        assert_eq!(found(&desk, &kept).await, Some(lost));
    }
    let other = open(clock::now());
    desk.store.keep(other.clone());
    desk.store.settle().await.unwrap();
    desk.store.forget(kept.id, 0);
    assert_eq!(found(&desk, &kept).await, None);
    desk.store.settle().await.unwrap();
    assert_eq!((found(&desk, &kept).await, rows(&desk, "1 = 1")), (None, 1));
    assert_eq!(found(&desk, &other).await, Some(other));
}

async fn what_is_older_never_overwrites_what_is_newer(desk: Desk) {
    let now = clock::now();
    let older = open(now - SECOND);
    let newer = lost(&older, now);
    let elsewhere = Desk::open(&Options::new(&desk.url));
    for settled in [false, true] {
        desk.store.keep(newer.clone());
        if settled {
            desk.store.settle().await.unwrap();
        }
        desk.store.keep(older.clone());
        desk.store.settle().await.unwrap();
        for hub in [&desk, &elsewhere] {
            assert_eq!(found(hub, &older).await.as_ref(), Some(&newer));
        }
        desk.store.forget(older.id, 0);
        desk.store.settle().await.unwrap();
    }
}

async fn a_connection_that_was_lost_too_long_ago_is_not_found_and_removed(desk: Desk) {
    let now = clock::now();
    let long_ago = open(now - WINDOW * 2);
    let too_late = lost(&long_ago, now - WINDOW - SECOND);
    let in_time = lost(&open(now - WINDOW * 2), now - WINDOW + SECOND * 20);
    let still_open = open(now);
    for connection in [&too_late, &in_time, &still_open] {
        desk.store.keep(connection.clone());
    }
    for _ in 0..2 {
        assert_eq!(found(&desk, &too_late).await, None);
        assert_eq!(found(&desk, &in_time).await.as_ref(), Some(&in_time));
        assert_eq!(found(&desk, &still_open).await.as_ref(), Some(&still_open));
        desk.store.settle().await.unwrap();
    }
    for _ in 0..2_500 {
        desk.store.keep(Recoverable { rooms: Vec::new(), ..lost(&open(now), now - WINDOW - SECOND) });
    }
    desk.store.settle().await.unwrap();
    // A hub that starts looks at once.
    let next = Desk::open(&Options { recovery_window: WINDOW, ..Options::new(&desk.url) });
    until("what cannot be taken up is removed", async || rows(&next, "1 = 1") == 2).await;
    assert_eq!(found(&next, &in_time).await.as_ref(), Some(&in_time));
    let short = Desk::open(&Options { recovery_window: SECOND * 60, ..Options::new(&desk.url) });
    until("a shorter window", async || rows(&short, "1 = 1") == 1).await;
    assert_eq!(found(&short, &in_time).await, None);
}

async fn a_connection_that_the_database_refuses_takes_no_other_with_it(desk: Desk) {
    execute(&desk.url, "CREATE UNIQUE INDEX one ON recoverable_connections (barrier) WHERE barrier = 7");
    let mut connections: Vec<Recoverable> = (0..20).map(|_| open(clock::now())).collect();
    let others = connections.split_off(4);
    for connection in &connections {
        desk.store.keep(connection.clone());
    }
    desk.people(connections[0].organization, 3).await;
    // Of these only one can be.
    for connection in &mut connections {
        *connection = Recoverable { barrier: 7, past: 8, kept_at: clock::now(), ..connection.clone() };
        desk.store.keep(connection.clone());
    }
    for connection in &others {
        desk.store.keep(connection.clone());
    }
    desk.people(organization(), 5).await;
    assert_eq!((desk.metrics.recovery_dropped.get(), count(&desk.url, "users")), (3, 8));
    let mut kept = 0;
    for connection in &connections {
        // Not as it was before, either.
        if let Some(found) = found(&desk, connection).await {
            assert_eq!(&found, connection);
            kept += 1;
        }
    }
    assert_eq!((kept, rows(&desk, "1 = 1")), (1, 17));
    for connection in &others {
        assert_eq!(found(&desk, connection).await.as_ref(), Some(connection));
    }
}

async fn a_thousand_connections_a_second_reach_the_disk_beside_messages(desk: Desk) {
    const SECONDS: u32 = 2;
    let organization = organization();
    let room = desk.room(organization, RoomKind::Public).await;
    let begun = Instant::now();
    let keeping = async {
        let mut ids = HashSet::new();
        for slice in 1..=SECONDS * 100 {
            for _ in 0..10 {
                let connection = open(clock::now());
                ids.insert(connection.id);
                desk.store.keep(connection);
            }
            actix::clock::sleep((Duration::from_millis(10) * slice).saturating_sub(begun.elapsed())).await;
        }
        ids
    };
    let sending = async {
        let (mut sent, mut slowest) = (0_u32, Duration::ZERO);
        while begun.elapsed() < SECOND * SECONDS {
            let since = Instant::now();
            desk.send(organization, text(room, 1, "hello", &sent.to_string())).await.unwrap();
            slowest = slowest.max(since.elapsed());
            sent += 1;
        }
        (sent, slowest)
    };
    let (ids, (sent, slowest)) = futures_util::future::join(keeping, sending).await;
    println!("{}: {sent} messages one after the other, the slowest in {slowest:?}", desk.url);
    // Nobody asks the store to hurry.
    let ended = Instant::now();
    until("they are written", async || rows(&desk, "1 = 1") == i64::try_from(ids.len()).unwrap()).await;
    assert!(ended.elapsed() < SECOND * 5, "{:?}", ended.elapsed());
    assert_eq!((ids.len(), desk.metrics.recovery_dropped.get()), (SECONDS as usize * 1_000, 0));
    assert_eq!(desk.messages(room).await.len(), sent as usize);
}

#[test]
fn beyond_the_bound_the_oldest_are_dropped_and_counted() {
    Backend::sqlite().run(async |desk| {
        let room = RecoverableRoom { room: RoomId(clock::fresh_id()), views: 1, joined_pos: 1 };
        let first = Recoverable { rooms: vec![room; 1_000], ..open(clock::now()) };
        for n in 0..2_000 {
            // Faster than they can be written, some 8,000 rooms at a time.
            let id = if n == 0 { first.id } else { RecoveryId(clock::fresh_id()) };
            desk.store.keep(Recoverable { id, ..first.clone() });
        }
        let dropped = desk.metrics.recovery_dropped.get();
        assert!(dropped > 0);
        desk.store.settle().await.unwrap();
        assert_eq!(rows(&desk, "1 = 1"), 2_000 - i64::try_from(dropped).unwrap());
    });
}

#[test]
fn while_postgres_is_away_connections_wait_and_who_was_open_is_not_taken_up_again() {
    let backend = Backend::private_postgres();
    let server = backend.server.clone().unwrap();
    backend.run(async |desk| {
        let organization = organization();
        let room = desk.room(organization, RoomKind::Public).await;
        let opened = clock::now();
        let lost_before = lost(&open(opened), clock::now());
        let (open_before, lost_after, in_the_middle) = (open(opened), open(opened), open(opened));
        for connection in [&lost_before, &open_before, &lost_after] {
            desk.store.keep(connection.clone());
        }
        desk.store.settle().await.unwrap();

        server.kill();
        // Nothing has failed yet: whoever keeps a connection does not hear of it.
        let lost_meanwhile = lost(&open(opened), clock::now());
        desk.store.keep(lost_meanwhile.clone());
        desk.store.keep(in_the_middle.clone());
        desk.store.forget(lost_before.id, 0);
        assert_eq!(desk.store.recall(open_before.id).await, Err(Unavailable));
        assert_eq!(desk.store.settle().await, Err(Unavailable), "the end does not wait for the database");
        server.restart();
        until("they are written", async || rows(&desk, "1 = 1") == 4).await;
        assert_eq!((desk.recoveries(), desk.metrics.recovery_dropped.get()), (0, 0));
        for connection in [&lost_meanwhile, &in_the_middle, &open_before, &lost_after] {
            until("it is found", async || {
                let found = desk.store.recall(connection.id).await;
                found.is_ok_and(|found| found.as_ref() == Some(connection))
            })
            .await;
        }
        assert_eq!(found(&desk, &lost_before).await, None);

        server.kill();
        let sent = desk.send(organization, text(room, 1, "hello", "a")).await;
        assert_eq!(sent.unwrap_err(), WriteError::Failed);
        let opened_meanwhile = open(clock::now());
        desk.store.keep(opened_meanwhile.clone());
        let lost_in_the_middle = lost(&in_the_middle, clock::now());
        desk.store.keep(lost_in_the_middle.clone());
        server.restart();
        until("the database is back", async || desk.recoveries() == 1).await;
        let floor = "SELECT '' AS what, NULL AS detail, at AS number FROM recovery_floor WHERE at > 0";
        assert_eq!(read(&desk.url, floor).len(), 1, "it is there before anyone is told");

        // Once more is no way around it.
        desk.store.keep(lost(&lost_after, clock::now()));
        let later = open(clock::now() + Duration::from_secs(20));
        desk.store.keep(later.clone());
        let next = Desk::open(&Options::new(&desk.url));
        for settled in [false, true] {
            for connection in [&open_before, &lost_after, &opened_meanwhile] {
                until("an answer", async || desk.store.recall(connection.id).await.is_ok()).await;
                assert_eq!(found(&desk, connection).await, None);
                assert!(!settled || found(&next, connection).await.is_none());
            }
            assert_eq!(found(&desk, &lost_meanwhile).await.as_ref(), Some(&lost_meanwhile));
            assert_eq!(found(&desk, &in_the_middle).await.as_ref(), Some(&lost_in_the_middle));
            assert_eq!(found(&desk, &later).await.as_ref(), Some(&later));
            desk.store.settle().await.unwrap();
        }
        assert_eq!(found(&next, &later).await, Some(later));
    });
}
