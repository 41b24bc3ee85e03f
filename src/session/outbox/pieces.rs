//! The outbox of a session whose words are the body of an HTTP answer: what waits is taken piece by piece.

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};

use super::{Carrier, Fault, Inner, Outbox, State};
use crate::domain::CloseReason;
use crate::session::queue::Queue;
use crate::session::settings::Sessions;

/// Blocks of this size together are put side by side in one piece.
const PIECE: usize = 16 * 1024;

/// How much more than usual may come in one turn.
const SLACK: usize = 16;

/// What is said besides what the dialect says.
#[derive(Clone, Copy)]
pub struct Phrases {
    /// That the connection lives.
    pub heartbeat: &'static str,
    /// Why it ends.
    pub farewell: fn(CloseReason) -> Bytes,
}

/// Where the pieces go.
pub(super) struct Pieces {
    pub(super) phrases: Phrases,
    /// Of the answer's task.
    reader: Option<Waker>,
    /// One is on its way into the HTTP stack.
    on_its_way: bool,
    /// All was taken by the last time that the answer's task looked, and it has yet to look again.
    idle: bool,
}

impl Pieces {
    /// How many times more than usual may wait. What comes in one turn says nothing about a client that had taken everything
    /// before it: the answer's task could not write any of it yet. The bytes are the same for all who hear them.
    pub(super) fn slack(&self) -> usize {
        if self.idle { SLACK } else { 1 }
    }

    fn wake(&self) {
        if let Some(reader) = &self.reader {
            reader.wake_by_ref();
        }
    }
}

impl Outbox {
    /// One that is read as the body of an answer.
    pub(in crate::session) fn streamed(sessions: Arc<Sessions>, phrases: Phrases) -> Rc<Self> {
        let pieces = Pieces { phrases, reader: None, on_its_way: false, idle: false };
        Self::over(Carrier::Pieces(Box::new(pieces)), sessions, None)
    }

    pub(in crate::session) fn is_streamed(&self) -> bool {
        matches!(self.inner.borrow().carrier, Carrier::Pieces(_))
    }

    /// The next piece, in the answer's task, which is woken when there is more. `None`: that was all.
    pub(in crate::session) fn poll_piece(&self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut inner = self.inner.borrow_mut();
        let is_all = inner.queue.is_none();
        let Carrier::Pieces(pieces) = &mut inner.carrier else { return Poll::Ready(None) };
        pieces.reader = Some(cx.waker().clone());
        if pieces.on_its_way {
            return Poll::Pending;
        }
        pieces.idle = is_all;
        let Some(piece) = inner.queue.as_mut().and_then(|queue| take_piece(queue)) else { return Poll::Pending };
        if let Some(queue) = inner.queue.take_if(|queue| queue.is_empty()) {
            queue.give_back();
        }
        if let Carrier::Pieces(pieces) = &mut inner.carrier {
            pieces.on_its_way = true;
        }
        if inner.state != State::Open {
            inner.wake();
        }
        Poll::Ready(Some(piece))
    }

    /// The HTTP stack has the last piece.
    pub(in crate::session) fn piece_is_taken(&self) {
        if let Carrier::Pieces(pieces) = &mut self.inner.borrow_mut().carrier {
            pieces.on_its_way = false;
        }
    }

    /// Nobody reads any more.
    pub(in crate::session) fn break_off(&self) {
        let mut inner = self.inner.borrow_mut();
        if matches!(inner.carrier, Carrier::Pieces(_)) {
            inner.fault = Some(Fault::Broken);
            inner.wake();
        }
    }
}

impl Inner {
    /// Has the answer's task look whether there is something for it.
    pub(super) fn wake_reader(&self) {
        if let Carrier::Pieces(pieces) = &self.carrier {
            pieces.wake();
        }
    }
}

/// What fits side by side, and one block at least.
fn take_piece(queue: &mut Queue) -> Option<Bytes> {
    let mut size = 0;
    let fits = queue.frames().take_while(|block| {
        size += block.len();
        size <= PIECE
    });
    let count = fits.count().max(1);
    let piece = if count == 1 {
        queue.frames().next()?.clone()
    } else {
        let mut piece = BytesMut::with_capacity(PIECE);
        queue.frames().take(count).for_each(|block| piece.extend_from_slice(block));
        piece.freeze()
    };
    queue.forget(count);
    Some(piece)
}
