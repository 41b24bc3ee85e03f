//! One client: takes its packets apart and hands them to its sockets, one in each namespace that it is connected to.
//!
//! - What a client may make this side keep is bounded: its namespaces, its CONNECTs, and a packet's attachments, which
//!   must come soon. It is told to go away where it asks for more.
//! - Where the protocol does not say what follows, the reference server's behaviour decides: a packet that makes no
//!   sense ends the session.
//! - Ending a socket for a reason that forbids to come back sends DISCONNECT, for only that keeps clients from coming
//!   back by themselves; the other namespaces stay. Any other reason ends the session, and clients come back.
//! - What ends one socket does not take the others along: whose token has ended is sent away from its namespace alone,
//!   and who is silent in one is idle when it is in all. Where all end at once, the session does.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::held::{Held, Message};
use super::packet::{self, Body, Payload};
use super::partial::{Partial, TooBig};
use super::sid::Sid;
use super::socket::{ConnectError, Line, Packet, Said, Socket, Visitor};
use crate::clock;
use crate::domain::close::Advice;
use crate::domain::{Bucket, CloseReason, ConnId, Rate, Timestamp};
use crate::session::{Ending, Link, Peer};

/// How soon a socket that has yet to answer its CONNECT is asked again, if the client said something meanwhile.
const RETRY: Duration = Duration::from_millis(50);

/// What all clients of one Engine.IO path share.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// The namespaces that exist beside `/`. Each begins with `/`.
    pub namespaces: Vec<Box<str>>,
    /// A session that is connected to no namespace is closed after this.
    pub connect_timeout: Duration,
    /// How many attachments a packet may have.
    pub max_attachments: usize,
    /// How many bytes they may have together.
    pub max_payload: usize,
    /// After how long without the next of them the session is closed.
    pub attachment_timeout: Duration,
    /// How many namespaces a client may be connected to at once.
    pub max_namespaces: usize,
    /// How many CONNECTs a client may send, whatever becomes of them. `None`: any number.
    pub connects: Option<Rate>,
}

/// Far more than a client has namespaces that it might leave and enter.
const CONNECTS: Rate =
    Rate { events: NonZeroU32::MIN, period: Duration::from_secs(1), burst: NonZeroU32::MIN.saturating_add(99) };

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            namespaces: Vec::new(),
            connect_timeout: Duration::from_secs(45),
            max_attachments: 10,
            max_payload: 1_000_000,
            attachment_timeout: Duration::from_mins(1),
            max_namespaces: 16,
            connects: Some(CONNECTS),
        }
    }
}

impl ClientSettings {
    /// The number of a namespace, by which a seat knows it.
    fn number(&self, name: &str) -> Option<u16> {
        if name == packet::MAIN {
            return Some(0);
        }
        let index = self.namespaces.iter().position(|it| **it == *name)?;
        u16::try_from(index + 1).ok()
    }

    fn name(&self, number: u16) -> &str {
        let index = usize::from(number).checked_sub(1);
        index.and_then(|index| self.namespaces.get(index)).map_or(packet::MAIN, |name| name)
    }
}

/// A client, which is there for as long as its session. There are as many as sessions, so every field counts.
pub struct Client {
    settings: Arc<ClientSettings>,
    visitor: Box<dyn Visitor>,
    seats: SmallVec<[Seat; 1]>,
    /// When the session ends if there is no seat by then.
    connect_by: Timestamp,
    connects: Bucket,
    /// A packet whose attachments are still to come.
    partial: Option<Box<Partial>>,
    /// What came while a socket had yet to answer its CONNECT.
    held: Option<Box<Held>>,
    draining: bool,
}

/// The client in one namespace.
struct Seat {
    socket: Box<dyn Socket>,
    sid: Sid,
    /// Its number among the settings' namespaces.
    namespace: u16,
    /// It may not have answered the CONNECT: it had not, and was congested, when last looked at.
    is_pending: bool,
    /// It is to end for this, with its session or without.
    due: Option<CloseReason>,
}

