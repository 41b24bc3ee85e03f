//! How a connection of the hub is spoken to: events become frames of its wire form.

use std::cell::{Cell, RefCell};

use bytes::Bytes;
use log::Level;
use smallvec::SmallVec;

use super::dialect::Registered;
use crate::domain::{Event, RoomId, Tag, Timestamp};
use crate::hub::handle::Broadcast;
use crate::transport::ws::Opcode;
use crate::transport::ws::writer::frame_with;

/// Most events fit; a longer one costs another allocation.
const TYPICAL_EVENT: usize = 502;

/// The wire form of one connection, and what can be told from the events that pass through it.
pub struct Voice {
    registered: &'static Registered,
    /// Apart, because most of what has an outbox has a voice of another kind, or none.
    place: Box<Place>,
}

/// Which connection it is, and the rooms that it is in.
#[derive(Default)]
struct Place {
    /// 0 until that is known.
    conn: Cell<u64>,
    rooms: RefCell<SmallVec<[RoomId; 1]>>,
    roomless_since: Cell<Timestamp>,
}

impl Voice {
    pub(super) fn new(registered: &'static Registered) -> Self {
        Self { registered, place: Box::default() }
    }

    /// The frame that tells `event`; `None` where the dialect has no word for it.
    pub fn encode(&self, event: &Event, tag: &Tag, at: Timestamp) -> Option<Bytes> {
        frame_with(Opcode::Text, TYPICAL_EVENT, |out| self.registered.dialect.encode(event, tag.as_deref(), at, out))
    }

    /// As [`Voice::encode`], once for all connections of the same form. Empty where the dialect has no word for it.
    pub(super) fn shared<'a>(&self, broadcast: &'a Broadcast) -> &'a Bytes {
        broadcast.form(self.registered.form, |it| self.encode(&it.event, &None, it.at).unwrap_or_default())
    }

    /// Takes note of an answer to this connection: it tells when it was opened, and when a room was joined or left.
    pub(super) fn note(&self, event: &Event, at: Timestamp) {
        let Place { conn: own, rooms, roomless_since } = &*self.place;
        let mut rooms = rooms.borrow_mut();
        match event {
            Event::Connected { conn, user, .. } => {
                own.set(conn.0);
                log::log!(self.log_level(), "[WebSocket] Connected: ConnectionId={} UserId={user}", conn.0);
            }
            // A room may be joined again, to read its past again.
            Event::Joined { room, .. } if !rooms.contains(room) => {
                rooms.push(*room);
                let conn = own.get();
                log::log!(self.log_level(), "Client subscribed: ConnectionId={conn} ConversationId={room}");
            }
            Event::Left { room } => {
                rooms.retain(|it| it != room);
                roomless_since.set(at);
            }
            _ => {}
        }
    }

    fn log_level(&self) -> Level {
        self.registered.dialect.log_level()
    }

    /// Since when the connection has been in no room, the epoch if it has never been in one. `None`: it is in one.
    pub(super) fn roomless_since(&self) -> Option<Timestamp> {
        self.place.rooms.borrow().is_empty().then(|| self.place.roomless_since.get())
    }
}
