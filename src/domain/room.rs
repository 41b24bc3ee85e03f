//! Rooms and what a user is in them.

use std::fmt;
use std::str::FromStr;

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
