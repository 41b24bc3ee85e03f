//! What the hub tells connected sessions.
//!
//! Some events go to a whole room and are encoded once per wire form: nothing in them depends on who
//! receives them. The others answer or address one connection.

use std::sync::Arc;

use super::{
    ConnId, ContactId, MarkKind, Member, Message, MessageId, MessageStatus, Reject, Room, RoomId, Timestamp, UserId,
    UserStatus,
};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Typing {
    pub room: RoomId,
    pub contact: Option<ContactId>,
    pub user: UserId,
    pub user_name: Box<str>,
    pub is_typing: bool,
}

/// Someone has read, or received, everything up to a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mark {
    pub room: RoomId,
    pub kind: MarkKind,
    pub user: UserId,
    /// The newest message that the mark covers.
    pub message: MessageId,
    pub up_to_seq: u64,
    /// The newest message whose status it moved. `None`: it moved none, as an agent's mark moves none of what goes out to a
    /// contact, or others had come as far before. In a replay: the newest that it covers and that it could have moved.
    pub moved: Option<MessageId>,
    pub at: Timestamp,
}

/// A message has become a tombstone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deletion {
    pub room: RoomId,
    pub message: MessageId,
    pub seq: u64,
    /// Who deleted it, where that is known.
    pub by: Option<UserId>,
    pub at: Timestamp,
}

/// Somebody has put an emoji under a message, or taken it back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reaction {
    pub room: RoomId,
    pub message: MessageId,
    pub seq: u64,
    pub user: UserId,
    pub user_name: Box<str>,
    pub emoji: Box<str>,
    /// False: taken back.
    pub present: bool,
    /// How many have it there now.
    pub count: u64,
    pub at: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    // To a room.
    Message(Arc<Message>),
    Typing(Typing),
    Marked(Mark),
    /// A stored message's status moved for another reason than a mark: the outside said so. Also the answer to
    /// `Command::Report`.
    Status {
        room: RoomId,
        message: MessageId,
        status: MessageStatus,
        at: Timestamp,
    },
    /// A message as it stands now: after an edit, or, in a replay, after any change but its deletion.
    Edited {
        message: Arc<Message>,
        /// Who edited it, where that is known.
        by: Option<UserId>,
    },
    Deleted(Deletion),
    Reacted(Reaction),
    RoomUpdated(Arc<Room>),
    /// How somebody in the room wants to be seen from now on.
    UserStatus {
        room: RoomId,
        user: UserId,
        status: UserStatus,
    },
    UserJoined {
        room: RoomId,
        user: UserId,
        user_name: Box<str>,
    },
    UserLeft {
        room: RoomId,
        user: UserId,
        user_name: Box<str>,
    },

    // To one connection.
    Connected {
        conn: ConnId,
        user: UserId,
        heartbeat_secs: u64,
    },
    Joined {
        room: RoomId,
        last_seq: u64,
        last_pos: u64,
        members: usize,
    },
    Left {
        room: RoomId,
    },
    /// The sender's acknowledgement: the message is stored.
    Sent {
        message: Arc<Message>,
        duplicate: bool,
    },
    /// At most 100 of the users in the room now, and how many there are.
    Presence {
        room: RoomId,
        users: Vec<(UserId, Box<str>)>,
        total: usize,
    },
    /// The others in the room were told that the user is typing, or is not. The answer to a `Command::Typing` that has a
    /// name.
    TypingTold {
        room: RoomId,
    },
    /// This connection hears of its user's rooms from now on.
    Watching,
    /// Its user has a place in a room now, or another one than before.
    RoomAdded {
        room: Arc<Room>,
        member: Member,
    },
    /// Its user has no place in a room any more.
    RoomRemoved {
        room: RoomId,
    },
    /// The answer to `Command::Create`. `created`: false where it was there already.
    RoomCreated {
        room: Arc<Room>,
        created: bool,
    },
    RoomPurged {
        room: RoomId,
    },
    MemberSet(Member),
    MemberRemoved {
        room: RoomId,
        user: UserId,
    },
    TokenExpiring {
        expires_at: Timestamp,
    },
    TokenRefreshed {
        expires_at: Option<Timestamp>,
    },
    ServerRestarting {
        reconnect_after_ms: u64,
    },
    Pong,
    Rejected(Reject),
}

