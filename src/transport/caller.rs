//! The client of an HTTP connection, as those see it who let it wait for an answer: whether it is still there, and that
//! the server is not the one who waits.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

/// One for each HTTP connection; handlers find it among the connection's data.
#[derive(Clone, Default, Debug)]
pub struct Caller(Rc<Shared>);

#[derive(Default, Debug)]
struct Shared {
    gone: Cell<bool>,
    left: Notify,
    /// How many answers it waits for.
    kept: Cell<usize>,
    /// It has waited, and its time begins anew.
    released: Cell<bool>,
}

/// While this lives, it is the client who waits.
#[derive(Debug)]
pub struct Kept(Caller);

impl Caller {
    /// Comes when the client has ended its side of the connection, or all of it.
    pub async fn gone(&self) {
        let left = self.0.left.notified();
        if !self.0.gone.get() {
            left.await;
        }
    }

    /// From now on the client waits, and its silence is no fault.
    pub fn keep(&self) -> Kept {
        self.0.kept.set(self.0.kept.get() + 1);
        Kept(self.clone())
    }

    pub(super) fn is_kept(&self) -> bool {
        self.0.kept.get() > 0
    }

    pub(super) fn take_release(&self) -> bool {
        self.0.released.take()
    }

    pub(super) fn note_end(&self) {
        self.0.gone.set(true);
        self.0.left.notify_waiters();
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let kept = &self.0.0.kept;
        kept.set(kept.get().saturating_sub(1));
        self.0.0.released.set(true);
    }
}
