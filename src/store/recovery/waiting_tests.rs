//! What waits to be written about connections, and in which order it leaves.

use uuid::Uuid;

use super::*;
use crate::domain::{OrgId, RecoverableRoom, RoomId, UserId};

fn id(n: u128) -> RecoveryId {
    RecoveryId(Uuid::from_u128(n))
}

/// Connection `n`, which was kept at this second, with so many rooms.
fn connection(n: u128, kept_at: i64, rooms: usize) -> Arc<Recoverable> {
    let room = RecoverableRoom { room: RoomId(Uuid::from_u128(7)), views: 1, joined_pos: 1 };
    Arc::new(Recoverable {
        id: id(n),
        organization: OrgId(Uuid::from_u128(2)),
        user: UserId(Uuid::from_u128(3)),
        rooms: vec![room; rooms],
        barrier: 0,
        past: 0,
        stale: 0,
        taken_up: 0,
        taken_from: 0,
        kept_at: Timestamp::from_secs(kept_at),
        lost_at: None,
    })
}

/// Which connections these are, and when they were kept; `None`: they are to be forgotten.
fn told(steps: &[Step]) -> Vec<(u128, Option<i64>)> {
    steps.iter().map(|step| (step.id.0.as_u128(), kept_at(&step.wish))).collect()
}

fn kept_at(wish: &Wish) -> Option<i64> {
    match wish {
        Wish::Keep(kept) => Some(kept.connection.kept_at.as_secs()),
        Wish::Forget { .. } => None,
    }
}

/// What is seen of connection `n`: when it was kept.
fn seen(waiting: &Waiting, n: u128) -> String {
    match waiting.sight(id(n)).wish {
        Some(wish) => kept_at(&wish).map_or_else(|| "forgotten".to_owned(), |at| at.to_string()),
        None => "nothing".to_owned(),
    }
}

fn small() -> Waiting {
    Waiting::new(Bounds { connections: 3, rooms: 10, forgotten: 2 })
}

#[test]
fn of_each_connection_only_the_newest_waits() {
    let mut waiting = Waiting::default();
    for (n, at) in [(2, 5), (1, 6), (2, 8), (2, 7)] {
        waiting.keep(connection(n, at, 1));
    }
    let steps = waiting.take(10);
    assert_eq!(told(&steps), [(1, Some(6)), (2, Some(8))]);
    let Wish::Keep(kept) = &steps[1].wish else { panic!("{steps:?}") };
    assert_eq!(kept.first_kept_at, Timestamp::from_secs(5));
    assert!(waiting.is_empty());
}

#[test]
fn what_is_said_of_a_connection_from_before_it_was_taken_up_is_nothing_new() {
    let mut waiting = Waiting::default();
    let taken_up = |times, kept_at| Arc::new(Recoverable { taken_up: times, ..(*connection(1, kept_at, 1)).clone() });
    waiting.keep(taken_up(1, 5));
    waiting.keep(taken_up(0, 6));
    waiting.forget(id(1), 0, Timestamp::from_secs(7));
    assert_eq!(seen(&waiting, 1), "5");
    waiting.keep(taken_up(2, 4));
    assert_eq!(seen(&waiting, 1), "4", "whatever the clock says");
    waiting.forget(id(1), 2, Timestamp::from_secs(8));
    waiting.keep(taken_up(1, 9));
    assert_eq!(seen(&waiting, 1), "forgotten");
    waiting.keep(taken_up(3, 8));
    assert_eq!(told(&waiting.take(10)), [(1, Some(8))]);
}

#[test]
fn who_waits_longest_is_written_first() {
    let mut waiting = Waiting::default();
    for n in [3, 2, 1] {
        waiting.keep(connection(n, 5, 1));
    }
    waiting.keep(connection(3, 6, 1));
    waiting.forget(id(2), 0, Timestamp::default());
    assert_eq!(told(&waiting.take(2)), [(2, None), (3, Some(6))]);
    assert_eq!(told(&waiting.take(2)), [(1, Some(5))]);
}

#[test]
fn fewer_are_written_at_a_time_where_they_are_in_many_rooms() {
    let mut waiting = Waiting::default();
    for n in 1..=9 {
        waiting.keep(connection(n, 5, if n < 4 { 100 } else { 0 }));
    }
    let counts = [waiting.take(8), waiting.take(8)].map(|steps| steps.len());
    assert_eq!(counts, [2, 2]);
    assert_eq!(waiting.take(8).len(), 5);
}

