//! What a session does with what its client says: the [`Peer`], and the [`Link`] that it answers through.

use std::rc::Rc;
use std::time::Duration;

use actix::{AsyncContext, WeakRecipient};

use super::context::SessionContext;
use super::outbox::Outbox;
use crate::domain::{CloseReason, ConnId, Event, Tag, Timestamp};
use crate::hub::handle::{Departure, End, Outlet};
use crate::transport::ws::Opcode;
use crate::transport::ws::writer::frame;

/// The other side of a socket, as the code that serves it sees it. Nothing in here may wait.
pub trait Peer {
    /// The first call: the socket is open.
    fn opened(&mut self, link: &mut Link<'_>);

    fn text(&mut self, text: &str, link: &mut Link<'_>);

    /// Closes with 1003, unless the peer speaks binary.
    fn binary(&mut self, _data: &[u8], link: &mut Link<'_>) {
        link.close(CloseReason::UnsupportedData);
    }

    /// What is due by the clock. Called after `opened`, then when the time that it returned has passed (`None`: never
    /// again), and after [`Link::tick_soon`].
    fn tick(&mut self, _link: &mut Link<'_>) -> Option<Duration> {
        None
    }

    /// Nothing is read from the socket while this is true. It is asked again shortly.
    fn is_congested(&self) -> bool {
        false
    }

    /// The hub ends a connection that is this peer's. A socket that carries several may go on without it.
    fn dismiss(&mut self, _conn: ConnId, reason: CloseReason, link: &mut Link<'_>) {
        link.close(reason);
    }

    /// The process is ending: the client shall be told, nothing more be taken from it, and `Close` be awaited.
    /// Called once for each connection that the socket carries.
    fn drain(&mut self, _link: &mut Link<'_>) {}

    /// Whether the hub knows of it, and ends it when the process does.
    fn is_known_to_hub(&self) -> bool {
        false
    }

    /// The last call, as soon as it is decided; a closing handshake may follow.
    fn ended(&mut self, _ending: Ending) {}
}

const DISCONNECTED: &str = "disconnected";

/// Whether what came was wrong, not who sent it.
fn is_of_the_line(reason: CloseReason) -> bool {
    use CloseReason::{InvalidUtf8, ProtocolError, TooBig, UnsupportedData};
    matches!(reason, ProtocolError | UnsupportedData | InvalidUtf8 | TooBig)
}

/// How a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ending {
    pub departure: Departure,
    /// Of the Close frame that was sent or received; 1005 for one without a code, 1006 where there was none
    /// (RFC 6455, section 7.1.5).
    pub code: u16,
    /// Why, in a word for metrics and the audit log.
    pub reason: &'static str,
    /// Set where this side decided it.
    pub ours: Option<CloseReason>,
}

impl Ending {
    /// This side closed. Clients that are to come back count as lost: others shall not see them go and return.
    pub fn closed(reason: CloseReason) -> Self {
        let departure = if reason.comes_back() { Departure::Lost } else { Departure::Left };
        let name = if reason == CloseReason::Normal { "normal" } else { reason.as_str() };
        Self { departure, code: reason.code(), reason: name, ours: Some(reason) }
    }

    /// The client took its leave: with a Close frame, where there is one.
    pub fn left(code: Option<u16>) -> Self {
        Self { departure: Departure::Left, code: code.unwrap_or(1005), reason: "left", ours: None }
    }

    /// The client said that it is done, in words of its protocol: it does not come back to this connection.
    pub fn disconnected() -> Self {
        Self { departure: Departure::Left, code: 1000, reason: DISCONNECTED, ours: None }
    }

    /// Whether the client may come back and go on where it stopped.
    pub fn is_resumable(&self) -> bool {
        match self.ours {
            // Who was told to stay away may not have heard it: what was replaced is often a line that broke unnoticed.
            Some(reason) => {
                self.departure == Departure::Lost || is_of_the_line(reason) || reason == CloseReason::Replaced
            }
            None => self.reason != DISCONNECTED,
        }
    }

    /// The connection ended without one.
    pub(super) fn lost() -> Self {
        Self { departure: Departure::Lost, code: 1006, reason: "lost", ours: None }
    }
}

/// What a peer asked for while it was called.
#[derive(Default, Debug)]
pub(super) struct Wishes {
    pub(super) close: Option<CloseReason>,
    /// It is closed without waiting for the client to fetch what it was told.
    pub(super) at_once: bool,
    pub(super) left: bool,
    pub(super) tick: bool,
}

impl Wishes {
    /// The client shall not be listened to any more.
    pub(super) fn is_the_end(&self) -> bool {
        self.close.is_some() || self.left
    }
}

/// Where a session is told that the process is ending. It does not keep the session.
pub struct Drainer(WeakRecipient<End>);

impl Drainer {
    pub fn drain(&self) {
        if let Some(session) = self.0.upgrade() {
            session.do_send(End::Drain);
        }
    }
}

/// How one connection of the hub is spoken to.
pub trait Speaker: Outlet {
    /// Since when the connection has been in no room, the epoch if it has never been in one. `None`: it is in one.
    fn roomless_since(&self) -> Option<Timestamp>;
}

/// The session, as its peer sees it during a call.
pub struct Link<'a> {
    pub(super) outbox: &'a Rc<Outbox>,
    /// Who speaks for the connection. `None`: the outbox itself.
    pub(super) speaker: Option<&'a Rc<dyn Speaker>>,
    pub(super) context: &'a SessionContext,
    pub(super) wishes: &'a mut Wishes,
}

impl Link<'_> {
    pub fn text(&mut self, text: &str) {
        self.outbox.post(&frame(Opcode::Text, text.as_bytes()), false);
    }

