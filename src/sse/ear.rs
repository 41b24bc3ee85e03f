//! One stream, as the hub speaks to it: all its rooms in one order, in which a client can name where it stopped.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use bytes::Bytes;

use super::reader::Ready;
use super::vocabulary::Vocabulary;
use crate::clock;
use crate::domain::{CloseReason, Command, ConnId, Event, Reject, Resume, RoomId, RoomKind, Tag, Timestamp};
use crate::hub::handle::{Backlog, Broadcast, Hub, Outlet};
use crate::session::merge::Merge;
use crate::session::replay::{Listener, beyond};
use crate::session::{Outbox, Speaker};

pub(super) struct Ear {
    outbox: Rc<Outbox>,
    hub: Hub,
    conn: ConnId,
    vocabulary: Vocabulary,
    /// Those that the stream tells of.
    rooms: RefCell<BTreeSet<RoomId>>,
    /// Present until it is known that they may all be entered, with those of which that is not known.
    entering: RefCell<Option<(BTreeSet<RoomId>, Ready)>>,
    /// Present while what comes from several rooms is put in order.
    merge: RefCell<Option<Merge>>,
    /// Everything up to here was told from the store; the hub may be about to tell some of it.
    floor: Cell<u64>,
    /// The highest place that was named.
    newest: Cell<u64>,
}

impl Ear {
    pub(super) fn new(
        outbox: Rc<Outbox>,
        hub: Hub,
        conn: ConnId,
        vocabulary: Vocabulary,
        rooms: &[RoomId],
        ready: Ready,
    ) -> Rc<Self> {
        let rooms: BTreeSet<_> = rooms.iter().copied().collect();
        Rc::new(Self {
            outbox,
            hub,
            conn,
            vocabulary,
            entering: RefCell::new(Some((rooms.clone(), ready))),
            rooms: RefCell::new(rooms),
            merge: RefCell::default(),
            floor: Cell::default(),
            newest: Cell::default(),
        })
    }

    /// It is known that the rooms may be entered; what is wrong with them from now on is told in the stream.
    pub(super) fn is_let_in(&self) {
        if let Some((_, ready)) = self.entering.take() {
            // Nobody waits for it where the client has gone.
            let _ = ready.send(Ok(()));
        }
    }

    /// Enters the rooms. Everything up to `reached` was told.
    pub(super) fn enter(&self, reached: u64) {
        self.floor.set(reached);
        let rooms = self.rooms.borrow().clone();
        *self.merge.borrow_mut() = Some(Merge::of(rooms.iter().copied()));
        for room in rooms {
            let (resume, create_as) = (Resume::AfterPos(reached), RoomKind::Conversation);
            let command = Command::Join { room, resume, presence: Some(false), create_as };
            self.hub.command(self.conn, command, Some(room.0.to_string().into()));
        }
    }

    fn entered(&self, room: RoomId) {
        let is_last = match &mut *self.entering.borrow_mut() {
            Some((rooms, _)) => {
                rooms.remove(&room);
                rooms.is_empty()
            }
            None => false,
        };
        if is_last {
            self.is_let_in();
        }
    }

    /// The stream may not be in a room, as the hub says.
    fn refused(&self, room: RoomId, reject: &Reject, at: Timestamp) -> bool {
        if let Some((_, ready)) = self.entering.take() {
            let _ = ready.send(Err((room, reject.clone())));
            return false;
        }
        let is_first = self.tell(&Event::Left { room }, None, at);
        let is_first = self.tell(&Event::Rejected(reject.clone()), None, at) || is_first;
        self.lost(room);
        is_first
    }

    /// Nothing is told of a room any more. A stream without any ends.
    fn lost(&self, room: RoomId) {
        self.rooms.borrow_mut().remove(&room);
        self.up_to_date(room);
        if self.rooms.borrow().is_empty() {
            self.hub.end(self.conn, CloseReason::Kicked);
        }
    }

    fn up_to_date(&self, room: RoomId) {
        let is_complete = self.merge.borrow_mut().as_mut().is_some_and(|merge| merge.is_complete_without(room));
        let merge = if is_complete { self.merge.take() } else { None };
        for (pos, blocks) in merge.into_iter().flat_map(Merge::into_frames) {
            self.note(Some(pos));
            self.outbox.list(blocks, false);
        }
        self.outbox.flush();
    }

