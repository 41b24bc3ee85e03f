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
//!
//! Once after each join it is told that this was all that it had missed, and nothing older after that.

use std::sync::Arc;

use tertulia::domain::{Command, Event, Message, Reject, RejectCode, Resume, Role, RoomId, RoomKind, Tag};

use super::device::{Asked, Device, Link, Place, View};
use super::people::Person;
use super::row::{Rights, Row};
use super::shown::Shown;
use super::socket::{Frame, Heard};
use super::store::Store;

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
pub fn may_enter(who: Person, role: Role, rights: &Rights) -> bool {
    let member = rights.members.get(&who.user);
    match (member, rights.kind) {
        (Some(member), _) => !member.banned,
        (None, RoomKind::Public) => true,
        (None, RoomKind::Conversation) => role == Role::Admin || role == Role::Agent,
        (None, RoomKind::Private | RoomKind::Direct) => false,
    }
}

/// Those of a room's rights that somebody met who has known it since a version.
fn since(row: &Row, version: usize) -> &[Rights] {
    &row.rights[version.min(row.rights.len() - 1)..]
}

impl Device {
    /// Takes in what it is told, and panics if it breaks a promise.
    pub fn hear(&mut self, heard: Heard, facts: Facts<'_>) {
        match heard {
            Heard::Told(frame) => self.hear_frame(frame, facts),
            Heard::CaughtUp(room) => self.catch_up(room),
        }
    }

    fn catch_up(&mut self, room: RoomId) {
        let Some(link) = &mut self.link else { return };
        let view = view(link, room, "that it has caught up");
        assert!(!view.is_caught_up, "told twice that this was all that it had missed of {room}");
        assert!(view.cursor >= view.end, "told that it had not missed what follows {} of {room}", view.cursor);
        view.is_caught_up = true;
    }

    fn hear_frame(&mut self, frame: Frame, facts: Facts<'_>) {
        let Some(link) = &mut self.link else { return };
        let Frame { event, pos, tag } = frame;
        let asked = tag.as_deref().map(|tag| {
            link.asked.remove(tag).unwrap_or_else(|| panic!("{tag} was answered twice, or never asked: {event:?}"))
        });
        if let Some(asked) = &asked {
            check_answer(&asked.command, &event);
        }
        if let Some(room) = event.room() {
            check_right(self.who, link, asked.as_ref(), room, &event, facts);
            check_is_news(link, room, pos, (&event, asked.is_some()), facts);
        }
        match event {
            Event::Joined { room, last_seq, last_pos, members } => {
                let asked = asked.expect("nobody is put into a room unasked");
                assert!(last_seq <= facts.store.last_seq(room), "the room's end is not in the store");
                assert!(members >= 1, "whoever joins is there");
                let place = self.places.entry(room).or_default();
                let Command::Join { resume, presence, .. } = asked.command else { unreachable!("checked above") };
                let view = link.rooms.entry(room);
                let was_in = matches!(view, std::collections::btree_map::Entry::Occupied(_));
                let view = view.or_default();
                view.watch = presence.unwrap_or(was_in && view.watch);
                if let Some(start) = start(resume, was_in, last_seq, last_pos, room, facts.store) {
                    let (watch, end_pos) = (view.watch, last_pos);
                    *view = View { cursor: start, end: last_seq, end_pos, watch, ..View::default() };
                }
                assert!(last_seq >= place.cursor, "a message that was told before is gone from {room}");
                place.begin(resume, was_in, last_seq, last_pos);
                place.cursor = view.cursor;
            }
            Event::Left { room } => {
                let were_changed = link.roles.len() > 1 || facts.store.rooms[&room].rights.len() > 1;
                assert!(asked.is_some() || were_changed, "left {room} unasked, with the rights it always had");
                assert!(link.rooms.remove(&room).is_some(), "left {room} without being in it");
            }
            Event::Message(message) => {
                let view = view(link, message.room, "a message");
                check_next(view, &message);
                view.cursor = message.seq;
                view.told.insert(message.seq);
                self.reach(&message);
                self.show(&Event::Message(message));
            }
            Event::Sent { message, duplicate } => {
                let is_inside = link.rooms.contains_key(&message.room);
                assert!(duplicate || !is_inside || pos.is_some(), "acknowledged in a room, without its pos");
                self.acknowledge(&message, duplicate, facts);
            }
            Event::Edited { .. } | Event::Deleted(_) | Event::Reacted(_) | Event::Status { .. } => {
                let room = event.room().expect("it is about a message");
                match asked {
                    None => drop(view(link, room, "a change")),
                    Some(asked) if self.places.get(&room).is_some_and(|place| place.joins != asked.joins) => {
                        self.places.entry(room).or_default().shown.doubt(&event);
                    }
                    Some(_) => {}
                }
                self.show(&event);
            }
            Event::RoomUpdated(room) => {
                if asked.is_none() {
                    view(link, room.id, "a change of the room");
                }
            }
            Event::MemberSet(_) | Event::MemberRemoved { .. } => assert!(asked.is_some(), "nobody asked"),
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
            Event::TypingTold { .. } => assert!(asked.is_some(), "nobody typed"),
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
            self.reach(message);
            self.show(&Event::Sent { message: Arc::new(message.clone()), duplicate });
        } else if message.seq <= cursor {
            let was_told = facts.has_compared && view.told.contains(&message.seq);
            assert!(was_told || message.seq <= view.end, "acknowledged out of order, after {cursor}: {message:?}");
        } else {
            assert!(link.is_leaving(message.room), "acknowledged ahead of its place, after {cursor}: {message:?}");
        }
    }