impl Event {
    /// What has become of a message, for those who heard of it as it was sent. `None`: nothing.
    pub fn change_of(message: &Arc<Message>) -> Option<Self> {
        let (room, seq) = (message.room, message.seq);
        match message.deleted_at {
            Some(at) => Some(Self::Deleted(Deletion { room, message: message.id, seq, by: None, at })),
            None if message.changed_pos > message.pos => Some(Self::Edited { message: message.clone(), by: None }),
            None => None,
        }
    }

    /// The room that this event is told to or about, where there is one.
    pub fn room(&self) -> Option<RoomId> {
        match self {
            Self::Message(message) | Self::Sent { message, .. } | Self::Edited { message, .. } => Some(message.room),
            Self::Typing(typing) => Some(typing.room),
            Self::Marked(mark) => Some(mark.room),
            Self::Deleted(deletion) => Some(deletion.room),
            Self::Reacted(reaction) => Some(reaction.room),
            Self::RoomUpdated(room) | Self::RoomAdded { room, .. } | Self::RoomCreated { room, .. } => Some(room.id),
            Self::MemberSet(member) => Some(member.room),
            Self::Status { room, .. }
            | Self::UserStatus { room, .. }
            | Self::RoomRemoved { room }
            | Self::RoomPurged { room }
            | Self::MemberRemoved { room, .. }
            | Self::UserJoined { room, .. }
            | Self::UserLeft { room, .. }
            | Self::Joined { room, .. }
            | Self::Left { room }
            | Self::TypingTold { room }
            | Self::Presence { room, .. } => Some(*room),
            _ => None,
        }
    }

    /// Never stored, and dropped for a connection that is behind.
    pub fn is_volatile(&self) -> bool {
        matches!(self, Self::Typing(_) | Self::UserJoined { .. } | Self::UserLeft { .. } | Self::UserStatus { .. })
    }

    /// The name under which it is counted (`websocket_events_total{event_type}`).
    pub fn name(&self) -> &'static str {
        match self {
            Self::Message(_) => "message",
            Self::Typing(_) => "typing",
            Self::Marked(mark) => match mark.kind {
                MarkKind::Delivered => "delivered",
                MarkKind::Read => "read",
            },
            Self::Status { .. } => "status",
            Self::Edited { .. } => "edited",
            Self::Deleted(_) => "deleted",
            Self::Reacted(_) => "reaction",
            Self::RoomUpdated(_) => "room_updated",
            Self::UserStatus { .. } => "user_status",
            Self::TypingTold { .. } => "typing_told",
            Self::Watching => "watching",
            Self::RoomAdded { .. } => "room_added",
            Self::RoomRemoved { .. } => "room_removed",
            Self::RoomCreated { .. } => "room_created",
            Self::RoomPurged { .. } => "room_purged",
            Self::MemberSet(_) => "member_set",
            Self::MemberRemoved { .. } => "member_removed",
            Self::UserJoined { .. } => "user_joined",
            Self::UserLeft { .. } => "user_left",
            Self::Connected { .. } => "connected",
            Self::Joined { .. } => "joined",
            Self::Left { .. } => "left",
            Self::Sent { .. } => "sent",
            Self::Presence { .. } => "presence",
            Self::TokenExpiring { .. } => "token_expiring",
            Self::TokenRefreshed { .. } => "token_refreshed",
            Self::ServerRestarting { .. } => "server_restarting",
            Self::Pong => "pong",
            Self::Rejected(_) => "error",
        }
    }
}
