//! Why someone was not let in: one catalogue for sockets, for REST and for tokens shown on open connections.
//!
//! What was wrong in detail is for the operator (`reason`: metrics and the audit log); a stranger learns no more than
//! the code and the text.

use std::fmt;

use crate::domain::{Reject, RejectCode};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refusal {
    /// Nothing was shown.
    NoToken,
    TooLong,
    /// Neither a key nor three parts of base64url with JSON in them.
    Malformed,
    /// Not the algorithm of the key, `none` included, or an extension of the signature that is not understood.
    Algorithm,
    Signature,
    /// A claim is missing or is not of its type.
    Claims,
    NoExpiry,
    Expired,
    NotYetValid,
    Audience,
    /// An API key that there is not.
    UnknownKey,
    RevokedKey,
    /// Its login session was ended.
    SessionEnded,
    /// The account was disabled.
    Disabled,
    /// The page that opened the connection is not one that may.
    Origin,
}

impl Refusal {
    /// The label in metrics and in the audit log.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NoToken => "authentication_required",
            Self::TooLong => "token_too_long",
            Self::Malformed => "token_malformed",
            Self::Algorithm => "token_algorithm",
            Self::Signature => "token_signature",
            Self::Claims => "token_claims",
            Self::NoExpiry => "token_without_expiry",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::Audience => "token_audience",
            Self::UnknownKey => "key_unknown",
            Self::RevokedKey => "key_revoked",
            Self::SessionEnded => "session_ended",
            Self::Disabled => "account_disabled",
            Self::Origin => "origin_not_allowed",
        }
    }

    /// The status of the HTTP answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::Origin => 403,
            _ => 401,
        }
    }

    /// The code in the HTTP answer, which does not tell an expired token from an invalid one.
    pub const fn code(self) -> RejectCode {
        match self {
            Self::NoToken => RejectCode::AuthenticationRequired,
            Self::Origin => RejectCode::OriginNotAllowed,
            _ => RejectCode::InvalidToken,
        }
    }

    /// The text in the HTTP answer.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Origin => "Origin not allowed",
            _ => "Authentication required",
        }
    }

    /// The answer to a token shown on an open connection, where knowing that it was too late helps.
    pub fn reject(self) -> Reject {
        match self {
            Self::Expired => Reject::new(RejectCode::TokenExpired, "The token has expired; show a newer one"),
            _ => Reject::new(self.code(), self.message()),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for Refusal {}