#[test]
fn what_is_being_written_is_still_seen_until_it_is() {
    let mut waiting = Waiting::default();
    waiting.keep(connection(1, 5, 1));
    waiting.keep(connection(2, 5, 1));
    let steps = waiting.take(10);
    assert_eq!(seen(&waiting, 1), "5");
    waiting.keep(connection(1, 6, 1));
    waiting.written(&steps, &[], None);
    assert_eq!([seen(&waiting, 1), seen(&waiting, 2)], ["6", "nothing"]);
    assert_eq!(told(&waiting.take(10)), [(1, Some(6))]);
}

#[test]
fn what_could_not_be_written_waits_on_and_the_newest_wins() {
    let mut waiting = Waiting::default();
    for n in [1, 2, 3] {
        waiting.keep(connection(n, 5, 1));
    }
    let steps = waiting.take(10);
    waiting.keep(connection(1, 4, 1));
    waiting.keep(connection(1, 6, 1));
    waiting.forget(id(2), 0, Timestamp::default());
    waiting.put_back(&steps);
    assert_eq!(told(&waiting.take(10)), [(1, Some(6)), (2, None), (3, Some(5))]);
}

#[test]
fn what_the_database_refuses_is_forgotten_unless_there_is_something_newer() {
    let mut waiting = Waiting::default();
    waiting.keep(connection(1, 5, 1));
    waiting.keep(connection(2, 5, 1));
    let steps = waiting.take(10);
    waiting.keep(connection(2, 6, 1));
    waiting.give_up(&steps);
    let steps = waiting.take(10);
    assert_eq!(told(&steps), [(1, None), (2, Some(6))]);
    waiting.give_up(&steps[..1]);
    assert_eq!(seen(&waiting, 1), "nothing");
}

#[test]
fn beyond_the_bound_the_oldest_are_not_kept_but_forgotten() {
    let mut waiting = small();
    let dropped: Vec<usize> = (1..=5).map(|n| waiting.keep(connection(n, 5, 1))).collect();
    assert_eq!(dropped, [0, 0, 0, 1, 1]);
    assert_eq!([seen(&waiting, 1), seen(&waiting, 3)], ["forgotten", "5"]);
    assert_eq!(waiting.keep(connection(6, 5, 8)), 1, "it has many rooms");
    assert_eq!((waiting.kept.len(), waiting.rooms), (3, 10));
    let steps = waiting.take(10);
    assert_eq!(waiting.rooms, 0);
    waiting.put_back(&steps);
    assert_eq!((waiting.kept.len(), waiting.rooms), (3, 10));
    let steps = waiting.take(10);
    assert_eq!(told(&steps), [(2, None), (3, None), (4, Some(5)), (5, Some(5)), (6, Some(5))]);
    waiting.written(&steps, &[], waiting.spilled());
    assert_eq!((waiting.entries.len(), waiting.rooms), (0, 0));
}

#[test]
fn whoever_waits_is_told_when_the_table_says_no_less() {
    let mut waiting = Waiting::default();
    let wait = |waiting: &mut Waiting| {
        let (waiter, written) = oneshot::channel();
        waiting.when_written(id(1), waiter);
        written
    };
    assert_eq!(wait(&mut waiting).try_recv(), Ok(true), "nothing waits");
    waiting.keep(connection(1, 5, 1));
    let mut first = wait(&mut waiting);
    let steps = waiting.take(10);
    waiting.keep(connection(1, 6, 1));
    let mut second = wait(&mut waiting);
    waiting.written(&steps, &[], None);
    assert!(first.try_recv().is_err() && second.try_recv().is_err(), "something newer waits");
    let steps = waiting.take(10);
    waiting.put_back(&steps);
    assert!(second.try_recv().is_err(), "it could not be written");
    let steps = waiting.take(10);
    waiting.written(&steps, &[], None);
    assert_eq!((first.try_recv(), second.try_recv()), (Ok(true), Ok(true)));
    waiting.keep(connection(1, 7, 1));
    let (mut third, steps) = (wait(&mut waiting), waiting.take(10));
    waiting.written(&steps, &[id(1)], None);
    assert_eq!(third.try_recv(), Ok(false), "it was taken up elsewhere");
}

#[test]
fn where_even_the_names_are_too_many_the_floor_rises() {
    let mut waiting = small();
    for n in 1..=6 {
        waiting.keep(connection(n, 5, 1));
        assert_eq!(waiting.spilled().is_some(), n == 6);
    }
    assert_eq!((&*seen(&waiting, 1), waiting.sight(id(1)).floor), ("nothing", Timestamp::from_secs(5)));
    let (steps, spilled) = (waiting.take(10), waiting.spilled());
    assert!(!waiting.is_empty(), "the floor is to be written");
    waiting.keep(connection(7, 6, 1));
    waiting.written(&steps, &[], spilled);
    assert_eq!(waiting.spilled(), None);
    assert_eq!(told(&waiting.take(10)), [(7, Some(6))]);
}
