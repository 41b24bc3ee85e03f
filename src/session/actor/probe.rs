//! A socket that is offered to a session without one, until it is clear whether the session moves there.
//!
//! The client asks over it with `2probe`, is answered `3probe`, and moves with `5`. One that asks again is answered again, and
//! one that knows that the socket works may move without asking. Whatever else it says, or silence for too long, ends the
//! socket and leaves the session where it was.

use std::mem;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::ReadBuf;

use crate::session::wheel::Moment;
use crate::transport::io::Io;
use crate::transport::ws::Opcode;
use crate::transport::ws::reader::Frame;
use crate::transport::ws::writer::{close_echo, frame};

/// A client has no reason to send many Pings within the time that it has, or to ask often whether the socket works.
const MAX_PINGS: u8 = 16;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Nothing has been said.
    Offered,
    /// It works in both directions.
    Tried,
    Taken,
    Failed,
}

pub(super) struct Probe {
    io: Io,
    stage: Stage,
    /// To be written.
    out: Vec<u8>,
    /// Was read before the socket came here.
    early: Vec<u8>,
    pings: u8,
    until: Moment,
}

impl Probe {
    pub(super) fn new(io: Io, first: Vec<u8>, early: Bytes, patience: Duration) -> Self {
        let until = Moment::now() + patience;
        Self { io, stage: Stage::Offered, out: first, early: early.into(), pings: 0, until }
    }

    /// When it counts as failed.
    pub(super) fn until(&self) -> Moment {
        self.until
    }

    pub(super) fn is_tried(&self) -> bool {
        self.stage == Stage::Tried
    }

    pub(super) fn is_taken(&self) -> bool {
        self.stage == Stage::Taken
    }

    pub(super) fn has_failed(&self) -> bool {
        self.stage == Stage::Failed || Moment::now() >= self.until
    }

    pub(super) fn fail(&mut self) {
        self.stage = Stage::Failed;
    }

    /// Takes in a frame that is not the session's yet.
    pub(super) fn hear(&mut self, it: Frame<'_>) {
        self.stage = match (self.stage, it) {
            (Stage::Offered | Stage::Tried, Frame::Text("2probe")) if self.pings < MAX_PINGS => {
                self.pings += 1;
                self.out.extend_from_slice(&frame(Opcode::Text, b"3probe"));
                Stage::Tried
            }
            (Stage::Offered | Stage::Tried, Frame::Text("5")) => Stage::Taken,
            (stage @ (Stage::Offered | Stage::Tried), Frame::Ping(payload)) if self.pings < MAX_PINGS => {
                self.pings += 1;
                self.out.extend_from_slice(&frame(Opcode::Pong, payload));
                stage
            }
            _ => Stage::Failed,
        };
    }

    /// What came before the socket was offered.
    pub(super) fn take_early(&mut self) -> Vec<u8> {
        mem::take(&mut self.early)
    }

    /// Writes what there is to be written, and reads what came. Ready with 0 at the end of the stream.
    pub(super) fn poll(&mut self, scratch: &mut [u8], cx: &mut Context<'_>) -> Poll<usize> {
        while !self.out.is_empty() || self.io.has_unflushed() {
            let written = if self.out.is_empty() { self.io.flush().map(|()| 0) } else { self.io.write(&self.out) };
            match written {
                Ok(written) => drop(self.out.drain(..written)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => match self.io.poll_writable(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => return Poll::Ready(0),
                    Poll::Pending => break,
                },
                Err(_) => return Poll::Ready(0),
            }
        }
        let mut buffer = ReadBuf::new(scratch);
        self.io.poll_read(cx, &mut buffer).map(|result| result.map_or(0, |()| buffer.filled().len()))
    }

    /// The socket, and what is still to be written to it.
    pub(super) fn into_parts(self) -> (Io, Vec<u8>) {
        (self.io, self.out)
    }

    /// Closes the socket, which was not taken.
    pub(super) fn part(mut self) {
        self.out.extend_from_slice(&close_echo(None));
        actix_rt::spawn(async move { self.io.part(&self.out).await });
    }
}
