//! Frames that wait for their socket, in order.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};

use bytes::{Buf, Bytes};

use crate::transport::io::Io;

/// How many frames go out in one write.
const GATHERED: usize = 64;

#[derive(Default, Debug)]
pub(super) struct Queue {
    frames: VecDeque<Bytes>,
    bytes: usize,
    /// The first frame was written in part.
    begun: bool,
}

impl Queue {
    /// The rest of a frame that was written in part.
    pub(super) fn rest(frame: Bytes) -> Self {
        let mut queue = Self { begun: true, ..Self::default() };
        queue.push(frame);
        queue
    }

    pub(super) fn push(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
    }

    /// How many frames wait.
    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    /// How many bytes wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Throws away what has not been begun.
    pub(super) fn cut(&mut self) {
        self.frames.truncate(usize::from(self.begun));
        self.bytes = self.frames.iter().map(Bytes::len).sum();
    }

    /// Writes until nothing waits.
    ///
    /// # Errors
    /// `WouldBlock` when the socket takes no more; anything else: the connection is gone.
    pub(super) fn write_to(&mut self, io: &mut Io) -> io::Result<()> {
        while !self.frames.is_empty() {
            let written = if self.frames.len() == 1 {
                io.write(&self.frames[0])?
            } else {
                let mut slices = [IoSlice::new(&[]); GATHERED];
                let filled = self.frames.iter().zip(&mut slices).map(|(frame, slice)| *slice = IoSlice::new(frame));
                let count = filled.count();
                io.write_vectored(&slices[..count])?
            };
            if written == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            self.consume(written);
        }
        Ok(())
    }

    fn consume(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(frame) = self.frames.front_mut() {
            if written < frame.len() {
                frame.advance(written);
                self.begun |= written > 0;
                return;
            }
            written -= frame.len();
            self.frames.pop_front();
            self.begun = false;
        }
    }
}
