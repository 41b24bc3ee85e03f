//! The seam between sessions and wire formats.
//!
//! A dialect turns frames into [`Request`]s and [`Event`]s into frames. It does no I/O and keeps no state of a
//! connection; what a frame needs of the connection is passed in.

use std::sync::Arc;

use log::Level;

use crate::domain::{Command, Event, Identity, Reject, Tag, Timestamp};
use crate::hub::handle::WireForm;

/// What a client's frame asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// For the hub.
    Command(Command),
    /// To hear of the user's rooms from now on; answered with `Event::Watching`.
    Watch,
    /// A sign of life; answered with `Event::Pong`.
    Ping,
    /// A fresh token for the open connection.
    RefreshToken(Box<str>),
}

/// A frame that was understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inbound {
    pub request: Request,
    pub tag: Tag,
}

/// A frame that was not; the session answers `reject` to `tag`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Misread {
    pub reject: Reject,
    pub tag: Tag,
}

/// A wire format. One value per process, in the registry.
pub trait Dialect: Send + Sync + 'static {
    /// The name in metrics, logs and the audit log.
    fn name(&self) -> &'static str;

    /// Where its sockets are served.
    fn path(&self) -> &'static str;

    /// What carries its messages.
    fn carrier(&self) -> Carrier {
        Carrier::WebSocket
    }

    /// How many wire forms it has: the sorts of its connections that are told the same event in different bytes.
    fn forms(&self) -> u8 {
        1
    }

    /// Whether a client may be told something before it has asked for anything. Where not, that its token is about to end
    /// is told once it is in a room.
    fn speaks_first(&self) -> bool {
        true
    }

    /// How loudly the log says that a connection was opened, and that it was let into a room.
    fn log_level(&self) -> Level {
        Level::Debug
    }

    /// Reads one text message.
    fn decode(&self, text: &str) -> Result<Inbound, Misread>;

    /// Appends the text of one message that tells `event` to `out`. Returns false where this dialect has no word for it.
    /// A broadcast comes without `tag`; what is written for it must not depend on who receives it.
    fn encode(&self, event: &Event, tag: Option<&str>, at: Timestamp, out: &mut Vec<u8>) -> bool;
}

/// What a dialect's messages travel in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carrier {
    /// Each is a WebSocket message.
    WebSocket,
    /// Each is in a packet of Engine.IO, over WebSocket or long polling.
    EngineIo,
    /// They are the body of an HTTP answer; nothing comes back.
    Answer,
}

/// A dialect with its place in the registry.
#[derive(Clone, Copy)]
pub struct Registered {
    pub dialect: &'static dyn Dialect,
    /// The first of its wire forms.
    pub form: WireForm,
}

/// Verifies a token that is shown on an open connection, or says that there is none (implemented by `auth`).
pub trait Gatekeeper: Send + Sync + 'static {
    fn verify(&self, token: Option<&str>, now: Timestamp) -> Result<Arc<Identity>, Reject>;
}
