//! What is kept of connections so that lost ones can be taken up again.
//!
//! Nobody waits for it to be written, so what is kept of a connection may be in three places: it waits, it is being
//! written, or it stands in the table. [`Waiting`] knows the first two, and whoever asks is answered from all three.
//!
//! When the database comes back after writes had failed, some of those may turn out to be stored. Connections that are
//! open then hear of them late, perhaps after newer changes, so that the newest change that a client has heard of does
//! not say any more that it has heard all before. A floor in the database says when that was last. It is raised before
//! anyone is told, and who was open at that time is not taken up again: its client starts anew, once.

mod table;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use table::{RecoverableOf, mark_lost, raise_floor, sweep, write};
pub(crate) use waiting::{Sight, Step, Waiting, Wish};

use crate::domain::{Recoverable, Timestamp};

/// After the database is back, for so long what was stored unheard of may still be on its way to those who are connected.
/// While it cannot be read, nobody new joins a room.
const SETTLING: Duration = Duration::from_secs(10);

/// A connection as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Kept {
    pub(crate) connection: Arc<Recoverable>,
    /// When something was kept under its name for the first time: it was open no later than that.
    pub(crate) first_kept_at: Timestamp,
}

/// What the table says of a connection, and where the floor is.
pub(crate) struct Stored {
    pub(crate) kept: Option<Kept>,
    pub(crate) floor: Timestamp,
}

/// The answer to whoever wants to take a connection up again.
pub(crate) fn judge(sight: Sight, stored: Stored, now: Timestamp, window: Duration) -> Option<Recoverable> {
    let floor = stored.floor.max(sight.floor);
    let kept = match (sight.wish, stored.kept) {
        (Some(Wish::Keep(waiting)), Some(stored)) => {
            let first_kept_at = waiting.first_kept_at.min(stored.first_kept_at);
            let is_newer = waiting.connection.kept_at >= stored.connection.kept_at;
            let connection = if is_newer { waiting.connection } else { stored.connection };
            Kept { connection, first_kept_at }
        }
        (Some(Wish::Keep(kept)), None) | (None, Some(kept)) => kept,
        (Some(Wish::Forget), _) | (None, None) => return None,
    };
    let lost_at = kept.connection.lost_at;
    let is_late = lost_at.is_some_and(|at| now.since(at) > window);
    let was_open = kept.first_kept_at <= floor + SETTLING && lost_at.is_none_or(|at| at >= floor);
    (!is_late && !was_open).then(|| Arc::unwrap_or_clone(kept.connection))
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
            kept_at: at(kept_at),
            lost_at: lost_at.map(at),
        });
        Kept { connection, first_kept_at: at(first) }
    }

    /// When what is found was kept, looked for 1,000 s after the beginning.
    fn found(wish: Option<Wish>, stored: Option<Kept>, floor: i64) -> Option<i64> {
        let sight = Sight { wish, floor: Timestamp::default() };
        let found = judge(sight, Stored { kept: stored, floor: at(floor) }, at(1_000), WINDOW);
        found.map(|it| it.kept_at.as_secs())
    }

    #[test]
    fn the_newest_is_found_wherever_it_is() {
        let wish = |kept_at| Some(Wish::Keep(kept(100, kept_at, None)));
        assert_eq!(found(None, Some(kept(100, 500, None)), 0), Some(500));
        assert_eq!(found(wish(600), None, 0), Some(600));
        assert_eq!(found(wish(600), Some(kept(100, 500, None)), 0), Some(600));
        assert_eq!(found(wish(500), Some(kept(100, 600, None)), 0), Some(600));
        assert_eq!(found(Some(Wish::Forget), Some(kept(100, 600, None)), 0), None);
        assert_eq!(found(None, None, 0), None);
    }

    #[test]
    fn what_was_lost_too_long_ago_is_not_found() {
        assert_eq!(found(None, Some(kept(100, 880, Some(880))), 0), Some(880));
        assert_eq!(found(None, Some(kept(100, 879, Some(879))), 0), None);
    }

    #[test]
    fn who_was_open_at_the_floor_is_not_found() {
        let lost_before = kept(100, 900, Some(900));
        let lost_at_it = kept(100, 950, Some(950));
        let open = kept(100, 500, None);
        let opened_right_after = kept(955, 955, None);
        let opened_later = kept(961, 961, None);
        assert_eq!(found(None, Some(lost_before), 950), Some(900));
        for kept in [lost_at_it, open, opened_right_after] {
            assert_eq!(found(None, Some(kept.clone()), 950), None, "{kept:?}");
            assert_eq!(found(Some(Wish::Keep(kept)), None, 950), None);
        }
        assert_eq!(found(None, Some(opened_later), 950), Some(961));
        // What was kept since does not make it younger.
        let since = Some(Wish::Keep(kept(990, 990, None)));
        assert_eq!(found(since, Some(kept(100, 500, None)), 950), None);
        let sight = Sight { wish: None, floor: at(950) };
        let stored = Stored { kept: Some(kept(100, 500, None)), floor: at(0) };
        assert_eq!(judge(sight, stored, at(1_000), WINDOW), None, "a floor that waits to be written");
    }
}
