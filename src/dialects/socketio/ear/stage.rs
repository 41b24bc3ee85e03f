//! How far a connection has come, and what becomes of a frame for its client there: it leaves, waits, or is dropped.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::domain::RoomId;
use crate::session::merge::Merge;

/// So much waits at most for joins to be stored: what comes in seconds to a client that is told a thousand things in each.
const FRAMES: usize = 4_096;
const BYTES: usize = 4 * 1024 * 1024;

/// Small, because nearly all connections are open.
#[allow(clippy::box_collection, reason = "a connection is in this stage for a moment")]
pub(super) enum Stage {
    /// The client has yet to hear that it is connected; this is what it hears behind that.
    Waiting(Box<Vec<Bytes>>),
    /// It is told what it missed while it was away.
    Recovering,
    /// The last of that, from several rooms at once, is put in order.
    Merging(Box<Merge>),
    Open,
    /// Joins are being stored; what is told behind them waits for that, so that nobody believes to be in a room that is
    /// not known after a crash.
    Storing(Box<Storing>),
    /// Nothing more is told, nor kept: the connection has ended, or is about to.
    Over,
}

/// The joins that are being stored are counted from 1.
#[derive(Default)]
pub(super) struct Storing {
    newest: u64,
    /// What waits, each frame with the newest join before it.
    held: VecDeque<(u64, Held)>,
    bytes: usize,
}

pub(super) struct Held {
    pub(super) frame: Bytes,
    pub(super) volatile: bool,
}

/// What becomes of a frame.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Fate {
    Leaves(Bytes),
    /// It leaves later, in the order in which it came.
    Waits,
    /// It leaves later, in the place that it has among all rooms' changes.
    IsMerged,
    IsDropped,
    /// It cannot wait: too much does.
    IsTooMuch,
}

impl Stage {
    pub(super) fn take(&mut self, pos: Option<u64>, frame: Bytes, volatile: bool) -> Fate {
        match (self, pos) {
            (Self::Over, _) => Fate::IsDropped,
            (Self::Waiting(_), _) if volatile => Fate::IsDropped,
            (Self::Waiting(held), _) => {
                held.push(frame);
                Fate::Waits
            }
            (Self::Merging(merge), Some(pos)) => {
                if merge.add(pos, frame) {
                    Fate::IsMerged
                } else {
                    Fate::IsTooMuch
                }
            }
            (Self::Storing(storing), _) => storing.hold(frame, volatile),
            (Self::Recovering | Self::Merging(_) | Self::Open, _) => Fate::Leaves(frame),
        }
    }

    /// What follows waits for one more join to be stored. Returns which one that is. `None`: nobody waits here.
    pub(super) fn wait_for_join(&mut self) -> Option<u64> {
        if matches!(self, Self::Open) {
            *self = Self::Storing(Box::default());
        }
        let Self::Storing(storing) = self else { return None };
        storing.newest += 1;
        Some(storing.newest)
    }

    /// This join is stored, and so are those before it. Returns what has waited for them.
    pub(super) fn join_stored(&mut self, join: u64) -> VecDeque<(u64, Held)> {
        let Self::Storing(storing) = self else { return VecDeque::new() };
        let first_to_stay = storing.held.partition_point(|(newest, _)| *newest <= join);
        let stays = storing.held.split_off(first_to_stay);
        let leaves = std::mem::replace(&mut storing.held, stays);
        storing.bytes -= leaves.iter().map(|(_, held)| held.frame.len()).sum::<usize>();
        if storing.newest <= join {
            *self = Self::Open;
        }
        leaves
    }

    pub(super) fn is_complete_without(&mut self, room: RoomId) -> bool {
        match self {
            Self::Merging(merge) => merge.is_complete_without(room),
            _ => false,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Over)
    }
}

impl Storing {
    fn hold(&mut self, frame: Bytes, volatile: bool) -> Fate {
        let is_full = self.held.len() >= FRAMES || self.bytes.saturating_add(frame.len()) > BYTES;
        match (is_full, volatile) {
            (true, true) => Fate::IsDropped,
            (true, false) => Fate::IsTooMuch,
            (false, _) => {
                self.bytes += frame.len();
                self.held.push_back((self.newest, Held { frame, volatile }));
                Fate::Waits
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn frame(byte: u8) -> Bytes {
        Bytes::from(vec![byte])
    }

    fn bytes(leaves: VecDeque<(u64, Held)>) -> Vec<u8> {
        leaves.into_iter().map(|(_, held)| held.frame[0]).collect()
    }

    #[test]
    fn what_is_told_behind_a_join_leaves_when_that_is_stored_and_not_before() {
        let mut stage = Stage::Open;
        let first = stage.wait_for_join().unwrap();
        assert_eq!(stage.take(None, frame(1), false), Fate::Waits);
        let second = stage.wait_for_join().unwrap();
        assert_eq!(stage.take(Some(7), frame(2), true), Fate::Waits);
        assert_eq!(bytes(stage.join_stored(first)), [1]);
        assert!(matches!(stage, Stage::Storing(_)), "the second join is not stored");
        assert_eq!(stage.take(None, frame(3), false), Fate::Waits);
        assert_eq!(bytes(stage.join_stored(second)), [2, 3]);
        assert_eq!(stage.take(None, frame(4), false), Fate::Leaves(frame(4)));
        assert!(stage.join_stored(second).is_empty());
    }

    #[test]
    fn a_join_that_is_stored_brings_those_before_it_along() {
        let mut stage = Stage::Open;
        let (first, second) = (stage.wait_for_join().unwrap(), stage.wait_for_join().unwrap());
        stage.take(None, frame(1), false);
        assert_eq!(bytes(stage.join_stored(second)), [1]);
        assert!(matches!(stage, Stage::Open));
        assert!(stage.join_stored(first).is_empty());
    }

    #[test]
    fn what_waits_is_bounded_and_typing_goes_first() {
        let mut stage = Stage::Open;
        let join = stage.wait_for_join().unwrap();
        let large = Bytes::from(vec![0; BYTES / 4]);
        for _ in 0..4 {
            assert_eq!(stage.take(None, large.clone(), false), Fate::Waits);
        }
        assert_eq!(stage.take(None, frame(1), true), Fate::IsDropped);
        assert_eq!(stage.take(None, frame(1), false), Fate::IsTooMuch);
        assert_eq!(stage.join_stored(join).len(), 4);
        stage.wait_for_join();
        for _ in 0..FRAMES {
            assert_eq!(stage.take(None, frame(1), false), Fate::Waits, "what has left counts no more");
        }
        assert_eq!(stage.take(None, frame(1), false), Fate::IsTooMuch);
    }

    #[test]
    fn what_cannot_be_put_in_order_any_more_is_too_much() {
        let room = RoomId(Uuid::from_u128(1));
        let mut stage = Stage::Merging(Box::new(Merge::of([room].into_iter())));
        assert_eq!(stage.take(None, frame(1), false), Fate::Leaves(frame(1)), "it has no place in the order");
        let taken = (1..100_000).take_while(|pos| stage.take(Some(*pos), frame(1), false) == Fate::IsMerged).count();
        assert!((1_000..10_000).contains(&taken) && !stage.is_complete_without(room));
    }

    #[test]
    fn nothing_is_told_when_it_is_over() {
        let mut stage = Stage::Over;
        assert_eq!(stage.take(Some(1), frame(1), false), Fate::IsDropped);
        assert!(stage.wait_for_join().is_none() && stage.join_stored(1).is_empty() && stage.is_over());
    }
}
