//! Connections that are kept by several hubs on one database: which of them counts, and what becomes of those of a hub that
//! has died.

use std::time::Duration;

use tertulia::clock;
use tertulia::domain::{Recoverable, RecoveryId};
use tertulia::hub::ports::Store;
use tertulia::metrics::Metrics;
use tertulia::store::{Options, SqlStore};

use crate::desk::Desk;
use crate::on_both;
use crate::recovery::{found, lost, open, rows, until};
use crate::tables::{count, execute};

const SECOND: Duration = Duration::from_secs(1);

on_both! {
    what_was_said_before_a_connection_was_taken_up_counts_no_more,
    that_a_connection_was_taken_up_and_is_over_is_remembered,
    what_two_hubs_take_up_at_once_is_nobodys,
    what_changes_while_it_is_taken_up_is_nobodys,
    a_start_changes_nothing_of_what_other_hubs_have_open,
    what_a_dead_hub_has_left_was_lost_when_it_was_last_seen_and_is_removed,
    hubs_that_could_not_say_that_they_are_there_have_not_died,
}

/// Another hub on the database of `desk`.
fn beside(desk: &Desk) -> Desk {
    Desk::open(&Options { beat: SECOND, ..Options::new(&desk.url) })
}

/// As a hub has it that takes it up. Its clock is slow.
fn taken_up(connection: &Recoverable) -> Recoverable {
    Recoverable {
        taken_up: connection.taken_up + 1,
        taken_from: connection.digest(),
        kept_at: connection.kept_at - SECOND * 100,
        lost_at: None,
        rooms: connection.rooms[1..].to_vec(),
        ..connection.clone()
    }
}

/// Keeps it, and tells whether that counts.
async fn keep(desk: &Desk, connection: &Recoverable) -> bool {
    desk.store.keep(connection.clone());
    let kept = desk.store.kept(connection.id).await.unwrap();
    desk.store.settle().await.unwrap();
    kept
}

async fn forget(desk: &Desk, connection: &Recoverable) {
    desk.store.forget(connection.id, connection.taken_up);
    desk.store.settle().await.unwrap();
}

async fn what_was_said_before_a_connection_was_taken_up_counts_no_more(desk: Desk) {
    let elsewhere = beside(&desk);
    let first = open(clock::now());
    assert!(keep(&desk, &first).await);
    assert_eq!(found(&elsewhere, &first).await.as_ref(), Some(&first));
    let second = taken_up(&first);
    assert!(keep(&elsewhere, &second).await);
    // The first hub misses its client only now, has to do with it until then, and does not hear of the other.
    for late in [Recoverable { kept_at: clock::now(), ..first.clone() }, lost(&first, clock::now())] {
        desk.store.keep(late.clone());
        assert_eq!(found(&desk, &first).await.as_ref(), Some(&second));
        assert!(!keep(&desk, &late).await, "whoever waits for it hears that it does not count");
        for hub in [&desk, &elsewhere] {
            assert_eq!(found(hub, &first).await.as_ref(), Some(&second));
        }
    }
    forget(&desk, &first).await;
    assert_eq!(found(&desk, &first).await.as_ref(), Some(&second));
    // Within one taking up it is as ever.
    let changed = Recoverable { kept_at: second.kept_at + SECOND, ..first.clone() };
    let changed = Recoverable { taken_up: 1, taken_from: second.taken_from, ..changed };
    assert!(keep(&elsewhere, &changed).await);
    assert_eq!(found(&desk, &first).await.as_ref(), Some(&changed));
    // And back again.
    let third = taken_up(&changed);
    assert!(keep(&desk, &third).await);
    assert!(!keep(&elsewhere, &lost(&changed, clock::now())).await);
    assert_eq!(found(&elsewhere, &first).await, Some(third));
    assert_eq!(rows(&desk, "1 = 1"), 1);
}