    /// The place that a client is to name if it hears of nothing later than this. It never goes back.
    fn named(&self, pos: Option<u64>) -> Option<u64> {
        pos.filter(|pos| *pos >= self.newest.get())
    }

    fn note(&self, pos: Option<u64>) {
        self.newest.set(self.newest.get().max(pos.unwrap_or(0)));
    }

    /// Whether a broadcast is to be told: of one of the rooms, and not told from the store.
    fn wants(&self, broadcast: &Broadcast) -> bool {
        let is_told = broadcast.pos.is_some_and(|pos| pos <= self.floor.get());
        !is_told && broadcast.event.room().is_some_and(|room| self.rooms.borrow().contains(&room))
    }

    /// The blocks of a broadcast, shared with all streams of the same vocabulary.
    fn blocks(&self, broadcast: &Broadcast) -> Bytes {
        let named = self.named(broadcast.pos);
        let encode = |it: &Broadcast| self.vocabulary.blocks(&it.event, named, it.at);
        if named == broadcast.pos { broadcast.form(self.vocabulary.form, encode).clone() } else { encode(broadcast) }
    }

    /// Takes in what is to be told in order. Otherwise gives it back.
    fn merged(&self, pos: Option<u64>, blocks: Bytes) -> Option<Bytes> {
        let mut merge = self.merge.borrow_mut();
        let (Some(merge), Some(pos)) = (merge.as_mut(), pos) else { return Some(blocks) };
        if !merge.add(pos, blocks) {
            // It waited for the store, and not for its client, which comes back for the rest.
            self.hub.end(self.conn, CloseReason::Internal);
        }
        None
    }

    fn tell(&self, event: &Event, pos: Option<u64>, at: Timestamp) -> bool {
        let blocks = self.vocabulary.blocks(event, self.named(pos), at);
        self.list(pos, blocks, event.is_volatile())
    }

    fn list(&self, pos: Option<u64>, blocks: Bytes, volatile: bool) -> bool {
        if blocks.is_empty() {
            return false;
        }
        let Some(blocks) = self.merged(pos, blocks) else { return false };
        self.note(pos);
        self.outbox.list(blocks, volatile)
    }
}

impl Outlet for Ear {
    fn send(&self, broadcast: &Broadcast) {
        if self.queue(broadcast) {
            self.outbox.flush();
        }
    }

    fn queue(&self, broadcast: &Broadcast) -> bool {
        self.wants(broadcast) && self.list(broadcast.pos, self.blocks(broadcast), broadcast.event.is_volatile())
    }

    fn answer(&self, event: &Event, pos: Option<u64>, tag: &Tag, at: Timestamp) -> bool {
        match event {
            Event::Joined { room, .. } => {
                self.entered(*room);
                false
            }
            Event::Rejected(reject) => match tag.as_deref().and_then(|tag| tag.parse().ok()) {
                Some(room) => self.refused(RoomId(room), reject, at),
                None => self.tell(event, None, at),
            },
            Event::Left { room } => {
                let is_first = self.tell(event, None, at);
                self.lost(*room);
                is_first
            }
            Event::TokenExpiring { .. } | Event::ServerRestarting { .. } => self.tell(event, None, at),
            event => {
                let news = pos.and_then(|pos| beyond(event, pos, self.floor.get()));
                news.is_some_and(|(event, pos)| self.tell(&event, Some(pos), at))
            }
        }
    }

    fn caught_up(&self, room: RoomId) -> bool {
        self.up_to_date(room);
        false
    }

    fn flush(&self) {
        self.outbox.flush();
    }

    fn backlog(&self) -> Backlog {
        self.outbox.backlog()
    }
}

impl Speaker for Ear {
    /// It ends with the last.
    fn roomless_since(&self) -> Option<Timestamp> {
        None
    }
}

impl Listener for Ear {
    fn replay(&self, event: &Event, pos: u64) {
        self.tell(event, Some(pos), clock::now());
    }

    fn flush(&self) {
        self.outbox.flush();
    }

    fn backlog(&self) -> Backlog {
        self.outbox.backlog()
    }
}
