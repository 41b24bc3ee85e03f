//! What is noted of a connection whose client wants to be taken up again after a drop.
//!
//! The client names the last place that it has heard. What it was told before is then known to have come, as long as
//! offsets only grow. They do for what happens live. What is told of a room's past, and what comes late behind it, stands
//! outside of that order: it is counted, and carries the count with the newest offset so far. So a client says how far it
//! has heard in two ways: it has heard all that was told of pasts if it names the last piece of that, or an offset that was
//! told only later. While more of a past is to come, it cannot be taken up again.

use std::cell::Cell;
use std::time::Duration;

use super::place::{Own, Place, short};
use crate::clock;
use crate::domain::{ConnId, OrgId, Recoverable, RecoverableRoom, RecoveryId, Timestamp, UserId};
use crate::session::offset::Offset;

#[derive(Debug)]
pub(super) struct Keeping {
    conn: ConnId,
    id: Cell<RecoveryId>,
    /// What the client named when it came, an offset of another connection: here, nobody is told of it as if it were the
    /// same for everyone. 0: it named nothing, or a place that says by itself whose it is.
    stale: Cell<u64>,
    /// The highest offset that it was told here.
    newest: Cell<u64>,
    /// How many pieces of pasts it was told.
    past: Cell<u64>,
    /// The highest offset that it had been told when it was told the last of them.
    barrier: Cell<u64>,
    /// Everything up to here was told while the connection was taken up again.
    floor: Cell<u64>,
    taken_up: Cell<u64>,
    taken_from: Cell<u64>,
    /// When this was last asked for.
    kept_at: Cell<Timestamp>,
}

impl Keeping {
    pub(super) fn new(conn: ConnId, id: RecoveryId, named: Option<Place>) -> Self {
        let stale = named.filter(|place| place.own.is_none()).map_or(0, |place| place.offset.pos);
        Self {
            conn,
            id: Cell::new(id),
            stale: Cell::new(stale),
            newest: Cell::default(),
            past: Cell::default(),
            barrier: Cell::default(),
            floor: Cell::default(),
            taken_up: Cell::default(),
            taken_from: Cell::default(),
            kept_at: Cell::default(),
        }
    }

    /// The connection of which it is noted.
    pub(super) fn conn(&self) -> ConnId {
        self.conn
    }

    pub(super) fn id(&self) -> RecoveryId {
        self.id.get()
    }

    /// The connection goes on where one that was kept had stopped: its client has heard everything up to this place.
    pub(super) fn resume(&self, kept: &Recoverable, place: Option<Place>) {
        self.id.set(kept.id);
        self.stale.set(kept.stale);
        self.newest.set(place.map_or(0, |place| place.offset.pos));
        // It may have been told of more than was kept when its hub died.
        self.past.set(kept.past.max(place.and_then(|place| place.own).map_or(0, |own| own.past)));
        self.barrier.set(kept.barrier);
        // What the connection before this one says from now on, perhaps at another hub, is of the past.
        self.taken_up.set(kept.taken_up.saturating_add(1));
        self.taken_from.set(kept.digest());
    }

    /// How often the connection was taken up again.
    pub(super) fn taken_up(&self) -> u64 {
        self.taken_up.get()
    }

    /// Everything up to `pos` was told from the store; the hub may be about to tell some of it.
    pub(super) fn caught_up_to(&self, pos: u64) {
        self.floor.set(pos);
    }

    /// How far it was told from the store while the connection was taken up again.
    pub(super) fn floor(&self) -> u64 {
        self.floor.get()
    }

    pub(super) fn has_told(&self, pos: u64) -> bool {
        pos <= self.floor()
    }

    /// Whether what has this `pos` is told to it as to everyone.
    pub(super) fn is_usual(&self, pos: u64) -> bool {
        self.is_in_order(pos) && pos != self.stale.get()
    }

    pub(super) fn is_new(&self, pos: u64) -> bool {
        pos > self.newest.get()
    }

    /// What the client names never goes back. A message of its own may be from before it joined, and so is a room's past.
    fn is_in_order(&self, pos: u64) -> bool {
        pos >= self.newest.get()
    }

    /// What the client is to name when it has heard of this, if it is told in order.
    pub(super) fn place(&self, offset: Offset) -> Option<Place> {
        let own = (offset.pos == self.stale.get()).then(|| self.own());
        self.is_in_order(offset.pos).then_some(Place { offset, own })
    }

    /// Counts one more piece that is told out of order. Returns what it is to name when it has heard of it.
    pub(super) fn count_past(&self) -> Place {
        self.past.set(self.past.get().saturating_add(1));
        self.barrier.set(self.newest.get());
        Place { offset: Offset { pos: self.newest.get(), half: false }, own: Some(self.own()) }
    }

    fn own(&self) -> Own {
        Own { past: self.past.get(), of: short(self.id.get()) }
    }

    pub(super) fn told(&self, pos: u64) {
        self.newest.set(self.newest.get().max(pos));
    }

