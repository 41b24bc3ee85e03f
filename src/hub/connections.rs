//! Connections as they come, change who they are, and go.

use std::sync::Arc;

use smallvec::SmallVec;

use super::effect::{Effect, Op};
use super::membership::Conn;
use super::outlet::{Departure, Seat};
use super::permissions;
use super::state::{State, Turn};
use crate::domain::{CloseReason, ConnId, Event, Identity, LoginId, OrgId, RoomId, Tag, UserId};

impl State {
    /// A place in `dialects`: a byte in each connection instead of a name.
    fn dialect(&mut self, name: &'static str) -> u8 {
        let known = self.dialects.iter().position(|(known, _)| *known == name);
        let index = known.unwrap_or_else(|| {
            self.dialects.push((name, 0));
            self.dialects.len() - 1
        });
        self.dialects[index].1 += 1;
        // There are at most as many as wire forms.
        u8::try_from(index).unwrap_or(u8::MAX)
    }

    pub(super) fn connect(
        &mut self,
        conn: ConnId,
        dialect: &'static str,
        identity: Arc<Identity>,
        seat: Seat,
        turn: &mut Turn<'_>,
    ) {
        let conns = self.users.entry((identity.organization, identity.user)).or_default();
        conns.push(conn);
        let limit = self.rules.max_connections_per_user;
        if limit > 0 && conns.len() > limit {
            let oldest = conns.remove(0);
            turn.effects.push(Effect::End(oldest, CloseReason::Replaced));
        }
        let dialect = self.dialect(dialect);
        self.conns.insert(conn, Conn { identity, seat, dialect, watches: false, rooms: SmallVec::new() });
    }

    /// The limit is of connections that live: a lost one must not cost its user another.
    pub(super) fn supersede(&mut self, id: ConnId, identity: &Identity, turn: &mut Turn<'_>) {
        let Some(conns) = self.users.get_mut(&(identity.organization, identity.user)) else { return };
        let before = conns.len();
        conns.retain(|it| *it != id);
        if conns.len() < before {
            turn.effects.push(Effect::End(id, CloseReason::HeartbeatTimeout));
        }
    }

    pub(super) fn disconnect(&mut self, id: ConnId, departure: Departure, turn: &mut Turn<'_>) {
        let Some(conn) = self.conns.remove(&id) else { return };
        self.dialects[usize::from(conn.dialect)].1 -= 1;
        let user = conn.identity.user;
        let key = (conn.identity.organization, user);
        if let Some(conns) = self.users.get_mut(&key) {
            conns.retain(|it| *it != id);
            if conns.is_empty() {
                self.users.remove(&key);
            }
        }
        let rooms = conn.rooms.iter().map(|seated| seated.room).collect();
        turn.effects.push(Effect::Worker(conn.seat.worker, Op::Forget { slot: conn.seat.slot, rooms }));
        for seated in &conn.rooms {
            let Some(room) = self.rooms.get_mut(&seated.room) else { continue };
            room.watchers -= u32::from(seated.watch);
            if room.leave(id, user, conn.seat.worker) {
                self.user_gone(seated.room, user, conn.identity.name.clone(), departure, turn);
            }
            self.drop_if_idle(seated.room);
        }
    }

    /// A fresh token: its role rules from now on, also over the rooms that were joined under the old one.
    pub(super) fn renew(&mut self, id: ConnId, identity: Arc<Identity>, turn: &mut Turn<'_>) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.identity = identity;
        let lost: SmallVec<[RoomId; 4]> = conn
            .rooms
            .iter()
            .map(|seated| seated.room)
            .filter(|room| {
                let Some(room) = self.rooms.get(room) else { return false };
                let role = room.present.get(&conn.identity.user).and_then(|present| present.role);
                room.facts.as_ref().is_some_and(|facts| permissions::enter(&conn.identity, facts, role).is_err())
            })
            .collect();
        for room in lost {
            self.expel(room, &[id], turn);
        }
    }

    pub(super) fn watch(&mut self, id: ConnId, tag: Tag, turn: &mut Turn<'_>) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        match permissions::watch(&conn.identity) {
            Ok(()) => {
                conn.watches = true;
                self.answer(id, tag, Event::Watching, turn);
            }
            Err(reject) => self.reject(id, tag, reject, turn),
        }
    }

    pub(super) fn end_login(&mut self, organization: OrgId, user: UserId, login: Option<LoginId>, turn: &mut Turn<'_>) {
        for id in self.users.get(&(Some(organization), user)).into_iter().flatten() {
            if self.conns.get(id).is_some_and(|conn| login.is_none() || conn.identity.login == login) {
                turn.effects.push(Effect::End(*id, CloseReason::SessionEnded));
            }
        }
    }

    /// A user's connections, oldest first.
    pub(super) fn conns_of(&self, organization: OrgId, user: UserId) -> &[ConnId] {
        self.users.get(&(Some(organization), user)).map_or(&[], |conns| conns)
    }
}
