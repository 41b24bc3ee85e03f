//! What a Socket.IO client asks of whoever serves it: namespaces to connect to, and a socket in each.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

use super::packet;
use crate::domain::{CloseReason, ConnId};
use crate::session::{Ending, Link};

/// The application's side of one client, which may connect to several namespaces.
pub trait Visitor {
    /// The client asks to connect to a namespace. `auth`: the object that it shows, if it shows one.
    ///
    /// `Ok`: the socket that serves it there from now on. It answers the CONNECT with [`Line::accept`], at once or, if it
    /// has to wait for something, later through the session's outbox ([`super::packet::connected`]); until then it says
    /// that it is congested, and what the client says meanwhile is kept for it. That it does not wait for ever is its own
    /// to see to: nothing is read from the client meanwhile.
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
    /// The JSON array of its arguments: for an event, the event's name is the first, a string (or a number, which the
    /// protocol allows as well). Where attachments belong it holds `{"_placeholder":true,"num":n}`.
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

    /// The socket is about to be ended for a reason that this side has: what to say before.
    fn dismissed(&mut self, _reason: CloseReason, _line: &mut Line<'_, '_>) {}

    /// As [`crate::session::Peer::tick`]. May be called early, when something else of the session is due.
    fn tick(&mut self, _line: &mut Line<'_, '_>) -> Option<Duration> {
        None
    }

    /// As [`crate::session::Peer::is_congested`].
    fn is_congested(&self) -> bool {
        false
    }

    /// As [`crate::session::Peer::drain`], once.
    fn drain(&mut self, _line: &mut Line<'_, '_>) {}

    /// The last call.
    fn ended(&mut self, _ending: Ending) {}
}

/// The way to a client in one namespace, during a call.
pub struct Line<'a, 'b> {
    pub(super) link: &'a mut Link<'b>,
    pub(super) namespace: &'a str,
    pub(super) sid: &'a str,
    pub(super) said: &'a mut Said,
}

/// What a socket said during a call that its client's session has to know.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Said {
    pub(super) accept: bool,
    pub(super) disconnect: bool,
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

    /// Answers the CONNECT. `extra`: what the client is told beside its `sid`. Once, before anything else is sent.
    ///
    /// A socket that answers later posts [`packet::connected`] to the session's outbox.
    pub fn accept(&mut self, extra: &[(&str, &str)]) {
        self.said.accept = true;
        self.link.outbox().post(&packet::connected(self.namespace, self.sid, extra), false);
    }

    /// Sends an EVENT. `args`: a JSON array that begins with the event's name, with placeholders for `attachments`.
    /// `ack`: the id under which it shall be acknowledged, if it shall.
    pub fn emit(&mut self, args: &str, ack: Option<u64>, attachments: &[Bytes]) {
        self.send(&packet::event(self.namespace, args, ack, attachments.len()), attachments);
    }

    /// Acknowledges an EVENT that came with `id`. `args`: a JSON array, with placeholders for `attachments`.
    pub fn acknowledge(&mut self, id: u64, args: &str, attachments: &[Bytes]) {
        self.send(&packet::ack(self.namespace, id, args, attachments.len()), attachments);
    }

    /// Sends a DISCONNECT, and ends the socket when the call is over. The session and its other sockets stay.
    pub fn disconnect(&mut self) {
        if !self.said.disconnect {
            self.said.disconnect = true;
            self.link.outbox().post(&packet::disconnect(self.namespace), false);
        }
    }

    fn send(&mut self, frame: &Bytes, attachments: &[Bytes]) {
        let outbox = self.link.outbox();
        if attachments.is_empty() {
            return outbox.post(frame, false);
        }
        outbox.list(frame.clone(), false);
        for data in attachments {
            outbox.list(packet::attachment(data), false);
        }
        outbox.flush();
    }
}
