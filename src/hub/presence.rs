//! Who comes and goes, for those who want to know: told at once, except where a connection was lost.

use std::collections::VecDeque;
use std::time::Duration;

use smallvec::{SmallVec, smallvec};

use super::effect::Audience;
use super::membership::Room;
use super::outlet::{Departure, Seat};
use super::state::{State, Turn, tell};
use crate::domain::{Event, OrgId, RoomId, Timestamp, UserId, UserStatus};

/// How long others are not told that a user's last connection was lost.
pub const GRACE: Duration = Duration::from_secs(10);

/// Users in `Room::departing`, by the time when their grace ends.
pub(super) type Graces = VecDeque<(Timestamp, RoomId, UserId)>;

impl State {
    /// Tells those in a room who want to know that a user has come.
    pub(super) fn tell_joined(&self, id: RoomId, user: UserId, user_name: Box<str>, seat: Seat, turn: &mut Turn<'_>) {
        let Some(room) = self.rooms.get(&id).filter(|room| room.watchers > 0) else { return };
        let event = Event::UserJoined { room: id, user, user_name };
        tell(id, room, event, None, Audience::Watchers, smallvec![seat], turn);
    }

    /// Tells those who want to know, wherever a user is, how that user wants to be seen.
    pub(super) fn user_status(&self, organization: OrgId, user: UserId, status: UserStatus, turn: &mut Turn<'_>) {
        for id in self.rooms_of(organization, user) {
            let Some(room) = self.rooms.get(&id).filter(|room| room.watchers > 0) else { continue };
            let event = Event::UserStatus { room: id, user, status };
            tell(id, room, event, None, Audience::Watchers, SmallVec::new(), turn);
        }
    }

    /// A user's last connection in a room has gone.
    pub(super) fn user_gone(
        &mut self,
        id: RoomId,
        user: UserId,
        name: Box<str>,
        departure: Departure,
        turn: &mut Turn<'_>,
    ) {
        let Some(room) = self.rooms.get_mut(&id).filter(|room| room.watchers > 0) else { return };
        match departure {
            Departure::Left => tell_left(id, room, user, name, turn),
            Departure::Lost => {
                let until = turn.now + GRACE;
                room.departing.insert(user, (until, name));
                self.graces.push_back((until, id, user));
            }
        }
    }

    /// Tells of those whose grace is over and who have not come back.
    pub(super) fn end_graces(&mut self, turn: &mut Turn<'_>) {
        while self.graces.front().is_some_and(|(until, ..)| *until <= turn.now) {
            let Some((until, room_id, user)) = self.graces.pop_front() else { break };
            let Some(room) = self.rooms.get_mut(&room_id) else { continue };
            if room.departing.get(&user).is_some_and(|(at, _)| *at == until)
                && let Some((_, name)) = room.departing.remove(&user)
            {
                tell_left(room_id, room, user, name, turn);
            }
        }
    }
}

fn tell_left(id: RoomId, room: &Room, user: UserId, user_name: Box<str>, turn: &mut Turn<'_>) {
    let event = Event::UserLeft { room: id, user, user_name };
    tell(id, room, event, None, Audience::Watchers, SmallVec::new(), turn);
}
