//! The fan-out of one worker, without its actor: operations in, writes to outlets and page requests out.
//!
//! Operations are applied strictly in order. One delivery that waits alone is written straight from the shared frame;
//! several are queued on their connections first, so that each socket gets them in one write. Either way at most a
//! slice of the sockets is written per turn, so that the reads of the worker are not starved.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use slab::Slab;
use smallvec::SmallVec;

use super::effect::{Audience, Delivery, Join, Numbers, Op};
use super::feed::{Accept, Entry, Feed, Next, Owed};
use super::outlet::{Backlog, Broadcast, Outlet};
use super::paused::Paused;
use super::ports::{After, Page, Unavailable};
use crate::domain::{Event, Resume, RoomId, Tag, Timestamp};

/// Sockets written per turn.
const SLICE: usize = 512;

/// The connections of a worker, by slot.
pub type Outlets = Rc<RefCell<Slab<Rc<dyn Outlet>>>>;

/// Who waits for a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reader {
    /// One session that catches up.
    Slot(u32),
    /// All live sessions of the room.
    Room,
}

/// A page that has to be read from the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageRequest {
    pub room: RoomId,
    pub after: After,
    pub reader: Reader,
    pub epoch: u64,
}

/// What a worker has to do, in order.
#[derive(Debug)]
enum Work {
    Op(Op),
    Page(PageRequest, Result<Page, Unavailable>),
}

/// A delivery that is being written, socket by socket.
#[derive(Debug)]
struct Wide {
    delivery: Delivery,
    skip: SmallVec<[u32; 1]>,
    next: usize,
    end: usize,
}

pub struct Fanout {
    outlets: Outlets,
    rooms: FxHashMap<RoomId, Feed>,
    work: VecDeque<Work>,
    wide: Option<Wide>,
    /// Connections with something queued, and how many of them have been written.
    dirty: Vec<u32>,
    written: usize,
    /// The time of the newest operation, for the frames that are made here.
    now: Timestamp,
    epoch: u64,
    requests: Vec<PageRequest>,
    /// Requests that failed, to be made again.
    failed: Vec<PageRequest>,
    /// Sessions that catch up faster than their peer reads.
    paused: Paused,
    /// Frames handed to outlets since this was last asked.
    told: u64,
}

impl fmt::Debug for Fanout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fanout")
            .field("outlets", &self.outlets.borrow().len())
            .field("rooms", &self.rooms)
            .field("work", &self.work)
            .field("wide", &self.wide)
            .field("dirty", &self.dirty)
            .finish_non_exhaustive()
    }
}

impl Fanout {
    pub fn new(outlets: Outlets) -> Self {
        Self {
            outlets,
            rooms: FxHashMap::default(),
            work: VecDeque::new(),
            wide: None,
            dirty: Vec::new(),
            written: 0,
            now: Timestamp::default(),
            epoch: 0,
            requests: Vec::new(),
            failed: Vec::new(),
            paused: Paused::default(),
            told: 0,
        }
    }

    pub fn push(&mut self, at: Timestamp, op: Op) {
        self.now = at;
        self.work.push_back(Work::Op(op));
    }

    /// What a request brought. Takes its place behind the operations that are already there.
    pub fn page(&mut self, request: PageRequest, page: Result<Page, Unavailable>) {
        self.work.push_back(Work::Page(request, page));
    }

    /// The pages that have to be read now.
    pub fn take_requests(&mut self) -> Vec<PageRequest> {
        std::mem::take(&mut self.requests)
    }

    /// How many frames were handed to outlets since the last call.
    pub fn take_told(&mut self) -> u64 {
        std::mem::take(&mut self.told)
    }

    /// Whether sessions that catch up wait for their peers to read; then [`Fanout::retry_paused`] after a moment.
    pub fn has_paused(&self) -> bool {
        !self.paused.is_empty()
    }

    /// Whether pages could not be read; then [`Fanout::retry_failed`] after a while.
    pub fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    pub fn retry_failed(&mut self) {
        self.requests.append(&mut self.failed);
    }

    pub fn retry_paused(&mut self) {
        self.paused.take_all().for_each(|(room, slot)| self.bring_up(room, slot));
    }

    /// Does a slice of the work. Returns whether there is more to do.
    pub fn step(&mut self) -> bool {
        if self.wide.is_none() && self.dirty.is_empty() && self.work.len() == 1 {
            self.begin_wide();
        }
        self.write_wide();
        if self.wide.is_some() {
            return true;
        }
        while let Some(work) = self.work.pop_front() {
            match work {
                Work::Op(op) => self.apply(op),
                Work::Page(request, page) => self.page_read(request, page),
            }
        }
        self.write_dirty();
        !self.dirty.is_empty()
    }