    /// What is to be kept of it now. `is_told_past`: there may be more of a room's past to tell.
    pub(super) fn recoverable(
        &self,
        organization: OrgId,
        user: UserId,
        rooms: Vec<RecoverableRoom>,
        is_told_past: bool,
        lost_at: Option<Timestamp>,
    ) -> Recoverable {
        let (id, stale) = (self.id.get(), self.stale.get());
        // Whatever it names, it has not heard enough.
        let (barrier, past) = if is_told_past { (u64::MAX, u64::MAX) } else { (self.barrier.get(), self.past.get()) };
        let (taken_up, taken_from) = (self.taken_up.get(), self.taken_from.get());
        // The later word counts, also where a clock is set back.
        let kept_at = clock::now().max(self.kept_at.get() + Duration::from_micros(1));
        self.kept_at.set(kept_at);
        Recoverable { id, organization, user, rooms, barrier, past, stale, taken_up, taken_from, kept_at, lost_at }
    }
}

/// What `named` says of the connection that was kept. `None`: it is of another one.
pub(super) fn place_in(kept: &Recoverable, named: Option<Place>) -> Option<Place> {
    named.filter(|place| match place.own {
        Some(own) => own.of == short(kept.id),
        None => place.offset.pos != kept.stale,
    })
}

/// Whether a client that stopped at this place has heard all that it was told of pasts.
pub(super) fn says_enough(kept: &Recoverable, place: Option<Place>) -> bool {
    let is_told_none = kept.barrier == 0 && kept.past == 0;
    let has_heard = |place: Place| {
        place.offset.pos > kept.barrier || place.own.is_some_and(|own| own.past >= kept.past && own.past < u64::MAX)
    };
    is_told_none || place.is_some_and(has_heard)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn keeping(named: Option<Place>) -> Keeping {
        Keeping::new(ConnId(1), RecoveryId(Uuid::from_u128(7)), named)
    }

    fn kept(keeping: &Keeping, is_told_past: bool) -> Recoverable {
        keeping.recoverable(OrgId(Uuid::nil()), UserId(Uuid::nil()), Vec::new(), is_told_past, None)
    }

    fn offset(pos: u64) -> Offset {
        Offset { pos, half: false }
    }

    #[test]
    fn whoever_has_heard_the_last_of_a_past_or_something_later_has_heard_enough() {
        let keeping = keeping(None);
        keeping.told(10);
        assert!(says_enough(&kept(&keeping, false), None), "live events alone come in order");
        let (first, last) = (keeping.count_past(), keeping.count_past());
        for place in [first, last] {
            assert!(!says_enough(&kept(&keeping, true), Some(place)), "there may be more");
        }
        let kept = kept(&keeping, false);
        for place in [None, Some(offset(10).into()), Some(first)] {
            assert!(!says_enough(&kept, place), "{place:?}");
        }
        for place in [last, offset(11).into()] {
            assert!(says_enough(&kept, Some(place)), "{place:?}");
        }
        assert_eq!(last.offset.pos, 10, "what lies in the past is not newer");
        assert!(keeping.place(offset(10)).is_some() && keeping.place(offset(9)).is_none());
    }

    #[test]
    fn of_two_words_the_later_counts_whatever_the_clock_says() {
        let keeping = keeping(None);
        let ahead = clock::now() + Duration::from_secs(60);
        keeping.kept_at.set(ahead);
        let (first, second) = (kept(&keeping, false).kept_at, kept(&keeping, false).kept_at);
        assert!(ahead < first && first < second);
    }

    #[test]
    fn what_was_told_of_a_past_before_the_hub_died_is_not_told_under_the_same_number_again() {
        let before = keeping(None);
        let row = kept(&before, false);
        let (_, unkept) = (before.count_past(), before.count_past());
        let after = keeping(Some(unkept));
        after.resume(&row, place_in(&row, Some(unkept)));
        let next = after.count_past();
        assert!(!says_enough(&kept(&after, false), Some(unkept)) && says_enough(&kept(&after, false), Some(next)));
    }

    #[test]
    fn what_a_client_named_when_it_came_is_never_taken_for_something_that_it_heard_here() {
        let elsewhere = keeping(None).count_past();
        let keeping = keeping(Some(offset(61).into()));
        assert!(keeping.is_usual(60) && keeping.is_usual(62) && !keeping.is_usual(61));
        let here = keeping.place(offset(61)).unwrap();
        keeping.told(61);
        let kept = kept(&keeping, false);
        assert_eq!(place_in(&kept, Some(offset(61).into())), None);
        assert_eq!(place_in(&kept, Some(here)), Some(here));
        assert_eq!(place_in(&kept, Some(offset(62).into())), Some(offset(62).into()));
        let other = Recoverable { id: RecoveryId(Uuid::from_u128(8)), ..kept };
        assert_eq!(place_in(&other, Some(elsewhere)), None);
    }
}
