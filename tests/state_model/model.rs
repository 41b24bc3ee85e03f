//! The rules of the hub, written as plainly as possible: lists that are searched, nothing indexed, nothing late.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tertulia::domain::{ConnId, MarkKind, MessageStatus, OrgId, RejectCode, Role, RoomId, RoomKind, Timestamp, UserId};

const GRACE: Duration = Duration::from_secs(10);
const SPACING: Duration = Duration::from_secs(1);

/// What a connection is told.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Heard {
    Joined { room: RoomId, members: usize, last_seq: u64 },
    Left { room: RoomId },
    Presence { room: RoomId, users: Vec<UserId>, total: usize },
    Rejected(&'static str),
    Typing { room: RoomId, user: UserId },
    TypingTold { room: RoomId },
    UserJoined { room: RoomId, user: UserId },
    UserLeft { room: RoomId, user: UserId },
    Message { room: RoomId, seq: u64 },
    Sent { room: RoomId, seq: u64 },
    Marked { room: RoomId, user: UserId, is_read: bool, seq: u64 },
    Status { room: RoomId, seq: u64, status: MessageStatus },
    Ended,
}

/// Who heard what, as the answer to which tag. Sorted before it is compared.
pub type Told = Vec<(ConnId, Option<u64>, Heard)>;

pub struct Room {
    pub id: RoomId,
    pub org: OrgId,
    pub kind: RoomKind,
    pub is_archived: bool,
    pub members: Vec<UserId>,
    pub last_seq: u64,
}

struct Conn {
    id: ConnId,
    org: Option<OrgId>,
    user: UserId,
    role: Role,
    /// It was asked to go, because its user has newer ones.
    is_replaced: bool,
    /// Rooms, and whether it wants to hear who comes and goes.
    joined: BTreeMap<RoomId, bool>,
}

#[derive(Default)]
struct Mark {
    free_at: Timestamp,
    held: u64,
    askers: Vec<(ConnId, u64)>,
}

type MarkKey = (RoomId, UserId, bool);

pub struct Model {
    pub max_rooms: usize,
    pub max_conns: usize,
    pub rooms: Vec<Room>,
    /// Oldest first.
    conns: Vec<Conn>,
    graces: Vec<(Timestamp, RoomId, UserId)>,
    marks: BTreeMap<MarkKey, Mark>,
    stored_marks: BTreeMap<MarkKey, u64>,
    reported: BTreeMap<(RoomId, u64), MessageStatus>,
    told: Told,
}

impl Model {
    pub fn new(rooms: Vec<Room>, max_rooms: usize, max_conns: usize) -> Self {
        Self {
            max_rooms,
            max_conns,
            rooms,
            conns: Vec::new(),
            graces: Vec::new(),
            marks: BTreeMap::new(),
            stored_marks: BTreeMap::new(),
            reported: BTreeMap::new(),
            told: Told::new(),
        }
    }

    /// Who was told what since this was last asked.
    pub fn take_told(&mut self) -> Told {
        let mut told = std::mem::take(&mut self.told);
        told.sort();
        told
    }

    pub fn connections(&self) -> usize {
        self.conns.len()
    }

    pub fn rooms_with_connections(&self) -> usize {
        self.conns.iter().flat_map(|conn| conn.joined.keys()).collect::<BTreeSet<_>>().len()
    }

    pub fn connect(&mut self, id: ConnId, org: Option<OrgId>, user: UserId, role: Role) {
        self.conns.push(Conn { id, org, user, role, is_replaced: false, joined: BTreeMap::new() });
        let mut same: Vec<&mut Conn> =
            self.conns.iter_mut().filter(|it| it.org == org && it.user == user && !it.is_replaced).collect();
        if self.max_conns > 0 && same.len() > self.max_conns {
            same[0].is_replaced = true;
            self.told.push((same[0].id, None, Heard::Ended));
        }
    }

    pub fn disconnect(&mut self, id: ConnId, is_lost: bool, now: Timestamp) {
        let index = self.index(id);
        let gone = self.conns.remove(index);
        for room in gone.joined.keys() {
            self.user_gone(*room, gone.user, is_lost, now);
        }
    }

    pub fn renew(&mut self, id: ConnId, role: Role, now: Timestamp) {
        let index = self.index(id);
        self.conns[index].role = role;
        for room in self.conns[index].joined.keys().copied().collect::<Vec<_>>() {
            if self.enter(id, room).is_err() {
                self.told.push((id, None, Heard::Left { room }));
                self.told.push((id, None, Heard::Rejected("forbidden")));
                self.conns[index].joined.remove(&room);
                self.user_gone(room, self.conns[index].user, false, now);
            }
        }
    }

