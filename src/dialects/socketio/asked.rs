//! What a client asked for, kept as the tag of its request until the answer comes.

use crate::domain::{RoomId, Tag};

/// How a client is told of a room: in the words in which it joined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum View {
    /// `join_conversation`: `conversation_id`, `message:new`, …
    Conversation,
    /// `join_room`: `room_id`, `message_received`, …
    Room,
}

/// A set of views.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Views(u8);

impl View {
    pub(super) const ALL: [Self; 2] = [Self::Conversation, Self::Room];

    const fn bit(self) -> u8 {
        match self {
            Self::Conversation => 1,
            Self::Room => 2,
        }
    }
}

impl Views {
    /// As it was kept; what means nothing is left out.
    pub(super) const fn from_bits(bits: u8) -> Self {
        Self(bits & 3)
    }

    pub(super) const fn bits(self) -> u8 {
        self.0
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) const fn has(self, view: View) -> bool {
        self.0 & view.bit() != 0
    }

    pub(super) const fn with(self, view: View) -> Self {
        Self(self.0 | view.bit())
    }

    pub(super) const fn without(self, view: View) -> Self {
        Self(self.0 & !view.bit())
    }

    pub(super) fn iter(self) -> impl Iterator<Item = View> {
        View::ALL.into_iter().filter(move |view| self.has(*view))
    }
}

/// What the answer depends on, besides what the hub says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verb {
    /// `past`: it asked for what the room has said, too.
    Join {
        view: View,
        room: RoomId,
        past: bool,
    },
    Leave {
        view: View,
        room: RoomId,
    },
    Send,
    /// Anything else, in the words of a view.
    Other(View),
    /// Not the client's: a room that it was in is joined again for it.
    Rejoin(RoomId),
    /// Not the client's: it is to hear of its user's rooms.
    Watch,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Asked {
    pub(super) verb: Verb,
    /// The id under which the client wants an acknowledgement.
    pub(super) ack: Option<u64>,
}

impl Asked {
    /// As the request's tag.
    #[expect(clippy::unnecessary_wraps, reason = "it is what a tag is")]
    pub(super) fn tag(self) -> Tag {
        Some(self.text().into())
    }

    /// A letter, the acknowledgement's id if there is one, and for joins and leaves the room.
    fn text(self) -> String {
        let (letter, room) = match self.verb {
            Verb::Join { view: View::Conversation, room, past: false } => ('c', Some(room)),
            Verb::Join { view: View::Conversation, room, past: true } => ('C', Some(room)),
            Verb::Join { view: View::Room, room, past: false } => ('r', Some(room)),
            Verb::Join { view: View::Room, room, past: true } => ('R', Some(room)),
            Verb::Leave { view: View::Conversation, room } => ('l', Some(room)),
            Verb::Leave { view: View::Room, room } => ('m', Some(room)),
            Verb::Send => ('s', None),
            Verb::Other(View::Conversation) => ('x', None),
            Verb::Other(View::Room) => ('y', None),
            Verb::Rejoin(room) => ('j', Some(room)),
            Verb::Watch => ('w', None),
        };
        let ack = self.ack.map(|ack| ack.to_string()).unwrap_or_default();
        match room {
            Some(room) => format!("{letter}{ack} {room}"),
            None => format!("{letter}{ack}"),
        }
    }

    pub(super) fn parse(tag: &str) -> Option<Self> {
        let (head, room) = tag.split_once(' ').unwrap_or((tag, ""));
        let (letter, ack) = (head.chars().next()?, head.get(1..)?);
        let ack = if ack.is_empty() { None } else { Some(ack.parse().ok()?) };
        let join = |view, past| Some(Verb::Join { view, room: room.parse().ok()?, past });
        let leave = |view| Some(Verb::Leave { view, room: room.parse().ok()? });
        let verb = match letter {
            'c' => join(View::Conversation, false)?,
            'C' => join(View::Conversation, true)?,
            'r' => join(View::Room, false)?,
            'R' => join(View::Room, true)?,
            'l' => leave(View::Conversation)?,
            'm' => leave(View::Room)?,
            's' => Verb::Send,
            'x' => Verb::Other(View::Conversation),
            'y' => Verb::Other(View::Room),
            'j' => Verb::Rejoin(room.parse().ok()?),
            'w' => Verb::Watch,
            _ => return None,
        };
        Some(Self { verb, ack })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_tag_says_what_was_asked() {
        let room = RoomId(Uuid::from_u128(7));
        let views = View::ALL;
        let joins = views.into_iter().flat_map(|view| [true, false].map(|past| Verb::Join { view, room, past }));
        let leaves = views.map(|view| Verb::Leave { view, room });
        let verbs = joins.chain(leaves).chain(views.map(Verb::Other));
        for verb in verbs.chain([Verb::Send, Verb::Rejoin(room), Verb::Watch]) {
            for ack in [None, Some(0), Some(u64::MAX)] {
                let asked = Asked { verb, ack };
                assert_eq!(asked.tag().as_deref().and_then(Asked::parse), Some(asked));
            }
        }
        for tag in ["", "q", "c", "cx 00000000-0000-0000-0000-000000000007", "s-1", "é"] {
            assert_eq!(Asked::parse(tag), None, "{tag}");
        }
    }
}
