//! What a session asks of the hub.

use super::{ContactId, Content, MessageId, MessageType, RoomId, RoomKind};

/// The name that a client gave its frame, echoed in the frame that answers it. `None`: it gave none.
pub type Tag = Option<Box<str>>;

/// From where a joining session wants a room's past.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resume {
    /// Live events only.
    Live,
    /// The messages after this `seq`, in their present state, then live events.
    AfterSeq(u64),
    /// Every change after this `pos`, then live events.
    AfterPos(u64),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MarkKind {
    Delivered,
    Read,
}

/// Up to where a mark reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MarkTarget {
    Message(MessageId),
    Seq(u64),
}

/// A message as its sender hands it in. The id is made where the frame is read, so that `hub::state` needs no randomness.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draft {
    pub id: MessageId,
    pub room: RoomId,
    pub contact: Option<ContactId>,
    pub message_type: MessageType,
    pub content: Content,
    pub reply_to: Option<MessageId>,
    pub client_message_id: Option<Box<str>>,
    /// The kind of room to make where the id is unknown and `rooms.auto_create` is on.
    pub create_as: RoomKind,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    Join {
        room: RoomId,
        resume: Resume,
        /// Tell this session who comes and goes.
        presence: bool,
        /// As in [`Draft::create_as`].
        create_as: RoomKind,
    },
    Leave {
        room: RoomId,
    },
    Send(Box<Draft>),
    Typing {
        room: RoomId,
        contact: Option<ContactId>,
        is_typing: bool,
    },
    Mark {
        room: RoomId,
        kind: MarkKind,
        target: MarkTarget,
    },
    Presence {
        room: RoomId,
    },
}

impl Command {
    pub fn room(&self) -> RoomId {
        match self {
            Self::Join { room, .. }
            | Self::Leave { room }
            | Self::Typing { room, .. }
            | Self::Mark { room, .. }
            | Self::Presence { room } => *room,
            Self::Send(draft) => draft.room,
        }
    }
}
