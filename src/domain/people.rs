//! Who is speaking: the identity that a token or a key proves.

use std::fmt;
use std::str::FromStr;

use super::room::spelled;
use super::{LoginId, OrgId, Timestamp, UserId};

/// What a user is in its organization.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    Admin,
    Agent,
    Member,
    Bot,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Admin, Self::Agent, Self::Member, Self::Bot];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Agent => "agent",
            Self::Member => "member",
            Self::Bot => "bot",
        }
    }
}

spelled!(Role, "role: expected admin, agent, member or bot");

/// What a verified token or key says about its bearer. Shared by everything that a connection does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// `None`: the token names no organization and none is configured. Such a connection opens, and may do nothing.
    pub organization: Option<OrgId>,
    pub user: UserId,
    pub role: Role,
    pub name: Box<str>,
    pub email: Option<Box<str>>,
    /// When the token stops being good, the leeway not included. `None`: never (API keys without expiry).
    pub expires_at: Option<Timestamp>,
    /// The login session that the token belongs to, if it came from a login.
    pub login: Option<LoginId>,
}
