//! A client as the clients of the README are told to be: it remembers how far it has come in each room, resumes there,
//! and sends again what was not acknowledged. What it hears is judged in `verdict`.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use tertulia::domain::{
    Author, Command, ConnId, Content, Draft, MarkKind, MarkTarget, MemberChange, MessageId, MessageStatus, MessageType,
    Report, Resume, Role, RoomChange, RoomId, RoomKind,
};
use uuid::Uuid;

use super::config::Wants;
use super::people::{PEOPLE, Person, ROOM_IDS};
use super::rng::Rng;
use super::shown::Shown;
use super::socket::Socket;
use super::store::Store;

/// Something asked, until it is answered.
pub struct Asked {
    pub command: Command,
    /// Which of the connection's roles it had.
    pub role: usize,
    /// How often the store had let the hub down.
    pub troubles: u64,
    /// The room was there for its organization.
    pub was_there: bool,
    /// It was in the room, and had not asked to leave.
    pub was_in: bool,
    /// Which version of the room's rights it met, counted from 0.
    pub version: usize,
    /// How often it had joined the room.
    pub joins: u64,
    /// The most rooms it was in, or had asked to be in, while this waited: commands for other rooms may overtake it.
    pub rooms: usize,
}

/// A room that the connection is in.
#[derive(Default)]
pub struct View {
    /// The last message of the order that it was told.
    pub cursor: u64,
    /// The room's end, as it was told when it joined.
    pub end: u64,
    pub watch: bool,
    /// The newest change of its organization, as it was told when it joined.
    pub end_pos: u64,
    /// It was told all that came before it joined, and that this is so.
    pub is_caught_up: bool,
    /// What it was told as messages since it joined.
    pub told: BTreeSet<u64>,
}

/// An open connection.
pub struct Link {
    pub conn: ConnId,
    pub socket: Rc<Socket>,
    pub asked: BTreeMap<Box<str>, Asked>,
    pub rooms: BTreeMap<RoomId, View>,
    /// The roles of its tokens, oldest first.
    pub roles: Vec<Role>,
    /// The version of each room's rights that it met, counted from 0.
    pub versions: BTreeMap<RoomId, usize>,
    /// The newest change that it was told live, in any room.
    pub newest: u64,
}

impl Link {
    pub fn new(conn: ConnId, socket: Rc<Socket>, role: Role, store: &Store) -> Self {
        let versions = store.rooms.iter().map(|(id, row)| (*id, row.told)).collect();
        Self { conn, socket, asked: BTreeMap::new(), rooms: BTreeMap::new(), roles: vec![role], versions, newest: 0 }
    }

    /// Whether it has asked to leave the room, or to read its past anew, and was not answered yet.
    pub fn is_leaving(&self, room: RoomId) -> bool {
        self.asked.values().any(|asked| match &asked.command {
            Command::Leave { room: it } => *it == room,
            Command::Join { room: it, resume, .. } => *it == room && *resume != Resume::Live,
            _ => false,
        })
    }

    fn is_joining(&self, room: RoomId) -> bool {
        self.asked.values().any(|asked| matches!(&asked.command, Command::Join { room: it, .. } if *it == room))
    }

    fn rooms_at_most(&self) -> usize {
        let joining = ROOM_IDS.iter().filter(|room| !self.rooms.contains_key(room) && self.is_joining(**room));
        self.rooms.len() + joining.count()
    }
}

/// Where a device stands in a room, across connections.
#[derive(Default)]
pub struct Place {
    pub cursor: u64,
    /// The `pos` of the last message that it was told, or where it joined. `None`: it reads by `seq`, from the start.
    pub pos: Option<u64>,
    pub joins: u64,
    /// The messages that it shows, as they are for all it knows.
    pub shown: Shown,
}

/// A message that it wants stored.
pub struct Wish {
    pub room: RoomId,
    pub name: Box<str>,
    /// It was sent on the present connection and is not answered yet.
    pub is_sent: bool,
}

pub struct Device {
    pub index: usize,
    pub who: Person,
    pub link: Option<Link>,
    pub places: BTreeMap<RoomId, Place>,
    pub wishes: Vec<Wish>,
    /// What was acknowledged, under which number.
    pub acknowledged: Vec<(RoomId, MessageId, u64)>,
    sent: usize,
}

impl Device {
    pub fn new(index: usize, who: Person) -> Self {
        let (places, wishes, acknowledged) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { index, who, link: None, places, wishes, acknowledged, sent: 0 }
    }

    /// Forgets the connection, but not what it heard.
    pub fn hang_up(&mut self) -> Option<Link> {
        self.wishes.iter_mut().for_each(|wish| wish.is_sent = false);
        self.link.take()
    }

    /// A room to ask something about: mostly one that it is in.
    pub fn room(&self, rooms: &[RoomId], rng: &mut Rng) -> RoomId {
        let joined: Vec<RoomId> = self.link.iter().flat_map(|link| link.rooms.keys().copied()).collect();
        if joined.is_empty() || rng.one_in(4) { rng.pick(rooms) } else { rng.pick(&joined) }
    }

    /// Something to ask.
    pub fn want(&mut self, wants: Wants, room: RoomId, rng: &mut Rng, store: &Store, ids: &mut u128) -> Command {
        match wants {
            Wants::Join => self.join(room, rng, store),
            Wants::Leave => Command::Leave { room },
            Wants::Send => self.send(room, rng, ids),
            Wants::Typing => Command::Typing { room, contact: None, is_typing: rng.one_in(2) },
            Wants::Mark => {
                let kind = rng.pick(&[MarkKind::Read, MarkKind::Delivered]);
                let messages = store.rooms.get(&room).map_or(&[][..], |row| &row.messages);
                let target = if messages.is_empty() || rng.one_in(2) {
                    MarkTarget::Seq(rng.between(1, messages.len() + 2) as u64)
                } else {
                    MarkTarget::Message(messages[rng.below(messages.len())].id)
                };
                Command::Mark { room, kind, target }
            }
            Wants::Change => change(room, rng, store),
            Wants::Rights => self.rights(room, rng),
            Wants::Presence | Wants::Renewal | Wants::Much | Wants::Away => Command::Presence { room },
        }
    }

