//! A connection's sending side, as a recording: what was written and not read yet, with the limits of a real one.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use tertulia::domain::{Event, RoomId, Tag, Timestamp};
use tertulia::hub::handle::{Backlog, Broadcast, Outlet};

use super::store::Ledger;

/// One frame on its way to a client.
#[derive(Clone, Debug)]
pub struct Frame {
    pub event: Event,
    pub pos: Option<u64>,
    pub tag: Tag,
}

/// What a client takes in.
#[derive(Clone, Debug)]
pub enum Heard {
    Told(Frame),
    /// It was told all of the past of this room.
    CaughtUp(RoomId),
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<Frame>,
    /// How many of the last frames wait for a flush.
    unflushed: usize,
    /// How many frames were put in so far, and how many of them taken out.
    put: usize,
    taken: usize,
    /// Rooms whose past has been told, each with how many frames had been put in by then. They take no room.
    caught_up: VecDeque<(usize, RoomId)>,
    has_ended: bool,
}

pub struct Socket {
    queue: RefCell<Queue>,
    capacity: usize,
    ledger: Rc<Ledger>,
}

impl Socket {
    pub fn new(capacity: usize, ledger: Rc<Ledger>) -> Rc<Self> {
        Rc::new(Self { queue: RefCell::default(), capacity, ledger })
    }

    /// The next that has been written.
    pub fn read(&self) -> Option<Heard> {
        let queue = &mut *self.queue.borrow_mut();
        if let Some((_, room)) = queue.caught_up.pop_front_if(|(put, _)| *put == queue.taken) {
            return Some(Heard::CaughtUp(room));
        }
        if queue.frames.len() <= queue.unflushed {
            return None;
        }
        queue.taken += 1;
        queue.frames.pop_front().map(Heard::Told)
    }

    pub fn has_ended(&self) -> bool {
        self.queue.borrow().has_ended
    }

    pub fn has_unflushed(&self) -> bool {
        self.queue.borrow().unflushed > 0
    }

    /// Ends the connection. What was written can still be read.
    pub fn end(&self) {
        let queue = &mut *self.queue.borrow_mut();
        let written = queue.frames.len() - queue.unflushed;
        queue.put -= queue.unflushed;
        queue.caught_up.retain(|(put, _)| *put <= queue.put);
        queue.frames.truncate(written);
        (queue.unflushed, queue.has_ended) = (0, true);
    }

    /// Returns whether it is the first that waits for a flush.
    fn push(&self, event: &Event, pos: Option<u64>, tag: &Tag, waits: bool) -> bool {
        self.ledger.check(event, pos, tag);
        let queue = &mut *self.queue.borrow_mut();
        if queue.has_ended || (event.is_volatile() && queue.frames.len() >= self.capacity / 2) {
            return false;
        }
        queue.frames.push_back(Frame { event: event.clone(), pos, tag: tag.clone() });
        queue.put += 1;
        let waits = waits || queue.unflushed > 0;
        queue.unflushed += usize::from(waits);
        let is_first = waits && queue.unflushed == 1;
        if queue.frames.len() > self.capacity {
            queue.has_ended = true;
        }
        is_first
    }
}

impl Outlet for Socket {
    fn send(&self, broadcast: &Broadcast) {
        self.push(&broadcast.event, broadcast.pos, &None, false);
    }

    fn queue(&self, broadcast: &Broadcast) -> bool {
        self.push(&broadcast.event, broadcast.pos, &None, true)
    }

    fn answer(&self, event: &Event, pos: Option<u64>, tag: &Tag, _: Timestamp) -> bool {
        self.push(event, pos, tag, true)
    }

    fn caught_up(&self, room: RoomId) -> bool {
        let queue = &mut *self.queue.borrow_mut();
        if !queue.has_ended {
            queue.caught_up.push_back((queue.put, room));
        }
        false
    }

    fn flush(&self) {
        self.queue.borrow_mut().unflushed = 0;
    }

    fn backlog(&self) -> Backlog {
        let queue = self.queue.borrow();
        if queue.has_ended {
            Backlog::Gone
        } else if queue.frames.len() < self.capacity.div_ceil(4) {
            Backlog::Light
        } else {
            Backlog::Heavy
        }
    }
}
