//! The sending side of a connection: writes at once what the socket takes, and queues the rest within bounds.
//!
//! - It is used from the session's task and from the fan-out of the same thread; nothing in it waits.
//! - Frames leave in the order in which they came, whole. While anything waits, everything waits behind it.
//! - A queue that would exceed its limits is written out first, whether or not its flush has come. If what the socket
//!   leaves of it is still too much, it is thrown away, but for a frame that was written in part, and the connection is
//!   closed with `slow_consumer`. A client whose socket takes everything is never slow.
//! - An outbox with an empty queue holds no memory for it.
//! - A session without a socket is polled: everything is queued, as frames, until a poll takes it (see [`polls`]). One that
//!   only tells is read as the body of an HTTP answer, and what is queued is taken [piece by piece](pieces).

mod pieces;
mod polls;

use std::cell::RefCell;
use std::io::ErrorKind;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::io::ReadBuf;

use super::dialect::Registered;
use super::queue::Queue;
use super::settings::{SessionLimits, Sessions};
use super::voice::Voice;
use crate::domain::{CloseReason, Event, Tag, Timestamp};
use crate::hub::handle::{Backlog, Broadcast, Outlet};
use crate::transport::io::Io;
use crate::transport::ws::writer::{PING, close_frame};
pub use pieces::Phrases;
use pieces::Pieces;
use polls::Polls;
pub(super) use polls::Waiting;
pub use polls::{PollAnswer, PollName, Portion, Unserved};

pub struct Outbox {
    inner: RefCell<Inner>,
    sessions: Arc<Sessions>,
    /// `None` for a connection that is none of the hub's: it hears no events.
    voice: Option<Voice>,
}

/// What went wrong without the session's doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// The queue overflowed; the Close frame is in it.
    SlowConsumer,
    /// The socket failed.
    Broken,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Open,
    /// The Close frame is the last that is written.
    Closing,
    Gone,
}

/// What brings frames to the client.
enum Carrier {
    Socket(Io),
    Polls(Box<Polls>),
    Pieces(Box<Pieces>),
    Gone,
}

struct Inner {
    carrier: Carrier,
    /// What waits to be written. `None`: nothing, as nearly always.
    queue: Option<Box<Queue>>,
    /// Of the session's task.
    waker: Option<Waker>,
    state: State,
    fault: Option<Fault>,
    /// The socket took less than it was given, and has not said since that it takes more.
    blocked: bool,
    /// Something was queued for a flush that is to come.
    listed: bool,
    /// The session's time has come.
    rung: bool,
}

impl Outbox {
    pub(super) fn new(io: Io, sessions: Arc<Sessions>, voice: Option<&'static Registered>) -> Rc<Self> {
        Self::over(Carrier::Socket(io), sessions, voice)
    }

    fn over(carrier: Carrier, sessions: Arc<Sessions>, voice: Option<&'static Registered>) -> Rc<Self> {
        let inner = Inner {
            carrier,
            queue: None,
            waker: None,
            state: State::Open,
            fault: None,
            blocked: false,
            listed: false,
            rung: false,
        };
        Rc::new(Self { inner: RefCell::new(inner), sessions, voice: voice.map(Voice::new) })
    }

    fn limits(&self) -> &SessionLimits {
        self.sessions.limits()
    }

    pub(super) fn roomless_since(&self) -> Option<Timestamp> {
        self.voice.as_ref().and_then(Voice::roomless_since)
    }

    pub(super) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// So much waits to be written that nothing shall be read.
    pub(super) fn is_too_full_to_read(&self) -> bool {
        self.queued_bytes() > self.limits().pause_at
    }

    /// Writes a frame at once if nothing waits, else queues it. A volatile one is dropped for a peer that is behind.
    pub fn post(&self, frame: &Bytes, volatile: bool) {
        self.inner.borrow_mut().post(frame, volatile, self.limits());
    }

    /// Queues a frame for [`Outbox::flush`]. Returns true if there was nothing queued for it before.
    pub fn list(&self, frame: Bytes, volatile: bool) -> bool {
        self.inner.borrow_mut().list(frame, volatile, self.limits())
    }

    /// Writes what is queued, as far as the socket takes it.
    pub fn flush(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.listed = false;
        if !inner.blocked {
            inner.write_queue();
            inner.wake_if_unwell();
        }
    }

    /// How much waits to be written.
    pub fn backlog(&self) -> Backlog {
        let (inner, limits) = (self.inner.borrow(), self.limits());
        match inner.queue.as_deref() {
            _ if inner.state != State::Open => Backlog::Gone,
            Some(queue) if is_heavy(queue, limits) => Backlog::Heavy,
            _ => Backlog::Light,
        }
    }

