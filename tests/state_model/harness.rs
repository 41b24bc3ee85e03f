//! Runs the state and the model side by side, with a store that answers at once and a fan-out that only notes who
//! would be told what.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tertulia::domain::{
    Author, Command, ConnId, Content, Draft, Event, Identity, Mark, MarkKind, MarkTarget, MemberRole, Membership,
    Message, MessageId, MessageStatus, MessageType, OrgId, Reject, Report, Resume, Role, RoomId, RoomKind, Scopes, Tag,
    Timestamp, UserId,
};
use tertulia::hub::effect::{Audience, Effect, Op};
use tertulia::hub::handle::{Departure, Rules, Seat};
use tertulia::hub::ports::{
    Access, Amended, Amendment, AmendmentKind, Change, NewMark, NewMessage, Outcome, Write, WriteError, Written,
};
use tertulia::hub::state::{Input, State};
use uuid::Uuid;

use super::model::{Heard, Model, Room, Told};

const ORGS: [OrgId; 2] = [OrgId(Uuid::from_u128(0xA)), OrgId(Uuid::from_u128(0xB))];

const fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

/// One id in both organizations, and a bearer without any.
const PEOPLE: [(Option<OrgId>, UserId, Role); 6] = [
    (Some(ORGS[0]), user(1), Role::Agent),
    (Some(ORGS[0]), user(2), Role::Member),
    (Some(ORGS[0]), user(3), Role::Bot),
    (Some(ORGS[1]), user(1), Role::Admin),
    (Some(ORGS[1]), user(4), Role::Member),
    (None, user(5), Role::Admin),
];
pub const USERS: usize = PEOPLE.len();

/// Six rooms, and an id that none has.
pub const ROOMS: usize = 7;

fn rooms() -> Vec<Room> {
    let room = |n: u128, org, kind, is_archived, members: &[u128]| Room {
        id: room_id(n),
        org,
        kind,
        is_archived,
        members: members.iter().copied().map(user).collect(),
        last_seq: 0,
    };
    vec![
        room(0, ORGS[0], RoomKind::Public, false, &[]),
        room(1, ORGS[0], RoomKind::Conversation, false, &[2]),
        room(2, ORGS[0], RoomKind::Private, false, &[1, 3]),
        room(3, ORGS[0], RoomKind::Public, true, &[]),
        room(4, ORGS[1], RoomKind::Conversation, false, &[]),
        room(5, ORGS[1], RoomKind::Direct, false, &[1, 4]),
    ]
}

pub fn room_id(n: u128) -> RoomId {
    RoomId(Uuid::from_u128(0x100 + n))
}

pub struct Harness {
    pub state: State,
    pub model: Model,
    now: Timestamp,
    open: Vec<(ConnId, usize)>,
    conns: u64,
    tags: u64,
    told: Told,
    /// Who is where, as the operations have it.
    seats: BTreeMap<(u16, u32), ConnId>,
    seated: BTreeMap<RoomId, BTreeMap<(u16, u32), bool>>,
    numbers: BTreeMap<RoomId, u64>,
    pos: u64,
    marks: BTreeMap<(RoomId, UserId, bool), u64>,
    messages: BTreeMap<MessageId, (RoomId, u64, MessageStatus)>,
    written: Vec<u64>,
}

impl Harness {
    pub fn new(max_rooms: usize, max_conns: usize) -> Self {
        let rules = Rules {
            auto_create: false,
            shared_store: false,
            max_rooms_per_connection: max_rooms,
            max_connections_per_user: max_conns,
        };
        Self {
            state: State::new(rules),
            model: Model::new(rooms(), max_rooms, max_conns),
            now: Timestamp::from_secs(1_000),
            open: Vec::new(),
            conns: 0,
            tags: 0,
            told: Told::new(),
            seats: BTreeMap::new(),
            seated: BTreeMap::new(),
            numbers: BTreeMap::new(),
            pos: 0,
            marks: BTreeMap::new(),
            messages: BTreeMap::new(),
            written: Vec::new(),
        }
    }

    /// What connections were told since this was last asked, and what they should have been.
    pub fn take_told(&mut self) -> (Told, Told) {
        let mut told = std::mem::take(&mut self.told);
        told.sort();
        (told, self.model.take_told())
    }

