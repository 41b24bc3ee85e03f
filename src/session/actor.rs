//! The session: an actor that owns a connection from its upgrade to the end of its closing handshake.
//!
//! - It reads only in its own task, a bounded number of pieces per turn, into a buffer that the thread's sessions share.
//! - Once it is decided that the connection ends, the peer is told so and hears nothing more; what remains is the
//!   closing handshake (RFC 6455, section 7), for a second at most.
//! - The socket is closed only after the client's side of it has ended, or that second has passed: closing it with
//!   bytes unread would reset it, and the client might never see why.
//! - A slow consumer has a quarter of a minute instead: much may lie in the kernel before its Close frame, and that it read
//!   slowly is no reason not to let it read why it was closed.

pub mod polled;
mod probe;
pub mod streamed;

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFuture, AsyncContext, Handler};
use tokio::io::ReadBuf;

use super::context::SessionContext;
use super::dialect::Registered;
use super::outbox::{Fault, Outbox};
use super::peer::{Ending, Link, Peer, Wishes};
use super::settings::Sessions;
use super::wheel::{Moment, Timer};
use crate::clock;
use crate::domain::{Bucket, CloseReason};
use crate::hub::handle::End;
use crate::transport::io::Io;
use crate::transport::ws::Opcode;
use crate::transport::ws::reader::{Frame, Reader};
use crate::transport::ws::writer::{close_echo, close_frame, frame};
use polled::Polling;

/// How much is read in one piece.
const PIECE: usize = 16 * 1024;

/// How many pieces are read before other sessions have their turn.
const PIECES_PER_TURN: usize = 8;

/// How long the closing handshake may take.
const CLOSING: Duration = Duration::from_secs(1);

/// How long it may take a slow consumer, which has what it did not read before it.
const CLOSING_SLOWLY: Duration = Duration::from_secs(15);

/// How much of a client that is being closed is still read. One that sends more sees the rest refused when the
/// second is over.
const MAX_DISCARDED: usize = 16 * 1024 * 1024;

/// How soon a congested peer is asked again.
const CONGESTION_RETRY: Duration = Duration::from_millis(50);

/// How long a peer's own time may be put off, so that a clock that was set back cannot hold it up for long.
const MAX_TICK: Duration = Duration::from_hours(1);

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; PIECE].into_boxed_slice());
}

/// What a socket becomes a session with.
pub struct Opening {
    pub peer: Box<dyn Peer>,
    /// The dialect in which the hub's events are told. `None`: the connection is none of the hub's.
    pub dialect: Option<&'static Registered>,
    pub sessions: Arc<Sessions>,
}

/// Makes a session of a socket, on this thread. `first` is written before anything else; `early` is what the client
/// sent behind its handshake.
pub fn start(io: Io, first: Vec<u8>, early: &[u8], opening: Opening) {
    let Opening { peer, dialect, sessions } = opening;
    let outbox = Outbox::new(io, sessions, dialect);
    outbox.hold(first.into());
    SessionContext::run(Session::new(outbox, peer, None), |context| {
        if !early.is_empty() {
            context.spawn(Early(early.into()));
        }
        context.spawn(Pump);
    });
}

/// There is one for each connection, so every field counts.
pub struct Session {
    outbox: Rc<Outbox>,
    peer: Box<dyn Peer>,
    reader: Reader,
    pings: Bucket,
    /// `None` while the connection is open.
    closing: Option<Box<Closing>>,
    timer: Option<Timer>,
    /// When bytes last came.
    heard_at: Moment,
    ping_at: Option<Moment>,
    tick_at: Option<Moment>,
    /// `None`: it has a socket.
    polling: Option<Box<Polling>>,
}

/// The end of a connection: the Close frame is written or waits for it.
struct Closing {
    until: Moment,
    /// The client's Close frame may still come. False also where its bytes make no sense any more.
    listening: bool,
    /// This side of the socket has ended.
    finished: bool,
    discarded: usize,
    /// Why, where this side decided it.
    ours: Option<CloseReason>,
    /// Nobody waits for the client to fetch the last of it.
    at_once: bool,
}

impl Actor for Session {
    type Context = SessionContext;

    fn started(&mut self, context: &mut SessionContext) {
        self.with_peer(context, |peer, link| {
            peer.opened(link);
            link.tick_soon();
        });
    }

    fn stopped(&mut self, _: &mut SessionContext) {
        self.depart(Ending::lost(), false);
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
        self.part_with_probe();
        self.outbox.sessions().leave();
        self.outbox.hang_up();
    }
}

impl Handler<End> for Session {
    type Result = ();

    fn handle(&mut self, end: End, context: &mut SessionContext) {
        match end {
            _ if self.closing.is_some() => {}
            End::Close(conn, reason) => self.with_peer(context, |peer, link| peer.dismiss(conn, reason, link)),
            End::Drain => self.with_peer(context, |peer, link| peer.drain(link)),
        }
    }
}

/// What came behind the handshake; polled once, before anything is read.
struct Early(Box<[u8]>);