    /// Has the session take a turn: something that it waited for has come.
    pub fn nudge(&self) {
        self.inner.borrow().wake();
    }

    /// Queues what shall leave together with what comes next.
    pub(super) fn hold(&self, bytes: Bytes) {
        self.inner.borrow_mut().push(bytes);
    }

    /// Makes the word that tells why the last one. What waits before it is still written.
    pub(super) fn end(&self, reason: CloseReason) {
        let farewell = self.inner.borrow().farewell(reason);
        self.close(farewell);
        self.inner.borrow().wake_reader();
    }

    /// Says that the connection lives.
    pub(super) fn beat(&self) {
        let beat = match &self.inner.borrow().carrier {
            Carrier::Pieces(pieces) => Bytes::from_static(pieces.phrases.heartbeat.as_bytes()),
            _ => PING,
        };
        self.post(&beat, false);
    }

    /// Makes `frame` the last one. What waits before it is still written.
    pub(super) fn close(&self, frame: Bytes) {
        let mut inner = self.inner.borrow_mut();
        if inner.state == State::Open {
            inner.state = State::Closing;
            inner.push(frame);
        }
    }

    /// Says that nothing more will be written.
    pub(super) fn finish(&self) {
        if let Carrier::Socket(io) = &mut self.inner.borrow_mut().carrier {
            io.finish();
        }
    }

    /// Closes the socket and lets go of everything. Whoever still holds the outbox holds next to nothing.
    pub(super) fn hang_up(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.state = State::Gone;
        inner.wake_reader();
        inner.carrier = Carrier::Gone;
        inner.queue = None;
        inner.waker = None;
    }

    /// Wakes the session because its time has come.
    pub(super) fn ring(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.rung = true;
        inner.wake();
    }

    pub(super) fn take_ring(&self) -> bool {
        mem::take(&mut self.inner.borrow_mut().rung)
    }

    pub(super) fn take_fault(&self) -> Option<Fault> {
        self.inner.borrow_mut().fault.take()
    }

    /// How many bytes wait to be written.
    pub(super) fn queued_bytes(&self) -> usize {
        self.inner.borrow().queue.as_ref().map_or(0, |queue| queue.bytes())
    }

    /// The task to wake from now on.
    pub(super) fn set_waker(&self, waker: &Waker) {
        let current = &mut self.inner.borrow_mut().waker;
        if !current.as_ref().is_some_and(|it| it.will_wake(waker)) {
            *current = Some(waker.clone());
        }
    }

    /// Reads what the client sent, in the session's task. The end of the stream and a failure read nothing.
    pub(super) fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<usize> {
        match &mut self.inner.borrow_mut().carrier {
            Carrier::Socket(io) => io.poll_read(cx, buffer).map(|result| result.map_or(0, |()| buffer.filled().len())),
            Carrier::Polls(_) | Carrier::Pieces(_) => Poll::Pending,
            Carrier::Gone => Poll::Ready(0),
        }
    }

    /// Writes what waits, in the session's task, which is woken when the socket takes more.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.inner.borrow_mut().poll_flush(cx)
    }
}

impl Outlet for Outbox {
    fn send(&self, broadcast: &Broadcast) {
        if let Some(voice) = &self.voice {
            let frame = voice.shared(broadcast);
            if !frame.is_empty() {
                self.post(frame, broadcast.event.is_volatile());
            }
        }
    }

    fn queue(&self, broadcast: &Broadcast) -> bool {
        let Some(voice) = &self.voice else { return false };
        let frame = voice.shared(broadcast);
        !frame.is_empty() && self.list(frame.clone(), broadcast.event.is_volatile())
    }

    fn answer(&self, event: &Event, _: Option<u64>, tag: &Tag, at: Timestamp) -> bool {
        let Some(voice) = &self.voice else { return false };
        voice.note(event, at);
        voice.encode(event, tag, at).is_some_and(|frame| self.list(frame, false))
    }

    fn flush(&self) {
        Outbox::flush(self);
    }

    fn backlog(&self) -> Backlog {
        Outbox::backlog(self)
    }
}

/// A quarter of what may wait does.
fn is_heavy(queue: &Queue, limits: &SessionLimits) -> bool {
    queue.bytes() >= limits.queue_bytes / 4 || queue.len() >= limits.queue_frames / 4
}