    /// A single delivery that waits alone needs no queueing.
    fn begin_wide(&mut self) {
        if !matches!(self.work.front(), Some(Work::Op(Op::Deliver { .. }))) {
            return;
        }
        let Some(Work::Op(Op::Deliver { delivery, skip })) = self.work.pop_front() else { return };
        if let Some(count) = self.accept_delivery(&delivery, &skip) {
            self.wide = Some(Wide { delivery, skip, next: 0, end: count });
        }
    }

    fn write_wide(&mut self) {
        let Some(wide) = &mut self.wide else { return };
        let stop = wide.end.min(wide.next + SLICE);
        if let Some(feed) = self.rooms.get(&wide.delivery.room) {
            let outlets = self.outlets.borrow();
            let slots = feed.audience(wide.delivery.audience);
            for slot in (wide.next..stop).filter_map(|index| slots.get_index(index)) {
                if !wide.skip.contains(slot)
                    && let Some(outlet) = outlets.get(*slot as usize)
                {
                    outlet.send(&wide.delivery.broadcast);
                    self.told += 1;
                }
            }
        }
        wide.next = stop;
        if stop == wide.end {
            let (room, is_stored) = (wide.delivery.room, wide.delivery.stored.is_some());
            self.wide = None;
            if is_stored {
                self.bring_up_all(room);
            }
        }
    }