    pub fn marks_written(&self) -> &[u64] {
        &self.written
    }

    pub fn connect(&mut self, person: usize) {
        self.conns += 1;
        let conn = ConnId(self.conns);
        let seat = Seat { worker: (self.conns % 3) as u16, slot: self.conns as u32 };
        let (org, user, role) = PEOPLE[person];
        self.open.push((conn, person));
        self.seats.insert((seat.worker, seat.slot), conn);
        self.input(Input::Connect { conn, dialect: "none", identity: identity(person, role), seat });
        self.model.connect(conn, org, user, role);
    }

    pub fn disconnect(&mut self, index: usize, departure: Departure) {
        if self.open.is_empty() {
            return;
        }
        let (conn, _) = self.open.remove(index % self.open.len());
        self.input(Input::Disconnect { conn, departure });
        self.model.disconnect(conn, departure == Departure::Lost, self.now);
    }

    pub fn renew(&mut self, index: usize, role: Role) {
        let Some((conn, person)) = self.pick(index) else { return };
        self.input(Input::Renew { conn, identity: identity(person, role) });
        self.model.renew(conn, role, self.now);
    }

    pub fn join(&mut self, index: usize, room: usize, watch: bool) {
        let room = room_id(room as u128);
        let command = Command::Join { room, resume: Resume::Live, presence: Some(watch), create_as: RoomKind::Public };
        if let Some((conn, tag)) = self.command(index, command) {
            self.model.join(conn, tag, room, watch);
        }
    }

    pub fn leave(&mut self, index: usize, room: usize) {
        let room = room_id(room as u128);
        if let Some((conn, tag)) = self.command(index, Command::Leave { room }) {
            self.model.leave(conn, tag, room, self.now);
        }
    }

    pub fn typing(&mut self, index: usize, room: usize) {
        let room = room_id(room as u128);
        if let Some((conn, tag)) = self.command(index, Command::Typing { room, contact: None, is_typing: true }) {
            self.model.typing(conn, tag, room);
        }
    }

    pub fn presence(&mut self, index: usize, room: usize) {
        let room = room_id(room as u128);
        if let Some((conn, tag)) = self.command(index, Command::Presence { room }) {
            self.model.presence(conn, tag, room);
        }
    }

    pub fn mark(&mut self, index: usize, room: usize, kind: MarkKind, seq: u64) {
        let room = room_id(room as u128);
        if let Some((conn, tag)) = self.command(index, Command::Mark { room, kind, target: MarkTarget::Seq(seq) }) {
            self.model.mark(conn, tag, room, kind, seq, self.now);
        }
    }

    pub fn send(&mut self, index: usize, room: usize) {
        let room = room_id(room as u128);
        let draft = draft(self.tags, room);
        if let Some((conn, tag)) = self.command(index, Command::Send(Box::new(draft))) {
            self.model.send(conn, tag, room);
        }
    }

    pub fn report(&mut self, index: usize, room: usize, seq: u64, status: MessageStatus) {
        let room = room_id(room as u128);
        let named = self.messages.iter().find(|(_, (of, at, _))| (*of, *at) == (room, seq));
        let message = named.map_or(MessageId(Uuid::from_u128(u128::MAX)), |(id, _)| *id);
        if let Some((conn, tag)) = self.command(index, Command::Report(Report { room, message, status, at: None })) {
            self.model.report(conn, tag, room, seq, status);
        }
    }

