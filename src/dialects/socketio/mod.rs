//! Dialect `socketio`: the events of Socket.IO clients, in the words of conversations and of rooms.
//!
//! The protocol itself is `crate::socketio`'s. Here its events become commands of the hub, and what the hub tells becomes
//! events: by [`decode`](mod@decode), [`encode`](mod@encode), and the [`ear`] of each connection, which knows in which words it
//! hears of which room. A client that wants it is taken up again after a drop, from the store ([`recovery`]).

mod answers;
mod asked;
mod decode;
mod ear;
mod encode;
mod guest;
mod holders;
mod keeping;
mod namespace;
mod place;
mod recovery;
mod rooms;
mod socket;
mod wire;
mod wording;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use super::Options;
use crate::domain::{Event, Timestamp};
use crate::hub::handle::Hub;
use crate::session::dialect::{Carrier, Dialect, Inbound, Misread, Registered};
use crate::session::member::Club;
use crate::transport::ws::writer::frames;
use asked::View;
pub use guest::{Arrival, Guest, Token};
use holders::Holders;

/// How long after it was lost a connection can be taken up again, unless the configuration says otherwise.
pub const RECOVERY_WINDOW: Duration = Duration::from_mins(2);

/// A connection hears of a room in either view, with or without offsets; and in the first view of two, with half of one.
const FORMS: u8 = 5;

pub struct SocketIo {
    rules: decode::Rules,
    path: &'static str,
}

impl SocketIo {
    pub fn new(options: &Options) -> Self {
        let rules = decode::Rules { max_text_bytes: options.max_text_bytes, message_ids: options.message_ids };
        Self { rules, path: options.socketio_path }
    }
}

impl Dialect for SocketIo {
    fn name(&self) -> &'static str {
        "socketio"
    }

    fn path(&self) -> &'static str {
        self.path
    }

    fn forms(&self) -> u8 {
        FORMS
    }

    fn carrier(&self) -> Carrier {
        Carrier::EngineIo
    }

    /// An event as it stands in its packet: the acknowledgement's id, if one is asked for, and the arguments.
    fn decode(&self, text: &str) -> Result<Inbound, Misread> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (ack, args) = text.split_at(digits);
        decode::event(args, ack.parse().ok(), &self.rules)
    }

    /// In the words of conversations, to a client that takes no offsets.
    fn encode(&self, event: &Event, _: Option<&str>, at: Timestamp, out: &mut Vec<u8>) -> bool {
        let told = encode::told(event, View::Conversation, None, at);
        for (_, payload) in frames(&told) {
            out.extend_from_slice(payload);
        }
        !told.is_empty()
    }
}

/// What all connections of this dialect share.
pub struct Desk {
    club: Arc<Club>,
    registered: &'static Registered,
    dialect: SocketIo,
    recovers: bool,
    holders: Holders,
}

impl Desk {
    /// `recovers`: whether clients that want it are taken up again after a drop.
    pub fn new(club: Arc<Club>, registered: &'static Registered, options: &Options, recovers: bool) -> Arc<Self> {
        Arc::new(Self { club, registered, dialect: SocketIo::new(options), recovers, holders: Holders::default() })
    }

    fn decode(&self, args: &str, ack: Option<u64>) -> Result<Inbound, Misread> {
        decode::event(args, ack, &self.dialect.rules)
    }

    fn hub(&self) -> &Hub {
        &self.club.hub
    }
}
