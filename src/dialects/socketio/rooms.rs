//! The rooms of one connection: in which views it hears of each, and since when.

use smallvec::SmallVec;

use super::asked::{View, Views};
use crate::domain::{RecoverableRoom, RoomId, Timestamp};

/// A room that the connection is in, or wants to be in.
#[derive(Clone, Copy, Debug)]
struct Seat {
    room: RoomId,
    /// It is owed no change up to this `pos`: it joined after that.
    joined_pos: u64,
    /// It hears of the room in these.
    views: Views,
    /// It will, when everything that it asked for is answered.
    wanted: Views,
    /// It is being told of the room's past.
    catching: bool,
}

/// Ordered by room, so that an event finds its views quickly however many there are.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    seats: SmallVec<[Seat; 1]>,
    roomless_since: Timestamp,
}

impl Rooms {
    fn find(&self, room: RoomId) -> Result<usize, usize> {
        match self.seats.as_slice() {
            [only] if only.room == room => Ok(0),
            seats => seats.binary_search_by_key(&room, |seat| seat.room),
        }
    }

    fn seat(&mut self, room: RoomId) -> Option<&mut Seat> {
        self.find(room).ok().map(|index| &mut self.seats[index])
    }

    fn seat_for(&mut self, room: RoomId) -> &mut Seat {
        let index = self.find(room).unwrap_or_else(|index| {
            let (views, wanted) = (Views::default(), Views::default());
            self.seats.insert(index, Seat { room, joined_pos: 0, views, wanted, catching: false });
            index
        });
        &mut self.seats[index]
    }

    fn drop_if_unused(&mut self, room: RoomId) {
        if let Ok(index) = self.find(room)
            && self.seats[index].views.is_empty()
            && self.seats[index].wanted.is_empty()
        {
            self.seats.remove(index);
        }
    }

    /// In which views the connection hears of a room.
    pub(super) fn views(&self, room: RoomId) -> Views {
        self.find(room).map(|index| self.seats[index].views).unwrap_or_default()
    }

    /// The client asks to join.
    pub(super) fn want(&mut self, room: RoomId, view: View) {
        let seat = self.seat_for(room);
        seat.wanted = seat.wanted.with(view);
    }

    /// The client asks to leave. In which views it wants to hear of the room still; `None`: it had not asked for this one.
    pub(super) fn give_up(&mut self, room: RoomId, view: View) -> Option<Views> {
        let seat = self.seat(room).filter(|seat| seat.wanted.has(view))?;
        seat.wanted = seat.wanted.without(view);
        Some(seat.wanted)
    }

    /// A join was refused.
    pub(super) fn join_refused(&mut self, room: RoomId, view: View) {
        if let Some(seat) = self.seat(room).filter(|seat| !seat.views.has(view)) {
            seat.wanted = seat.wanted.without(view);
        }
        self.drop_if_unused(room);
    }

    /// A leave was refused: it goes on hearing what it hears.
    pub(super) fn leave_refused(&mut self, room: RoomId, view: View) {
        if let Some(seat) = self.seat(room).filter(|seat| seat.views.has(view)) {
            seat.wanted = seat.wanted.with(view);
        }
    }

    /// A join was answered. `pos`: where the room stood. `catching`: its past is told first.
    pub(super) fn joined(&mut self, room: RoomId, view: View, pos: u64, catching: bool) {
        let seat = self.seat_for(room);
        if seat.views.is_empty() {
            seat.joined_pos = pos;
        }
        seat.views = seat.views.with(view);
        seat.catching |= catching;
    }

    /// The room is heard of in one view less.
    pub(super) fn view_left(&mut self, room: RoomId, view: View) {
        if let Some(seat) = self.seat(room) {
            seat.views = seat.views.without(view);
        }
        self.drop_if_unused(room);
    }

    /// The connection is not in the room any more; it may be about to join again. In which views it heard of it.
    pub(super) fn left(&mut self, room: RoomId, asked: bool, at: Timestamp) -> Views {
        let Some(seat) = self.seat(room) else { return Views::default() };
        let views = std::mem::take(&mut seat.views);
        seat.catching = false;
        if !asked {
            seat.wanted = Views::default();
        }
        self.drop_if_unused(room);
        self.roomless_since = at;
        views
    }

    /// A piece of a room's past is told. Returns whether it was not known that there are any.
    pub(super) fn catch_up(&mut self, room: RoomId) -> bool {
        self.seat(room).is_some_and(|seat| !std::mem::replace(&mut seat.catching, true))
    }

    /// All of a room's past was told. Returns whether any was being told.
    pub(super) fn caught_up(&mut self, room: RoomId) -> bool {
        self.seat(room).is_some_and(|seat| std::mem::take(&mut seat.catching))
    }

    pub(super) fn is_catching(&self) -> bool {
        self.seats.iter().any(|seat| seat.catching)
    }

