//! The sessions that cannot be told more of a room's past just now: their peer reads slowly, or something has to be stored
//! first.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::domain::RoomId;

#[derive(Debug, Default)]
pub struct Paused {
    rooms: FxHashMap<u32, SmallVec<[RoomId; 1]>>,
}

impl Paused {
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    pub fn add(&mut self, room: RoomId, slot: u32) {
        let rooms = self.rooms.entry(slot).or_default();
        if !rooms.contains(&room) {
            rooms.push(room);
        }
    }

    /// One session goes on, in these rooms.
    pub fn take(&mut self, slot: u32) -> impl Iterator<Item = (RoomId, u32)> + use<> {
        // Nearly always there is nobody here.
        let rooms = if self.rooms.is_empty() { None } else { self.rooms.remove(&slot) };
        rooms.into_iter().flatten().map(move |room| (room, slot))
    }

    /// All of them go on.
    pub fn take_all(&mut self) -> impl Iterator<Item = (RoomId, u32)> + use<> {
        let all = std::mem::take(&mut self.rooms).into_iter();
        all.flat_map(|(slot, rooms)| rooms.into_iter().map(move |room| (room, slot)))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_session_is_there_once_for_each_room_until_it_goes_on() {
        let [a, b] = [1, 2].map(|n| RoomId(Uuid::from_u128(n)));
        let mut paused = Paused::default();
        for (room, slot) in [(a, 7), (b, 7), (a, 7), (a, 8)] {
            paused.add(room, slot);
        }
        assert_eq!(paused.take(7).collect::<Vec<_>>(), [(a, 7), (b, 7)]);
        assert!(paused.take(7).next().is_none() && !paused.is_empty());
        assert_eq!(paused.take_all().collect::<Vec<_>>(), [(a, 8)]);
        assert!(paused.is_empty());
    }
}