    /// Numbers a delivery in its room. `Some`: how many sessions are to be told now.
    fn accept_delivery(&mut self, delivery: &Delivery, skip: &SmallVec<[u32; 1]>) -> Option<usize> {
        let feed = self.rooms.get_mut(&delivery.room)?;
        if let Some(numbers) = delivery.stored {
            let (skip, broadcast) = (skip.clone(), delivery.broadcast.clone());
            let entry = Entry::Told { numbers, skip, broadcast };
            self.epoch += 1;
            match feed.accept(&entry, self.epoch) {
                Accept::Deliver => {}
                Accept::Drop => return None,
                Accept::Hold(from) => {
                    self.ask_for_room(delivery.room, from.map(After::Seq));
                    return None;
                }
            }
        }
        self.rooms.get(&delivery.room).map(|feed| feed.audience(delivery.audience).len())
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Deliver { delivery, skip } => {
                if let Some(count) = self.accept_delivery(&delivery, &skip) {
                    self.queue_all(&delivery, &skip, count);
                    if delivery.stored.is_some() {
                        self.bring_up_all(delivery.room);
                    }
                }
            }
            Op::Answer { slot, event, tag } => self.answer(slot, &event, None, &tag),
            Op::Own { room, slot, numbers, event, tag } => self.own(room, Entry::Own { slot, numbers, event, tag }),
            Op::Join(join) => self.join(&join),
            Op::Leave { room, slot, answer } => {
                let owed = self.remove(room, slot);
                if let Some(tag) = answer {
                    self.answer(slot, &Event::Left { room }, None, &tag);
                }
                self.pay(slot, owed);
            }
            Op::Fill { room, last_seq, changes } => {
                self.epoch += 1;
                let from = self.rooms.get_mut(&room).and_then(|feed| feed.begin_fill(last_seq, changes, self.epoch));
                self.ask_for_room(room, from);
            }
            Op::Forget { slot, rooms } => {
                for room in rooms {
                    self.remove(room, slot);
                }
                let outlet = self.outlets.borrow_mut().try_remove(slot as usize);
                // What it has queued may be on a connection that others share.
                outlet.inspect(|it| it.flush());
            }
        }
    }

    fn join(&mut self, join: &Join) {
        let newest = join.last_pos.max(join.changed_pos);
        let after = match join.resume {
            Resume::AfterSeq(seq) if seq < join.last_seq => Some(After::Seq(seq)),
            // Behind `last_pos` there may be a message that the room has not been told of.
            Resume::AfterPos(pos) if pos < newest => Some(After::Pos(pos.min(join.last_pos))),
            _ => None,
        };
        let resumes = join.resume != Resume::Live;
        let was_here = self
            .rooms
            .get(&join.room)
            .is_some_and(|feed| feed.live.contains(&join.slot) || feed.catching().any(|slot| slot == join.slot));
        if was_here && resumes {
            // Joined again to read the past again: begin anew.
            let owed = self.remove(join.room, join.slot);
            self.pay(join.slot, owed);
        }
        let joined =
            Event::Joined { room: join.room, last_seq: join.last_seq, last_pos: join.last_pos, members: join.members };
        self.answer(join.slot, &joined, None, &join.tag);
        self.epoch += 1;
        let feed = self.rooms.entry(join.room).or_insert_with(|| Feed::new(join.last_seq, join.last_pos));
        if join.watch {
            feed.watchers.insert(join.slot);
        } else {
            feed.watchers.swap_remove(&join.slot);
        }
        if was_here && !resumes {
            return;
        }
        if feed.join(join, self.epoch, after) {
            self.bring_up(join.room, join.slot);
        } else {
            self.caught_up(join.room, join.slot);
        }
    }

    /// Takes a session out of a room. Returns acknowledgements that waited there for their place.
    fn remove(&mut self, room: RoomId, slot: u32) -> Owed {
        let Some(feed) = self.rooms.get_mut(&room) else { return Vec::new() };
        let owed = feed.remove(slot);
        if feed.is_empty() {
            self.rooms.remove(&room);
        }
        owed
    }

    /// Answers what a session was owed when it left the order of a room.
    fn pay(&mut self, slot: u32, owed: Owed) {
        for (event, pos, tag) in owed {
            self.answer(slot, &event, Some(pos), &tag);
        }
    }

    fn own(&mut self, room: RoomId, entry: Entry) {
        self.epoch += 1;
        let accept = self.rooms.get_mut(&room).map_or(Accept::Deliver, |feed| feed.accept(&entry, self.epoch));
        let Entry::Own { slot, event, tag, numbers } = entry else { return };
        match accept {
            Accept::Deliver => self.answer(slot, &event, Some(numbers.pos), &tag),
            // It waits in its place; a session that is otherwise up to date takes it at once.
            Accept::Drop => self.bring_up(room, slot),
            Accept::Hold(_) => {}
        }
    }

    fn page_read(&mut self, request: PageRequest, page: Result<Page, Unavailable>) {
        let Some(feed) = self.rooms.get_mut(&request.room) else { return };
        match (request.reader, page) {
            (Reader::Slot(slot), Ok(page)) => {
                if feed.page_read(slot, request.epoch, page) {
                    self.bring_up(request.room, slot);
                }
            }
            (Reader::Slot(_), Err(Unavailable)) => self.failed.push(request),
            (Reader::Room, Ok(page)) if feed.is_filling(request.epoch) => self.fill(request, page),
            (Reader::Room, Err(Unavailable)) if feed.is_filling(request.epoch) => self.failed.push(request),
            (Reader::Room, _) => {}
        }
    }

    /// Tells the live sessions what only the store had, and then what waited for it.
    fn fill(&mut self, request: PageRequest, page: Page) {
        let room = request.room;
        let last = page.items.last().map(|(number, _)| *number);
        for (number, event) in page.items {
            self.fill_with(&request, number, event);
        }
        let Some(feed) = self.rooms.get_mut(&room) else { return };
        if let After::Pos(pos) = request.after {
            feed.changes_filled(last.unwrap_or(pos), page.more);
        }
        match feed.fill_from() {
            None => {
                for entry in feed.end_fill() {
                    self.tell_held(room, entry);
                }
            }
            // The store does not show what it is known to have: let it come to itself.
            Some(after) if after == request.after && matches!(after, After::Seq(_)) => self.failed.push(request),
            Some(after) => self.requests.push(PageRequest { after, ..request }),
        }
        self.bring_up_all(room);
    }

    fn fill_with(&mut self, request: &PageRequest, pos: u64, event: Event) {
        let Some(feed) = self.rooms.get_mut(&request.room) else { return };
        let (numbers, event) = match event {
            Event::Message(message) if feed.wants(message.seq) => {
                (Numbers { seq: Some(message.seq), pos: message.pos }, Event::Message(message))
            }
            event => match feed.changed(event).filter(|_| matches!(request.after, After::Pos(_))) {
                Some(event) => (Numbers { seq: None, pos }, event),
                None => return,
            },
        };
        let broadcast = Broadcast::new(event, Some(numbers.pos), self.now);
        let entry = Entry::Told { numbers, skip: SmallVec::new(), broadcast: broadcast.clone() };
        if feed.take_in(&entry) {
            self.tell_live(request.room, &broadcast);
        }
    }

    fn tell_held(&mut self, room: RoomId, entry: Entry) {
        match entry {
            Entry::Told { numbers, skip, broadcast } => {
                let delivery = Delivery { room, stored: Some(numbers), audience: Audience::Everyone, broadcast };
                self.apply(Op::Deliver { delivery, skip });
            }
            Entry::Fill { last_seq, changes } => self.apply(Op::Fill { room, last_seq, changes }),
            own @ Entry::Own { .. } => self.own(room, own),
        }
    }

    fn tell_live(&mut self, room: RoomId, broadcast: &Arc<Broadcast>) {
        let delivery = Delivery { room, stored: None, audience: Audience::Everyone, broadcast: broadcast.clone() };
        let count = self.rooms.get(&room).map_or(0, |feed| feed.live.len());
        self.queue_all(&delivery, &SmallVec::new(), count);
    }

    fn ask_for_room(&mut self, room: RoomId, from: Option<After>) {
        if let Some(after) = from {
            self.requests.push(PageRequest { room, after, reader: Reader::Room, epoch: self.epoch });
        }
    }

    fn bring_up_all(&mut self, room: RoomId) {
        let Some(feed) = self.rooms.get(&room).filter(|feed| feed.has_catching()) else { return };
        let slots: SmallVec<[u32; 8]> = feed.catching().collect();
        for slot in slots {
            self.bring_up(room, slot);
        }
    }

    /// Goes on with a session that catches up, as far as its peer reads.
    fn bring_up(&mut self, room: RoomId, slot: u32) {
        loop {
            let backlog = self.outlets.borrow().get(slot as usize).map_or(Backlog::Gone, |outlet| outlet.backlog());
            match backlog {
                Backlog::Light => {}
                Backlog::Heavy => {
                    self.paused.add(room, slot);
                    return;
                }
                Backlog::Gone => return,
            }
            let Some((epoch, next)) = self.rooms.get_mut(&room).and_then(|feed| feed.next(slot)) else { return };
            match next {
                Next::Shared(broadcast) => {
                    let is_first = self.outlets.borrow().get(slot as usize).is_some_and(|it| it.queue(&broadcast));
                    self.note(slot, is_first);
                }
                Next::Alone(event, pos, tag) => self.answer(slot, &event, Some(pos), &tag),
                Next::Read(after) => {
                    self.requests.push(PageRequest { room, after, reader: Reader::Slot(slot), epoch });
                    return;
                }
                Next::Wait => return,
                Next::Live => return self.caught_up(room, slot),
            }
        }
    }

    fn queue_all(&mut self, delivery: &Delivery, skip: &SmallVec<[u32; 1]>, count: usize) {
        let Some(feed) = self.rooms.get(&delivery.room) else { return };
        let outlets = self.outlets.borrow();
        for slot in feed.audience(delivery.audience).iter().take(count).filter(|slot| !skip.contains(slot)) {
            if let Some(outlet) = outlets.get(*slot as usize) {
                self.told += 1;
                if outlet.queue(&delivery.broadcast) {
                    self.dirty.push(*slot);
                }
            }
        }
    }

    fn answer(&mut self, slot: u32, event: &Event, pos: Option<u64>, tag: &Tag) {
        let outlets = self.outlets.borrow();
        let is_first = outlets.get(slot as usize).is_some_and(|outlet| outlet.answer(event, pos, tag, self.now));
        drop(outlets);
        self.note(slot, is_first);
    }

    fn caught_up(&mut self, room: RoomId, slot: u32) {
        if self.outlets.borrow().get(slot as usize).is_some_and(|outlet| outlet.caught_up(room)) {
            self.dirty.push(slot);
        }
    }

    fn note(&mut self, slot: u32, is_first: bool) {
        self.told += 1;
        if is_first {
            self.dirty.push(slot);
        }
    }

    fn write_dirty(&mut self) {
        let stop = self.dirty.len().min(self.written + SLICE);
        // What is written now may make room.
        let mut relieved = SmallVec::<[_; 4]>::new();
        {
            let outlets = self.outlets.borrow();
            for slot in &self.dirty[self.written..stop] {
                if let Some(outlet) = outlets.get(*slot as usize) {
                    outlet.flush();
                    relieved.extend(self.paused.take(*slot));
                }
            }
        }
        self.written = stop;
        if stop == self.dirty.len() {
            self.dirty.clear();
            self.written = 0;
        }
        relieved.into_iter().for_each(|(room, slot)| self.bring_up(room, slot));
    }
}
