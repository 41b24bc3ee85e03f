//! The outbox of a session that is polled: what waits is handed to a poll, or to the socket that takes its place.
//!
//! A browser whose connection ends before the answer has come sends the same request again, and its page knows nothing of
//! it. So a poll may have a name, which is another for each:
//!
//! - The last answer is kept until a poll with another name comes, and given again to one with the same.
//! - A poll with the name of the one that waits takes its place: nobody waits at the other's end any more.
//! - Where a poll is cancelled that has a name, the same may come again for a moment before the session counts as lost.
//!
//! A session that is closed ends with a packet that says so, unless its client is to come back: some clients (python-socketio,
//! `rust_socketio`) take that packet for a word that they shall stay away. Their last poll is answered as one of a session that
//! there is not, which all clients take for a connection that was lost.

use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot::Sender;

use super::{Carrier, Fault, Inner, Outbox, State};
use crate::session::dialect::Registered;
use crate::session::payload::{NOOP, encode, is_end_to_come_back_from, share};
use crate::session::queue::Queue;
use crate::session::settings::Sessions;
use crate::session::wheel::Moment;
use crate::transport::io::Io;

/// Why a polling request is not served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unserved {
    /// The session has ended.
    Ended,
    /// The session does not expect it: it has a socket by now, or another such request is being served.
    Unexpected,
}

/// How much of what waits a poll takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Portion {
    All,
    /// A few packets: python-engineio takes more for an error, and others may.
    #[default]
    Few,
}

/// The payload that a poll takes away.
pub type PollAnswer = Result<Bytes, Unserved>;

/// How long a poll may take to come again.
const AGAIN: Duration = Duration::from_millis(500);

/// How often an answer is given again. A client that goes on to ask for it calls all its polls the same.
const MAX_REPEATS: u8 = 2;

/// The longest name that is remembered, in bytes. Those that clients make up have about ten.
const MAX_NAME: usize = 64;

/// How many digits tell them apart. Zeros at the end are left out.
const MICROSECONDS: usize = 4;

/// What a client calls a poll by, so that the same request is known when it comes again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PollName(Box<str>);

impl PollName {
    /// `None` for what says nothing: some clients send the time, in seconds or milliseconds, and have several polls in one.
    /// Those that send it to the microsecond have not.
    pub fn of(text: &str) -> Option<Self> {
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let says_little = match text.split_once('.') {
            Some((whole, fraction)) => is_number(whole) && is_number(fraction) && fraction.len() < MICROSECONDS,
            None => is_number(text),
        };
        (text.len() <= MAX_NAME && !says_little).then(|| Self(text.into()))
    }
}

/// A poll that waits for something to be told.
pub(in crate::session) struct Waiting {
    pub(in crate::session) answer: Sender<PollAnswer>,
    pub(in crate::session) name: Option<PollName>,
    /// A socket had been offered before it came.
    pub(in crate::session) late: bool,
}

/// What brings frames to a client without a socket: one poll after another.
#[derive(Default)]
pub(super) struct Polls {
    waiting: Option<Waiting>,
    answered: Option<Answered>,
    cancelled: Option<Cancelled>,
    /// The client calls all its polls the same, so that its names mean nothing.
    unnamed: bool,
    portion: Portion,
    /// Where so many frames wait, or bytes, the client is far behind: a few at a time would be its end. More than a room's
    /// past has waiting at once.
    hurry_at: (usize, usize),
}

/// The last poll, if it may come again.
struct Answered {
    name: PollName,
    payload: Bytes,
    at: Moment,
    repeats: u8,
}

/// A poll that waited and does so no more.
struct Cancelled {
    name: PollName,
    until: Moment,
}

impl Polls {
    pub(super) fn is_waited_for(&self) -> bool {
        self.waiting.is_some()
    }

    /// Takes a poll in. `over`: all has been told that there was.
    fn take(&mut self, mut poll: Waiting, over: bool) -> Result<(), (Waiting, Unserved)> {
        if self.unnamed {
            poll.name = None;
        }
        if let Some(cancelled) = self.cancelled.take_if(|it| poll.name.as_ref() != Some(&it.name)) {
            self.cancelled = Some(Cancelled { until: Moment::now(), ..cancelled });
            return Err((poll, Unserved::Ended));
        }
        self.cancelled = None;
        if let Some(last) = self.answered.as_mut().filter(|last| poll.name.as_ref() == Some(&last.name)) {
            if last.repeats < MAX_REPEATS {
                last.repeats += 1;
                if poll.answer.send(Ok(last.payload.clone())).is_err() {
                    self.cancelled = Some(Cancelled { name: last.name.clone(), until: Moment::now() + AGAIN });
                }
                return Ok(());
            }
            self.unnamed = true;
            poll.name = None;
        }
        if over {
            return Err((poll, Unserved::Ended));
        }
        if let Some(first) = self.waiting.take_if(|first| first.name.is_some() && first.name == poll.name) {
            // If it is there after all, it shall know that it has heard nothing.
            let _ = first.answer.send(Ok(Bytes::from_static(NOOP.as_bytes())));
        }
        if self.waiting.is_some() {
            return Err((poll, Unserved::Unexpected));
        }
        self.answered = None;
        self.waiting = Some(poll);
        Ok(())
    }

    /// Answers the poll that waits. False if it is gone and will not come again.
    fn answer(&mut self, payload: Bytes) -> bool {
        let Some(Waiting { answer, name, .. }) = self.waiting.take() else { return true };
        let arrived = answer.send(Ok(payload.clone())).is_ok();
        let Some(name) = name else { return arrived };
        let at = Moment::now();
        if !arrived {
            self.cancelled = Some(Cancelled { name: name.clone(), until: at + AGAIN });
        }
        self.answered = Some(Answered { name, payload, at, repeats: 0 });
        true
    }

