//! What one client is told alone: answers to what it asked, and pieces of a room's past. Which rooms it is in changes with them.
//!
//! Whoever asks with an acknowledgement gets the answer both ways: as the acknowledgement, and as the event that says the
//! same. A sent message is acknowledged, and told like everyone's.

use std::sync::Arc;

use super::super::object::Object;
use super::asked::{Asked, Verb, View};
use super::ear::{Ear, Frames};
use super::encode::{self, acknowledge, emit};
use crate::domain::{CloseReason, Event, Identity, Message, RejectCode, RoomId, Timestamp};

impl Ear {
    pub(super) fn answers(&self, event: &Event, pos: Option<u64>, asked: Option<Asked>, at: Timestamp) -> Frames {
        let ack = asked.and_then(|asked| asked.ack);
        let verb = asked.map(|asked| asked.verb);
        match event {
            Event::Joined { room, last_seq, last_pos, .. } => self.joined(*room, *last_seq, *last_pos, verb, ack),
            Event::Left { room } => self.has_left(*room, verb, ack, at),
            Event::Rejected(reject) => {
                match verb {
                    Some(Verb::Join { view, room, .. }) => self.rooms.borrow_mut().join_refused(room, view),
                    Some(Verb::Leave { view, room }) => self.rooms.borrow_mut().leave_refused(room, view),
                    // Whether it may be there is not known just now: it asks again by coming back.
                    Some(Verb::Rejoin(_)) if reject.code == RejectCode::Unavailable => {
                        self.part(CloseReason::Internal);
                        return Frames::new();
                    }
                    Some(Verb::Rejoin(room)) => {
                        self.lose(room, reject, at);
                        return Frames::new();
                    }
                    // It has asked for nothing, so nothing is refused.
                    Some(Verb::Watch) => return Frames::new(),
                    _ => {}
                }
                both("error", ack, |p| encode::reject(p, reject))
            }
            Event::Sent { message, duplicate } => self.sent(message, *duplicate, ack, at),
            Event::Connected { user, .. } => both("connected", None, |p| {
                p.plain("message", "Connected to Tertulia");
                p.id("user_id", user.0);
            }),
            Event::TokenExpiring { expires_at } => both("token_expiring", ack, |p| p.time("expires_at", *expires_at)),
            Event::TokenRefreshed { expires_at } => {
                both("token_refreshed", ack, |p| p.time_or_null("expires_at", *expires_at))
            }
            Event::ServerRestarting { reconnect_after_ms } => {
                both("server_restarting", ack, |p| p.number("reconnect_after_ms", *reconnect_after_ms))
            }
            Event::Pong => both("pong", ack, |p| p.time("timestamp", at)),
            Event::RoomAdded { room, member } => both("room_added", ack, |p| encode::room_added(p, room, member)),
            Event::RoomRemoved { room } => both("room_removed", ack, |p| encode::room(p, *room, View::Room)),
            event => self.of_a_room(event, pos, verb, ack, at),
        }
    }

    /// What is told to a room, to one connection alone: a piece of its past, or what it did itself.
    fn of_a_room(
        &self,
        event: &Event,
        pos: Option<u64>,
        verb: Option<Verb>,
        ack: Option<u64>,
        at: Timestamp,
    ) -> Frames {
        let Some(room) = event.room() else { return Frames::new() };
        let views = self.rooms.borrow().views(room);
        let mut frames = match pos {
            // Nobody asked for it in so many words.
            Some(pos) if verb.is_none() => self.past(event, views, pos, at),
            _ => self.told_alone(event, views, pos, at),
        };
        let Some(Verb::Other(view)) = verb else { return frames };
        // Whoever asked is answered in its own words, whatever it hears of the room besides.
        if !views.has(view) || encode::name(event, view).is_none() {
            frames.push((None, encode::answer(event, view, at)));
        }
        if let Some(ack) = ack {
            frames.insert(0, (None, acknowledge(ack, |p| encode::fields(p, event, view, at))));
        }
        frames
    }

    fn joined(&self, room: RoomId, last_seq: u64, last_pos: u64, verb: Option<Verb>, ack: Option<u64>) -> Frames {
        match verb {
            Some(Verb::Join { view, past, .. }) => {
                self.rooms.borrow_mut().joined(room, view, last_pos, past);
                self.keep(None);
                self.wait_until_kept();
                match view {
                    View::Conversation => both("joined_conversation", ack, |p| {
                        encode::room(p, room, View::Conversation);
                        p.plain("message", &format!("Joined conversation {room}"));
                        p.number("last_seq", last_seq);
                    }),
                    View::Room => both("user_joined", ack, |p| {
                        encode::person(p, room, &self.identity);
                        p.number("last_seq", last_seq);
                    }),
                }
            }
            Some(Verb::Leave { view, .. }) => {
                self.rooms.borrow_mut().view_left(room, view);
                self.keep(None);
                self.wait_until_kept();
                let (name, fields) = left(room, view, &self.identity);
                both(name, ack, fields)
            }
            _ => Frames::new(),
        }
    }

    fn has_left(&self, room: RoomId, verb: Option<Verb>, ack: Option<u64>, at: Timestamp) -> Frames {
        let asked = if let Some(Verb::Leave { view, .. }) = verb { Some(view) } else { None };
        let views = self.rooms.borrow_mut().left(room, asked.is_some(), at);
        self.keep(None);
        if asked.is_some() {
            self.wait_until_kept();
        }
        self.up_to_date(room);
        match asked {
            Some(view) => {
                let (name, fields) = left(room, view, &self.identity);
                both(name, ack, fields)
            }
            None => views.iter().map(|view| (None, self.left(room, view))).collect(),
        }
    }

    fn sent(&self, message: &Arc<Message>, duplicate: bool, ack: Option<u64>, at: Timestamp) -> Frames {
        let mut frames = Frames::new();
        if let Some(ack) = ack {
            frames.push((None, acknowledge(ack, |p| encode::sent(p, message, duplicate))));
        }
        if !duplicate && !self.has_told(Some(message.pos)) {
            let views = self.rooms.borrow().views(message.room);
            frames.extend(self.told_alone(&Event::Message(message.clone()), views, Some(message.pos), at));
        }
        frames
    }
}

/// How a client is told, in one view, that it is not in a room any more.
pub(super) fn left(room: RoomId, view: View, identity: &Identity) -> (&'static str, impl Fn(&mut Object<'_>)) {
    let name = match view {
        View::Conversation => "left_conversation",
        View::Room => "user_left",
    };
    let fields = move |p: &mut Object<'_>| match view {
        View::Conversation => encode::room(p, room, view),
        View::Room => encode::person(p, room, identity),
    };
    (name, fields)
}

/// An event for one client and, if it wants one, the acknowledgement that says the same.
fn both(name: &str, ack: Option<u64>, fields: impl Fn(&mut Object<'_>)) -> Frames {
    let acknowledged = ack.map(|ack| (None, acknowledge(ack, &fields)));
    acknowledged.into_iter().chain([(None, emit(name, None, &fields))]).collect()
}
