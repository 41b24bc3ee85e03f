//! What a Socket.IO client asks of whoever serves it: namespaces to connect to, and a socket in each.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::{CloseReason, ConnId};
use crate::session::{Ending, Link};

/// The application's side of one client, which may connect to several namespaces.
pub trait Visitor {
    /// The client asks to connect to a namespace. `auth`: the object that it shows, if it shows one.
    ///
    /// `Ok`: the socket that serves it there from now on. It answers the CONNECT with [`Line::accept`], at once or, if it
    /// has to wait for something, later through the session's outbox; until then it says that it is congested.
    fn connect(&mut self, auth: Option<&RawValue>, line: &mut Line<'_, '_>) -> Result<Box<dyn Socket>, ConnectError>;
}

/// A CONNECT_ERROR: `{"message": …, "data"?: …}`.
#[derive(Clone, PartialEq, Debug)]
pub struct ConnectError {
    pub message: Cow<'static, str>,
    pub data: Option<Value>,
}

/// An EVENT or an ACK as it came, its arguments not looked into.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The JSON array of its arguments: for an event, the event's name is the first. Where attachments belong it holds
    /// `{"_placeholder":true,"num":n}`.
    pub args: &'a str,
    /// In an EVENT: the id under which an acknowledgement is asked for. In an ACK: the id that is acknowledged.
    pub ack: Option<u64>,
    /// Its binary attachments, all that it announced.
    pub attachments: &'a [Bytes],
}

/// A client in one namespace.
pub trait Socket {
    fn event(&mut self, packet: Packet<'_>, line: &mut Line<'_, '_>);

    /// The client acknowledges what was emitted with an id.
    fn ack(&mut self, _packet: Packet<'_>, _line: &mut Line<'_, '_>) {}

    /// The connection of the hub that this socket is, if it is one.
    fn conn(&self) -> Option<ConnId> {
        None
    }

    /// The socket is about to be ended, from this side: what to say before.
    fn dismissed(&mut self, _reason: CloseReason, _line: &mut Line<'_, '_>) {}

    /// As [`crate::session::Peer::tick`].
    fn tick(&mut self, _line: &mut Line<'_, '_>) -> Option<Duration> {
        None
    }

    /// As [`crate::session::Peer::is_congested`].
    fn is_congested(&self) -> bool {
        false
    }

    /// As [`crate::session::Peer::drain`].
    fn drain(&mut self, _line: &mut Line<'_, '_>) {}

    /// The last call.
    fn ended(&mut self, _ending: Ending) {}
}

/// The way to a client in one namespace, during a call.
pub struct Line<'a, 'b> {
    pub(super) link: &'a mut Link<'b>,
    pub(super) namespace: &'a str,
    pub(super) sid: &'a str,
}

impl<'b> Line<'_, 'b> {
    /// The session that carries this socket and those in other namespaces.
    pub fn link(&mut self) -> &mut Link<'b> {
        self.link
    }

    /// Begins with `/`.
    pub fn namespace(&self) -> &str {
        self.namespace
    }

    /// The socket's id: random, and its own in each namespace.
    pub fn sid(&self) -> &str {
        self.sid
    }
}
