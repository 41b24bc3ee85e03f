//! Moves bytes both ways between a client and its upstream, as fast as the slower of the two takes them.
//!
//! - A side is read only while the other has taken all that was read before, so no more is kept than one read brings.
//! - What is read lies in a buffer of the thread. Memory of its own a tunnel has only for what could not go on at once.
//! - What one read brought leaves in one write.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::ReadBuf;

use super::relay::{HEADROOM, Relay};
use super::watch::Watch;
use super::{Direction, Seen};
use crate::gateway::metrics::GatewayMetrics;
use crate::transport::io::Io;

/// How much is read at once, in bytes: also the most that is kept for a side that does not take it.
const PIECE: usize = 64 * 1024;

/// How often each side is read in one turn, before others have theirs.
const PIECES_PER_TURN: usize = 8;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; HEADROOM + PIECE].into_boxed_slice());
}

/// Why nothing more is moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The client has ended its side of the connection. The other may have something to say still.
    ClientDone,
    /// The client's connection is broken.
    ClientGone,
    /// The upstream has ended the connection, or it is broken.
    UpstreamDone,
    /// The upstream broke a rule of the protocol.
    UpstreamWrong,
}

pub struct Pump {
    pub client: Io,
    pub upstream: Io,
    pub watch: Watch,
    pub relay: Relay,
    pub to_client: Pending,
    pub to_upstream: Pending,
    /// The beginning of a frame of the upstream.
    held: Vec<u8>,
    /// Found out before the first turn.
    ended: Option<End>,
    /// Nothing more comes from the client.
    client_done: bool,
    /// Nothing more goes to the upstream.
    upstream_deaf: bool,
    metrics: Arc<GatewayMetrics>,
}

/// Whether a turn of one direction has moved anything, or what ended it.
type Step = Result<bool, End>;

impl Pump {
    /// `answer` is written to the client before anything else. What was read of either side already goes on next.
    pub fn new(client: (Io, Bytes), upstream: (Io, Bytes), answer: Vec<u8>, metrics: Arc<GatewayMetrics>) -> Self {
        let mut pump = Self {
            client: client.0,
            upstream: upstream.0,
            watch: Watch::default(),
            relay: Relay::default(),
            to_client: Pending::default(),
            to_upstream: Pending::default(),
            held: Vec::new(),
            ended: None,
            client_done: false,
            upstream_deaf: false,
            metrics,
        };
        let now = Instant::now();
        // Not a message, so nobody measures how long it takes.
        pump.to_client.bytes = answer;
        if !upstream.1.is_empty() {
            let mut buffer = [&[0; HEADROOM], &upstream.1[..]].concat();
            pump.ended = pump.pass_on(&mut buffer, now);
        }
        if !client.1.is_empty() {
            pump.take_on(&client.1, now);
        }
        pump
    }

