//! Who is where: the connections, and the rooms that have any.

use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::SmallVec;

use super::changes::Changes;
use super::outlet::Seat;
use super::ports::Access;
use crate::domain::{self, Command, ConnId, Identity, Membership, OrgId, RoomId, RoomKind, Tag, Timestamp, UserId};

/// A connection, as the hub knows it.
#[derive(Debug)]
pub struct Conn {
    pub identity: Arc<Identity>,
    pub seat: Seat,
    /// Its place in `State::dialects`.
    pub dialect: u8,
    /// It hears of its user's rooms.
    pub watches: bool,
    pub rooms: SmallVec<[Seated; 1]>,
}

/// A room that a connection has joined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seated {
    pub room: RoomId,
    pub watch: bool,
}

/// What is known of a room itself, besides who is in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    pub organization: OrgId,
    pub kind: RoomKind,
    pub archived: bool,
    pub acl_version: u64,
    /// The last message that was delivered, or was there when the room was loaded.
    pub last_seq: u64,
    /// The change up to which all messages were delivered, or were there when the room was loaded. Nothing but messages
    /// moves it: a mark may overtake a message that was committed without the hub being told so.
    pub last_pos: u64,
}

impl Facts {
    /// As the store read them.
    pub fn of(organization: OrgId, access: &Access) -> Self {
        Self {
            organization,
            kind: access.kind,
            archived: access.archived,
            acl_version: access.acl_version,
            last_seq: access.last_seq,
            last_pos: access.last_pos,
        }
    }
}

/// A user in a room, with at least one connection.
#[derive(Debug)]
pub struct Present {
    pub role: Option<Membership>,
    /// The version of the room in which that was their role.
    pub acl_version: u64,
    pub conns: SmallVec<[ConnId; 1]>,
}

/// A command that waits for its user's access to be known.
#[derive(Debug)]
pub struct Waiting {
    pub conn: ConnId,
    pub command: Command,
    pub tag: Tag,
}

/// Commands of one user for one room, in order, until the store has said what the user may do there.
#[derive(Debug, Default)]
pub struct Queue {
    pub commands: Vec<Waiting>,
    /// The room did not exist and has been asked to be made.
    pub created: bool,
    /// Rights have changed since the store was asked: what it says may be old, so it is asked again.
    pub is_stale: bool,
    /// How often the store did not have the room although it was known by then.
    pub missed: u8,
    /// The user is in the room, and it is to be seen whether they still may.
    pub is_check: bool,
    /// The store had messages up to this number, which this hub had not heard of.
    pub seen: Option<u64>,
}

/// A room with connections, or with commands that wait for it.
///
/// It exists from before its facts are read until nobody needs it, so that no commit can fall between the two.
#[derive(Debug, Default)]
pub struct Room {
    pub facts: Option<Facts>,
    /// The newest message and change that were committed while the facts were on their way.
    floor: (u64, u64),
    pub changes: Changes,
    pub present: IndexMap<UserId, Present, FxBuildHasher>,
    pub queues: FxHashMap<(OrgId, UserId), Queue>,
    /// Users whose last connection was lost a moment ago, until when, and their names.
    pub departing: FxHashMap<UserId, (Timestamp, Box<str>)>,
    per_worker: SmallVec<[u32; 4]>,
    pub watchers: u32,
}

impl Room {
    /// Whether messages up to `seq` are stored that this hub has not heard of.
    pub fn lacks(&self, seq: u64) -> bool {
        self.facts.as_ref().is_some_and(|known| seq > known.last_seq)
    }

    /// Takes in what the store read. What was delivered since is newer, and stays.
    pub fn learn(&mut self, organization: OrgId, access: &Access) {
        if self.facts.as_ref().is_some_and(|known| known.acl_version > access.acl_version) {
            return;
        }
        let (seq, pos) = self
            .facts
            .as_ref()
            .map_or((access.last_seq.max(self.floor.0), access.last_pos.max(self.floor.1)), |known| {
                (known.last_seq, known.last_pos)
            });
        if self.facts.is_none() {
            self.changes.load(access.last_pos);
        }
        self.facts = Some(Facts { last_seq: seq, last_pos: pos, ..Facts::of(organization, access) });
    }

    /// Takes in how the room is after a change of it or its members. Returns whether it is of another kind than before.
    pub fn change(&mut self, room: &domain::Room) -> bool {
        let Some(facts) = self.facts.as_mut().filter(|facts| room.version >= facts.acl_version) else { return false };
        let was = facts.kind;
        (facts.kind, facts.archived, facts.acl_version) = (room.kind, room.archived_at.is_some(), room.version);
        was != room.kind
    }

    /// Takes in what a user is in the room in one of its versions, unless a later one is known.
    pub fn set_role(&mut self, user: UserId, role: Option<Membership>, acl_version: u64) {
        if let Some(present) = self.present.get_mut(&user).filter(|present| acl_version >= present.acl_version) {
            (present.role, present.acl_version) = (role, acl_version);
        }
    }

    /// What is on its way from the store about anyone's rights may be old.
    pub fn distrust_loads(&mut self) {
        self.queues.values_mut().for_each(|queue| queue.is_stale = true);
    }

    /// The room is gone from the store.
    pub fn forget(&mut self) {
        (self.facts, self.floor, self.changes) = (None, (0, 0), Changes::default());
    }

    /// Notes the commit of a message, if it has a `seq`, or of another change. Returns whether those in the room have yet to hear of it.
    pub fn advance(&mut self, seq: Option<u64>, pos: u64) -> bool {
        match (&mut self.facts, seq) {
            (Some(facts), Some(seq)) if seq > facts.last_seq => {
                (facts.last_seq, facts.last_pos) = (seq, facts.last_pos.max(pos));
                true
            }
            (Some(facts), None) => pos > facts.last_pos,
            (None, Some(seq)) => {
                self.floor = (seq.max(self.floor.0), pos.max(self.floor.1));
                false
            }
            _ => false,
        }
    }

    /// Adds a connection. Returns whether its user was not here before.
    pub fn enter(&mut self, conn: ConnId, user: UserId, role: Option<Membership>, worker: u16) -> bool {
        let worker = usize::from(worker);
        if self.per_worker.len() <= worker {
            self.per_worker.resize(worker + 1, 0);
        }
        self.per_worker[worker] += 1;
        let acl_version = self.facts.as_ref().map_or(0, |facts| facts.acl_version);
        let arrive = || Present { role, acl_version, conns: SmallVec::new() };
        let present = self.present.entry(user).or_insert_with(arrive);
        present.conns.push(conn);
        present.conns.len() == 1 && self.departing.remove(&user).is_none()
    }

    /// Removes a connection. Returns whether it was its user's last one here.
    pub fn leave(&mut self, conn: ConnId, user: UserId, worker: u16) -> bool {
        if let Some(count) = self.per_worker.get_mut(usize::from(worker)) {
            *count = count.saturating_sub(1);
        }
        let Some(present) = self.present.get_mut(&user) else { return false };
        present.conns.retain(|it| *it != conn);
        let last = present.conns.is_empty();
        if last {
            self.present.swap_remove(&user);
        }
        last
    }

    /// The workers that have connections in this room.
    pub fn workers(&self) -> SmallVec<[u16; 4]> {
        let workers = self.per_worker.iter().zip(0..);
        workers.filter(|(count, _)| **count > 0).map(|(_, worker)| worker).collect()
    }

    pub fn is_idle(&self) -> bool {
        self.present.is_empty() && self.queues.is_empty()
    }
}