impl ActorFuture<Session> for Early {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        session: &mut Session,
        context: &mut SessionContext,
        _: &mut Context<'_>,
    ) -> Poll<()> {
        session.hear(&mut self.0, context);
        Poll::Ready(())
    }
}

/// Drives the session's socket; polled after the mailbox, and never done before the session is.
struct Pump;

impl ActorFuture<Session> for Pump {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        session: &mut Session,
        context: &mut SessionContext,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        session.outbox.set_waker(cx.waker());
        ready!(session.turn(context, cx));
        context.stop();
        Poll::Ready(())
    }
}

impl Session {
    fn new(outbox: Rc<Outbox>, peer: Box<dyn Peer>, polling: Option<Box<Polling>>) -> Self {
        let (sessions, now) = (outbox.sessions(), Moment::now());
        sessions.enter();
        Self {
            ping_at: sessions.limits().heartbeat_interval.map(|interval| now + interval),
            outbox,
            peer,
            reader: Reader::default(),
            pings: Bucket::default(),
            closing: None,
            timer: None,
            heard_at: now,
            tick_at: None,
            polling,
        }
    }

    /// One turn: what is due, what came, what waits to be written. Ready when the connection is over.
    fn turn(&mut self, context: &SessionContext, cx: &mut Context<'_>) -> Poll<()> {
        if self.outbox.take_ring() {
            self.timer = None;
            self.look_at_the_clock(context);
        }
        if self.polling.is_some() {
            self.attend(context, cx);
        }
        if self.read(context, cx).is_ready() {
            // Something to say may be left all the same: the echo of a Close frame, to a client that only reads on.
            let _ = self.outbox.poll_flush(cx);
            self.depart(Ending::lost(), false);
            return Poll::Ready(());
        }
        let paused = self.is_paused();
        let flushed = self.outbox.poll_flush(cx).is_ready();
        match self.outbox.take_fault() {
            Some(Fault::Broken) => {
                self.depart(Ending::lost(), false);
                return Poll::Ready(());
            }
            Some(Fault::SlowConsumer) => {
                self.depart(Ending::closed(CloseReason::SlowConsumer), true);
                if let Some(closing) = &mut self.closing {
                    closing.until = Moment::now() + CLOSING_SLOWLY;
                }
            }
            None => {}
        }
        if paused && !self.is_paused() {
            cx.waker().wake_by_ref();
        }
        if self.closing.is_some() && flushed && (self.outbox.is_streamed() || self.is_fetched()) {
            return Poll::Ready(());
        }
        if let Some(closing) = &mut self.closing {
            if Moment::now() >= closing.until {
                return Poll::Ready(());
            }
            if flushed && !closing.listening && !closing.finished {
                closing.finished = true;
                self.outbox.finish();
            }
        }
        self.set_timer();
        Poll::Pending
    }

