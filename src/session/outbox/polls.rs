//! The outbox of a session that is polled: what waits is handed to a poll, or to the socket that takes its place.

use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::oneshot::Sender;

use super::{Carrier, Fault, Inner, Outbox, State};
use crate::session::dialect::Registered;
use crate::session::payload::{encode, share};
use crate::session::queue::Queue;
use crate::session::settings::Sessions;
use crate::transport::io::Io;

/// Why a polling request is not served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unserved {
    /// The session has ended.
    Ended,
    /// The session does not expect it: it has a socket by now, or another such request is being served.
    Unexpected,
}

/// The payload that a poll takes away.
pub type PollAnswer = Result<Bytes, Unserved>;

/// A poll that waits for something to be told.
pub(super) struct Waiting {
    answer: Sender<PollAnswer>,
    /// A socket had been offered before it came.
    late: bool,
}

impl Outbox {
    /// One without a socket.
    pub(in crate::session) fn polled(sessions: Arc<Sessions>, voice: Option<&'static Registered>) -> Rc<Self> {
        Self::over(Carrier::Polls(None), sessions, voice)
    }

    pub(in crate::session) fn is_polled(&self) -> bool {
        matches!(self.inner.borrow().carrier, Carrier::Polls(_))
    }

    pub(in crate::session) fn has_poll(&self) -> bool {
        matches!(self.inner.borrow().carrier, Carrier::Polls(Some(_)))
    }

    /// A poll that waits from now on. `late`: a socket has been offered already. One at a time.
    ///
    /// # Errors
    /// The poll comes back where one waits already, or none is expected.
    pub(in crate::session) fn wait(&self, answer: Sender<PollAnswer>, late: bool) -> Result<(), Sender<PollAnswer>> {
        match &mut self.inner.borrow_mut().carrier {
            Carrier::Polls(waiting @ None) => {
                *waiting = Some(Waiting { answer, late });
                Ok(())
            }
            _ => Err(answer),
        }
    }

    /// Ends the poll that waits with a packet that says nothing.
    pub(in crate::session) fn end_poll(&self, packet: &'static str) {
        self.inner.borrow_mut().end_poll(Bytes::from_static(packet.as_bytes()));
    }

    /// From now on a socket brings what is told, `first` before all of it. A poll that waits has waited in vain.
    pub(in crate::session) fn move_to(&self, io: Io, first: Vec<u8>, noop: &'static str) {
        let mut inner = self.inner.borrow_mut();
        if let Carrier::Polls(Some(Waiting { answer, late })) = mem::replace(&mut inner.carrier, Carrier::Socket(io)) {
            // If it is gone, so what: it is the socket that counts.
            let _ = answer.send(if late { Err(Unserved::Unexpected) } else { Ok(Bytes::from_static(noop.as_bytes())) });
        }
        if !first.is_empty() {
            inner.queue.get_or_insert_with(Queue::take).push_front(first.into());
        }
    }
}

impl Inner {
    fn end_poll(&mut self, payload: Bytes) {
        if let Carrier::Polls(waiting) = &mut self.carrier
            && let Some(waiting) = waiting.take()
            && waiting.answer.send(Ok(payload)).is_err()
        {
            self.fault = Some(Fault::Broken);
            self.wake();
        }
    }

    /// Gives the poll that waits what there is to tell.
    pub(super) fn answer_poll(&mut self) {
        let Some(queue) = self.queue.as_mut().filter(|_| matches!(self.carrier, Carrier::Polls(Some(_)))) else {
            return;
        };
        // There may be no other poll for the rest of a session that is closed.
        let count = if self.state == State::Open { share(queue.frames()) } else { queue.len() };
        let payload = encode(queue.frames().take(count));
        queue.forget(count);
        if let Some(queue) = self.queue.take_if(|queue| queue.is_empty()) {
            queue.give_back();
        }
        // Where all that waited was a WebSocket's own.
        if !payload.is_empty() {
            self.end_poll(payload);
        }
    }

    /// Ready when nothing waits to be told. A poll that was cancelled is the end of the session.
    pub(super) fn poll_polls(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Carrier::Polls(Some(waiting)) = &mut self.carrier
            && waiting.answer.poll_closed(cx).is_ready()
        {
            self.fault = Some(Fault::Broken);
        }
        if self.queue.is_none() { Poll::Ready(()) } else { Poll::Pending }
    }
}