impl Client {
    pub fn new(settings: &Arc<ClientSettings>, visitor: Box<dyn Visitor>) -> Self {
        Self {
            settings: settings.clone(),
            visitor,
            seats: SmallVec::new(),
            connect_by: clock::now() + settings.connect_timeout,
            connects: Bucket::default(),
            partial: None,
            held: None,
            draining: false,
        }
    }

    fn seat(&self, namespace: &str) -> Option<usize> {
        self.seats.iter().position(|seat| self.settings.name(seat.namespace) == namespace)
    }

    fn hear(&mut self, message: Message<'_>, link: &mut Link<'_>) {
        match message {
            Message::Text(text) => self.hear_text(text, link),
            Message::Binary(data) => self.hear_binary(data, link),
        }
    }

    fn hear_text(&mut self, text: &str, link: &mut Link<'_>) {
        if self.partial.is_some() {
            return link.close(CloseReason::ProtocolError);
        }
        let Ok(packet::Inbound { namespace, body }) = packet::read(text, self.settings.max_attachments) else {
            return link.close(CloseReason::ProtocolError);
        };
        match (self.seat(namespace), body) {
            (None, Body::Connect(auth)) => self.connect(namespace, auth, link),
            (Some(index), Body::Disconnect) => self.end(index, Ending::disconnected(), link),
            (Some(index), Body::Event(payload)) => self.take(index, true, payload, link),
            (Some(index), Body::Ack(payload)) => self.take(index, false, payload, link),
            (Some(_), Body::Connect(_)) | (None, _) => link.close(CloseReason::ProtocolError),
        }
    }

    fn hear_binary(&mut self, data: &[u8], link: &mut Link<'_>) {
        let Some(partial) = &mut self.partial else { return link.close(CloseReason::ProtocolError) };
        match partial.add(data, &self.settings) {
            Ok(false) => {}
            Ok(true) => {
                let Some(partial) = self.partial.take() else { return };
                let Some(index) = self.seats.iter().position(|seat| seat.namespace == partial.namespace) else {
                    return link.close(CloseReason::ProtocolError);
                };
                self.deliver(index, partial.is_event, partial.packet(), link);
            }
            Err(TooBig) => link.close(CloseReason::TooBig),
        }
    }

    /// Hands an EVENT or an ACK to its socket, once it is complete.
    fn take(&mut self, index: usize, is_event: bool, payload: Payload<'_>, link: &mut Link<'_>) {
        let Payload { args, id, attachments } = payload;
        if attachments == 0 {
            self.deliver(index, is_event, Packet { args, ack: id, attachments: &[] }, link);
        } else if let Some(seat) = self.seats.get(index) {
            self.partial = Some(Box::new(Partial::new(seat.namespace, is_event, payload, &self.settings)));
            link.tick_soon();
        }
    }

    fn deliver(&mut self, index: usize, is_event: bool, packet: Packet<'_>, link: &mut Link<'_>) {
        if packet.args.is_empty() {
            return;
        }
        self.call(
            index,
            link,
            |socket, line| {
                if is_event { socket.event(packet, line) } else { socket.ack(packet, line) }
            },
        );
    }

    fn connect(&mut self, name: &str, auth: Option<&RawValue>, link: &mut Link<'_>) {
        if self.connects.take(self.settings.connects, clock::now()).is_err() {
            return link.close(CloseReason::RateLimited);
        }
        let refuse =
            |link: &mut Link<'_>, error: &ConnectError| link.outbox().post(&packet::refused(name, error), false);
        let error = |message| ConnectError { message: Cow::Borrowed(message), data: None };
        let Some(namespace) = self.settings.number(name) else {
            return refuse(link, &error("Invalid namespace"));
        };
        if self.seats.len() >= self.settings.max_namespaces {
            return refuse(link, &error("Too many namespaces"));
        }
        let Some(sid) = Sid::fresh() else { return link.close(CloseReason::Internal) };
        let mut said = Said::default();
        let mut line = Line { link: &mut *link, namespace: name, sid: sid.as_str(), said: &mut said };
        match self.visitor.connect(auth, &mut line) {
            Ok(socket) => {
                let is_pending = !said.accept && socket.is_congested();
                self.seats.push(Seat { socket, sid, namespace, is_pending, due: None });
                link.tick_soon();
                self.carry_out(self.seats.len() - 1, said, link);
            }
            Err(error) => refuse(link, &error),
        }
    }