    /// Moves what there is to be moved. Ready when one side has ended.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if let Some(end) = self.ended.take() {
            return Poll::Ready(end);
        }
        match self.turn(cx) {
            Err(end) => Poll::Ready(end),
            Ok(false) => Poll::Pending,
            Ok(true) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    /// Moves for a while. Returns whether there is more to be moved.
    fn turn(&mut self, cx: &mut Context<'_>) -> Step {
        // A direction at rest is woken by its own sockets, whatever the other does.
        let (mut upward, mut downward) = (true, true);
        for _ in 0..PIECES_PER_TURN {
            upward = upward && self.upward(cx)?;
            downward = downward && self.downward(cx)?;
            if !upward && !downward {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// From the client.
    fn upward(&mut self, cx: &mut Context<'_>) -> Step {
        if self.upstream_deaf {
            return Ok(false);
        }
        match self.to_upstream.poll_flush(&mut self.upstream, cx, &self.metrics) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Err(_)) => return Ok(self.turn_deaf()),
            Poll::Ready(Ok(())) => {}
        }
        if self.client_done {
            self.upstream.finish();
            return Ok(self.turn_deaf());
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            match self.client.poll_read(cx, &mut buffer) {
                Poll::Pending => Ok(false),
                Poll::Ready(Err(_)) => Err(End::ClientGone),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                    self.client_done = true;
                    Err(End::ClientDone)
                }
                Poll::Ready(Ok(())) => {
                    self.take_on(buffer.filled(), Instant::now());
                    Ok(true)
                }
            }
        })
    }

    /// What ends the tunnel then is what the upstream has said, or that it is gone. Returns that nothing was moved.
    fn turn_deaf(&mut self) -> bool {
        self.upstream_deaf = true;
        self.to_upstream = Pending::default();
        false
    }

    fn take_on(&mut self, piece: &[u8], since: Instant) {
        let mut messages = 0;
        let len = self.watch.look(piece, |frame| count(Direction::ClientToBackend, frame, &mut messages));
        if messages > 0 {
            self.metrics.client_to_backend.inc_by(messages);
        }
        if self.to_upstream.send(&mut self.upstream, &piece[..len], since, &self.metrics).is_err() {
            self.turn_deaf();
        }
    }

    /// To the client.
    fn downward(&mut self, cx: &mut Context<'_>) -> Step {
        match self.to_client.poll_flush(&mut self.client, cx, &self.metrics) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Err(_)) => return Err(End::ClientGone),
            Poll::Ready(Ok(())) => {}
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let from = HEADROOM + self.held.len();
            let mut buffer = ReadBuf::new(&mut scratch[from..]);
            let read = match self.upstream.poll_read(cx, &mut buffer) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Err(_)) => 0,
                Poll::Ready(Ok(())) => buffer.filled().len(),
            };
            // Whoever has said goodbye has nothing more to say, and is not listened to for ever.
            if read == 0 || self.relay.farewell().is_some() {
                return Err(End::UpstreamDone);
            }
            let now = Instant::now();
            scratch[HEADROOM..from].copy_from_slice(&self.held);
            self.pass_on(&mut scratch[..from + read], now).map_or(Ok(true), Err)
        })
    }

    fn pass_on(&mut self, buffer: &mut [u8], since: Instant) -> Option<End> {
        let mut messages = 0;
        let passed = self.relay.pass(buffer, |frame| count(Direction::BackendToClient, frame, &mut messages));
        self.held = buffer[passed.held].to_vec();
        if messages > 0 {
            self.metrics.backend_to_client.inc_by(messages);
        }
        if self.to_client.send(&mut self.client, &buffer[passed.out], since, &self.metrics).is_err() {
            return Some(End::ClientGone);
        }
        passed.is_wrong.then_some(End::UpstreamWrong)
    }
}

fn count(direction: Direction, frame: Seen, messages: &mut u64) {
    log::trace!("WebSocket proxy [{direction}]: {}, {} bytes", frame.kind(), frame.len);
    *messages += u64::from(frame.is_message());
}

/// What a side has not taken yet.
#[derive(Default, Debug)]
pub struct Pending {
    bytes: Vec<u8>,
    written: usize,
    /// When the oldest of it was read that is measured.
    since: Option<Instant>,
}

impl Pending {
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    fn keep(&mut self, bytes: &[u8], since: Instant) {
        if !bytes.is_empty() {
            self.bytes.extend_from_slice(bytes);
            self.since.get_or_insert(since);
        }
    }

    /// Writes as much of `bytes` as is taken now, and keeps the rest.
    fn send(&mut self, io: &mut Io, bytes: &[u8], since: Instant, metrics: &GatewayMetrics) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if !self.bytes.is_empty() {
            self.keep(bytes, since);
            return Ok(());
        }
        let written = write(io, bytes)?;
        if written < bytes.len() {
            self.keep(&bytes[written..], since);
        } else {
            metrics.latency_ms.observe(milliseconds(since.elapsed()));
        }
        Ok(())
    }

    /// Writes what is kept. Ready when nothing is left.
    fn poll_flush(&mut self, io: &mut Io, cx: &mut Context<'_>, metrics: &GatewayMetrics) -> Poll<io::Result<()>> {
        while !self.bytes.is_empty() || io.has_unflushed() {
            self.written += write(io, self.rest())?;
            if self.rest().is_empty() && !io.has_unflushed() {
                if let Some(since) = self.since {
                    metrics.latency_ms.observe(milliseconds(since.elapsed()));
                }
                *self = Self::default();
            } else if io.poll_writable(cx)?.is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Writes as much as is taken now.
fn write(io: &mut Io, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match io.write(&bytes[written..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(more) => written += more,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(written),
            Err(error) => return Err(error),
        }
    }
    match io.flush() {
        Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
        _ => Ok(written),
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