    /// Whether a change of a room that has this `pos` is from after the connection joined.
    pub(super) fn is_owed(&self, room: RoomId, pos: u64) -> bool {
        self.find(room).is_ok_and(|index| pos > self.seats[index].joined_pos)
    }

    /// As [`crate::session::Speaker::roomless_since`].
    pub(super) fn roomless_since(&self) -> Option<Timestamp> {
        self.seats.iter().all(|seat| seat.views.is_empty()).then_some(self.roomless_since)
    }

    /// What is kept of them.
    pub(super) fn recoverable(&self) -> Vec<RecoverableRoom> {
        let seats = self.seats.iter().filter(|seat| !seat.views.is_empty());
        seats
            .map(|seat| RecoverableRoom { room: seat.room, views: seat.views.bits(), joined_pos: seat.joined_pos })
            .collect()
    }

    /// A room that was kept is heard of again, as before.
    pub(super) fn recover(&mut self, kept: RecoverableRoom) {
        let views = Views::from_bits(kept.views);
        let seat = self.seat_for(kept.room);
        (seat.views, seat.wanted, seat.joined_pos) = (views, views, kept.joined_pos);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn room(n: u128) -> RoomId {
        RoomId(Uuid::from_u128(n))
    }

    #[test]
    fn a_room_is_heard_of_in_the_views_that_were_joined_and_answered() {
        let mut rooms = Rooms::default();
        for (n, pos) in [(5, 5), (1, 1), (3, 3)] {
            rooms.want(room(n), View::Room);
            assert!(rooms.views(room(n)).is_empty(), "not answered yet");
            rooms.joined(room(n), View::Room, pos, false);
        }
        rooms.want(room(3), View::Conversation);
        rooms.joined(room(3), View::Conversation, 9, false);
        assert!(rooms.views(room(3)).has(View::Conversation) && rooms.views(room(3)).has(View::Room));
        assert_eq!(rooms.views(room(2)), Views::default());
        let kept = rooms.recoverable();
        assert_eq!(
            kept.iter().map(|it| (it.room, it.joined_pos)).collect::<Vec<_>>(),
            [(room(1), 1), (room(3), 3), (room(5), 5)]
        );
        let mut again = Rooms::default();
        for room in &kept {
            again.recover(*room);
        }
        assert_eq!(again.recoverable(), kept);
    }

    #[test]
    fn what_is_asked_for_before_the_answers_come_counts() {
        let mut rooms = Rooms::default();
        rooms.want(room(1), View::Room);
        rooms.want(room(1), View::Conversation);
        assert_eq!(rooms.give_up(room(1), View::Room), Some(Views::default().with(View::Conversation)));
        assert_eq!(rooms.give_up(room(1), View::Room), None, "given up before");
        rooms.joined(room(1), View::Room, 1, false);
        rooms.joined(room(1), View::Conversation, 1, false);
        rooms.view_left(room(1), View::Room);
        assert_eq!(rooms.views(room(1)), Views::default().with(View::Conversation));
        assert_eq!(rooms.give_up(room(1), View::Conversation), Some(Views::default()));
    }

    #[test]
    fn a_refused_join_leaves_nothing_behind() {
        let mut rooms = Rooms::default();
        rooms.want(room(1), View::Room);
        rooms.join_refused(room(1), View::Room);
        assert_eq!(rooms.give_up(room(1), View::Room), None);
        assert!(rooms.seats.is_empty());
        rooms.want(room(1), View::Room);
        rooms.joined(room(1), View::Room, 1, false);
        rooms.join_refused(room(1), View::Room);
        assert!(rooms.views(room(1)).has(View::Room), "another join of the same was refused");
        assert_eq!(rooms.give_up(room(1), View::Room), Some(Views::default()));
        rooms.want(room(2), View::Room);
        rooms.joined(room(2), View::Room, 1, false);
        rooms.give_up(room(2), View::Room);
        rooms.leave_refused(room(1), View::Room);
        assert_eq!(rooms.give_up(room(1), View::Room), Some(Views::default()), "a leave was refused");
        assert_eq!(rooms.give_up(room(2), View::Room), None, "another was not");
    }

    #[test]
    fn whoever_has_left_every_room_is_roomless_since_then() {
        let mut rooms = Rooms::default();
        assert_eq!(rooms.roomless_since(), Some(Timestamp::default()));
        rooms.want(room(1), View::Room);
        assert!(rooms.roomless_since().is_some(), "not in it yet");
        rooms.joined(room(1), View::Room, 1, true);
        assert!(rooms.is_catching() && rooms.roomless_since().is_none());
        assert!(rooms.caught_up(room(1)) && !rooms.caught_up(room(1)));
        assert!(rooms.catch_up(room(1)) && !rooms.catch_up(room(1)) && rooms.caught_up(room(1)));
        assert!(!rooms.catch_up(room(2)), "it is not there");
        let at = Timestamp::from_secs(7);
        assert!(rooms.left(room(1), false, at).has(View::Room));
        assert_eq!(rooms.roomless_since(), Some(at));
        assert!(rooms.seats.is_empty());
    }
}
