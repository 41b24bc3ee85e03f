//! Rooms and what a user is in them.

use std::fmt;
use std::str::FromStr;

use super::{ContactId, OrgId, RoomId, Timestamp, UserId};

/// What a room is for, and with it who may come in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RoomKind {
    /// Anyone in the organization may join.
    Public,
    /// Members only.
    Private,
    /// Exactly two members.
    Direct,
    /// A customer conversation: its members, and any agent or admin of the organization.
    Conversation,
}

impl RoomKind {
    pub const ALL: [Self; 4] = [Self::Public, Self::Private, Self::Direct, Self::Conversation];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Direct => "direct",
            Self::Conversation => "conversation",
        }
    }
}

/// What a member may do beyond speaking.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum MemberRole {
    Member,
    Moderator,
    Owner,
}

impl MemberRole {
    pub const ALL: [Self; 3] = [Self::Member, Self::Moderator, Self::Owner];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Moderator => "moderator",
            Self::Owner => "owner",
        }
    }
}

/// What a user is in a room, where the room knows them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Membership {
    pub role: MemberRole,
    /// May read, and not write.
    pub muted: bool,
    /// Not a member any more, and not to come in again, however open the room is. The role means nothing.
    pub banned: bool,
}

impl Membership {
    pub const fn new(role: MemberRole) -> Self {
        Self { role, muted: false, banned: false }
    }
}

/// A room as it stands in the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Room {
    pub id: RoomId,
    pub organization: OrgId,
    pub kind: RoomKind,
    pub name: Option<Box<str>>,
    pub contact: Option<ContactId>,
    /// Raised by every change of the room or its members.
    pub version: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// From then on it can be read, and nothing can be written.
    pub archived_at: Option<Timestamp>,
}

/// A user's place in a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    pub room: RoomId,
    pub user: UserId,
    pub membership: Membership,
    pub joined_at: Timestamp,
}

macro_rules! spelled {
    ($type:ident, $what:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL
                    .into_iter()
                    .find(|it| it.as_str() == text)
                    .ok_or_else(|| format!(concat!("`{}` is no ", $what), text))
            }
        }
    };
}
pub(crate) use spelled;

spelled!(RoomKind, "room kind");
spelled!(MemberRole, "member role");
