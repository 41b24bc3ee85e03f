//! What a client may be told, and when: the promises of the hub, from where one connection stands.
//!
//! In a room, from its `Joined` on, a connection is told every message once, in the order of `seq`, without a gap:
//! its own ones by their acknowledgement, all others as messages. What stands outside that order, and only that:
//! - acknowledgements of duplicates, and of what was committed while the connection was not in the room, up to the
//!   `last_seq` that `Joined` told;
//! - acknowledgements that still wait for their place when the client asks to leave, or to read the past anew: they
//!   come before the answer to that;
//! - after writes had failed, and the hub has compared itself with the store, an own message may have been told as
//!   a message already; its acknowledgement then comes whenever it comes.

use tertulia::domain::{Command, Event, Message, Reject, RejectCode, Resume, Role, RoomId, RoomKind, Tag};

use super::device::{Asked, Device, Link, Place, View};
use super::people::Person;
use super::socket::Frame;
use super::store::{Row, Store};

/// What is known of the hub by whoever judges it.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    pub store: &'a Store,
    pub auto_create: bool,
    pub max_rooms: usize,
    /// How often the store has let the hub down.
    pub troubles: u64,
    /// The hub has compared itself with the store after failed writes.
    pub has_compared: bool,
}

/// The rule of `model.md`, written a second time.
fn may_enter(who: Person, role: Role, row: &Row) -> bool {
    let is_member = row.members.contains_key(&who.user);
    match row.kind {
        RoomKind::Public => true,
        RoomKind::Conversation => is_member || role == Role::Admin || role == Role::Agent,
        RoomKind::Private | RoomKind::Direct => is_member,
    }
}

impl Device {
    /// Takes in one frame, and panics if it breaks a promise.
    pub fn hear(&mut self, frame: Frame, facts: Facts<'_>) {
        let Some(link) = &mut self.link else { return };
        let Frame { event, tag } = frame;
        let asked = tag.as_deref().map(|tag| {
            link.asked.remove(tag).unwrap_or_else(|| panic!("{tag} was answered twice, or never asked: {event:?}"))
        });
        if let Some(asked) = &asked {
            check_answer(&asked.command, &event);
        }
        if let Some(room) = event.room() {
            check_right(self.who, link, asked.as_ref(), room, &event, facts);
        }
        match event {
            Event::Joined { room, last_seq, last_pos, members } => {
                let asked = asked.expect("nobody is put into a room unasked");
                assert!(last_seq <= facts.store.last_seq(room), "the room's end is not in the store");
                assert!(members >= 1, "whoever joins is there");
                let known = self.places.get(&room).map_or(0, |place| place.cursor);
                let Command::Join { resume, presence, .. } = asked.command else { unreachable!("checked above") };
                let view = link.rooms.entry(room);
                let was_in = matches!(view, std::collections::btree_map::Entry::Occupied(_));
                let view = view.or_default();
                view.watch = presence;
                if let Some(start) = start(resume, was_in, last_seq, last_pos, room, facts.store) {
                    *view = View { cursor: start, end: last_seq, watch: presence, ..View::default() };
                }
                assert!(last_seq >= known, "a message that was told before is gone from {room}");
                self.places.insert(room, Place { cursor: view.cursor, last_pos });
            }
            Event::Left { room } => {
                assert!(asked.is_some() || link.roles.len() > 1, "left {room} unasked, with the rights it always had");
                assert!(link.rooms.remove(&room).is_some(), "left {room} without being in it");
            }
            Event::Message(message) => {
                let view = view(link, message.room, "a message");
                check_next(view, &message);
                view.cursor = message.seq;
                view.told.insert(message.seq);
                self.reach(message.room, message.seq);
            }
            Event::Sent { message, duplicate } => self.acknowledge(&message, duplicate, facts),
            Event::Marked(mark) => {
                let row = &facts.store.rooms[&mark.room];
                assert!(row.mark_of(mark.user, mark.kind) >= mark.up_to_seq, "a mark that is not stored: {mark:?}");
                let message = &row.messages[mark.up_to_seq as usize - 1];
                assert_eq!(message.id, mark.message, "a mark names another message than its number");
                if asked.is_none() {
                    view(link, mark.room, "a mark");
                }
            }
            Event::Typing(typing) => {
                view(link, typing.room, "typing");
            }
            Event::UserJoined { room, user, .. } | Event::UserLeft { room, user, .. } => {
                assert!(view(link, room, "who comes and goes").watch, "it did not ask who comes and goes");
                assert_ne!(user, self.who.user, "its own user has been here all along");
            }
            Event::Presence { users, total, .. } => {
                assert_eq!(users.len(), total.min(100), "at most 100 are named");
                let is_named = users.iter().any(|(user, _)| *user == self.who.user);
                assert!(is_named || total > 100, "it is in the room itself");
            }
            Event::Rejected(reject) => self.refuse(&reject, &tag, asked, facts),
            other => panic!("nobody asked for {other:?}"),
        }
    }