    /// Answers the poll that waits as if there were no session.
    fn turn_away(&mut self) {
        if let Some(Waiting { answer, .. }) = self.waiting.take() {
            let _ = answer.send(Err(Unserved::Ended));
        }
    }

    /// Looks whether the poll that waits, or did, is lost.
    fn is_lost(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(Waiting { name, .. }) = self.waiting.take_if(|it| it.answer.poll_closed(cx).is_ready()) {
            let Some(name) = name else { return true };
            self.cancelled = Some(Cancelled { name, until: Moment::now() + AGAIN });
        }
        self.cancelled.as_ref().is_some_and(|it| it.until <= Moment::now())
    }
}

impl Outbox {
    /// One without a socket.
    pub(in crate::session) fn polled(
        sessions: Arc<Sessions>,
        voice: Option<&'static Registered>,
        portion: Portion,
    ) -> Rc<Self> {
        let limits = sessions.limits();
        let hurry_at = (limits.queue_frames / 4 * 3, limits.queue_bytes / 4 * 3);
        Self::over(Carrier::Polls(Box::new(Polls { portion, hurry_at, ..Polls::default() })), sessions, voice)
    }

    pub(in crate::session) fn is_polled(&self) -> bool {
        matches!(self.inner.borrow().carrier, Carrier::Polls(_))
    }

    pub(in crate::session) fn has_poll(&self) -> bool {
        matches!(&self.inner.borrow().carrier, Carrier::Polls(polls) if polls.is_waited_for())
    }

    /// A poll that waits from now on, or is answered at once as the same was before. One at a time.
    ///
    /// # Errors
    /// The poll comes back where another waits already, or none is expected.
    pub(in crate::session) fn wait(&self, poll: Waiting) -> Result<(), (Waiting, Unserved)> {
        let mut inner = self.inner.borrow_mut();
        let over = inner.state != State::Open && inner.queue.is_none();
        match &mut inner.carrier {
            Carrier::Polls(polls) => polls.take(poll, over),
            _ => Err((poll, Unserved::Unexpected)),
        }
    }

    /// When a poll that was cancelled counts as lost.
    pub(in crate::session) fn lost_at(&self) -> Option<Moment> {
        match &self.inner.borrow().carrier {
            Carrier::Polls(polls) => polls.cancelled.as_ref().map(|it| it.until),
            _ => None,
        }
    }

    /// Until when the last poll may come again because its answer did not arrive.
    pub(in crate::session) fn repeats_until(&self) -> Option<Moment> {
        match &self.inner.borrow().carrier {
            Carrier::Polls(polls) => polls.answered.as_ref().map(|it| it.at + AGAIN),
            _ => None,
        }
    }

    /// Ends the poll that waits with a packet that says nothing.
    pub(in crate::session) fn end_poll(&self, packet: &'static str) {
        self.inner.borrow_mut().end_poll(Bytes::from_static(packet.as_bytes()));
    }

    /// From now on a socket brings what is told, `first` before all of it. A poll that waits has waited in vain.
    pub(in crate::session) fn move_to(&self, io: Io, first: Vec<u8>, noop: &'static str) {
        let mut inner = self.inner.borrow_mut();
        if let Carrier::Polls(polls) = mem::replace(&mut inner.carrier, Carrier::Socket(io))
            && let Some(Waiting { answer, late, .. }) = polls.waiting
        {
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
        let Carrier::Polls(polls) = &mut self.carrier else { return };
        if !polls.answer(payload) {
            self.fault = Some(Fault::Broken);
        }
        if self.fault.is_some() || polls.cancelled.is_some() {
            self.wake();
        }
    }

    /// Gives the poll that waits what there is to tell.
    pub(super) fn answer_poll(&mut self) {
        let Carrier::Polls(polls) = &self.carrier else { return };
        let ((most_frames, most_bytes), is_waited_for) = (polls.hurry_at, polls.is_waited_for());
        let takes_all = polls.portion == Portion::All;
        let Some(queue) = self.queue.as_mut().filter(|_| is_waited_for) else { return };
        let count = match self.state {
            State::Open if takes_all || queue.len() >= most_frames || queue.bytes() >= most_bytes => queue.len(),
            State::Open => share(queue.frames()),
            // The end comes by itself: clients that read it with something before it in one payload end first, and what
            // was said before is lost on them. There is no time for more than that.
            _ => queue.len().saturating_sub(1).max(1),
        };
        let is_turned_away = queue.frames().take(count).all(is_end_to_come_back_from);
        let payload = encode(queue.frames().take(count));
        queue.forget(count);
        if let Some(queue) = self.queue.take_if(|queue| queue.is_empty()) {
            queue.give_back();
        }
        if is_turned_away && let Carrier::Polls(polls) = &mut self.carrier {
            polls.turn_away();
        }
        // Where all that waited was a WebSocket's own.
        else if !payload.is_empty() {
            self.end_poll(payload);
        }
    }

    /// Ready when nothing waits to be told. A poll that was cancelled, and does not come again, is the end of the session.
    pub(super) fn poll_polls(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Carrier::Polls(polls) = &mut self.carrier
            && polls.is_lost(cx)
        {
            self.fault = Some(Fault::Broken);
        }
        if self.queue.is_none() { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_names_a_poll_if_it_is_exact() {
        for name in ["P8xK2mA", "0mhqz6ab", "1795391758.469793", "1795391758.4697", "1.2.3456"] {
            assert!(PollName::of(name).is_some(), "{name}");
        }
        for time in ["", "1795391758", "1795391758469", "1795391758.46", "1795391758."] {
            assert!(PollName::of(time).is_none(), "{time}");
        }
    }
}
