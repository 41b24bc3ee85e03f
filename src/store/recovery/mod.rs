//! What is kept of connections so that lost ones can be taken up again.
//!
//! Hubs on one database keep connections beside each other. A client may be at one of them while the connection that it had
//! before still counts as open at another. So what is kept says how often the connection was taken up, and which hub says
//! so ([`HubId`]): what comes from before it was taken up changes nothing any more. If two hubs take one up at once, or one
//! while it changes at the other, neither can know which of them has the client. Then it is nobody's, and not taken up again.
//!
//! Only who joins or leaves a room waits for it to be written, so what is kept of a connection may be in three places: it
//! waits, it is being written, or it stands in the table. [`Waiting`] knows the first two, and whoever asks is answered from all three.
//!
//! When the database comes back after writes had failed, some of those may turn out to be stored. Connections that are
//! open then hear of them late, perhaps after newer changes, so that the newest change that a client has heard of does
//! not say any more that it has heard all before. A floor in the database says when that was last. It is raised before
//! anyone is told, and who was open at that time is not taken up again: its client starts anew, once.

mod hubs;
mod table;
mod waiting;

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use hubs::{Beat, HubId, beat, sweep as sweep_hubs};
pub(crate) use table::{RecoverableOf, raise_floor, sweep, write};
pub(crate) use waiting::{Sight, Step, Waiting, Wish};

use crate::domain::{Recoverable, Timestamp};

/// After the database is back, for so long what was stored unheard of may still be on its way to those who are connected.
/// While it cannot be read, nobody new joins a room.
const SETTLING: Duration = Duration::from_secs(10);

/// For so long it stands in the table that a connection was taken up and is over, however short the time in which it can be
/// taken up again: longer than any other hub takes to notice that the client is not there any more.
pub(crate) const REMEMBERED: Duration = Duration::from_mins(10);
/// How many connections are removed at a time.
const AT_ONCE: u32 = 1_000;

/// A connection as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Kept {
    pub(crate) connection: Arc<Recoverable>,
    /// When something was kept under its name for the first time: it was open no later than that.
    pub(crate) first_kept_at: Timestamp,
    /// The digest of what stands in the table, if that is what it was taken up from.
    pub(crate) taken_from: u64,
}

impl Kept {
    fn held_by(self, holder: Holder) -> Option<Self> {
        (holder != Holder::Nobody).then_some(self)
    }
}

/// Whose a connection is that stands in the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Holder {
    This,
    Another,
    /// It is over, or two hubs have taken it up at once.
    Nobody,
}

/// What the table says of a connection, and where the floor is.
pub(crate) struct Stored {
    pub(crate) kept: Option<(Kept, Holder)>,
    pub(crate) floor: Timestamp,
}

/// The answer to whoever wants to take a connection up again.
pub(crate) fn judge(sight: Sight, stored: Stored, now: Timestamp, window: Duration) -> Option<Recoverable> {
    let floor = stored.floor.max(sight.floor);
    let kept = match (sight.wish, stored.kept) {
        (Some(Wish::Keep(waiting)), Some((stored, holder))) => newest(waiting, stored, holder)?,
        (Some(Wish::Keep(waiting)), None) => waiting,
        (Some(forget @ Wish::Forget { .. }), Some((stored, holder))) => {
            stored.held_by(holder).filter(|it| it.connection.taken_up > forget.taken_up())?
        }
        (None, Some((stored, holder))) => stored.held_by(holder)?,
        (Some(Wish::Forget { .. }) | None, None) => return None,
    };
    let lost_at = kept.connection.lost_at;
    let is_late = lost_at.is_some_and(|at| now.since(at) > window);
    let was_open = kept.first_kept_at <= floor + SETTLING && lost_at.is_none_or(|at| at >= floor);
    (!is_late && !was_open).then(|| Arc::unwrap_or_clone(kept.connection))
}