async fn that_a_connection_was_taken_up_and_is_over_is_remembered(desk: Desk) {
    let elsewhere = beside(&desk);
    let first = open(clock::now());
    let (second, never) = (taken_up(&first), open(clock::now()));
    for connection in [&first, &never] {
        assert!(keep(&desk, connection).await);
        forget(&desk, connection).await;
        assert_eq!(rows(&desk, "1 = 1"), 0, "nobody else knows of it");
    }
    assert!(keep(&desk, &first).await);
    assert!(keep(&elsewhere, &second).await);
    elsewhere.store.forget(second.id, second.taken_up);
    for settled in [false, true] {
        assert_eq!(found(&elsewhere, &first).await, None);
        if !settled {
            elsewhere.store.settle().await.unwrap();
        }
    }
    assert!(!keep(&desk, &lost(&first, clock::now())).await);
    for hub in [&desk, &elsewhere] {
        assert_eq!(found(hub, &first).await, None, "its client has said that it will not come back");
    }
    // Where only a short time is given, too.
    let window = SECOND * 60;
    let times = [(0, window), (1, window), (1, window * 11)];
    let lost_long_ago = times.map(|(taken_up, ago)| {
        let at = clock::now() - ago - SECOND;
        Recoverable { taken_up, ..lost(&open(at), at) }
    });
    for connection in &lost_long_ago {
        assert!(keep(&desk, connection).await);
    }
    let next = Desk::open(&Options { recovery_window: window, ..Options::new(&desk.url) });
    until("those of which nothing can be said any more are removed", async || rows(&next, "1 = 1") == 2).await;
    for connection in &lost_long_ago {
        assert_eq!(found(&next, connection).await, None);
    }
    assert_eq!(rows(&next, "taken_up = 1"), 2);
}

async fn what_two_hubs_take_up_at_once_is_nobodys(desk: Desk) {
    let (one, other) = (beside(&desk), beside(&desk));
    let first = open(clock::now());
    assert!(keep(&desk, &first).await);
    let second = taken_up(&first);
    assert!(keep(&one, &second).await);
    assert_eq!(found(&one, &first).await.as_ref(), Some(&second));
    let also_second = Recoverable { kept_at: second.kept_at - SECOND, ..first.clone() };
    let also_second = Recoverable { taken_up: 1, taken_from: first.digest(), ..also_second };
    other.store.keep(also_second.clone());
    assert_eq!(found(&other, &first).await, None, "one of them is to be written yet");
    assert!(!keep(&other, &also_second).await);
    for (hub, connection) in [(&one, &second), (&other, &also_second), (&one, &lost(&second, clock::now()))] {
        assert!(!keep(hub, connection).await, "{connection:?}");
        for hub in [&desk, &one, &other] {
            assert_eq!(found(hub, &first).await, None);
        }
    }
    assert_eq!(rows(&desk, "hub IS NULL AND lost_at IS NOT NULL"), 1, "and it will be removed");
}

async fn what_changes_while_it_is_taken_up_is_nobodys(desk: Desk) {
    let elsewhere = beside(&desk);
    let [noticed, changed] = [open(clock::now()), open(clock::now())];
    for first in [&noticed, &changed] {
        assert!(keep(&desk, first).await);
    }
    // What the other hub says here was found before what is said now.
    assert!(keep(&desk, &lost(&noticed, clock::now())).await);
    assert!(keep(&elsewhere, &taken_up(&noticed)).await, "that it was missed changes nothing of what its client knows");
    assert_eq!(found(&desk, &noticed).await, Some(taken_up(&noticed)));

    let with_another_room = Recoverable { rooms: open(clock::now()).rooms, kept_at: clock::now(), ..changed.clone() };
    assert!(keep(&desk, &with_another_room).await);
    elsewhere.store.keep(taken_up(&changed));
    assert_eq!(found(&elsewhere, &changed).await, None, "its client was told of the other room");
    assert!(!keep(&elsewhere, &taken_up(&changed)).await);
    assert!(!keep(&desk, &with_another_room).await);
    for hub in [&desk, &elsewhere] {
        assert_eq!(found(hub, &changed).await, None);
    }
    // One that goes from hand to hand at one hub before anything is written was taken up from what stands there.
    let first = open(clock::now());
    assert!(keep(&desk, &first).await);
    let second = taken_up(&first);
    let third = taken_up(&second);
    elsewhere.store.keep(second);
    assert!(keep(&elsewhere, &third).await);
    assert_eq!(found(&desk, &first).await.as_ref(), Some(&Recoverable { taken_from: first.digest(), ..third }));
}