    pub fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        self.input(Input::Tick);
        self.model.tick(self.now);
    }

    fn pick(&self, index: usize) -> Option<(ConnId, usize)> {
        self.open.get(index.checked_rem(self.open.len())?).copied()
    }

    fn command(&mut self, index: usize, command: Command) -> Option<(ConnId, u64)> {
        let (conn, _) = self.pick(index)?;
        self.tags += 1;
        let tag = self.tags;
        self.input(Input::Command { conn, command, tag: Some(tag.to_string().into()) });
        Some((conn, tag))
    }

    fn input(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut effects = Vec::new();
            self.state.handle(input, self.now, &mut effects);
            for effect in effects {
                match effect {
                    Effect::Worker(worker, op) => self.op(worker, op),
                    Effect::Deliver { workers, skip, delivery } => {
                        let skip: Vec<_> = skip.iter().map(|seat| (seat.worker, seat.slot)).collect();
                        let seated = self.seated.get(&delivery.room).cloned().unwrap_or_default();
                        for (seat, watch) in seated {
                            assert!(workers.contains(&seat.0), "a worker with a session in the room is left out");
                            let is_meant = watch || delivery.audience == Audience::Everyone;
                            if is_meant && !skip.contains(&seat) {
                                self.hear(seat, &None, &delivery.broadcast.event);
                            }
                        }
                    }
                    Effect::LoadAccess { organization, room, user } => {
                        let access = self.access(organization, room, user);
                        inputs.push(Input::AccessLoaded { organization, room, user, access: Ok(access) });
                    }
                    Effect::Write(write) => inputs.push(Input::Written(vec![self.commit(write)])),
                    Effect::CompareHeads { .. } => panic!("nothing has failed"),
                    Effect::LoadSettled { .. } => panic!("nobody else writes here"),
                    Effect::Reply(conn, _) => panic!("{conn:?} has a connection, and is answered without it"),
                    Effect::End(conn, _) => self.told.push((conn, None, Heard::Ended)),
                }
            }
        }
    }

    fn op(&mut self, worker: u16, op: Op) {
        match op {
            Op::Join(join) => {
                let seat = (worker, join.slot);
                self.seated.entry(join.room).or_default().insert(seat, join.watch);
                let heard = Heard::Joined { room: join.room, members: join.members, last_seq: join.last_seq };
                self.told.push((self.seats[&seat], number(&join.tag), heard));
            }
            Op::Leave { room, slot, answer } => {
                let was_in = self.seated.get_mut(&room).and_then(|seated| seated.remove(&(worker, slot)));
                assert!(was_in.is_some(), "a session leaves a room that it is not in");
                if let Some(tag) = answer {
                    self.hear((worker, slot), &tag, &Event::Left { room });
                }
            }
            Op::Answer { slot, event, tag } | Op::Own { slot, event, tag, .. } => {
                self.hear((worker, slot), &tag, &event);
            }
            Op::Forget { slot, rooms } => {
                for (room, seated) in &mut self.seated {
                    assert_eq!(
                        seated.remove(&(worker, slot)).is_some(),
                        rooms.contains(room),
                        "rooms of one that goes"
                    );
                }
                self.seats.remove(&(worker, slot));
            }
            Op::Deliver { .. } | Op::Fill { .. } => panic!("no state makes this of an input that has not failed"),
        }
    }

    fn hear(&mut self, seat: (u16, u32), tag: &Tag, event: &Event) {
        let heard = match event.clone() {
            Event::Left { room } => Heard::Left { room },
            Event::Presence { room, users, total } => {
                let mut users: Vec<UserId> = users.into_iter().map(|(user, _)| user).collect();
                users.sort_unstable();
                Heard::Presence { room, users, total }
            }
            Event::Rejected(reject) => Heard::Rejected(reject.code.as_str()),
            Event::TypingTold { room } => Heard::TypingTold { room },
            Event::Typing(typing) => Heard::Typing { room: typing.room, user: typing.user },
            Event::UserJoined { room, user, .. } => Heard::UserJoined { room, user },
            Event::UserLeft { room, user, .. } => Heard::UserLeft { room, user },
            Event::Message(message) => Heard::Message { room: message.room, seq: message.seq },
            Event::Sent { message, .. } => Heard::Sent { room: message.room, seq: message.seq },
            Event::Marked(Mark { room, user, kind, up_to_seq, .. }) => {
                Heard::Marked { room, user, is_read: kind == MarkKind::Read, seq: up_to_seq }
            }
            Event::Status { room, message, status, .. } => {
                Heard::Status { room, seq: self.messages[&message].1, status }
            }
            other => panic!("nobody asked for {other:?}"),
        };
        self.told.push((self.seats[&seat], number(tag), heard));
    }

    fn access(&self, org: OrgId, id: RoomId, user: UserId) -> Option<Access> {
        let room = rooms().into_iter().find(|room| room.id == id && room.org == org)?;
        Some(Access {
            kind: room.kind,
            archived: room.is_archived,
            contact: None,
            member: room.members.contains(&user).then_some(Membership::new(MemberRole::Member)),
            acl_version: 1,
            last_seq: self.numbers.get(&id).copied().unwrap_or(0),
            last_pos: self.pos,
        })
    }

    fn commit(&mut self, write: Write) -> Written {
        self.pos += 1;
        let outcome = match write.change {
            Change::Message(message) => Ok(self.store(write.organization, *message)),
            Change::Mark(mark) => self.store_mark(&mark),
            Change::Amend(amendment) => self.amend(&amendment),
            Change::Room(_) => panic!("not made here"),
        };
        Written { ticket: write.ticket, outcome }
    }

    fn store(&mut self, organization: OrgId, new: NewMessage) -> Outcome {
        let number = self.numbers.entry(new.draft.room).or_default();
        *number += 1;
        let message = message(organization, new, *number, self.pos, self.now);
        self.messages.insert(message.id, (message.room, message.seq, message.status));
        Outcome::Message { message: Arc::new(message), duplicate: false }
    }

    fn amend(&mut self, amendment: &Amendment) -> Result<Outcome, WriteError> {
        let AmendmentKind::Report(Report { room, message, status, .. }) = amendment.kind else {
            panic!("not asked for here: {amendment:?}")
        };
        let Some((of, _, now)) = self.messages.get_mut(&message) else {
            return Err(WriteError::Refused(Reject::no_such_message()));
        };
        assert_eq!(*of, room, "reported where it is not");
        let pos = (status > *now).then_some(self.pos);
        *now = status.max(*now);
        let amended = Amended::Reported { room, message, status: *now, at: self.now };
        Ok(Outcome::Amended { amended, pos })
    }

    fn store_mark(&mut self, new: &NewMark) -> Result<Outcome, WriteError> {
        self.written.extend(new.seq);
        let last_seq = self.numbers.get(&new.room).copied().unwrap_or(0);
        let stored = self.marks.entry((new.room, new.user, new.kind == MarkKind::Read)).or_default();
        let up_to_seq = new.seq.unwrap_or(0).min(last_seq).max(*stored);
        if up_to_seq == 0 {
            return Err(WriteError::Refused(Reject::field("up_to_seq", "a message of this session")));
        }
        let pos = (up_to_seq > *stored).then_some(self.pos);
        *stored = up_to_seq;
        let message = MessageId(Uuid::from_u128(u128::from(up_to_seq)));
        let mark =
            Mark { room: new.room, kind: new.kind, user: new.user, message, up_to_seq, moved: None, at: self.now };
        Ok(Outcome::Mark { mark, pos })
    }
}