    /// Calls a socket, and does what it asked for.
    fn call(&mut self, index: usize, link: &mut Link<'_>, call: impl FnOnce(&mut dyn Socket, &mut Line<'_, '_>)) {
        let said = self.speak(index, link, call);
        self.carry_out(index, said, link);
    }

    fn speak(
        &mut self,
        index: usize,
        link: &mut Link<'_>,
        call: impl FnOnce(&mut dyn Socket, &mut Line<'_, '_>),
    ) -> Said {
        let mut said = Said::default();
        if let Some(seat) = self.seats.get_mut(index) {
            let namespace = self.settings.name(seat.namespace);
            call(&mut *seat.socket, &mut Line { link, namespace, sid: seat.sid.as_str(), said: &mut said });
        }
        said
    }

    /// Does what a socket asked for during a call.
    fn carry_out(&mut self, index: usize, said: Said, link: &mut Link<'_>) {
        if let Some(reason) = link.stay_open() {
            self.dismiss_at(index, reason, link);
        } else if said.disconnect {
            self.end(index, Ending::closed(CloseReason::Normal), link);
        }
    }

    fn dismiss_at(&mut self, index: usize, reason: CloseReason, link: &mut Link<'_>) {
        self.bid_farewell(index, reason, link);
        let goes_alone = reason.advice() == Advice::NewToken && self.seats.len() > 1;
        if reason.comes_back() && !goes_alone {
            return link.close(reason);
        }
        self.speak(index, link, |_, line| line.disconnect());
        self.end(index, Ending::closed(reason), link);
        if self.seats.is_empty() {
            link.close(reason);
        }
    }

    fn bid_farewell(&mut self, index: usize, reason: CloseReason, link: &mut Link<'_>) {
        self.speak(index, link, |socket, line| socket.dismissed(reason, line));
        // Whatever it asked for is about to happen.
        link.stay_open();
    }

    /// Does what sockets asked for by the clock: if none is to stay, the session ends.
    fn end_what_is_due(&mut self, link: &mut Link<'_>) {
        let all_due = self.seats.iter().all(|seat| seat.due.is_some());
        for index in (0..self.seats.len()).rev() {
            let Some(reason) = self.seats.get_mut(index).and_then(|seat| seat.due.take()) else { continue };
            if all_due {
                self.bid_farewell(index, reason, link);
                if index == 0 {
                    link.close(reason);
                }
            } else if reason != CloseReason::Idle {
                self.dismiss_at(index, reason, link);
            }
        }
    }

    /// Takes a socket's seat away.
    fn end(&mut self, index: usize, ending: Ending, link: &mut Link<'_>) {
        if index < self.seats.len() {
            let mut seat = self.seats.remove(index);
            seat.socket.ended(ending);
            if self.seats.is_empty() {
                self.connect_by = clock::now() + self.settings.connect_timeout;
                link.tick_soon();
            }
        }
    }

    /// Whether a socket has yet to answer its CONNECT, so that nothing can be handed on.
    fn is_waiting(&mut self) -> bool {
        let mut waiting = false;
        for seat in self.seats.iter_mut().filter(|seat| seat.is_pending) {
            seat.is_pending = seat.socket.is_congested();
            waiting |= seat.is_pending;
        }
        waiting
    }

