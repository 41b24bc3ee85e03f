//! Which connection is the present one under each name that connections are taken up again by.
//!
//! A client may come back before this side has noticed that it had gone. From then on the old connection is nobody's: what
//! it says of itself must not replace what is kept of the new one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use crate::domain::{ConnId, RecoveryId};

#[derive(Default)]
pub(super) struct Holders(Mutex<FxHashMap<RecoveryId, ConnId>>);

impl Holders {
    fn lock(&self) -> MutexGuard<'_, FxHashMap<RecoveryId, ConnId>> {
        // A panic elsewhere leaves nothing half done in here.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `conn` is the one from now on. Returns the one before it, which is to end.
    pub(super) fn take(&self, id: RecoveryId, conn: ConnId) -> Option<ConnId> {
        self.lock().insert(id, conn).filter(|before| *before != conn)
    }

    /// The present one, if it is here.
    pub(super) fn of(&self, id: RecoveryId) -> Option<ConnId> {
        self.lock().get(&id).copied()
    }

    pub(super) fn is_held_by(&self, id: RecoveryId, conn: ConnId) -> bool {
        self.of(id) == Some(conn)
    }

    /// `conn` is over.
    pub(super) fn release(&self, id: RecoveryId, conn: ConnId) {
        let mut holders = self.lock();
        if holders.get(&id) == Some(&conn) {
            holders.remove(&id);
        }
    }
}
