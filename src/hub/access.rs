//! What users may do in rooms: read from the store when it is needed, followed while they are there, and taken from
//! them in the turn in which it is lost.

use smallvec::SmallVec;

use super::effect::{Effect, Op};
use super::membership::{Present, Queue, Room};
use super::outlet::Departure;
use super::permissions;
use super::ports::{Access, Change, NewRoom, Unavailable};
use super::state::{Asked, State, Turn, makes_room, not_now, not_there};
use crate::domain::{self, ConnId, Member, OrgId, Reject, RoomId, UserId};

/// How many of those in rooms are looked up per tick after writes had failed.
const CHECKS_PER_TICK: usize = 64;

impl State {
    pub(super) fn access_loaded(
        &mut self,
        organization: OrgId,
        id: RoomId,
        user: UserId,
        access: Result<Option<Access>, Unavailable>,
        turn: &mut Turn<'_>,
    ) {
        let key = (organization, user);
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let known = room.facts.as_ref().filter(|facts| facts.organization == organization);
        let (is_known, version) = (known.is_some(), known.map_or(0, |facts| facts.acl_version));
        let Some(queue) = room.queues.get_mut(&key) else { return };
        let is_old = matches!(&access, Ok(Some(access)) if access.acl_version < version);
        // Several readers answer in any order: that there is no such room may have been read before the commit that made it.
        let is_missed = matches!(access, Ok(None)) && is_known;
        queue.missed = queue.missed.saturating_add(u8::from(is_missed));
        let is_doubtful = is_missed && queue.missed == 1;
        if access.is_ok() && (std::mem::take(&mut queue.is_stale) || is_old || is_doubtful) {
            turn.effects.push(Effect::LoadAccess { organization, room: id, user });
            return;
        }
        if let Ok(Some(access)) = &access
            && self.rules.shared_store
            && is_to_settle(room, id, key, access.last_seq, turn)
        {
            return;
        }
        let is_check = room.queues.get_mut(&key).is_some_and(|queue| std::mem::take(&mut queue.is_check));
        match &access {
            Ok(Some(access)) => {
                room.learn(organization, access);
                room.set_role(user, access.member, access.acl_version);
                self.put_out(id, Some(user), turn);
            }
            Ok(None) if is_known => self.room_gone(id, turn),
            Err(Unavailable) if is_check => self.checks.push_back((organization, id, user)),
            Ok(None) | Err(Unavailable) => {}
        }
        self.run_queue(organization, id, user, access, turn);
    }

    fn run_queue(
        &mut self,
        organization: OrgId,
        id: RoomId,
        user: UserId,
        access: Result<Option<Access>, Unavailable>,
        turn: &mut Turn<'_>,
    ) {
        let Some(queue) = self.rooms.get_mut(&id).and_then(|room| room.queues.get_mut(&(organization, user))) else {
            return;
        };
        if matches!(access, Ok(None))
            && self.rules.auto_create
            && !queue.created
            && let Some(kind) = queue.commands.iter().find_map(makes_room)
        {
            queue.created = true;
            let change = Change::Room(NewRoom { id, kind, owner: user });
            return self.write(organization, change, Asked::Room { organization, room: id, user }, turn);
        }
        // The emptied queue stays until all have run, so that a leave among them does not take the room from the rest.
        for waiting in std::mem::take(&mut queue.commands) {
            match &access {
                Ok(Some(access)) => self.run_as(waiting, access.member, turn),
                Ok(None) => self.reject(waiting.conn, waiting.tag, not_there(&waiting.command), turn),
                Err(Unavailable) => self.reject(waiting.conn, waiting.tag, not_now(&waiting.command), turn),
            }
        }
        if let Some(room) = self.rooms.get_mut(&id) {
            room.queues.remove(&(organization, user));
        }
        self.drop_if_idle(id);
    }

    /// A room was changed, or made: what is on its way about it may be old, and some may have no right to be there.
    pub(super) fn room_changed(&mut self, room: &domain::Room, turn: &mut Turn<'_>) {
        let Some(here) = self.rooms.get_mut(&room.id) else { return };
        here.distrust_loads();
        here.change(room);
        self.put_out(room.id, None, turn);
    }

    /// A user's place in a room was changed; `None`: taken away.
    pub(super) fn place_changed(
        &mut self,
        room: &domain::Room,
        user: UserId,
        member: Option<&Member>,
        turn: &mut Turn<'_>,
    ) {
        let Some(here) = self.rooms.get_mut(&room.id) else { return };
        here.distrust_loads();
        // That the kind is another one may have been stored unheard.
        let only = if here.change(room) { None } else { Some(user) };
        here.set_role(user, member.map(|it| it.membership), room.version);
        self.put_out(room.id, only, turn);
    }

    /// A room is not there any more.
    pub(super) fn room_gone(&mut self, id: RoomId, turn: &mut Turn<'_>) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        room.distrust_loads();
        room.forget();
        self.put_out(id, None, turn);
        self.drop_if_idle(id);
    }

