//! What the hub tells connected sessions.
//!
//! Some events go to a whole room and are encoded once per wire form: nothing in them depends on who
//! receives them. The others answer or address one connection.

use std::sync::Arc;

use super::{ConnId, ContactId, MarkKind, Message, MessageId, MessageStatus, Reject, RoomId, Timestamp, UserId};

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
    pub at: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    // To a room.
    Message(Arc<Message>),
    Typing(Typing),
    Marked(Mark),
    /// A stored message's status moved for another reason than a mark.
    Status {
        room: RoomId,
        message: MessageId,
        status: MessageStatus,
        at: Timestamp,
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
    /// The room that this event is told to or about, where there is one.
    pub fn room(&self) -> Option<RoomId> {
        match self {
            Self::Message(message) | Self::Sent { message, .. } => Some(message.room),
            Self::Typing(typing) => Some(typing.room),
            Self::Marked(mark) => Some(mark.room),
            Self::Status { room, .. }
            | Self::UserJoined { room, .. }
            | Self::UserLeft { room, .. }
            | Self::Joined { room, .. }
            | Self::Left { room }
            | Self::Presence { room, .. } => Some(*room),
            _ => None,
        }
    }

    /// Never stored, and dropped for a connection that is behind.
    pub fn is_volatile(&self) -> bool {
        matches!(self, Self::Typing(_) | Self::UserJoined { .. } | Self::UserLeft { .. })
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