async fn a_start_changes_nothing_of_what_other_hubs_have_open(desk: Desk) {
    let mine = open(clock::now() - SECOND * 1_000);
    assert!(keep(&desk, &mine).await);
    // Somebody at the command line is no hub.
    let line = SqlStore::open(&Options::new(&desk.url), Metrics::new().into()).unwrap();
    for _ in 0..3 {
        line.forget(RecoveryId(clock::fresh_id()), 0);
        line.settle().await.unwrap();
    }
    assert_eq!(count(&desk.url, "hubs"), 1);
    let next = Desk::open(&Options { recovery_window: SECOND, beat: SECOND, ..Options::new(&desk.url) });
    until("it says that it is there", async || count(&desk.url, "hubs") == 2).await;
    // Longer than the window, and than it takes to see who is there.
    actix::clock::sleep(SECOND * 6).await;
    for hub in [&desk, &next] {
        assert_eq!(found(hub, &mine).await.as_ref(), Some(&mine));
    }
    assert_eq!(rows(&desk, "lost_at IS NULL"), 1);
}

async fn what_a_dead_hub_has_left_was_lost_when_it_was_last_seen_and_is_removed(desk: Desk) {
    let connections: Vec<Recoverable> = (0..2_500).map(|_| open(clock::now())).collect();
    for connection in &connections {
        desk.store.keep(connection.clone());
    }
    let lost_before = lost(&open(clock::now()), clock::now());
    assert!(keep(&desk, &lost_before).await);
    let url = desk.url.clone();
    drop(desk);
    let ago = async |seconds: u64| {
        // The last thing that the dead hub did may be on its way yet.
        actix::clock::sleep(SECOND / 2).await;
        execute(&url, &format!("UPDATE hubs SET seen_at = seen_at - {}", seconds * 1_000_000));
        let next = Desk::open(&Options { beat: SECOND, ..Options::new(&url) });
        let mine = open(clock::now());
        assert!(keep(&next, &mine).await);
        (next, mine)
    };
    let (next, _) = ago(0).await;
    assert_eq!(found(&next, &connections[0]).await.as_ref(), Some(&connections[0]), "it may be there");
    drop(next);
    let (next, _) = ago(60).await;
    let it = found(&next, &connections[0]).await.unwrap();
    let since = clock::now().since(it.lost_at.unwrap());
    assert!(since > SECOND * 58 && since < SECOND * 75, "{since:?}");
    assert_eq!(Recoverable { lost_at: None, ..it }, connections[0]);
    assert_eq!(found(&next, &lost_before).await, Some(lost_before));
    drop(next);
    let (next, _) = ago(70).await;
    assert_eq!(found(&next, &connections[0]).await, None, "too long ago");
    assert_eq!(rows(&next, "lost_at IS NULL"), 2_503);
    drop(next);
    let (next, mine) = ago(600).await;
    until("what cannot be taken up is removed", async || rows(&next, "lost_at IS NULL") == 1).await;
    until("and so are the hubs", async || count(&url, "hubs") == 1).await;
    assert_eq!(found(&next, &connections[1]).await, None);
    assert_eq!(found(&next, &mine).await, Some(mine));
}

async fn hubs_that_could_not_say_that_they_are_there_have_not_died(desk: Desk) {
    let one = beside(&desk);
    let kept = [open(clock::now()), open(clock::now())];
    assert!(keep(&desk, &kept[0]).await && keep(&one, &kept[1]).await);
    // The first does not come back by itself any more.
    let url = desk.url.clone();
    drop(desk);
    actix::clock::sleep(SECOND / 2).await;
    execute(&url, "UPDATE hubs SET seen_at = seen_at - 1200000000");
    let begun = clock::now();
    while clock::now().since(begun) < SECOND * 2 {
        for connection in &kept {
            assert_eq!(
                found(&one, connection).await.as_ref(),
                Some(connection),
                "while nobody says anything, and after"
            );
        }
        actix::clock::sleep(SECOND / 20).await;
    }
    let old = "hubs WHERE seen_at < (SELECT max(seen_at) FROM hubs) - 60000000";
    assert_eq!((count(&url, "hubs"), count(&url, old)), (2, 0));
    // This one was away alone.
    let gone =
        "UPDATE hubs SET seen_at = seen_at - 1200000000 WHERE id IN (SELECT hub FROM recoverable_connections WHERE";
    let uuid = kept[0].id.0;
    let id = if url.starts_with("sqlite:") { format!("x'{}'", uuid.simple()) } else { format!("'{uuid}'") };
    execute(&url, &format!("{gone} id = {id})"));
    assert_eq!(found(&one, &kept[0]).await, None);
    assert_eq!(found(&one, &kept[1]).await.as_ref(), Some(&kept[1]));
}