    /// Writes had failed, and are known to go again: whoever is in a room may have lost the right to be there unheard.
    pub(super) fn check_everyone(&mut self) {
        let mut everyone: Vec<_> = Vec::new();
        for (id, room) in &self.rooms {
            let Some(facts) = &room.facts else { continue };
            everyone.extend(room.present.keys().map(|user| (facts.organization, *id, *user)));
        }
        everyone.sort_unstable();
        self.checks = everyone.into();
    }

    /// Looks up some of those who are to be checked.
    pub(super) fn check_some(&mut self, turn: &mut Turn<'_>) {
        for _ in 0..CHECKS_PER_TICK {
            let Some((organization, id, user)) = self.checks.pop_front() else { return };
            let Some(room) = self.rooms.get_mut(&id).filter(|room| room.present.contains_key(&user)) else { continue };
            let is_asked = room.queues.contains_key(&(organization, user));
            let queue = room.queues.entry((organization, user)).or_insert_with(Queue::default);
            (queue.is_check, queue.is_stale) = (true, is_asked);
            if !is_asked {
                turn.effects.push(Effect::LoadAccess { organization, room: id, user });
            }
        }
    }

    /// Takes those out of a room who may not be there, or of one user's connections those.
    fn put_out(&mut self, id: RoomId, only: Option<UserId>, turn: &mut Turn<'_>) {
        let Some(room) = self.rooms.get(&id) else { return };
        let mut lost: SmallVec<[ConnId; 4]> = SmallVec::new();
        let mut look_at = |present: &Present| {
            let may = |conn: &&ConnId| {
                let conn = self.conns.get(conn).zip(room.facts.as_ref());
                conn.is_some_and(|(conn, facts)| permissions::enter(&conn.identity, facts, present.role).is_ok())
            };
            lost.extend(present.conns.iter().filter(|conn| !may(conn)).copied());
        };
        match only {
            // Asked with every join: nobody else is looked at.
            Some(user) => room.present.get(&user).into_iter().for_each(&mut look_at),
            None => room.present.values().for_each(&mut look_at),
        }
        self.expel(id, &lost, turn);
    }

    /// Takes connections out of a room that they may not be in. None of them hears that the others go.
    pub(super) fn expel(&mut self, id: RoomId, conns: &[ConnId], turn: &mut Turn<'_>) {
        let mut gone: SmallVec<[(UserId, Box<str>); 4]> = SmallVec::new();
        for conn in conns {
            gone.extend(self.take_out(*conn, id, Some(None), turn));
            self.reject(*conn, None, Reject::forbidden(), turn);
        }
        for (user, name) in gone {
            self.user_gone(id, user, name, Departure::Left, turn);
        }
        self.drop_if_idle(id);
    }

    /// Takes a connection out of a room. `answer`: tell the connection, with this tag. Returns its user and their name
    /// if it was the last one of theirs there.
    pub(super) fn take_out(
        &mut self,
        id: ConnId,
        room_id: RoomId,
        answer: Option<domain::Tag>,
        turn: &mut Turn<'_>,
    ) -> Option<(UserId, Box<str>)> {
        let conn = self.conns.get_mut(&id)?;
        let index = conn.rooms.iter().position(|seated| seated.room == room_id)?;
        let seated = conn.rooms.swap_remove(index);
        let (seat, user) = (conn.seat, conn.identity.user);
        turn.effects.push(Effect::Worker(seat.worker, Op::Leave { room: room_id, slot: seat.slot, answer }));
        let room = self.rooms.get_mut(&room_id)?;
        room.watchers -= u32::from(seated.watch);
        room.leave(id, user, seat.worker).then(|| (user, conn.identity.name.clone()))
    }
}

/// Whoever comes back is told what is stored, also by other hubs, of which this one does not hear. What it has not
/// heard of may as well be its own, with the outcome on its way; so the store is asked again behind all outcomes.
/// What is not known then is another hub's, and those in the room are told.
fn is_to_settle(room: &mut Room, id: RoomId, key: (OrgId, UserId), seq: u64, turn: &mut Turn<'_>) -> bool {
    let is_lacking = room.lacks(seq);
    let Some(queue) = room.queues.get_mut(&key) else { return false };
    match queue.seen.take() {
        None if is_lacking && queue.commands.iter().any(|waiting| waiting.command.resumes()) => {
            queue.seen = Some(seq);
            turn.effects.push(Effect::LoadSettled { organization: key.0, room: id, user: key.1 });
            true
        }
        Some(seen) if room.lacks(seen) => {
            room.advance(Some(seen), 0);
            for worker in room.workers() {
                let op = Op::Fill { room: id, last_seq: seen, changes: None };
                turn.effects.push(Effect::Worker(worker, op));
            }
            false
        }
        _ => false,
    }
}
