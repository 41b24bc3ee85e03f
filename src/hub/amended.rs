//! What became of amendments: answers to those who asked, and news for everyone whom they concern.

use std::sync::Arc;

use smallvec::SmallVec;

use super::effect::{Effect, Numbers, Op};
use super::outlet::Seat;
use super::ports::{Amended, Outcome, WriteError};
use super::state::{Amending, State, Turn};
use crate::domain::{ConnId, Event, Member, OrgId, Reject, RejectCode, Room, RoomId, UserId};

impl State {
    pub(super) fn amended(&mut self, asked: Amending, outcome: Result<Outcome, WriteError>, turn: &mut Turn<'_>) {
        let reject = match outcome {
            Ok(Outcome::Amended { amended, pos }) => return self.tell_amended(asked, amended, pos, turn),
            Err(WriteError::Refused(reject)) => reject,
            _ => {
                if let Some(room) = self.rooms.get_mut(&asked.room) {
                    room.changes.fail(self.comparisons + 1);
                }
                not_known()
            }
        };
        self.reject(asked.conn, asked.tag, reject, turn);
    }

    fn tell_amended(&mut self, asked: Amending, amended: Amended, pos: Option<u64>, turn: &mut Turn<'_>) {
        match amended {
            Amended::Edited { message } => {
                let event = Event::Edited { message, by: Some(asked.by) };
                self.message_changed(asked, event, pos, turn);
            }
            Amended::Deleted(deletion) => self.message_changed(asked, Event::Deleted(deletion), pos, turn),
            Amended::Reacted(reaction) => self.message_changed(asked, Event::Reacted(reaction), pos, turn),
            Amended::Reported { room, message, status, at } => {
                self.message_changed(asked, Event::Status { room, message, status, at }, pos, turn);
            }
            Amended::Created { room, members, created } => {
                self.room_changed(&room, turn);
                if created {
                    self.tell_added(&room, members, turn);
                }
                self.answer(asked.conn, asked.tag, Event::RoomCreated { room, created }, turn);
            }
            Amended::Updated { room } => {
                self.room_changed(&room, turn);
                self.tell_room_event(asked, Event::RoomUpdated(room), pos, turn);
            }
            Amended::Purged { room, members } => {
                self.room_gone(room, turn);
                for user in members {
                    self.tell_watching(asked.organization, user, &Event::RoomRemoved { room }, turn);
                }
                self.answer(asked.conn, asked.tag, Event::RoomPurged { room }, turn);
            }
            Amended::Member { room, user, member } => self.place_amended(asked, &room, user, member, pos, turn),
        }
    }

    /// Tells everyone in the room of a change of a message. Whoever asked for it has a copy of their own instead, in
    /// the same place of the order: an older change of that message must not be told after it.
    fn message_changed(&mut self, asked: Amending, event: Event, pos: Option<u64>, turn: &mut Turn<'_>) {
        let inside = self.seat_in(asked.conn, asked.room);
        let mut news = None;
        if let (Some(pos), Some(room)) = (pos, self.rooms.get_mut(&asked.room))
            && room.changes.hear(pos)
            && room.facts.is_some()
        {
            let numbers = Numbers { seq: None, pos };
            self.tell_room(asked.room, event.clone(), Some(numbers), inside.into_iter().collect(), turn);
            news = Some(numbers);
        }
        let tag = asked.tag;
        match inside.zip(news) {
            Some((Seat { worker, slot }, numbers)) => {
                let own = Op::Own { room: asked.room, slot, numbers, event, tag };
                turn.effects.push(Effect::Worker(worker, own));
            }
            None => self.answer(asked.conn, tag, event, turn),
        }
    }

    fn tell_room_event(&mut self, asked: Amending, event: Event, pos: Option<u64>, turn: &mut Turn<'_>) {
        if pos.is_some() {
            let skip: SmallVec<[Seat; 1]> = self.seat_in(asked.conn, asked.room).into_iter().collect();
            self.tell_room(asked.room, event.clone(), None, skip, turn);
        }
        self.answer(asked.conn, asked.tag, event, turn);
    }

    fn place_amended(
        &mut self,
        asked: Amending,
        room: &Arc<Room>,
        user: UserId,
        member: Option<Member>,
        pos: Option<u64>,
        turn: &mut Turn<'_>,
    ) {
        self.place_changed(room, user, member.as_ref(), turn);
        if pos.is_some() {
            let place = member.clone().filter(|it| !it.membership.banned);
            let event = match place {
                Some(member) => Event::RoomAdded { room: room.clone(), member },
                None => Event::RoomRemoved { room: room.id },
            };
            self.tell_watching(asked.organization, user, &event, turn);
        }
        let answer = member.map_or(Event::MemberRemoved { room: room.id, user }, Event::MemberSet);
        self.answer(asked.conn, asked.tag, answer, turn);
    }

    fn tell_added(&self, room: &Arc<Room>, members: Vec<Member>, turn: &mut Turn<'_>) {
        for member in members {
            let user = member.user;
            let event = Event::RoomAdded { room: room.clone(), member };
            self.tell_watching(room.organization, user, &event, turn);
        }
    }

    /// Tells those of a user's connections that want to hear of its rooms.
    fn tell_watching(&self, organization: OrgId, user: UserId, event: &Event, turn: &mut Turn<'_>) {
        let watches = |id: &&ConnId| self.conns.get(id).is_some_and(|conn| conn.watches);
        for conn in self.conns_of(organization, user).iter().filter(watches) {
            self.answer(*conn, None, event.clone(), turn);
        }
    }

    /// The rooms that a user is in with any connection, each once.
    pub(super) fn rooms_of(&self, organization: OrgId, user: UserId) -> Vec<RoomId> {
        let conns = self.conns_of(organization, user).iter().filter_map(|id| self.conns.get(id));
        let mut rooms: Vec<RoomId> = conns.flat_map(|conn| conn.rooms.iter().map(|seated| seated.room)).collect();
        rooms.sort_unstable();
        rooms.dedup();
        rooms
    }
}

fn not_known() -> Reject {
    Reject::new(RejectCode::Unavailable, "The change is not known to be stored: look before you try again")
}