/// Of what waits at this hub and what stands in the table, whatever counts.
fn newest(waiting: Kept, stored: Kept, holder: Holder) -> Option<Kept> {
    let first_kept_at = waiting.first_kept_at.min(stored.first_kept_at);
    let newest = match (waiting.connection.taken_up.cmp(&stored.connection.taken_up), holder) {
        (Ordering::Less, _) => stored.held_by(holder)?,
        (Ordering::Greater, Holder::Another) if stored.connection.digest() == waiting.taken_from => waiting,
        (Ordering::Equal, Holder::This) if waiting.connection.kept_at < stored.connection.kept_at => stored,
        (Ordering::Greater | Ordering::Equal, Holder::This) => waiting,
        (Ordering::Greater | Ordering::Equal, Holder::Another | Holder::Nobody) => return None,
    };
    Some(Kept { first_kept_at, ..newest })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::{OrgId, RecoveryId, UserId};

    const WINDOW: Duration = Duration::from_mins(2);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    fn kept(first: i64, kept_at: i64, lost_at: Option<i64>) -> Kept {
        let connection = Arc::new(Recoverable {
            id: RecoveryId(Uuid::from_u128(1)),
            organization: OrgId(Uuid::from_u128(2)),
            user: UserId(Uuid::from_u128(3)),
            rooms: Vec::new(),
            barrier: 0,
            past: 0,
            stale: 0,
            taken_up: 0,
            taken_from: 0,
            kept_at: at(kept_at),
            lost_at: lost_at.map(at),
        });
        let taken_from = connection.digest();
        Kept { connection, first_kept_at: at(first), taken_from }
    }

    fn taken_up(times: u64, mut kept: Kept) -> Kept {
        Arc::make_mut(&mut kept.connection).taken_up = times;
        kept
    }

    fn forget(taken_up: u64) -> Wish {
        Wish::Forget { taken_up, at: at(1_000) }
    }

    /// When what is found was kept, looked for 1,000 s after the beginning.
    fn found(wish: Option<Wish>, stored: Stored, floor: i64) -> Option<i64> {
        let sight = Sight { wish, floor: Timestamp::default() };
        let found = judge(sight, Stored { floor: at(floor), ..stored }, at(1_000), WINDOW);
        found.map(|it| it.kept_at.as_secs())
    }

    /// As it stands in the table, written by this hub.
    fn ours(kept: Kept) -> Stored {
        by(Holder::This, kept)
    }

    fn by(holder: Holder, kept: Kept) -> Stored {
        Stored { kept: Some((kept, holder)), floor: Timestamp::default() }
    }

    const NOTHING: Stored = Stored { kept: None, floor: Timestamp::from_micros(0) };

    #[test]
    fn the_newest_is_found_wherever_it_is() {
        let wish = |kept_at| Some(Wish::Keep(kept(100, kept_at, None)));
        assert_eq!(found(None, ours(kept(100, 500, None)), 0), Some(500));
        assert_eq!(found(wish(600), NOTHING, 0), Some(600));
        assert_eq!(found(wish(600), ours(kept(100, 500, None)), 0), Some(600));
        assert_eq!(found(wish(500), ours(kept(100, 600, None)), 0), Some(600));
        assert_eq!(found(Some(forget(0)), ours(kept(100, 600, None)), 0), None);
        assert_eq!(found(None, NOTHING, 0), None);
    }

    #[test]
    fn what_was_said_since_a_connection_was_taken_up_goes_before_what_was_said_until_then() {
        let wish = |times, kept_at| Some(Wish::Keep(taken_up(times, kept(100, kept_at, None))));
        let elsewhere = |times, kept_at| by(Holder::Another, taken_up(times, kept(100, kept_at, None)));
        assert_eq!(found(wish(1, 700), elsewhere(2, 600), 0), Some(600));
        assert_eq!(found(wish(3, 500), elsewhere(2, 600), 0), Some(500));
        assert_eq!(found(Some(forget(1)), elsewhere(2, 600), 0), Some(600));
        assert_eq!(found(Some(forget(2)), elsewhere(2, 600), 0), None);
        // Both have taken it up, and one of them has not written it yet.
        assert_eq!(found(wish(2, 700), elsewhere(2, 600), 0), None);
        let nobodys = |times| by(Holder::Nobody, taken_up(times, kept(100, 600, None)));
        assert_eq!(found(None, nobodys(2), 0), None);
        assert_eq!(found(wish(2, 700), nobodys(2), 0), None);
        assert_eq!(found(wish(1, 700), nobodys(2), 0), None);
        assert_eq!(found(Some(forget(1)), nobodys(2), 0), None);
        assert_eq!(found(wish(3, 700), nobodys(2), 0), None);
        let mut changed = taken_up(2, kept(100, 600, None));
        Arc::make_mut(&mut changed.connection).barrier = 7;
        assert_eq!(
            found(wish(3, 700), by(Holder::Another, changed.clone()), 0),
            None,
            "the client was there meanwhile"
        );
        assert_eq!(found(wish(3, 700), ours(changed), 0), Some(700), "here it is known which one has it");
    }

    #[test]
    fn what_was_lost_too_long_ago_is_not_found() {
        assert_eq!(found(None, ours(kept(100, 880, Some(880))), 0), Some(880));
        assert_eq!(found(None, ours(kept(100, 879, Some(879))), 0), None);
    }

    #[test]
    fn who_was_open_at_the_floor_is_not_found() {
        let lost_before = kept(100, 900, Some(900));
        let lost_at_it = kept(100, 950, Some(950));
        let open = kept(100, 500, None);
        let opened_right_after = kept(955, 955, None);
        let opened_later = kept(961, 961, None);
        assert_eq!(found(None, ours(lost_before), 950), Some(900));
        for kept in [lost_at_it, open, opened_right_after] {
            assert_eq!(found(None, ours(kept.clone()), 950), None, "{kept:?}");
            assert_eq!(found(Some(Wish::Keep(kept)), NOTHING, 950), None);
        }
        assert_eq!(found(None, ours(opened_later), 950), Some(961));
        // What was kept since does not make it younger, nor that it was taken up.
        let since = |times| Some(Wish::Keep(taken_up(times, kept(990, 990, None))));
        assert_eq!(found(since(0), ours(kept(100, 500, None)), 950), None);
        assert_eq!(found(since(1), by(Holder::Another, kept(100, 500, None)), 950), None);
        let sight = Sight { wish: None, floor: at(950) };
        assert_eq!(
            judge(sight, ours(kept(100, 500, None)), at(1_000), WINDOW),
            None,
            "a floor that waits to be written"
        );
    }
}