    fn refuse(&mut self, reject: &Reject, tag: &Tag, asked: Option<Asked>, facts: Facts<'_>) {
        let Some(link) = &self.link else { return };
        let Some(Asked { command, role, troubles, was_there, was_in, rooms, version, .. }) = asked else {
            assert_eq!(reject.code, RejectCode::Forbidden, "refused unasked");
            let were_changed = link.roles.len() > 1 || facts.store.rooms.values().any(|row| row.rights.len() > 1);
            assert!(were_changed, "a right was lost that nobody has taken");
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
                // Who may change what is for the tests of permissions.
                !matches!(
                    command,
                    Command::Join { .. } | Command::Send(_) | Command::Mark { .. } | Command::Presence { .. }
                ) || since(row, version).iter().any(|rights| {
                    let is_muted = rights.members.get(&self.who.user).is_some_and(|member| member.muted);
                    let may_not_send = (rights.archived || is_muted) && matches!(command, Command::Send(_));
                    may_not_send || link.roles[role..].iter().any(|role| !may_enter(self.who, *role, rights))
                })
            }),
            RejectCode::NotFound => {
                let makes_it = facts.auto_create && matches!(command, Command::Send(_) | Command::Join { .. });
                let is_change = matches!(
                    command,
                    Command::Edit { .. } | Command::Delete { .. } | Command::React { .. } | Command::Report(_)
                );
                is_change || !was_there && (!makes_it || row.is_none())
            }
            RejectCode::NotJoined => {
                matches!(command, Command::Leave { .. } | Command::Typing { .. } | Command::Presence { .. })
                    && (!was_in || link.roles.len() > 1 || row.is_some_and(|row| row.rights.len() > 1))
            }
            RejectCode::TooManyRooms => facts.max_rooms > 0 && rooms > facts.max_rooms,
            RejectCode::SendFailed => matches!(command, Command::Send(_)) && facts.troubles > troubles,
            RejectCode::Unavailable => facts.troubles > troubles,
            // The simulated store's word for a row that it does not take.
            RejectCode::Internal => !matches!(
                command,
                Command::Join { .. } | Command::Leave { .. } | Command::Typing { .. } | Command::Presence { .. }
            ),
            RejectCode::InvalidPayload => matches!(command, Command::Mark { .. } | Command::Update { .. }),
            _ => false,
        };
        assert!(is_plausible, "{tag:?} {command:?} was refused for no reason: {reject}");
    }

    fn reach(&mut self, message: &Message) {
        let place = self.places.entry(message.room).or_default();
        (place.cursor, place.pos) = (message.seq, Some(message.pos));
    }

    /// Shows what it is told of messages of a room that it is in.
    fn show(&mut self, event: &Event) {
        let Some(room) = event.room() else { return };
        if self.link.as_ref().is_some_and(|link| link.rooms.contains_key(&room)) {
            self.places.entry(room).or_default().shown.hear(event);
        }
    }
}