impl Inner {
    fn post(&mut self, frame: &Bytes, volatile: bool, limits: &SessionLimits) {
        if self.state != State::Open {
            return;
        }
        if self.blocked || self.queue.is_some() {
            self.enqueue(frame.clone(), volatile, limits);
            return;
        }
        let io = match &mut self.carrier {
            Carrier::Socket(io) => io,
            Carrier::Polls(_) => {
                // The session's task gives it to the poll that waits, with whatever else comes in this turn.
                self.enqueue(frame.clone(), volatile, limits);
                return self.wake();
            }
            Carrier::Pieces(_) => {
                self.enqueue(frame.clone(), volatile, limits);
                return self.wake_reader();
            }
            Carrier::Gone => return,
        };
        match io.write(frame) {
            Ok(written) if written == frame.len() => {
                if io.has_unflushed() {
                    self.blocked = true;
                }
            }
            Ok(written) => {
                self.queue = Some(Queue::rest(frame.slice(written..)));
                self.blocked = true;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.blocked = true;
                self.enqueue(frame.clone(), volatile, limits);
            }
            Err(_) => self.fault = Some(Fault::Broken),
        }
        self.wake_if_unwell();
    }

    /// Queues for a flush that is to come. Returns true if it is the first.
    fn list(&mut self, frame: Bytes, volatile: bool, limits: &SessionLimits) -> bool {
        self.enqueue(frame, volatile, limits) && !mem::replace(&mut self.listed, true)
    }

    /// Queues a frame, if it is not to be dropped and the queue may hold it.
    fn enqueue(&mut self, frame: Bytes, volatile: bool, limits: &SessionLimits) -> bool {
        if self.state != State::Open || (volatile && self.is_behind(limits)) {
            return false;
        }
        if !self.has_room_for(&frame, limits) {
            // A single turn of the fan-out may bring more than a queue holds. That says nothing about the client.
            self.write_queue();
            self.wake_if_unwell();
            if volatile && self.is_behind(limits) {
                return false;
            }
            if !self.has_room_for(&frame, limits) {
                self.overflow();
                return false;
            }
        }
        self.push(frame);
        true
    }

    /// The client takes less than it is told. One that polls is often between two polls, and a piece waits for its turn, which
    /// says nothing.
    fn is_behind(&self, limits: &SessionLimits) -> bool {
        match self.carrier {
            Carrier::Polls(_) | Carrier::Pieces(_) => {
                self.queue.as_deref().is_some_and(|queue| is_heavy(queue, limits))
            }
            _ => self.blocked,
        }
    }

    /// A frame that waits alone is let through whatever its size.
    fn has_room_for(&self, frame: &Bytes, limits: &SessionLimits) -> bool {
        let slack = if let Carrier::Pieces(pieces) = &self.carrier { pieces.slack() } else { 1 };
        self.queue.as_ref().is_none_or(|queue| {
            queue.is_empty()
                || (queue.bytes().saturating_add(frame.len()) <= limits.queue_bytes.saturating_mul(slack)
                    && queue.len() < limits.queue_frames.saturating_mul(slack))
        })
    }

    fn push(&mut self, frame: Bytes) {
        self.queue.get_or_insert_with(Queue::take).push(frame);
    }

    fn overflow(&mut self) {
        if let Some(queue) = &mut self.queue {
            queue.cut();
        }
        self.state = State::Closing;
        self.fault = Some(Fault::SlowConsumer);
        self.push(self.farewell(CloseReason::SlowConsumer));
        self.wake();
        self.wake_reader();
    }

    /// The last that is told.
    fn farewell(&self, reason: CloseReason) -> Bytes {
        match &self.carrier {
            Carrier::Pieces(pieces) => (pieces.phrases.farewell)(reason),
            _ => close_frame(reason),
        }
    }

    /// Writes until nothing waits or the socket takes no more.
    fn write_queue(&mut self) {
        let io = match &mut self.carrier {
            Carrier::Socket(io) => io,
            Carrier::Polls(_) => return self.answer_poll(),
            Carrier::Pieces(_) => return self.wake_reader(),
            Carrier::Gone => return,
        };
        let written = match &mut self.queue {
            Some(queue) => queue.write_to(io).and_then(|()| io.flush()),
            None => io.flush(),
        };
        if let Some(queue) = self.queue.take_if(|queue| queue.is_empty()) {
            queue.give_back();
        }
        match written {
            Ok(()) => self.blocked = false,
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.blocked = true,
            Err(_) => self.fault = Some(Fault::Broken),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // What is written here needs no other flush, and what is queued after it needs one of its own.
        self.listed = false;
        loop {
            self.blocked = false;
            self.write_queue();
            let io = match &mut self.carrier {
                Carrier::Socket(io) if self.blocked => io,
                Carrier::Polls(_) => return self.poll_polls(cx),
                Carrier::Pieces(_) if self.queue.is_some() => return Poll::Pending,
                _ => return Poll::Ready(()),
            };
            match io.poll_writable(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => {
                    self.fault = Some(Fault::Broken);
                    return Poll::Ready(());
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// The session's task must see to what cannot be done from outside: wait for the socket, or end.
    fn wake_if_unwell(&self) {
        if self.blocked || self.fault.is_some() {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
