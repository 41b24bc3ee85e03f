//! What the hub and the connections of a worker thread say to each other: the sending side of a connection, and
//! events that are encoded once for all of them.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::domain::{CloseReason, ConnId, Event, RoomId, Tag, Timestamp};

/// How many wire forms there can be: dialects times what each distinguishes among its sessions,
/// and the vocabularies of event streams.
pub const WIRE_FORMS: usize = 10;

/// The wire form of a connection: an index that its dialect's place in the registry gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WireForm(pub u8);

/// An event for many connections, encoded at most once per wire form, by the first worker that needs it.
#[derive(Debug)]
pub struct Broadcast {
    pub event: Event,
    /// Its number among all changes of the organization, if it is stored.
    pub pos: Option<u64>,
    pub at: Timestamp,
    forms: [OnceLock<Bytes>; WIRE_FORMS],
}

impl Broadcast {
    pub fn new(event: Event, pos: Option<u64>, at: Timestamp) -> Arc<Self> {
        Arc::new(Self { event, pos, at, forms: Default::default() })
    }

    /// The bytes for `form`, made by `encode` if nobody has made them. Empty: this form does not tell such an event.
    pub fn form(&self, form: WireForm, encode: impl FnOnce(&Self) -> Bytes) -> &Bytes {
        self.forms[usize::from(form.0)].get_or_init(|| encode(self))
    }
}

/// How much waits to be written on a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Backlog {
    /// Less than a quarter of what it may hold.
    Light,
    Heavy,
    /// The connection has ended.
    Gone,
}

/// The sending side of one connection, as the fan-out of its worker thread sees it. Nothing in here waits.
///
/// A connection whose queue overflows ends itself with `slow_consumer`; the fan-out need not look.
pub trait Outlet {
    /// Writes at once if nothing waits, else queues. A volatile event is dropped for a peer that is behind.
    fn send(&self, broadcast: &Broadcast);

    /// Queues without writing, for several events that shall leave in one write; call [`Outlet::flush`] after.
    /// Returns true if there was nothing queued for this flush before.
    fn queue(&self, broadcast: &Broadcast) -> bool;

    /// Queues an event for this connection alone, as the answer to `tag`. `pos`: as in [`Broadcast`]. Returns as
    /// [`Outlet::queue`] does.
    fn answer(&self, event: &Event, pos: Option<u64>, tag: &Tag, at: Timestamp) -> bool;

    /// The connection has been told all of a room's past that it asked for, and hears the room live from here on.
    /// Returns as [`Outlet::queue`] does.
    fn caught_up(&self, _room: RoomId) -> bool {
        false
    }

    /// Writes what is queued, as far as the socket takes it.
    fn flush(&self);

    fn backlog(&self) -> Backlog;
}

/// Asks a session to end its connection, from wherever it was decided.
#[derive(actix::Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub enum End {
    /// Close this connection of the session now, for this reason.
    Close(ConnId, CloseReason),
    /// The process is ending: tell the client `server_restarting`, take no more commands, and await the `Close`.
    Drain,
}

/// Whether a connection ended on purpose; only lost ones have a grace before others hear of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Departure {
    Left,
    Lost,
}

/// A place in a worker's fan-out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Seat {
    pub worker: u16,
    pub slot: u32,
}
