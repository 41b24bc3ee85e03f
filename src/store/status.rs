//! How far a message has come, told from how far the room's people have read: nothing is written per message.
//!
//! A room keeps, for what is read and for what is received, who reaches furthest and how far the best of all others
//! does. That is enough to tell for any sender whether *somebody else* has come as far as a given message.

use crate::domain::{ContactId, Direction, MarkKind, MessageStatus, RoomKind, UserId};

/// How far the people of a room have come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Watermark {
    /// Who has come furthest, first of those who have.
    pub(crate) user: Option<UserId>,
    pub(crate) seq: u64,
    /// How far the best of all the others has come.
    pub(crate) rest: u64,
}

impl Watermark {
    /// `user` has come as far as `seq`.
    pub(crate) fn raise(&mut self, user: UserId, seq: u64) {
        if self.user == Some(user) {
            self.seq = self.seq.max(seq);
        } else if seq > self.seq {
            *self = Self { user: Some(user), seq, rest: self.seq };
        } else {
            self.rest = self.rest.max(seq);
        }
    }

    /// How far anyone but `sender` has come.
    fn others(&self, sender: Option<UserId>) -> u64 {
        if self.user.is_some() && self.user == sender { self.rest } else { self.seq }
    }

    /// Whether anyone but `sender` has come as far as `seq`.
    fn reaches(&self, seq: u64, sender: Option<UserId>) -> bool {
        self.others(sender) >= seq
    }
}

/// What of a room decides on the status of its messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Standing {
    pub(crate) kind: RoomKind,
    pub(crate) contact: Option<ContactId>,
    pub(crate) read: Watermark,
    pub(crate) delivered: Watermark,
}

impl Standing {
    /// A message names its contact. Returns whether the room did not know one: a conversation has the first that is named.
    pub(crate) fn meets(&mut self, contact: Option<ContactId>) -> bool {
        let is_first = self.kind == RoomKind::Conversation && self.contact.is_none() && contact.is_some();
        if is_first {
            self.contact = contact;
        }
        is_first
    }

    /// The same room before anyone had read or received anything.
    pub(crate) fn unmarked(self) -> Self {
        Self { read: Watermark::default(), delivered: Watermark::default(), ..self }
    }

    /// `user` has come as far as `seq`.
    pub(crate) fn raise(&mut self, kind: MarkKind, user: UserId, seq: u64) {
        match kind {
            MarkKind::Read => self.read.raise(user, seq),
            MarkKind::Delivered => self.delivered.raise(user, seq),
        }
    }

    /// How far a mark of `reader`'s has nothing to move: up to here every message that is not its own has come as far as
    /// the mark says, whoever sent it.
    pub(crate) fn settled(&self, kind: MarkKind, reader: UserId) -> u64 {
        let reached = |sender| match kind {
            MarkKind::Read => self.read.others(sender),
            // What is read has been received.
            MarkKind::Delivered => self.read.others(sender).max(self.delivered.others(sender)),
        };
        // For all other senders it is as for a contact.
        let apart = [self.read.user, self.delivered.user].into_iter().filter(|it| *it != Some(reader));
        apart.map(reached).fold(reached(None), u64::min)
    }

    /// The status of the message `seq`. Where a contact is known, what goes out to it has been read when the contact
    /// has, which is not for the room's agents to say.
    pub(crate) fn status(&self, seq: u64, sender: Option<UserId>, direction: Direction) -> MessageStatus {
        let customer = self.kind == RoomKind::Conversation && self.contact.is_some();
        if customer && direction == Direction::Outbound {
            MessageStatus::Sent
        } else if self.read.reaches(seq, sender) {
            MessageStatus::Read
        } else if self.delivered.reaches(seq, sender) {
            MessageStatus::Delivered
        } else {
            MessageStatus::Sent
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn user(n: u8) -> UserId {
        UserId(Uuid::from_u128(u128::from(n)))
    }

    proptest! {
        /// Against the obvious: keep everybody's mark, and look whether any other's reaches.
        #[test]
        fn two_numbers_say_as_much_as_all_marks(marks in prop::collection::vec((0u8..5, 1u64..20), 0..60)) {
            let (mut watermark, mut all) = (Watermark::default(), HashMap::<u8, u64>::new());
            for (who, seq) in marks {
                // Marks of one user only move forward.
                if all.get(&who).is_some_and(|stands| *stands >= seq) {
                    continue;
                }
                all.insert(who, seq);
                watermark.raise(user(who), seq);
                for sender in 0u8..5 {
                    for seq in 1u64..20 {
                        let expected = all.iter().any(|(other, stands)| *other != sender && *stands >= seq);
                        prop_assert_eq!(watermark.reaches(seq, Some(user(sender))), expected);
                    }
                }
            }
        }
    }

    proptest! {
        /// Beyond what is settled a mark may move something; below it, it moves nothing.
        #[test]
        fn what_is_settled_no_mark_moves(
            marks in prop::collection::vec((0u8..4, any::<bool>(), 1u64..12), 0..30),
            reader in 0u8..4,
            is_read in any::<bool>(),
        ) {
            let kind = |is_read| if is_read { MarkKind::Read } else { MarkKind::Delivered };
            let mut standing = Standing {
                kind: RoomKind::Public,
                contact: None,
                read: Watermark::default(),
                delivered: Watermark::default(),
            };
            for (who, is_read, seq) in marks {
                standing.raise(kind(is_read), user(who), seq);
            }
            let (before, mut after) = (standing, standing);
            after.raise(kind(is_read), user(reader), 12);
            let settled = before.settled(kind(is_read), user(reader));
            let moved = |seq, sender| {
                let status = |it: &Standing| it.status(seq, sender, Direction::Outbound);
                status(&before) < status(&after)
            };
            for sender in (0u8..4).map(|it| Some(user(it))).chain([None]) {
                prop_assert!((1..=settled).all(|seq| !moved(seq, sender)));
                prop_assert!(sender != Some(user(reader)) || (1..=12).all(|seq| !moved(seq, sender)));
            }
            if settled < 12 {
                prop_assert!((0u8..4).map(|it| Some(user(it))).chain([None]).any(|it| moved(settled + 1, it)));
            }
        }
    }

    #[test]
    fn agents_do_not_read_for_the_contact() {
        let mut standing = Standing {
            kind: RoomKind::Conversation,
            contact: Some(ContactId(Uuid::from_u128(9))),
            read: Watermark::default(),
            delivered: Watermark::default(),
        };
        standing.read.raise(user(1), 2);
        assert_eq!(standing.status(1, Some(user(2)), Direction::Outbound), MessageStatus::Sent);
        assert_eq!(standing.status(2, None, Direction::Inbound), MessageStatus::Read);
        standing.contact = None;
        assert_eq!(standing.status(1, Some(user(2)), Direction::Outbound), MessageStatus::Read);
        assert_eq!(standing.status(1, Some(user(1)), Direction::Outbound), MessageStatus::Sent, "by its sender alone");
        assert_eq!(standing.status(3, None, Direction::Inbound), MessageStatus::Sent);
    }
}
