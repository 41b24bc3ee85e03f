//! Every rule of the hub, as a pure function of (state, input, now): no I/O, no clock, no randomness.
//!
//! Invariants, checked by property tests and by the simulation:
//! - a message is delivered only after its commit, in `seq` order, and a room's deliveries, joins, leaves and
//!   acknowledgements are one stream per worker;
//! - a room's entry exists from before its facts are asked for until nobody needs it;
//! - every command is answered once (typing only when it is refused).

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::commands;
use super::effect::{Audience, Delivery, Effect, Numbers, Op};
use super::marks::{DueMark, Marks};
use super::membership::{Conn, Queue, Room, Waiting};
use super::outlet::{Broadcast, Departure, Seat};
use super::ports::{Access, Amendment, Change, Head, Ticket, Unavailable, Write, Written};
use super::presence::Graces;
use crate::domain::{
    Command, ConnId, Event, Identity, LoginId, Membership, OrgId, Reject, RejectCode, RoomId, RoomKind, Tag, Timestamp,
    UserId, UserStatus,
};

/// The settings that rule the hub. Zero switches a limit off.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub auto_create: bool,
    pub max_rooms_per_connection: usize,
    pub max_connections_per_user: usize,
    /// Other hubs may write to the same store: whoever comes back is told what is in it, not what this hub knows of.
    pub shared_store: bool,
}

/// Everything that can happen to the hub.
#[derive(Debug)]
pub enum Input {
    Connect {
        conn: ConnId,
        dialect: &'static str,
        identity: Arc<Identity>,
        seat: Seat,
    },
    Disconnect {
        conn: ConnId,
        departure: Departure,
    },
    Renew {
        conn: ConnId,
        identity: Arc<Identity>,
    },
    /// The user is back on another connection, which is to be taken in next.
    Supersede {
        conn: ConnId,
        identity: Arc<Identity>,
    },
    Command {
        conn: ConnId,
        command: Command,
        tag: Tag,
    },
    /// A caller without a connection, for as long as its one command takes.
    Ask {
        conn: ConnId,
        identity: Arc<Identity>,
        command: Command,
    },
    /// Such a caller has its answer, or has gone.
    Asked(ConnId),
    /// The connection wants to hear of its user's rooms.
    Watch {
        conn: ConnId,
        tag: Tag,
    },
    /// A user wants to be seen in another way.
    Status {
        organization: OrgId,
        user: UserId,
        status: UserStatus,
    },
    /// A login session has ended, or a key was revoked: its connections end. `None`: all that the user has.
    EndLogin {
        organization: OrgId,
        user: UserId,
        login: Option<LoginId>,
    },
    AccessLoaded {
        organization: OrgId,
        room: RoomId,
        user: UserId,
        access: Result<Option<Access>, Unavailable>,
    },
    Written(Vec<Written>),
    /// The writer's queue was full; the write with this ticket was not taken.
    Busy(Ticket),
    /// The database is back after writes had failed.
    Recovered,
    /// The answer to `Effect::CompareHeads`.
    Heads {
        heads: Vec<Head>,
        comparison: u64,
    },
    Tick,
}

/// Whom to tell what became of a write.
#[derive(Debug)]
pub(super) enum Asked {
    Message { conn: ConnId, tag: Tag },
    Room { organization: OrgId, room: RoomId, user: UserId },
    Mark { askers: Vec<(ConnId, Tag)> },
    Amendment(Amending),
}

/// Who asks for an amendment of what.
#[derive(Debug)]
pub(super) struct Amending {
    pub(super) conn: ConnId,
    pub(super) tag: Tag,
    pub(super) organization: OrgId,
    pub(super) room: RoomId,
    pub(super) by: UserId,
}

type UserKey = (Option<OrgId>, UserId);

#[derive(Debug, Default)]
pub struct State {
    pub(super) rules: Rules,
    pub(super) conns: FxHashMap<ConnId, Conn>,
    /// The dialects that were ever spoken, and how many connections speak each.
    pub(super) dialects: Vec<(&'static str, usize)>,
    /// The connections of each user, oldest first.
    pub(super) users: FxHashMap<UserKey, SmallVec<[ConnId; 1]>>,
    /// Callers without a connection.
    pub(super) callers: FxHashMap<ConnId, Arc<Identity>>,
    pub(super) rooms: FxHashMap<RoomId, Room>,
    pub(super) marks: Marks,
    pub(super) asked: FxHashMap<Ticket, Asked>,
    last_ticket: u64,
    /// How often the rooms have been compared with the store.
    pub(super) comparisons: u64,
    /// Who is in which room and is to be checked whether they still may.
    pub(super) checks: VecDeque<(OrgId, RoomId, UserId)>,
    pub(super) graces: Graces,
}

/// Where one input's effects go, and the time at which it happens.
pub(super) struct Turn<'a> {
    pub(super) now: Timestamp,
    pub(super) effects: &'a mut Vec<Effect>,
}