    fn join(&self, room: RoomId, rng: &mut Rng, store: &Store) -> Command {
        let place = self.places.get(&room);
        let end = store.last_seq(room);
        let resume = match (rng.below(8), place) {
            (0..4, Some(place)) => Resume::AfterSeq(place.cursor),
            (4 | 5, Some(place)) => place.pos.map_or(Resume::AfterSeq(place.cursor), Resume::AfterPos),
            (6, _) => Resume::AfterSeq(rng.between(0, end as usize + 2) as u64),
            (7, _) => {
                Resume::AfterPos(self.who.org.map_or(0, |org| rng.between(0, store.last_pos(org) as usize) as u64))
            }
            _ => Resume::Live,
        };
        Command::Join {
            room,
            resume,
            presence: rng.pick(&[None, Some(false), Some(true)]),
            create_as: rng.pick(&[RoomKind::Public, RoomKind::Conversation]),
        }
    }

    fn rights(&self, room: RoomId, rng: &mut Rng) -> Command {
        let of_its_own = |it: &&Person| it.org == self.who.org;
        let people: Vec<_> = PEOPLE.iter().filter(of_its_own).map(|it| it.user).collect();
        let user = rng.pick(&people);
        let change = |role, muted, banned| {
            let change = MemberChange { role, muted, banned };
            Command::SetMember { room, user, change }
        };
        match rng.below(8) {
            0 => {
                let kind = rng.pick(&[Some(RoomKind::Public), Some(RoomKind::Private), None]);
                let archived = rng.pick(&[Some(false), Some(false), Some(true), None]);
                Command::Update { room, change: RoomChange { kind, archived, ..RoomChange::default() } }
            }
            1 | 2 => Command::RemoveMember { room, user },
            3 => change(None, None, Some(true)),
            4 => change(None, Some(true), None),
            5 => change(None, Some(false), Some(false)),
            6 => Command::RemoveMember { room, user: self.who.user },
            _ => change(None, None, None),
        }
    }

    fn send(&mut self, room: RoomId, rng: &mut Rng, ids: &mut u128) -> Command {
        let waiting: Vec<usize> = (0..self.wishes.len()).filter(|index| !self.wishes[*index].is_sent).collect();
        if waiting.is_empty() || rng.one_in(2) {
            return self.send_new(room, ids);
        }
        let index = rng.pick(&waiting);
        self.send_again(index, ids)
    }

    pub fn send_new(&mut self, room: RoomId, ids: &mut u128) -> Command {
        self.sent += 1;
        let name = format!("{}-{}", self.index, self.sent).into();
        self.wishes.push(Wish { room, name, is_sent: false });
        self.send_again(self.wishes.len() - 1, ids)
    }

    /// Sends a message, as often as it takes, each time under a new id and the same name.
    pub fn send_again(&mut self, index: usize, ids: &mut u128) -> Command {
        *ids += 1;
        let wish = &mut self.wishes[index];
        wish.is_sent = true;
        Command::Send(Box::new(Draft {
            id: MessageId(Uuid::from_u128(*ids)),
            room: wish.room,
            contact: None,
            message_type: MessageType::Text,
            content: Content { text: wish.name.clone(), ..Content::default() },
            reply_to: None,
            client_message_id: Some(wish.name.clone()),
            author: Author::Caller,
            external_id: None,
            idempotency: None,
            create_as: RoomKind::Conversation,
        }))
    }

    /// Notes a command that is on its way.
    pub fn note(&mut self, tag: &str, command: &Command, store: &Store, troubles: u64) {
        let Some(link) = &mut self.link else { return };
        let room = command.room();
        let asked = Asked {
            role: link.roles.len() - 1,
            troubles,
            was_there: store.is_there_for(self.who.org, room),
            was_in: link.rooms.contains_key(&room) && !link.is_leaving(room),
            version: store.rooms.get(&room).map_or(0, |row| row.told),
            joins: self.places.get(&room).map_or(0, |place| place.joins),
            rooms: 0,
            command: command.clone(),
        };
        link.asked.insert(tag.into(), asked);
        if !matches!(command, Command::Join { .. }) {
            return;
        }
        let rooms = link.rooms_at_most();
        link.asked.values_mut().for_each(|asked| asked.rooms = asked.rooms.max(rooms));
    }
}

/// A change of a message: mostly of one of the newest, so that changes meet.
fn change(room: RoomId, rng: &mut Rng, store: &Store) -> Command {
    let messages = store.rooms.get(&room).map_or(&[][..], |row| &row.messages);
    let newest = if rng.one_in(4) { messages.len() } else { messages.len().min(4) };
    let message = if newest == 0 {
        MessageId(Uuid::from_u128(u128::MAX))
    } else {
        messages[messages.len() - 1 - rng.below(newest)].id
    };
    match rng.below(12) {
        10 | 11 => {
            let status = rng.pick(&MessageStatus::ALL);
            Command::Report(Report { room, message, status, at: None })
        }
        0..4 => {
            let text = format!("edited {}", rng.below(1_000)).into();
            Command::Edit { room, message, text, if_changed_pos: None }
        }
        4 => Command::Delete { room, message, if_changed_pos: None },
        _ => {
            let emoji = rng.pick(&["👍", "❤️"]).into();
            Command::React { room, message, emoji, present: rng.one_in(2) }
        }
    }
}