/// A message as it is after its commit.
pub fn message(organization: OrgId, new: NewMessage, seq: u64, pos: u64, created_at: Timestamp) -> Message {
    Message {
        id: new.draft.id,
        organization,
        room: new.draft.room,
        seq,
        pos,
        changed_pos: pos,
        sender_type: new.sender_type,
        direction: new.direction,
        user: Some(new.user),
        user_name: new.user_name,
        contact: None,
        message_type: new.draft.message_type,
        content: new.draft.content,
        status: MessageStatus::Sent,
        reply_to: None,
        client_message_id: None,
        delivered_at: None,
        external_id: None,
        read_at: None,
        created_at,
        reactions: Vec::new(),
        edited_at: None,
        deleted_at: None,
    }
}

pub fn draft(id: u64, room: RoomId) -> Draft {
    Draft {
        id: MessageId(Uuid::from_u128(u128::from(id))),
        room,
        contact: None,
        message_type: MessageType::Text,
        content: Content::default(),
        reply_to: None,
        client_message_id: None,
        author: Author::Caller,
        external_id: None,
        idempotency: None,
        create_as: RoomKind::Public,
    }
}

pub fn identity(person: usize, role: Role) -> Arc<Identity> {
    let (organization, user, _) = PEOPLE[person];
    let name = format!("User {user}").into();
    Arc::new(Identity {
        organization,
        user,
        role,
        name,
        email: None,
        expires_at: None,
        login: None,
        scopes: Scopes::ALL,
    })
}

fn number(tag: &Tag) -> Option<u64> {
    tag.as_deref().map(|tag| tag.parse().expect("a tag that this harness gave"))
}