    pub fn join(&mut self, id: ConnId, tag: u64, room: RoomId, watch: bool) {
        if let Err(code) = self.enter(id, room) {
            return self.reject(id, tag, code);
        }
        let index = self.index(id);
        let (user, joined) = (self.conns[index].user, &self.conns[index].joined);
        if !joined.contains_key(&room) && self.max_rooms > 0 && joined.len() >= self.max_rooms {
            return self.reject(id, tag, RejectCode::TooManyRooms);
        }
        let was_present = self.present(room).contains(&user);
        self.conns[index].joined.insert(room, watch);
        let (members, last_seq) = (self.present(room).len(), self.room(room).map_or(0, |room| room.last_seq));
        self.told.push((id, Some(tag), Heard::Joined { room, members, last_seq }));
        let graces = self.graces.len();
        self.graces.retain(|(_, at, who)| (*at, *who) != (room, user));
        if !was_present && graces == self.graces.len() {
            self.tell_watchers(room, Heard::UserJoined { room, user }, Some(id));
        }
    }

    pub fn leave(&mut self, id: ConnId, tag: u64, room: RoomId, now: Timestamp) {
        let index = self.index(id);
        if self.conns[index].org.is_none() {
            return self.reject(id, tag, RejectCode::Forbidden);
        }
        if self.conns[index].joined.remove(&room).is_none() {
            return self.reject(id, tag, RejectCode::NotJoined);
        }
        self.told.push((id, Some(tag), Heard::Left { room }));
        self.user_gone(room, self.conns[index].user, false, now);
    }

    pub fn typing(&mut self, id: ConnId, tag: u64, room: RoomId) {
        let user = self.conns[self.index(id)].user;
        match self.inside(id, room) {
            Ok(()) => {
                self.tell_others(room, &Heard::Typing { room, user }, &[id]);
                self.told.push((id, Some(tag), Heard::TypingTold { room }));
            }
            Err(code) => self.reject(id, tag, code),
        }
    }

    pub fn presence(&mut self, id: ConnId, tag: u64, room: RoomId) {
        if let Err(code) = self.inside(id, room) {
            return self.reject(id, tag, code);
        }
        let users: Vec<UserId> = self.present(room).into_iter().collect();
        let total = users.len();
        self.told.push((id, Some(tag), Heard::Presence { room, users, total }));
    }

    pub fn send(&mut self, id: ConnId, tag: u64, room: RoomId) {
        if let Err(code) = self.enter(id, room) {
            return self.reject(id, tag, code);
        }
        let Some(row) = self.rooms.iter_mut().find(|row| row.id == room) else { return };
        if row.is_archived {
            return self.reject(id, tag, RejectCode::Forbidden);
        }
        row.last_seq += 1;
        let seq = row.last_seq;
        self.told.push((id, Some(tag), Heard::Sent { room, seq }));
        self.tell_others(room, &Heard::Message { room, seq }, &[id]);
    }

    pub fn mark(&mut self, id: ConnId, tag: u64, room: RoomId, kind: MarkKind, seq: u64, now: Timestamp) {
        if let Err(code) = self.enter(id, room) {
            return self.reject(id, tag, code);
        }
        let key = (room, self.conns[self.index(id)].user, kind == MarkKind::Read);
        if let Some(mark) = self.marks.get_mut(&key) {
            mark.held = mark.held.max(seq);
            mark.askers.push((id, tag));
            return;
        }
        self.marks.insert(key, Mark { free_at: now + SPACING, ..Mark::default() });
        self.write_mark(key, seq, vec![(id, tag)]);
    }

    pub fn report(&mut self, id: ConnId, tag: u64, room: RoomId, seq: u64, status: MessageStatus) {
        let conn = &self.conns[self.index(id)];
        let (org, role) = (conn.org, conn.role);
        let Some(org) = org else { return self.reject(id, tag, RejectCode::Forbidden) };
        let Some(row) = self.room(room).filter(|room| room.org == org) else {
            return self.reject(id, tag, RejectCode::NotFound);
        };
        if role != Role::Admin {
            return self.reject(id, tag, RejectCode::Forbidden);
        }
        if seq > row.last_seq {
            return self.reject(id, tag, RejectCode::NotFound);
        }
        let now = self.reported.entry((room, seq)).or_insert(MessageStatus::Sent);
        let is_news = status > *now;
        *now = status.max(*now);
        let heard = Heard::Status { room, seq, status: *now };
        if is_news {
            self.tell_others(room, &heard, &[id]);
        }
        self.told.push((id, Some(tag), heard));
    }

