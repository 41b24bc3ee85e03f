//! Messages: what is said in a room and stored before anyone is told.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::room::spelled;
use super::{ContactId, MessageId, OrgId, RoomId, Timestamp, UserId};

/// The side that a message comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SenderType {
    Agent,
    Contact,
    Bot,
}

impl SenderType {
    pub const ALL: [Self; 3] = [Self::Agent, Self::Contact, Self::Bot];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Contact => "contact",
            Self::Bot => "bot",
        }
    }
}

/// `Inbound` comes from the contact, `Outbound` goes to it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    Inbound,
    Outbound,
}

impl Direction {
    pub const ALL: [Self; 2] = [Self::Inbound, Self::Outbound];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MessageType {
    Text,
    Image,
    Video,
    Audio,
    Document,
}

impl MessageType {
    pub const ALL: [Self; 5] = [Self::Text, Self::Image, Self::Video, Self::Audio, Self::Document];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Document => "document",
        }
    }
}

/// How far a message has come. It only moves forward; `Failed` is reached from `Pending` and `Sent` only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum MessageStatus {
    Pending,
    Sent,
    Failed,
    Delivered,
    Read,
}

impl MessageStatus {
    pub const ALL: [Self; 5] = [Self::Pending, Self::Sent, Self::Failed, Self::Delivered, Self::Read];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Delivered => "delivered",
            Self::Read => "read",
        }
    }
}

spelled!(SenderType, "sender type");
spelled!(Direction, "direction");
spelled!(MessageType, "message type: expected text, image, video, audio or document");
spelled!(MessageStatus, "message status");

/// What a message says, as the sender wrote it (control characters aside). Stored as one JSON object.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Content {
    #[serde(skip_serializing_if = "str::is_empty")]
    pub text: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_url: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filename: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caption: Option<Box<str>>,
}

/// A stored message in its present state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    pub id: MessageId,
    pub organization: OrgId,
    pub room: RoomId,
    /// Gapless number in the room, from 1.
    pub seq: u64,
    /// When it was stored, in the organization's numbering of all changes.
    pub pos: u64,
    /// Its last change, in the same numbering. Equal to `pos` while nothing has changed.
    pub changed_pos: u64,
    pub sender_type: SenderType,
    pub direction: Direction,
    /// The user that sent it; `None` for what a contact sent.
    pub user: Option<UserId>,
    /// The name of `user` when the message was sent.
    pub user_name: Box<str>,
    pub contact: Option<ContactId>,
    pub message_type: MessageType,
    pub content: Content,
    pub status: MessageStatus,
    pub reply_to: Option<MessageId>,
    pub client_message_id: Option<Box<str>>,
    /// Its name in the system that it comes from or goes to.
    pub external_id: Option<Box<str>>,
    /// When the outside says that the contact's device had it, and when the contact had read it.
    pub delivered_at: Option<Timestamp>,
    pub read_at: Option<Timestamp>,
    /// Who answered it with what, in the order in which each emoji first came.
    pub reactions: Vec<Reactions>,
    /// The commit's time by the writer's clock; also `sent_at`.
    pub created_at: Timestamp,
    /// Its last edit.
    pub edited_at: Option<Timestamp>,
    /// From then on it is a tombstone: its place stays, what it said is gone.
    pub deleted_at: Option<Timestamp>,
}

/// One emoji under a message, and who put it there, first to last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reactions {
    pub emoji: Box<str>,
    pub users: Vec<UserId>,
}
