//! What a session asks of the hub.

use super::{
    ContactId, Content, MemberRole, MessageId, MessageStatus, MessageType, RoomId, RoomKind, Timestamp, UserId,
};

/// The name that a client gave its frame, echoed in the frame that answers it. `None`: it gave none.
pub type Tag = Option<Box<str>>;

/// Nothing is ever numbered higher, and databases count no further.
pub const MAX_NUMBER: u64 = i64::MAX.unsigned_abs();

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

/// In whose words a message is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Author {
    /// The caller's own, who is a person or a bot by its role.
    #[default]
    Caller,
    /// A bot's, handed in for it. Needs the scope `messages:write` unless the caller is one.
    Bot,
    /// The contact's of the conversation (`inbound`). Needs the scope `messages:write`.
    Contact,
}

/// What the outside says has become of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Report {
    pub room: RoomId,
    pub message: MessageId,
    pub status: MessageStatus,
    /// When it came to be so, as the outside says. `None`: now.
    pub at: Option<Timestamp>,
}

/// A message as its sender hands it in. The id is made where the frame is read, so that `hub::state` needs no randomness.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draft {
    pub id: MessageId,
    pub room: RoomId,
    /// In whose words it is.
    pub author: Author,
    pub contact: Option<ContactId>,
    pub message_type: MessageType,
    pub content: Content,
    pub reply_to: Option<MessageId>,
    pub client_message_id: Option<Box<str>>,
    /// Its name in the system that it comes from or goes to.
    pub external_id: Option<Box<str>>,
    /// The caller's name for this request as a whole (REST).
    pub idempotency: Option<Box<Idempotency>>,
    /// The kind of room to make where the id is unknown and `rooms.auto_create` is on.
    pub create_as: RoomKind,
}

/// Makes a request that is sent again the same request, for 24 hours and over all rooms of its sender.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Idempotency {
    pub key: Box<str>,
    /// A hash of what was asked: the same key with another request is refused (`idempotency_key_reused`).
    pub fingerprint: [u8; 32],
}

/// A room to be made, the caller its owner (both, in a direct room).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomDraft {
    /// Where it is taken by a room of the same kind and organization that the caller is in, that one is the answer.
    pub id: RoomId,
    pub kind: RoomKind,
    pub name: Option<Box<str>>,
    /// Who else is in it from the start.
    pub members: Vec<UserId>,
}

/// What is to change about a room; what is `None` stays.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RoomChange {
    pub name: Option<Box<str>>,
    /// Between `Public` and `Private` only.
    pub kind: Option<RoomKind>,
    pub archived: Option<bool>,
    /// Only if the room's version is this one (`precondition_failed`).
    pub if_version: Option<u64>,
}

/// What is to change about a user's place in a room; what is `None` stays. Somebody without a place gets one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MemberChange {
    pub role: Option<MemberRole>,
    pub muted: Option<bool>,
    pub banned: Option<bool>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    Join {
        room: RoomId,
        resume: Resume,
        /// Tell this session who comes and goes. `None`: as before, where it has joined already, else no.
        presence: Option<bool>,
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
    Edit {
        room: RoomId,
        message: MessageId,
        text: Box<str>,
        /// Only if its last change is this one (`precondition_failed`).
        if_changed_pos: Option<u64>,
    },
    Delete {
        room: RoomId,
        message: MessageId,
        if_changed_pos: Option<u64>,
    },
    /// What the outside says has become of a message. Answered with `Event::Status`, its status as it is then.
    Report(Report),
    React {
        room: RoomId,
        message: MessageId,
        emoji: Box<str>,
        /// False: take it back.
        present: bool,
    },
    Create(Box<RoomDraft>),
    /// Under the caller's name for this request as a whole (REST): sent again, it finds the room that it made.
    CreateOnce(Box<RoomDraft>, Box<Idempotency>),
    Update {
        room: RoomId,
        change: RoomChange,
    },
    /// Delete a room and everything in it for good.
    Purge {
        room: RoomId,
    },
    SetMember {
        room: RoomId,
        user: UserId,
        change: MemberChange,
    },
    RemoveMember {
        room: RoomId,
        user: UserId,
    },
}

impl Command {
    /// Whether it asks for what was missed.
    pub fn resumes(&self) -> bool {
        matches!(self, Self::Join { resume: Resume::AfterSeq(_) | Resume::AfterPos(_), .. })
    }

    pub fn room(&self) -> RoomId {
        match self {
            Self::Join { room, .. }
            | Self::Leave { room }
            | Self::Typing { room, .. }
            | Self::Mark { room, .. }
            | Self::Presence { room }
            | Self::Edit { room, .. }
            | Self::Delete { room, .. }
            | Self::React { room, .. }
            | Self::Update { room, .. }
            | Self::Purge { room }
            | Self::SetMember { room, .. }
            | Self::RemoveMember { room, .. } => *room,
            Self::Send(draft) => draft.room,
            Self::Report(report) => report.room,
            Self::Create(draft) | Self::CreateOnce(draft, _) => draft.id,
        }
    }
}