    /// Keeps a message for later if it must wait, or takes it in.
    fn queue(&mut self, message: Message<'_>, link: &mut Link<'_>) {
        if self.draining || link.is_closing() {
            return;
        }
        if self.held.is_none() && !self.is_waiting() {
            return self.hear(message, link);
        }
        let held = self.held.get_or_insert_default();
        held.push(message);
        // Reading stops while a socket is congested, so no more comes than was under way. Whoever hands on more all the
        // same shall not fill the memory.
        if held.bytes() > 2 * self.settings.max_payload {
            link.close(CloseReason::RateLimited);
        }
        link.tick_soon();
    }

    /// Takes in what was kept, as far as it need not wait any longer.
    fn replay(&mut self, link: &mut Link<'_>) {
        while !self.is_waiting()
            && !link.is_closing()
            && let Some(message) = self.held.as_mut().and_then(|held| held.pop())
        {
            self.hear(message.as_message(), link);
        }
        self.held.take_if(|held| held.is_empty());
    }

    /// When the client will have been too slow, if it is waited for.
    fn deadline(&self) -> Option<(Timestamp, CloseReason)> {
        match &self.partial {
            Some(partial) => Some((partial.due_by, CloseReason::ProtocolError)),
            None if self.seats.is_empty() => Some((self.connect_by, CloseReason::Idle)),
            None => None,
        }
    }
}

/// Whether a socket that is to end for this stays, or goes by itself, as long as others on its session stay.
fn depends_on_others(reason: CloseReason) -> bool {
    reason == CloseReason::Idle || reason.advice() == Advice::NewToken
}

impl Peer for Client {
    fn opened(&mut self, _: &mut Link<'_>) {}

    fn text(&mut self, text: &str, link: &mut Link<'_>) {
        self.queue(Message::Text(text), link);
    }

    fn binary(&mut self, data: &[u8], link: &mut Link<'_>) {
        self.queue(Message::Binary(data), link);
    }

    fn tick(&mut self, link: &mut Link<'_>) -> Option<Duration> {
        self.replay(link);
        let mut next = self.held.as_ref().map(|_| RETRY);
        // From the last to the first, for any may go away.
        for index in (0..self.seats.len()).rev() {
            if link.is_closing() {
                return None;
            }
            let mut after = None;
            let said = self.speak(index, link, |socket, line| after = socket.tick(line));
            match (link.stay_open(), self.seats.get_mut(index)) {
                (Some(reason), Some(seat)) if depends_on_others(reason) => seat.due = Some(reason),
                (Some(reason), _) => self.dismiss_at(index, reason, link),
                (None, _) => self.carry_out(index, said, link),
            }
            next = next.into_iter().chain(after).min();
        }
        self.end_what_is_due(link);
        if let Some((at, reason)) = self.deadline() {
            let now = clock::now();
            if now >= at {
                link.close(reason);
            }
            next = next.into_iter().chain([at.since(now)]).min();
        }
        next
    }

    fn is_congested(&self) -> bool {
        self.held.is_some() || self.seats.iter().any(|seat| seat.socket.is_congested())
    }

    fn dismiss(&mut self, conn: ConnId, reason: CloseReason, link: &mut Link<'_>) {
        if let Some(index) = self.seats.iter().position(|seat| seat.socket.conn() == Some(conn)) {
            self.dismiss_at(index, reason, link);
        }
    }

    fn drain(&mut self, link: &mut Link<'_>) {
        if self.draining {
            return;
        }
        self.draining = true;
        for index in (0..self.seats.len()).rev() {
            if !link.is_closing() {
                self.call(index, link, |socket, line| socket.drain(line));
            }
        }
    }

    fn is_known_to_hub(&self) -> bool {
        self.seats.iter().any(|seat| seat.socket.conn().is_some())
    }

    fn ended(&mut self, ending: Ending) {
        self.partial = None;
        self.held = None;
        for mut seat in self.seats.drain(..) {
            seat.socket.ended(ending);
        }
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