    fn acknowledge(&mut self, message: &Message, duplicate: bool, facts: Facts<'_>) {
        let Some(link) = &mut self.link else { return };
        let name = message.client_message_id.as_deref();
        let wish = self.wishes.iter().position(|wish| Some(&*wish.name) == name);
        match wish {
            Some(index) => {
                let wish = self.wishes.swap_remove(index);
                assert_eq!(wish.room, message.room, "acknowledged in another room");
                self.acknowledged.push((message.room, message.id, message.seq));
            }
            None => assert!(
                self.acknowledged.contains(&(message.room, message.id, message.seq)),
                "acknowledged twice, not as the same: {message:?}"
            ),
        }
        let Some(view) = link.rooms.get_mut(&message.room).filter(|_| !duplicate) else { return };
        let cursor = view.cursor;
        if message.seq == cursor + 1 {
            view.cursor = message.seq;
            self.reach(message.room, message.seq);
        } else if message.seq <= cursor {
            let was_told = facts.has_compared && view.told.contains(&message.seq);
            assert!(was_told || message.seq <= view.end, "acknowledged out of order, after {cursor}: {message:?}");
        } else {
            assert!(link.is_leaving(message.room), "acknowledged ahead of its place, after {cursor}: {message:?}");
        }
    }

    fn refuse(&mut self, reject: &Reject, tag: &Tag, asked: Option<Asked>, facts: Facts<'_>) {
        let Some(link) = &self.link else { return };
        let Some(Asked { command, role, troubles, was_there, was_in, rooms }) = asked else {
            assert_eq!(reject.code, RejectCode::Forbidden, "refused unasked");
            assert!(link.roles.len() > 1, "a right was lost without a new token");
            return;
        };
        if let Command::Send(draft) = &command {
            let name = draft.client_message_id.as_deref();
            for wish in self.wishes.iter_mut().filter(|wish| Some(&*wish.name) == name) {
                wish.is_sent = false;
            }
        }
        let row = facts.store.rooms.get(&command.room()).filter(|row| Some(row.org) == self.who.org);
        let is_plausible = match reject.code {
            RejectCode::Forbidden => row.map_or(self.who.org.is_none(), |row| {
                let is_archived = row.archived && matches!(command, Command::Send(_));
                is_archived || link.roles[role..].iter().any(|role| !may_enter(self.who, *role, row))
            }),
            RejectCode::NotFound => {
                let makes_it = facts.auto_create && matches!(command, Command::Send(_) | Command::Join { .. });
                !was_there && (!makes_it || row.is_none())
            }
            RejectCode::NotJoined => {
                matches!(command, Command::Leave { .. } | Command::Typing { .. } | Command::Presence { .. })
                    && (!was_in || link.roles.len() > 1)
            }
            RejectCode::TooManyRooms => facts.max_rooms > 0 && rooms > facts.max_rooms,
            RejectCode::SendFailed => matches!(command, Command::Send(_)) && facts.troubles > troubles,
            RejectCode::Unavailable => facts.troubles > troubles,
            // The simulated store's word for a row that it does not take.
            RejectCode::Internal => matches!(command, Command::Send(_) | Command::Mark { .. }),
            RejectCode::InvalidPayload => matches!(command, Command::Mark { .. }),
            _ => false,
        };
        assert!(is_plausible, "{tag:?} {command:?} was refused for no reason: {reject}");
    }

    fn reach(&mut self, room: RoomId, seq: u64) {
        self.places.entry(room).or_insert(Place { cursor: 0, last_pos: 0 }).cursor = seq;
    }
}

/// The number after which a joined session is told everything. `None`: it goes on where it was.
fn start(resume: Resume, was_in: bool, last_seq: u64, last_pos: u64, room: RoomId, store: &Store) -> Option<u64> {
    match resume {
        Resume::Live if was_in => None,
        Resume::AfterSeq(seq) => Some(seq.min(last_seq)),
        Resume::AfterPos(pos) if pos < last_pos => Some(store.seq_at(room, pos)),
        Resume::Live | Resume::AfterPos(_) => Some(last_seq),
    }
}

fn view<'a>(link: &'a mut Link, room: RoomId, what: &str) -> &'a mut View {
    link.rooms.get_mut(&room).unwrap_or_else(|| panic!("told {what} of {room}, which it has not joined"))
}

fn check_next(view: &View, message: &Message) {
    assert_eq!(message.seq, view.cursor + 1, "not the next message of {}", message.room);
}

fn check_answer(command: &Command, event: &Event) {
    let fits = match (command, event) {
        (_, Event::Rejected(_)) => true,
        (Command::Join { room, .. }, Event::Joined { room: it, .. })
        | (Command::Leave { room }, Event::Left { room: it })
        | (Command::Presence { room }, Event::Presence { room: it, .. }) => room == it,
        (Command::Mark { room, kind, .. }, Event::Marked(mark)) => *room == mark.room && *kind == mark.kind,
        (Command::Send(draft), Event::Sent { message, .. }) => {
            draft.room == message.room && draft.client_message_id == message.client_message_id
        }
        _ => false,
    };
    assert!(fits, "{command:?} was answered with {event:?}");
}

/// Nothing of another organization's room, and nothing of a room that none of its roles opens.
fn check_right(who: Person, link: &Link, asked: Option<&Asked>, room: RoomId, event: &Event, facts: Facts<'_>) {
    let row = facts.store.rooms.get(&room).unwrap_or_else(|| panic!("told of a room that is not there: {event:?}"));
    assert_eq!(Some(row.org), who.org, "told of another organization's room: {event:?}");
    let roles = &link.roles[asked.map_or(0, |asked| asked.role)..];
    assert!(roles.iter().any(|role| may_enter(who, *role, row)), "told of a closed room: {event:?}");
}
