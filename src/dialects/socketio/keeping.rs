//! What is noted of a connection whose client wants to be taken up again after a drop.
//!
//! The client names the last offset that it has heard. What it was told before is then known to have come, as long as
//! offsets only grow. While it is told of a room's past that is not so: from then on, only an offset beyond everything that
//! it had been told by the end of that says anything, and until it can name one it cannot be taken up again.

use std::cell::Cell;
use std::num::NonZeroU64;

use crate::clock;
use crate::domain::{ConnId, OrgId, Recoverable, RecoverableRoom, RecoveryId, Timestamp, UserId};

#[derive(Debug)]
pub(super) struct Keeping {
    conn: ConnId,
    id: Cell<RecoveryId>,
    /// What the client named when it came, an offset of another connection, until it has heard a newer one here. 0: nothing.
    stale: Cell<u64>,
    /// The highest offset that it was told here.
    newest: Cell<u64>,
    barrier: Cell<u64>,
    /// The barrier before it was raised for a room's past, while nothing has been told since.
    before: Cell<Option<NonZeroU64>>,
    /// Everything up to here was told while the connection was taken up again.
    floor: Cell<u64>,
    taken_up: Cell<u64>,
    taken_from: Cell<u64>,
}

impl Keeping {
    pub(super) fn new(conn: ConnId, id: RecoveryId, named: Option<u64>) -> Self {
        Self {
            conn,
            id: Cell::new(id),
            stale: Cell::new(named.unwrap_or(0)),
            newest: Cell::default(),
            barrier: Cell::default(),
            before: Cell::default(),
            floor: Cell::default(),
            taken_up: Cell::default(),
            taken_from: Cell::default(),
        }
    }

    /// The connection of which it is noted.
    pub(super) fn conn(&self) -> ConnId {
        self.conn
    }

    pub(super) fn id(&self) -> RecoveryId {
        self.id.get()
    }

    /// The connection goes on where one that was kept had stopped.
    pub(super) fn resume(&self, kept: &Recoverable) {
        self.id.set(kept.id);
        self.barrier.set(kept.barrier);
        self.stale.set(kept.stale);
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

    pub(super) fn has_told(&self, pos: u64) -> bool {
        pos <= self.floor.get()
    }

    /// Whether what has this `pos` is told with it: what the client names never goes back. A message of its own may be from
    /// before it joined, and so is a room's past.
    pub(super) fn is_offered(&self, pos: u64) -> bool {
        pos >= self.newest.get()
    }

    pub(super) fn told(&self, pos: u64) {
        self.newest.set(self.newest.get().max(pos));
        self.before.set(None);
        if pos == self.stale.get() {
            // From now on it is an offset of this connection.
            self.stale.set(0);
        }
    }

    pub(super) fn past_begins(&self) {
        if self.barrier.get() != u64::MAX {
            // One more, as zero is the usual one.
            self.before.set(NonZeroU64::new(self.barrier.replace(u64::MAX) + 1));
        }
    }

    pub(super) fn past_is_told(&self) {
        let told = self.newest.get();
        self.barrier.set(self.before.take().map_or(told, |before| before.get() - 1));
    }

    /// What is to be kept of it now.
    pub(super) fn recoverable(
        &self,
        organization: OrgId,
        user: UserId,
        rooms: Vec<RecoverableRoom>,
        lost_at: Option<Timestamp>,
    ) -> Recoverable {
        let (id, barrier, stale) = (self.id.get(), self.barrier.get(), self.stale.get());
        let (taken_up, taken_from, kept_at) = (self.taken_up.get(), self.taken_from.get(), clock::now());
        Recoverable { id, organization, user, rooms, barrier, stale, taken_up, taken_from, kept_at, lost_at }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn keeping(named: Option<u64>) -> Keeping {
        Keeping::new(ConnId(1), RecoveryId(Uuid::nil()), named)
    }

    #[test]
    fn while_the_past_is_told_no_offset_will_do_and_then_only_a_newer_one() {
        let keeping = keeping(None);
        keeping.told(10);
        assert_eq!(keeping.barrier.get(), 0, "live events alone come in order");
        keeping.past_begins();
        assert_eq!(keeping.barrier.get(), u64::MAX);
        keeping.told(3);
        keeping.past_is_told();
        assert_eq!(keeping.barrier.get(), 10, "what lies in the past is not newer");
        assert!(keeping.is_offered(10) && !keeping.is_offered(9));
        keeping.past_begins();
        keeping.past_begins();
        keeping.past_is_told();
        assert_eq!(keeping.barrier.get(), 10, "a past with nothing in it changes nothing");
    }

    #[test]
    fn what_a_client_named_when_it_came_is_kept_until_it_is_told_here() {
        let keeping = keeping(Some(61));
        keeping.told(60);
        assert_eq!(keeping.stale.get(), 61);
        keeping.told(61);
        assert_eq!(keeping.stale.get(), 0);
    }
}
