//! Which connection is the present one under each name that connections are taken up again by.
//!
//! A client may come back before this side has noticed that it had gone. From then on the old connection is nobody's: what
//! it says of itself must not replace what is kept of the new one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use actix::WeakRecipient;
use rustc_hash::FxHashMap;

use crate::domain::{CloseReason, ConnId, RecoveryId};
use crate::hub::handle::End;

#[derive(Default)]
pub(super) struct Holders(Mutex<FxHashMap<RecoveryId, (ConnId, WeakRecipient<End>)>>);

impl Holders {
    fn lock(&self) -> MutexGuard<'_, FxHashMap<RecoveryId, (ConnId, WeakRecipient<End>)>> {
        // A panic elsewhere leaves nothing half done in here.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `conn` is the one from now on. The one before it ends, as one that was lost.
    pub(super) fn take(&self, id: RecoveryId, conn: ConnId, session: WeakRecipient<End>) {
        let before = self.lock().insert(id, (conn, session));
        if let Some((old, session)) = before.filter(|(old, _)| *old != conn)
            && let Some(session) = session.upgrade()
        {
            session.do_send(End::Close(old, CloseReason::HeartbeatTimeout));
        }
    }

    pub(super) fn is_held_by(&self, id: RecoveryId, conn: ConnId) -> bool {
        self.lock().get(&id).is_some_and(|(holder, _)| *holder == conn)
    }

    /// `conn` is over.
    pub(super) fn release(&self, id: RecoveryId, conn: ConnId) {
        let mut holders = self.lock();
        if holders.get(&id).is_some_and(|(holder, _)| *holder == conn) {
            holders.remove(&id);
        }
    }
}
