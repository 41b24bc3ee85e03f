//! Read and delivery marks, merged so that a user who scrolls costs one write a second and room.

use std::collections::VecDeque;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::ports::NewMark;
use crate::domain::{ConnId, MarkKind, MarkTarget, MessageId, OrgId, RoomId, Tag, Timestamp, UserId};

/// The least time between two writes for the same user, room and kind.
const SPACING: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MarkKey {
    pub organization: OrgId,
    pub room: RoomId,
    pub user: UserId,
    pub kind: MarkKind,
}

/// A mark to be written now, and who is to be answered when it is.
#[derive(Debug)]
pub struct DueMark {
    pub organization: OrgId,
    pub mark: NewMark,
    pub askers: Vec<(ConnId, Tag)>,
}

/// What came in since the last write.
#[derive(Debug, Default)]
struct Held {
    seq: Option<u64>,
    message: Option<MessageId>,
    askers: Vec<(ConnId, Tag)>,
}

#[derive(Debug, Default)]
pub struct Marks {
    held: FxHashMap<MarkKey, Held>,
    /// Every key in `held`, with the time from which it may be written again, ascending.
    due: VecDeque<(Timestamp, MarkKey)>,
}

impl Marks {
    /// Takes a mark in. `Some`: write it now; else it waits for [`Marks::due`].
    pub fn add(&mut self, key: MarkKey, target: MarkTarget, asker: (ConnId, Tag), now: Timestamp) -> Option<DueMark> {
        if let Some(held) = self.held.get_mut(&key) {
            match target {
                MarkTarget::Seq(seq) => held.seq = held.seq.max(Some(seq)),
                MarkTarget::Message(message) => held.message = Some(message),
            }
            held.askers.push(asker);
            return None;
        }
        self.held.insert(key, Held::default());
        self.due.push_back((now + SPACING, key));
        let (seq, message) = match target {
            MarkTarget::Seq(seq) => (Some(seq), None),
            MarkTarget::Message(message) => (None, Some(message)),
        };
        Some(DueMark { organization: key.organization, mark: new_mark(key, seq, message), askers: vec![asker] })
    }

    /// The marks whose second is over.
    pub fn due(&mut self, now: Timestamp) -> Vec<DueMark> {
        let mut due = Vec::new();
        while self.due.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.due.pop_front() else { break };
            match self.held.remove(&key) {
                Some(held) if !held.askers.is_empty() => {
                    let mark = new_mark(key, held.seq, held.message);
                    due.push(DueMark { organization: key.organization, mark, askers: held.askers });
                    self.held.insert(key, Held::default());
                    self.due.push_back((now + SPACING, key));
                }
                _ => {}
            }
        }
        due
    }
}

fn new_mark(key: MarkKey, seq: Option<u64>, message: Option<MessageId>) -> NewMark {
    NewMark { room: key.room, kind: key.kind, user: key.user, seq, message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn key() -> MarkKey {
        MarkKey {
            organization: OrgId(Uuid::from_u128(3)),
            room: RoomId(Uuid::from_u128(1)),
            user: UserId(Uuid::from_u128(2)),
            kind: MarkKind::Read,
        }
    }

    fn asker(n: u64) -> (ConnId, Tag) {
        (ConnId(n), None)
    }

    #[test]
    fn the_first_goes_at_once_and_the_rest_of_the_second_as_one() {
        let (mut marks, start) = (Marks::default(), Timestamp::from_secs(100));
        let first = marks.add(key(), MarkTarget::Seq(3), asker(1), start).unwrap();
        assert_eq!(first.mark.seq, Some(3));
        assert!(marks.add(key(), MarkTarget::Seq(9), asker(2), start).is_none());
        assert!(marks.add(key(), MarkTarget::Seq(5), asker(3), start).is_none());
        assert!(marks.due(start + Duration::from_millis(999)).is_empty());
        let later = marks.due(start + Duration::from_secs(1));
        assert_eq!(later.len(), 1);
        assert_eq!((later[0].mark.seq, later[0].askers.len()), (Some(9), 2), "the highest counts, both are answered");
    }

    #[test]
    fn a_quiet_second_forgets_the_key() {
        let (mut marks, start) = (Marks::default(), Timestamp::from_secs(100));
        marks.add(key(), MarkTarget::Seq(1), asker(1), start);
        assert!(marks.due(start + Duration::from_secs(2)).is_empty());
        assert!(marks.held.is_empty() && marks.due.is_empty());
    }
}
