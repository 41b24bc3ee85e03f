//! Who is speaking: the identity that a token or a key proves.

use std::fmt;
use std::str::FromStr;

use super::room::spelled;
use super::{LoginId, OrgId, Reject, RejectCode, Timestamp, UserId};

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

/// How a person wants to be seen while connected; without a connection everyone is `Offline`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum UserStatus {
    #[default]
    Online,
    Busy,
    Away,
    Offline,
}

impl UserStatus {
    pub const ALL: [Self; 4] = [Self::Online, Self::Busy, Self::Away, Self::Offline];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Busy => "busy",
            Self::Away => "away",
            Self::Offline => "offline",
        }
    }
}

spelled!(UserStatus, "status: expected online, busy, away or offline");

/// What a credential may be used for, besides what its user may do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scope {
    /// Joining, reading, marking what was read, and the lists of rooms and people.
    ChatRead,
    /// Sending, typing, editing, reacting, and changing rooms and their members.
    ChatWrite,
    /// Reporting contacts' messages and outside status updates.
    MessagesWrite,
    /// What only administrators may do.
    Admin,
}

impl Scope {
    pub const ALL: [Self; 4] = [Self::ChatRead, Self::ChatWrite, Self::MessagesWrite, Self::Admin];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChatRead => "chat:read",
            Self::ChatWrite => "chat:write",
            Self::MessagesWrite => "messages:write",
            Self::Admin => "admin",
        }
    }
}

spelled!(Scope, "scope: expected chat:read, chat:write, messages:write or admin");

/// A set of [`Scope`]s.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// What a token has: all that its user's role allows.
    pub const ALL: Self = Self(u8::MAX);

    pub const fn has(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }

    #[must_use]
    pub const fn with(self, scope: Scope) -> Self {
        Self(self.0 | 1 << scope as u8)
    }

    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<T: IntoIterator<Item = Scope>>(scopes: T) -> Self {
        scopes.into_iter().fold(Self::default(), Self::with)
    }
}

impl Identity {
    /// An API key rather than a token: it has the scopes that it was made with.
    pub fn is_key(&self) -> bool {
        self.scopes != Scopes::ALL
    }

    /// Whether it may do what `scope` stands for, as far as that depends on the credential.
    pub fn must_have(&self, scope: Scope) -> Result<(), Reject> {
        if self.scopes.has(scope) {
            return Ok(());
        }
        Err(Reject::new(RejectCode::Forbidden, format!("This key lacks the scope {scope}")))
    }

    /// Whether it may do what only administrators may: its user is one, and it is not a key that was made for less.
    pub fn administers(&self) -> bool {
        self.role == Role::Admin && self.scopes.has(Scope::Admin)
    }
}

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
    /// The login session that the token belongs to, or the id of the API key; ending it ends the connection.
    pub login: Option<LoginId>,
    pub scopes: Scopes,
}
