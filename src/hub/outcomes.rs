//! What became of writes: acknowledgements to those who asked, and news for everyone else.

use std::sync::Arc;

use super::effect::{Effect, Numbers, Op};
use super::membership::Room;
use super::outlet::Seat;
use super::ports::{Head, Outcome, Ticket, Unavailable, WriteError, Written};
use super::state::{Amending, Asked, State, Turn};
use crate::domain::{ConnId, Event, Mark, Message, OrgId, Reject, RoomId, Tag, UserId};

impl State {
    pub(super) fn written(&mut self, written: Written, turn: &mut Turn<'_>) {
        let Some(asked) = self.asked.remove(&written.ticket) else { return };
        match (asked, written.outcome) {
            (Asked::Message { conn, tag }, Ok(Outcome::Message { message, duplicate })) => {
                self.message_stored(conn, tag, message, duplicate, turn);
            }
            (Asked::Mark { askers }, Ok(Outcome::Mark { mark, pos })) => self.mark_stored(askers, mark, pos, turn),
            (Asked::Room { organization, room, user }, made) => self.room_made(organization, room, user, &made, turn),
            (Asked::Amendment(amending), outcome) => self.amended(amending, outcome, turn),
            (Asked::Message { conn, tag }, outcome) => {
                let reject = match outcome {
                    Err(WriteError::Refused(reject)) => reject,
                    _ => Reject::send_failed(),
                };
                self.reject(conn, tag, reject, turn);
            }
            (Asked::Mark { askers }, outcome) => {
                let reject = match outcome {
                    Err(WriteError::Refused(reject)) => reject,
                    _ => Reject::unavailable(),
                };
                for (conn, tag) in askers {
                    self.reject(conn, tag, reject.clone(), turn);
                }
            }
        }
    }

    pub(super) fn busy(&mut self, ticket: Ticket, turn: &mut Turn<'_>) {
        match self.asked.remove(&ticket) {
            Some(Asked::Message { conn, tag } | Asked::Amendment(Amending { conn, tag, .. })) => {
                self.reject(conn, tag, Reject::unavailable(), turn);
            }
            Some(Asked::Mark { askers }) => {
                for (conn, tag) in askers {
                    self.reject(conn, tag, Reject::unavailable(), turn);
                }
            }
            Some(Asked::Room { organization, room, user }) => {
                self.access_loaded(organization, room, user, Err(Unavailable), turn);
            }
            None => {}
        }
    }

    /// A room that was not there has been asked to be made, by this user or somebody else.
    fn room_made(
        &mut self,
        organization: OrgId,
        id: RoomId,
        user: UserId,
        made: &Result<Outcome, WriteError>,
        turn: &mut Turn<'_>,
    ) {
        if let Some(room) = self.rooms.get_mut(&id) {
            // Others may be about to hear that there is none.
            room.distrust_loads();
            if let Some(queue) = room.queues.get_mut(&(organization, user)) {
                queue.is_stale = false;
            }
        }
        match made {
            Ok(_) => turn.effects.push(Effect::LoadAccess { organization, room: id, user }),
            Err(_) => self.access_loaded(organization, id, user, Err(Unavailable), turn),
        }
    }

    fn message_stored(&mut self, id: ConnId, tag: Tag, message: Arc<Message>, duplicate: bool, turn: &mut Turn<'_>) {
        let (room_id, seq, pos) = (message.room, message.seq, message.pos);
        let inside = self.seat_in(id, room_id);
        let numbers = Numbers { seq: Some(seq), pos };
        let news = !duplicate && self.rooms.get_mut(&room_id).is_some_and(|room| room.advance(Some(seq), pos));
        if news {
            let skip = inside.into_iter().collect();
            self.tell_room(room_id, Event::Message(message.clone()), Some(numbers), skip, turn);
        }
        let event = Event::Sent { message, duplicate };
        match inside.filter(|_| !duplicate) {
            Some(Seat { worker, slot }) => {
                turn.effects.push(Effect::Worker(worker, Op::Own { room: room_id, slot, numbers, event, tag }));
            }
            None => self.answer(id, tag, event, turn),
        }
    }

    /// A connection's place, if it is in the room. Only such a one may be skipped in a delivery: the delivery may be
    /// held back, and reach whoever has joined by then.
    pub(super) fn seat_in(&self, id: ConnId, room: RoomId) -> Option<Seat> {
        let conn = self.conns.get(&id)?;
        conn.rooms.iter().any(|seated| seated.room == room).then_some(conn.seat)
    }

    fn mark_stored(&mut self, askers: Vec<(ConnId, Tag)>, mark: Mark, pos: Option<u64>, turn: &mut Turn<'_>) {
        let room = mark.room;
        let is_news = |room: &mut Room, pos| {
            // Whoever comes back from before it reads it from the store.
            room.changes.hear(pos);
            room.advance(None, pos)
        };
        let news = pos.filter(|pos| self.rooms.get_mut(&room).is_some_and(|room| is_news(room, *pos)));
        let news = news.map(|pos| Numbers { seq: None, pos });
        if news.is_some() {
            let skip = askers.iter().filter_map(|(conn, _)| self.seat_in(*conn, room)).collect();
            self.tell_room(room, Event::Marked(mark.clone()), news, skip, turn);
        }
        for (conn, tag) in askers {
            let event = Event::Marked(mark.clone());
            match self.seat_in(conn, room).zip(news) {
                Some((Seat { worker, slot }, numbers)) => {
                    turn.effects.push(Effect::Worker(worker, Op::Own { room, slot, numbers, event, tag }));
                }
                None => self.answer(conn, tag, event, turn),
            }
        }
    }

    /// Writes had failed, but some may have been stored: see whether any room has more than was delivered.
    pub(super) fn recovered(&mut self, turn: &mut Turn<'_>) {
        // Also those whose facts are on their way: they may have been read before.
        let mut rooms: Vec<RoomId> = self.rooms.keys().copied().collect();
        rooms.sort_unstable();
        self.comparisons += 1;
        self.rooms.values_mut().for_each(Room::distrust_loads);
        if !rooms.is_empty() {
            turn.effects.push(Effect::CompareHeads { rooms, comparison: self.comparisons });
        }
    }

    pub(super) fn heads(&mut self, heads: &[Head], comparison: u64, turn: &mut Turn<'_>) {
        for head in heads {
            let Some(room) = self.rooms.get_mut(&head.room) else { continue };
            let told = room.facts.as_ref().map_or(0, |facts| facts.last_pos);
            let has_more = room.advance(Some(head.last_seq), head.last_pos);
            if room.facts.is_none() {
                room.changes.compare_unloaded(head.last_changed_pos);
                continue;
            }
            let changes = room.changes.compare(head.last_changed_pos, comparison).map(|pos| pos.min(told));
            if has_more || changes.is_some() {
                for worker in room.workers() {
                    let op = Op::Fill { room: head.room, last_seq: head.last_seq, changes };
                    turn.effects.push(Effect::Worker(worker, op));
                }
            }
        }
        self.check_everyone();
    }
}
