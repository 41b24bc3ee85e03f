//! Read and delivery marks, merged so that a user who scrolls costs one write a second and room.

use std::collections::{BTreeMap, VecDeque};
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
    pub askers: Askers,
}

/// What came in since the last write. Numbers merge to the highest. Which of two messages is the newer one only the
/// store knows, and one of them may not exist, so messages stay apart, each with those who named it.
#[derive(Debug, Default)]
struct Held {
    seq: Option<(u64, Askers)>,
    messages: BTreeMap<MessageId, Askers>,
}

type Askers = Vec<(ConnId, Tag)>;

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
                MarkTarget::Seq(seq) => {
                    let (highest, askers) = held.seq.get_or_insert_default();
                    *highest = seq.max(*highest);
                    askers.push(asker);
                }
                MarkTarget::Message(message) => held.messages.entry(message).or_default().push(asker),
            }
            return None;
        }
        self.held.insert(key, Held::default());
        self.due.push_back((now + SPACING, key));
        Some(due_mark(key, target, vec![asker]))
    }

    /// The marks whose second is over. Of each key those come first that most likely reach farthest: the others then
    /// find the mark beyond them, and are answered without a write.
    pub fn due(&mut self, now: Timestamp) -> Vec<DueMark> {
        let mut due = Vec::new();
        while self.due.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.due.pop_front() else { break };
            let Some(Held { seq, messages }) = self.held.remove(&key) else { continue };
            if seq.is_none() && messages.is_empty() {
                continue;
            }
            let seq = seq.map(|(seq, askers)| due_mark(key, MarkTarget::Seq(seq), askers));
            // Ids are UUIDs of version 7: the newest is the last.
            let messages = messages.into_iter().rev();
            let messages = messages.map(|(message, askers)| due_mark(key, MarkTarget::Message(message), askers));
            due.extend(seq.into_iter().chain(messages));
            self.held.insert(key, Held::default());
            self.due.push_back((now + SPACING, key));
        }
        due
    }
}

fn due_mark(key: MarkKey, target: MarkTarget, askers: Askers) -> DueMark {
    let (seq, message) = match target {
        MarkTarget::Seq(seq) => (Some(seq), None),
        MarkTarget::Message(message) => (None, Some(message)),
    };
    let mark = NewMark { room: key.room, kind: key.kind, user: key.user, seq, message };
    DueMark { organization: key.organization, mark, askers }
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
    fn messages_named_within_a_second_are_all_tried_the_newest_first() {
        let (mut marks, start) = (Marks::default(), Timestamp::from_secs(100));
        let message = |n| MarkTarget::Message(MessageId(Uuid::from_u128(n)));
        marks.add(key(), message(1), asker(1), start);
        for (n, by) in [(8, 2), (5, 3), (8, 4)] {
            assert!(marks.add(key(), message(n), asker(by), start).is_none());
        }
        let later = marks.due(start + Duration::from_secs(1));
        let named: Vec<_> = later.iter().map(|due| (due.mark.message.unwrap().0.as_u128(), due.askers.len())).collect();
        assert_eq!(named, [(8, 2), (5, 1)]);
    }

    #[test]
    fn a_quiet_second_forgets_the_key() {
        let (mut marks, start) = (Marks::default(), Timestamp::from_secs(100));
        marks.add(key(), MarkTarget::Seq(1), asker(1), start);
        assert!(marks.due(start + Duration::from_secs(2)).is_empty());
        assert!(marks.held.is_empty() && marks.due.is_empty());
    }
}