impl Place {
    /// It has joined. What it shows stays if it goes on from the last message that it was told.
    fn begin(&mut self, resume: Resume, was_in: bool, last_seq: u64, last_pos: u64) {
        self.joins += 1;
        match resume {
            Resume::Live if was_in => return,
            Resume::AfterPos(pos) if self.pos == Some(pos) => return self.shown.carry(),
            _ => self.shown = Shown::default(),
        }
        self.pos = match resume {
            Resume::AfterSeq(seq) if seq < last_seq => None,
            Resume::AfterPos(pos) => Some(pos.min(last_pos)),
            Resume::Live | Resume::AfterSeq(_) => Some(last_pos),
        };
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

/// Whoever was told that this was all that it had missed hears of changes in their order, those of all its rooms, and of
/// none that it had missed; but for what the hub itself has missed.
fn check_is_news(link: &mut Link, room: RoomId, pos: Option<u64>, (event, is_own): (&Event, bool), facts: Facts<'_>) {
    let view = link.rooms.get(&room).filter(|view| view.is_caught_up && !facts.has_compared);
    if let (Some(view), Some(pos)) = (view, pos) {
        assert!(is_own || pos > view.end_pos, "it had missed this, and was told that there was no more: {event:?}");
        assert!(is_own || pos > link.newest, "told under {pos}, after {}: {event:?}", link.newest);
        link.newest = link.newest.max(pos);
    }
}

fn check_next(view: &View, message: &Message) {
    assert_eq!(message.seq, view.cursor + 1, "not the next message of {}", message.room);
}

fn check_answer(command: &Command, event: &Event) {
    let fits = match (command, event) {
        (_, Event::Rejected(_)) => true,
        (Command::Join { room, .. }, Event::Joined { room: it, .. })
        | (Command::Leave { room }, Event::Left { room: it })
        | (Command::Typing { room, .. }, Event::TypingTold { room: it })
        | (Command::Presence { room }, Event::Presence { room: it, .. }) => room == it,
        (Command::Edit { message, text, .. }, Event::Edited { message: it, .. }) => {
            *message == it.id && *text == it.content.text
        }
        (Command::Delete { message, .. }, Event::Deleted(it)) => *message == it.message,
        (Command::React { message, emoji, present, .. }, Event::Reacted(it)) => {
            (*message, emoji, *present) == (it.message, &it.emoji, it.present)
        }
        (Command::Report(report), Event::Status { message, status, .. }) => {
            // It may have come further than that before.
            report.message == *message && report.status <= *status
        }
        (Command::Update { room, .. }, Event::RoomUpdated(it)) => *room == it.id,
        (Command::SetMember { room, user, .. }, Event::MemberSet(it)) => (*room, *user) == (it.room, it.user),
        (Command::RemoveMember { room, user }, Event::MemberRemoved { room: at, user: it }) => (room, user) == (at, it),
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
    if asked.is_some_and(|asked| may_from_outside(&asked.command)) {
        return;
    }
    let roles = &link.roles[asked.map_or(0, |asked| asked.role)..];
    let version = asked.map_or_else(|| link.versions.get(&room).copied().unwrap_or(0), |asked| asked.version);
    let may = |rights: &Rights| roles.iter().any(|role| may_enter(who, *role, rights));
    assert!(since(row, version).iter().any(may), "told of a closed room: {event:?}");
}

/// What those who look after rooms may do without entering them.
fn may_from_outside(command: &Command) -> bool {
    matches!(
        command,
        Command::Edit { .. }
            | Command::Delete { .. }
            | Command::Report(_)
            | Command::Update { .. }
            | Command::SetMember { .. }
            | Command::RemoveMember { .. }
    )
}