    pub fn binary(&mut self, data: &[u8]) {
        self.outbox.post(&frame(Opcode::Binary, data), false);
    }

    /// The same session, with `speaker` for one of the connections that it carries.
    pub fn through<'b>(&'b mut self, speaker: &'b Rc<dyn Speaker>) -> Link<'b> {
        Link { outbox: self.outbox, speaker: Some(speaker), context: self.context, wishes: self.wishes }
    }

    /// What the session writes through.
    pub fn outbox(&self) -> &Rc<Outbox> {
        self.outbox
    }

    /// Tells the client an event in its dialect.
    pub fn tell(&mut self, event: &Event, tag: &Tag, at: Timestamp) {
        let speaker: &dyn Outlet = match self.speaker {
            Some(speaker) => &**speaker,
            None => &**self.outbox,
        };
        speaker.answer(event, None, tag, at);
        speaker.flush();
    }

    /// Closes the connection when the call is over. What was told before is still written, if the client takes it.
    pub fn close(&mut self, reason: CloseReason) {
        self.wishes.close.get_or_insert(reason);
    }

    /// As [`Link::close`], but a client that is polling is not waited for: what it said is no payload.
    pub fn break_off(&mut self, reason: CloseReason) {
        self.close(reason);
        self.wishes.at_once = true;
    }

    /// Whether the connection ends when the call is over. Nothing more is to be taken from the client then.
    pub fn is_closing(&self) -> bool {
        self.wishes.is_the_end()
    }

    /// Ends the connection when the call is over: the client has said that it leaves.
    pub fn let_go(&mut self) {
        self.wishes.left = true;
    }

    /// What is told now reaches the client now, as far as it is there: it has a socket, or a poll that waits.
    pub fn is_listening(&self) -> bool {
        !self.outbox.is_polled() || self.outbox.has_poll()
    }

    /// Takes back that the connection is to be closed: it is one of several that the session carries.
    pub fn stay_open(&mut self) -> Option<CloseReason> {
        self.wishes.close.take()
    }

    /// Has [`Peer::tick`] called when the call is over.
    pub fn tick_soon(&mut self) {
        self.wishes.tick = true;
    }

    /// How often the session sends a Ping. `None`: never.
    pub fn heartbeat_interval(&self) -> Option<Duration> {
        self.outbox.sessions().limits().heartbeat_interval
    }

    /// The sending side, for the fan-out of this thread.
    pub fn outlet(&self) -> Rc<dyn Outlet> {
        match self.speaker {
            Some(speaker) => speaker.clone(),
            None => self.outbox.clone(),
        }
    }

    /// Where the hub asks this session to end.
    pub fn session(&self) -> WeakRecipient<End> {
        self.context.address().downgrade().recipient()
    }

    /// The same, for whoever ends those that the hub does not know of.
    pub fn drainer(&self) -> Drainer {
        Drainer(self.session())
    }

    /// Since when the connection has been in no room, the epoch if it has never been in one. `None`: it is in one.
    pub fn roomless_since(&self) -> Option<Timestamp> {
        match self.speaker {
            Some(speaker) => speaker.roomless_since(),
            None => self.outbox.roomless_since(),
        }
    }
}
