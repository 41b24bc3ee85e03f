//! Why something asked was not done: one catalogue for every dialect and for REST.

use std::borrow::Cow;
use std::fmt;

/// The codes that clients see. Contracts: a code never changes its meaning.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RejectCode {
    InvalidJson,
    UnknownType,
    InvalidPayload,
    AuthenticationRequired,
    InvalidToken,
    TokenExpired,
    /// No account has this address and this password (REST).
    InvalidCredentials,
    OriginNotAllowed,
    Forbidden,
    NotFound,
    NotJoined,
    RateLimited,
    MessageTooLarge,
    TooManyRooms,
    /// Not known to be stored: send again with the same `client_message_id`.
    SendFailed,
    Unavailable,
    /// It stands against what is there already (REST).
    Conflict,
    /// It has changed since the caller read it (REST, `If-Match`).
    PreconditionFailed,
    /// The same `Idempotency-Key` came with another request (REST).
    IdempotencyKeyReused,
    /// The first request with the same `Idempotency-Key` is still being done (REST).
    IdempotencyKeyInUse,
    Internal,
}

impl RejectCode {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidJson => "invalid_json",
            Self::UnknownType => "unknown_type",
            Self::InvalidPayload => "invalid_payload",
            Self::AuthenticationRequired => "authentication_required",
            Self::InvalidToken => "invalid_token",
            Self::TokenExpired => "token_expired",
            Self::InvalidCredentials => "invalid_credentials",
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::NotJoined => "not_joined",
            Self::RateLimited => "rate_limited",
            Self::MessageTooLarge => "message_too_large",
            Self::TooManyRooms => "too_many_rooms",
            Self::SendFailed => "send_failed",
            Self::Unavailable => "unavailable",
            Self::Conflict => "conflict",
            Self::PreconditionFailed => "precondition_failed",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::IdempotencyKeyInUse => "idempotency_key_in_use",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for RejectCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal: what was wrong and what would be right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reject {
    pub code: RejectCode,
    pub message: Cow<'static, str>,
    /// The field of the payload that is at fault (`invalid_payload`).
    pub field: Option<&'static str>,
    /// For `rate_limited` and `unavailable`: when it makes sense to try again.
    pub retry_after_ms: Option<u64>,
}

impl Reject {
    pub fn new(code: RejectCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), field: None, retry_after_ms: None }
    }

    /// `field` is wrong; `expected` says what it should have been.
    pub fn field(field: &'static str, expected: &str) -> Self {
        Self { field: Some(field), ..Self::new(RejectCode::InvalidPayload, format!("{field}: expected {expected}")) }
    }

    pub fn not_found() -> Self {
        Self::new(RejectCode::NotFound, "There is no such session")
    }

    pub fn forbidden() -> Self {
        Self::new(RejectCode::Forbidden, "You may not take part in this session")
    }

    /// Somebody whose token says nothing of an organization.
    pub fn no_organization() -> Self {
        Self::new(RejectCode::Forbidden, "Your token names no organization: expected the claim organization_id")
    }

    pub fn no_such_message() -> Self {
        Self::new(RejectCode::NotFound, "There is no such message in this session")
    }

    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(RejectCode::Conflict, message)
    }

    pub fn precondition_failed() -> Self {
        Self::new(RejectCode::PreconditionFailed, "It has changed since: read it again, and try with its new ETag")
    }

    pub fn idempotency_key_reused() -> Self {
        let message = "This Idempotency-Key came with another request before: a new request needs a new key";
        Self::new(RejectCode::IdempotencyKeyReused, message)
    }

    pub fn not_joined() -> Self {
        Self::new(RejectCode::NotJoined, "Join the session first")
    }

    pub fn rate_limited(retry_after_ms: u64) -> Self {
        Self { retry_after_ms: Some(retry_after_ms), ..Self::new(RejectCode::RateLimited, "Rate limit exceeded") }
    }

    pub fn unavailable() -> Self {
        Self::new(RejectCode::Unavailable, "The database is not available; try again shortly")
    }

    pub fn send_failed() -> Self {
        Self::new(
            RejectCode::SendFailed,
            "Failed to save message: not known to be stored; send it again with the same client_message_id",
        )
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Reject {}
