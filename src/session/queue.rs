//! Frames that wait for their socket, in order.

#![allow(clippy::vec_box, clippy::unnecessary_box_returns, reason = "it is the boxes that are used again")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};

use bytes::{Buf, Bytes};

use crate::transport::io::Io;

/// Frames of this size together are put side by side for one write: a gathering write costs the kernel more than the copy.
const COPIED: usize = 16 * 1024;

/// How many larger ones go out in one gathering write.
const GATHERED: usize = 64;

/// Queues that a thread keeps for reuse, and the frames that one may have room for: half a megabyte at most.
const SPARE: usize = 512;
const SPARE_FRAMES: usize = 32;

thread_local! {
    /// A turn of the fan-out that brings several events queues and writes on each connection that hears them.
    /// Without these, that would cost two allocations each time.
    static SPARES: RefCell<Vec<Box<Queue>>> = const { RefCell::new(Vec::new()) };
    static COPY: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(COPIED));
}

#[derive(Default, Debug)]
pub(super) struct Queue {
    frames: VecDeque<Bytes>,
    bytes: usize,
    /// The first frame was written in part.
    begun: bool,
}

impl Queue {
    /// An empty one, used before if there is one.
    pub(super) fn take() -> Box<Self> {
        SPARES.with_borrow_mut(Vec::pop).unwrap_or_default()
    }

    /// The rest of a frame that was written in part.
    pub(super) fn rest(frame: Bytes) -> Box<Self> {
        let mut queue = Self::take();
        queue.begun = true;
        queue.push(frame);
        queue
    }

    /// Keeps an empty queue for the next connection of this thread that needs one.
    pub(super) fn give_back(self: Box<Self>) {
        if self.frames.capacity() <= SPARE_FRAMES {
            // While the thread ends, there is nothing to keep it for.
            let _ = SPARES.try_with(|spares| {
                let mut spares = spares.borrow_mut();
                if spares.len() < SPARE {
                    spares.push(self);
                }
            });
        }
    }

    pub(super) fn push(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
    }

    /// Puts bytes before all that waits. Nothing of that may have been begun.
    pub(super) fn push_front(&mut self, bytes: Bytes) {
        self.bytes += bytes.len();
        self.frames.push_front(bytes);
        self.begun = true;
    }

    /// What waits, in order.
    pub(super) fn frames(&self) -> impl ExactSizeIterator<Item = &Bytes> + Clone {
        self.frames.iter()
    }

    /// Forgets the first that wait. Nothing of them may have been begun.
    pub(super) fn forget(&mut self, count: usize) {
        self.bytes -= self.frames.drain(..count).map(|frame| frame.len()).sum::<usize>();
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
            } else if self.bytes <= COPIED {
                COPY.with_borrow_mut(|copy| {
                    copy.clear();
                    self.frames.iter().for_each(|frame| copy.extend_from_slice(frame));
                    io.write(copy)
                })?
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