    /// Reads what came. Ready at the end of the stream.
    fn read(&mut self, context: &SessionContext, cx: &mut Context<'_>) -> Poll<()> {
        SCRATCH.with_borrow_mut(|scratch| {
            for _ in 0..PIECES_PER_TURN {
                if self.is_paused() {
                    return Poll::Pending;
                }
                let mut buffer = ReadBuf::new(scratch);
                if ready!(self.outbox.poll_read(cx, &mut buffer)) == 0 {
                    return Poll::Ready(());
                }
                self.hear(buffer.filled_mut(), context);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }

    fn is_paused(&self) -> bool {
        match &self.closing {
            None => self.outbox.is_too_full_to_read() || self.peer.is_congested(),
            Some(closing) => closing.discarded > MAX_DISCARDED,
        }
    }

    /// Takes in what came from the client.
    fn hear(&mut self, piece: &mut [u8], context: &SessionContext) {
        let (mut wishes, mut close_came) = (Wishes::default(), None);
        match &mut self.closing {
            None => self.heard_at = Moment::now(),
            Some(closing) => {
                closing.discarded += piece.len();
                if !closing.listening {
                    return;
                }
            }
        }
        let open = self.closing.is_none();
        let Self { reader, peer, outbox, pings, polling, .. } = self;
        let limits = outbox.sessions().limits();
        let mut probe = polling.as_mut().and_then(|polling| polling.probe.as_mut());
        let result = reader.feed(piece, limits.max_message, |it| {
            if let Some(probe) = probe.as_mut().filter(|probe| !probe.is_taken()) {
                return probe.hear(it);
            }
            if let Frame::Close(code) = it {
                close_came = Some(code);
            }
            if !open || wishes.is_the_end() {
                return;
            }
            let link = &mut Link { outbox, speaker: None, context, wishes: &mut wishes };
            match it {
                Frame::Text(text) => peer.text(text, link),
                Frame::Binary(data) => peer.binary(data, link),
                Frame::Ping(_) if pings.take(limits.pings, clock::now()).is_err() => {
                    link.close(CloseReason::RateLimited);
                }
                Frame::Ping(payload) => outbox.post(&frame(Opcode::Pong, payload), false),
                Frame::Close(_) => {}
            }
        });
        if let (Err(_), Some(probe)) = (result, probe.filter(|probe| !probe.is_taken())) {
            return probe.fail();
        }
        self.grant(&wishes, context);
        if let Some(code) = close_came {
            self.outbox.close(close_echo(code));
            self.depart(Ending::left(code), false);
        } else if let Err(reason) = result {
            self.outbox.close(close_frame(reason));
            self.depart(Ending::closed(reason), false);
        }
    }

    fn close(&mut self, reason: CloseReason) {
        if self.closing.is_none() {
            self.outbox.end(reason);
            self.depart(Ending::closed(reason), true);
            // One that was silent for too long is not to be waited for again.
            if self.outbox.is_polled() && reason == CloseReason::HeartbeatTimeout {
                self.stop_waiting();
            }
        }
    }

    /// As [`Session::close`], of a client that knows what it did wrong.
    fn break_off(&mut self, reason: CloseReason) {
        if self.closing.is_some() {
            return;
        }
        self.close(reason);
        if let Some(closing) = self.closing.as_mut().filter(|_| self.outbox.is_polled()) {
            closing.at_once = true;
            closing.until = Moment::now();
        }
    }

    /// The client has said that it leaves, by other means than a Close frame.
    fn let_go(&mut self) {
        if self.closing.is_none() {
            let polled = self.outbox.is_polled();
            self.outbox.close(if polled { polled::noop() } else { close_frame(CloseReason::Normal) });
            self.depart(Ending::left(None), true);
            if let Some(closing) = self.closing.as_mut().filter(|_| polled) {
                closing.until = Moment::now() + polled::LEAVING;
            }
        }
    }

    fn stop_waiting(&mut self) {
        if let Some(closing) = &mut self.closing {
            closing.until = Moment::now();
        }
    }

    /// From open to closing, once. `listening`: the client's Close frame is yet to come.
    fn depart(&mut self, ending: Ending, listening: bool) {
        match &mut self.closing {
            None => {
                let until = Moment::now() + CLOSING;
                let closing =
                    Closing { until, listening, finished: false, discarded: 0, ours: ending.ours, at_once: false };
                self.closing = Some(Box::new(closing));
                self.peer.ended(ending);
            }
            Some(closing) => closing.listening &= listening,
        }
    }

    fn with_peer(&mut self, context: &SessionContext, call: impl FnOnce(&mut dyn Peer, &mut Link<'_>)) {
        let mut wishes = Wishes::default();
        call(&mut *self.peer, &mut Link { outbox: &self.outbox, speaker: None, context, wishes: &mut wishes });
        self.grant(&wishes, context);
    }

    fn grant(&mut self, wishes: &Wishes, context: &SessionContext) {
        if wishes.tick {
            self.tick(context);
        }
        if let Some(reason) = wishes.close {
            if wishes.at_once { self.break_off(reason) } else { self.close(reason) }
        } else if wishes.left {
            self.let_go();
        }
    }

    fn tick(&mut self, context: &SessionContext) {
        if self.closing.is_some() {
            return;
        }
        let mut wishes = Wishes::default();
        let next = self.peer.tick(&mut Link { outbox: &self.outbox, speaker: None, context, wishes: &mut wishes });
        self.tick_at = next.map(|after| Moment::now() + after.min(MAX_TICK));
        if let Some(reason) = wishes.close {
            self.close(reason);
        }
    }

    fn look_at_the_clock(&mut self, context: &SessionContext) {
        let now = Moment::now();
        if self.tick_at.is_some_and(|at| at <= now) {
            self.tick(context);
        }
        if self.closing.is_some() {
            return;
        }
        if self.peer.is_congested() {
            // Nothing is read, so nothing can have been heard.
            self.heard_at = now;
        }
        if self.silent_at().is_some_and(|at| at <= now) {
            self.close(CloseReason::HeartbeatTimeout);
        } else if self.ping_at.is_some_and(|at| at <= now) {
            self.ping_at = self.outbox.sessions().limits().heartbeat_interval.map(|interval| now + interval);
            // Where something waits to be written, a Ping would only wait behind it.
            if self.outbox.queued_bytes() == 0 {
                self.outbox.beat();
            }
        }
    }

    /// When the client counts as gone.
    fn silent_at(&self) -> Option<Moment> {
        self.outbox.sessions().limits().heartbeat_timeout.map(|timeout| self.heard_at + timeout)
    }

    /// Sees to it that the session is woken when the next thing is due.
    fn set_timer(&mut self) {
        let due = match &self.closing {
            Some(closing) => Some(closing.until),
            None if self.peer.is_congested() => Some(Moment::now() + CONGESTION_RETRY),
            None => [self.tick_at, self.ping_at, self.silent_at(), self.polling_due()].into_iter().flatten().min(),
        };
        let Some(due) = due.filter(|due| self.timer.as_ref().is_none_or(|timer| timer.at() > *due)) else { return };
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
        self.timer = Some(Timer::set(due, &self.outbox));
    }
}