impl State {
    pub fn new(rules: Rules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Lets `input` happen at `now`, and appends what is to be done to `effects`.
    pub fn handle(&mut self, input: Input, now: Timestamp, effects: &mut Vec<Effect>) {
        let turn = &mut Turn { now, effects };
        match input {
            Input::Connect { conn, dialect, identity, seat } => self.connect(conn, dialect, identity, seat, turn),
            Input::Disconnect { conn, departure } => self.disconnect(conn, departure, turn),
            Input::Renew { conn, identity } => self.renew(conn, identity, turn),
            Input::Supersede { conn, identity } => self.supersede(conn, &identity, turn),
            Input::Command { conn, command, tag } => self.command(Waiting { conn, command, tag }, turn),
            Input::Ask { conn, identity, command } => {
                self.callers.insert(conn, identity);
                self.command(Waiting { conn, command, tag: None }, turn);
            }
            Input::Asked(conn) => drop(self.callers.remove(&conn)),
            Input::Watch { conn, tag } => self.watch(conn, tag, turn),
            Input::Status { organization, user, status } => self.user_status(organization, user, status, turn),
            Input::EndLogin { organization, user, login } => self.end_login(organization, user, login, turn),
            Input::AccessLoaded { organization, room, user, access } => {
                self.access_loaded(organization, room, user, access, turn);
            }
            Input::Written(batch) => {
                for written in batch {
                    self.written(written, turn);
                }
            }
            Input::Busy(ticket) => self.busy(ticket, turn),
            Input::Recovered => self.recovered(turn),
            Input::Heads { heads, comparison } => self.heads(&heads, comparison, turn),
            Input::Tick => self.tick(turn),
        }
    }

    pub fn connections(&self) -> usize {
        self.conns.len()
    }

    pub fn rooms_with_connections(&self) -> usize {
        self.rooms.values().filter(|room| !room.present.is_empty()).count()
    }

    pub fn connections_by_dialect(&self) -> Vec<(&'static str, usize)> {
        self.dialects.iter().copied().filter(|(_, count)| *count > 0).collect()
    }

    /// Writes whose outcome is not known yet.
    pub fn writes_in_flight(&self) -> usize {
        self.asked.len()
    }

    /// Whether these users have a connection.
    pub fn online(&self, organization: OrgId, users: &[UserId]) -> Vec<bool> {
        users.iter().map(|user| self.users.contains_key(&(Some(organization), *user))).collect()
    }

    /// Who gave a command: a connection, or a caller without one.
    pub(super) fn identity(&self, conn: ConnId) -> Option<&Arc<Identity>> {
        self.conns.get(&conn).map(|conn| &conn.identity).or_else(|| self.callers.get(&conn))
    }

    /// Runs a command, now if its user's access is known, else as soon as it is.
    fn command(&mut self, waiting: Waiting, turn: &mut Turn<'_>) {
        let Some(identity) = self.identity(waiting.conn) else { return };
        let id = waiting.command.room();
        let Some(organization) = identity.organization else {
            return self.reject(waiting.conn, waiting.tag, Reject::no_organization(), turn);
        };
        if matches!(waiting.command, Command::Create(_) | Command::CreateOnce(..)) {
            // There is nothing to wait for.
            return self.run_as(waiting, None, turn);
        }
        let user = identity.user;
        // Only the store knows what others have stored there.
        let is_past = self.rules.shared_store && waiting.command.resumes();
        let room = self.rooms.entry(id).or_default();
        if let Some(queue) = room.queues.get_mut(&(organization, user)) {
            queue.is_stale |= is_past;
            queue.commands.push(waiting);
            return;
        }
        match &room.facts {
            Some(facts) if facts.organization != organization => {
                self.reject(waiting.conn, waiting.tag, not_there(&waiting.command), turn);
            }
            Some(_) if room.present.contains_key(&user) && !is_past => {
                self.run(waiting, turn);
            }
            _ if matches!(waiting.command, Command::Leave { .. }) => {
                self.drop_if_idle(id);
                self.reject(waiting.conn, waiting.tag, Reject::not_joined(), turn);
            }
            _ => {
                room.queues.insert((organization, user), Queue { commands: vec![waiting], ..Queue::default() });
                turn.effects.push(Effect::LoadAccess { organization, room: id, user });
            }
        }
    }

    /// Runs a command of somebody who is in the room, by the role that is known of them. The room may be known as it is
    /// after later changes; a refusal that mixes the two is not said before the store was asked for both at once.
    fn run(&mut self, waiting: Waiting, turn: &mut Turn<'_>) {
        let (id, identity) = (waiting.command.room(), self.identity(waiting.conn));
        let Some((organization, user)) = identity.and_then(|it| Some((it.organization?, it.user))) else { return };
        let room = self.rooms.get(&id);
        let Some((present, facts)) = room.and_then(|room| Some((room.present.get(&user)?, room.facts.as_ref()?)))
        else {
            return self.run_as(waiting, None, turn);
        };
        let (role, is_old) = (present.role, present.acl_version < facts.acl_version);
        let Waiting { conn, command, tag } = waiting;
        let again = is_old.then(|| Waiting { conn, command: command.clone(), tag: tag.clone() });
        let Err(reject) = commands::run(self, conn, command, &tag, role, turn) else { return };
        match (again, self.rooms.get_mut(&id)) {
            (Some(waiting), Some(room)) if reject.code == RejectCode::Forbidden => {
                let queue = Queue { commands: vec![waiting], ..Queue::default() };
                room.queues.insert((organization, user), queue);
                turn.effects.push(Effect::LoadAccess { organization, room: id, user });
            }
            _ => self.reject(conn, tag, reject, turn),
        }
    }

    pub(super) fn run_as(&mut self, waiting: Waiting, role: Option<Membership>, turn: &mut Turn<'_>) {
        let Waiting { conn, command, tag } = waiting;
        if let Err(reject) = commands::run(self, conn, command, &tag, role, turn) {
            self.reject(conn, tag, reject, turn);
        }
    }

    /// Takes a connection out of a room. `answer`: tell the connection, with this tag.
    pub(super) fn leave(&mut self, id: ConnId, room_id: RoomId, answer: Option<Tag>, turn: &mut Turn<'_>) {
        if let Some((user, name)) = self.take_out(id, room_id, answer, turn) {
            self.user_gone(room_id, user, name, Departure::Left, turn);
        }
        self.drop_if_idle(room_id);
    }

    pub(super) fn write_message(
        &mut self,
        organization: OrgId,
        change: Change,
        conn: ConnId,
        tag: Tag,
        turn: &mut Turn<'_>,
    ) {
        self.write(organization, change, Asked::Message { conn, tag }, turn);
    }

    pub(super) fn write_amendment(&mut self, amendment: Amendment, asked: Amending, turn: &mut Turn<'_>) {
        let change = Change::Amend(Box::new(amendment));
        self.write(asked.organization, change, Asked::Amendment(asked), turn);
    }

    pub(super) fn write_mark(&mut self, due: DueMark, turn: &mut Turn<'_>) {
        self.write(due.organization, Change::Mark(due.mark), Asked::Mark { askers: due.askers }, turn);
    }

    pub(super) fn write(&mut self, organization: OrgId, change: Change, asked: Asked, turn: &mut Turn<'_>) {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.asked.insert(ticket, asked);
        turn.effects.push(Effect::Write(Write { ticket, organization, change }));
    }

    fn tick(&mut self, turn: &mut Turn<'_>) {
        for due in self.marks.due(turn.now) {
            self.write_mark(due, turn);
        }
        self.end_graces(turn);
        self.check_some(turn);
    }

    /// Tells everyone in a room, except the connections in `skip`.
    pub(super) fn tell_room(
        &self,
        id: RoomId,
        event: Event,
        stored: Option<Numbers>,
        skip: SmallVec<[Seat; 1]>,
        turn: &mut Turn<'_>,
    ) {
        if let Some(room) = self.rooms.get(&id) {
            tell(id, room, event, stored, Audience::Everyone, skip, turn);
        }
    }

    pub(super) fn answer(&self, id: ConnId, tag: Tag, event: Event, turn: &mut Turn<'_>) {
        if let Some(conn) = self.conns.get(&id) {
            turn.effects.push(Effect::Worker(conn.seat.worker, Op::Answer { slot: conn.seat.slot, event, tag }));
        } else if self.callers.contains_key(&id) {
            turn.effects.push(Effect::Reply(id, event));
        }
    }

    pub(super) fn reject(&self, id: ConnId, tag: Tag, reject: Reject, turn: &mut Turn<'_>) {
        self.answer(id, tag, Event::Rejected(reject), turn);
    }

    pub(super) fn drop_if_idle(&mut self, id: RoomId) {
        if self.rooms.get(&id).is_some_and(Room::is_idle) {
            self.rooms.remove(&id);
        }
    }
}

pub(super) fn tell(
    id: RoomId,
    room: &Room,
    event: Event,
    stored: Option<Numbers>,
    audience: Audience,
    skip: SmallVec<[Seat; 1]>,
    turn: &mut Turn<'_>,
) {
    let workers = room.workers();
    if !workers.is_empty() {
        let broadcast = Broadcast::new(event, stored.map(|it| it.pos), turn.now);
        let delivery = Delivery { room: id, stored, audience, broadcast };
        turn.effects.push(Effect::Deliver { workers, skip, delivery });
    }
}

/// The kind of room that a waiting command makes where `rooms.auto_create` is on.
pub(super) fn makes_room(waiting: &Waiting) -> Option<RoomKind> {
    match &waiting.command {
        Command::Join { create_as, .. } => Some(*create_as),
        Command::Send(draft) => Some(draft.create_as),
        _ => None,
    }
}

/// What a command for a room that is not there is told.
pub(super) fn not_there(command: &Command) -> Reject {
    match command {
        Command::Leave { .. } => Reject::not_joined(),
        _ => Reject::not_found(),
    }
}

/// What a command is told when the database does not say what its user may do.
pub(super) fn not_now(command: &Command) -> Reject {
    match command {
        Command::Send(_) => Reject::send_failed(),
        _ => Reject::unavailable(),
    }
}
