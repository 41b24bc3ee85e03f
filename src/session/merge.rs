//! Puts in order what comes from several rooms, until each has come up to date.
//!
//! A client that was away names one place in the order of all rooms, so it must hear of them in that order. What lies
//! between the end of what was read for it and the moment in which it hears its rooms live comes from each by itself.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use smallvec::SmallVec;

use crate::domain::RoomId;

/// So much waits at most.
const FRAMES: usize = 4_096;
const BYTES: usize = 4 * 1024 * 1024;

#[derive(Debug)]
pub struct Merge {
    rooms: BTreeSet<RoomId>,
    frames: BTreeMap<u64, SmallVec<[Bytes; 1]>>,
    count: usize,
    bytes: usize,
    /// Something was not taken in, so what is here is never complete.
    lacks: bool,
}

impl Merge {
    pub fn of(rooms: impl Iterator<Item = RoomId>) -> Self {
        Self { rooms: rooms.collect(), frames: BTreeMap::new(), count: 0, bytes: 0, lacks: false }
    }

    /// Takes a frame in, unless too much waits already. Returns whether it did; if not, the connection has to end.
    #[must_use]
    pub fn add(&mut self, pos: u64, frame: Bytes) -> bool {
        let bytes = self.bytes.saturating_add(frame.len());
        if self.count >= FRAMES || bytes > BYTES {
            self.lacks = true;
            return false;
        }
        self.frames.entry(pos).or_default().push(frame);
        (self.count, self.bytes) = (self.count + 1, bytes);
        true
    }

    /// A room has come up to date. Returns whether all have, and nothing lacks.
    pub fn is_complete_without(&mut self, room: RoomId) -> bool {
        self.rooms.remove(&room);
        self.rooms.is_empty() && !self.lacks
    }

    pub fn into_frames(self) -> impl Iterator<Item = (u64, Bytes)> {
        self.frames.into_iter().flat_map(|(pos, frames)| frames.into_iter().map(move |frame| (pos, frame)))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_came_from_several_rooms_leaves_in_order() {
        let [a, b] = [1, 2].map(|n| RoomId(Uuid::from_u128(n)));
        let mut merge = Merge::of([a, b].into_iter());
        for pos in [5, 2, 9, 2] {
            assert!(merge.add(pos, Bytes::from(vec![u8::try_from(pos).unwrap()])));
        }
        assert!(!merge.is_complete_without(a) && !merge.is_complete_without(a));
        assert!(merge.is_complete_without(b));
        let order: Vec<_> = merge.into_frames().map(|(pos, frame)| (pos, frame[0])).collect();
        assert_eq!(order, [(2, 2), (2, 2), (5, 5), (9, 9)]);
    }

    #[test]
    fn what_was_not_taken_in_is_not_passed_over() {
        let room = RoomId(Uuid::from_u128(1));
        let mut merge = Merge::of([room].into_iter());
        let taken = (1..=2 * FRAMES as u64).take_while(|pos| merge.add(*pos, Bytes::new())).count();
        assert_eq!(taken, FRAMES);
        assert!(!merge.is_complete_without(room));
        let mut merge = Merge::of([room].into_iter());
        let large = Bytes::from(vec![0; BYTES / 4]);
        assert_eq!((1..9).take_while(|pos| merge.add(*pos, large.clone())).count(), 4);
        assert!(!merge.is_complete_without(room));
    }
}