    pub fn tick(&mut self, now: Timestamp) {
        let due: Vec<MarkKey> =
            self.marks.iter().filter(|(_, mark)| mark.free_at <= now).map(|(key, _)| *key).collect();
        for key in due {
            let mark = self.marks.remove(&key).unwrap_or_default();
            if !mark.askers.is_empty() {
                self.marks.insert(key, Mark { free_at: now + SPACING, ..Mark::default() });
                self.write_mark(key, mark.held, mark.askers);
            }
        }
        for (_, room, user) in self.graces.extract_if(.., |(until, ..)| *until <= now).collect::<Vec<_>>() {
            self.tell_watchers(room, Heard::UserLeft { room, user }, None);
        }
    }

    fn write_mark(&mut self, key: MarkKey, seq: u64, askers: Vec<(ConnId, u64)>) {
        let (room, user, is_read) = key;
        let last_seq = self.room(room).map_or(0, |room| room.last_seq);
        let before = self.stored_marks.get(&key).copied().unwrap_or(0);
        let seq = seq.min(last_seq).max(before);
        let heard =
            if seq == 0 { Heard::Rejected("invalid_payload") } else { Heard::Marked { room, user, is_read, seq } };
        if seq > before {
            self.stored_marks.insert(key, seq);
            let skip: Vec<ConnId> = askers.iter().map(|(conn, _)| *conn).collect();
            self.tell_others(room, &heard, &skip);
        }
        for (conn, tag) in askers {
            if self.conns.iter().any(|it| it.id == conn) {
                self.told.push((conn, Some(tag), heard.clone()));
            }
        }
    }

    fn index(&self, id: ConnId) -> usize {
        self.conns.iter().position(|conn| conn.id == id).expect("a connection that is there")
    }

    fn room(&self, id: RoomId) -> Option<&Room> {
        self.rooms.iter().find(|room| room.id == id)
    }

    fn present(&self, room: RoomId) -> BTreeSet<UserId> {
        self.conns.iter().filter(|conn| conn.joined.contains_key(&room)).map(|conn| conn.user).collect()
    }

    fn enter(&self, id: ConnId, room: RoomId) -> Result<(), RejectCode> {
        let conn = &self.conns[self.index(id)];
        let Some(org) = conn.org else { return Err(RejectCode::Forbidden) };
        let Some(room) = self.room(room).filter(|room| room.org == org) else { return Err(RejectCode::NotFound) };
        let is_open = match room.kind {
            RoomKind::Public => true,
            RoomKind::Conversation => matches!(conn.role, Role::Admin | Role::Agent),
            RoomKind::Private | RoomKind::Direct => false,
        };
        if is_open || room.members.contains(&conn.user) { Ok(()) } else { Err(RejectCode::Forbidden) }
    }

    fn inside(&self, id: ConnId, room: RoomId) -> Result<(), RejectCode> {
        self.enter(id, room)?;
        let is_in = self.conns[self.index(id)].joined.contains_key(&room);
        if is_in { Ok(()) } else { Err(RejectCode::NotJoined) }
    }

    /// One of a user's connections has left a room.
    fn user_gone(&mut self, room: RoomId, user: UserId, is_lost: bool, now: Timestamp) {
        let present = self.present(room);
        if present.is_empty() {
            self.graces.retain(|(_, at, _)| *at != room);
        }
        if present.contains(&user) {
            return;
        }
        if !is_lost {
            self.tell_watchers(room, Heard::UserLeft { room, user }, None);
        } else if self.conns.iter().any(|conn| conn.joined.get(&room) == Some(&true)) {
            self.graces.push((now + GRACE, room, user));
        }
    }

    fn reject(&mut self, id: ConnId, tag: u64, code: RejectCode) {
        self.told.push((id, Some(tag), Heard::Rejected(code.as_str())));
    }

    fn tell_watchers(&mut self, room: RoomId, heard: Heard, except: Option<ConnId>) {
        let watchers =
            self.conns.iter().filter(|conn| conn.joined.get(&room) == Some(&true) && Some(conn.id) != except);
        self.told.extend(watchers.map(|conn| (conn.id, None, heard.clone())));
    }

    fn tell_others(&mut self, room: RoomId, heard: &Heard, except: &[ConnId]) {
        let others = self.conns.iter().filter(|conn| conn.joined.contains_key(&room) && !except.contains(&conn.id));
        self.told.extend(others.map(|conn| (conn.id, None, heard.clone())));
    }
}
