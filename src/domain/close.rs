//! Why a connection ends: the catalogue of close codes, each with what the client should do next.
//!
//! Codes below 4000 are RFC 6455, section 7.4.1; the others are the hub's own.

use std::fmt;

/// What a client should do after a close.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Advice {
    /// Nothing: it was an ordinary end.
    Nothing,
    GiveUp,
    /// Come back with backoff and jitter.
    ComeBack,
    /// Come back with `after_seq`, to get what was missed.
    Resume,
    /// Get a new token first.
    NewToken,
    /// Come back after a minute.
    Wait,
}

macro_rules! catalogue {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal, $advice:ident;)*) => {
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum CloseReason {
            $($(#[$doc])* $name,)*
        }

        impl CloseReason {
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code of the Close frame.
            pub const fn code(self) -> u16 {
                match self { $(Self::$name => $code,)* }
            }

            /// The text of the Close frame.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            pub const fn advice(self) -> Advice {
                match self { $(Self::$name => Advice::$advice,)* }
            }
        }
    };
}

catalogue! {
    Normal = 1000, "", Nothing;
    GoingAway = 1001, "going_away", Nothing;
    ProtocolError = 1002, "protocol_error", GiveUp;
    /// Binary where text is spoken.
    UnsupportedData = 1003, "unsupported_data", GiveUp;
    InvalidUtf8 = 1007, "invalid_utf8", GiveUp;
    TooBig = 1009, "message_too_big", GiveUp;
    Internal = 1011, "internal", ComeBack;
    Restarting = 1012, "restarting", ComeBack;
    TooManyErrors = 4400, "too_many_errors", GiveUp;
    TokenExpired = 4401, "token_expired", NewToken;
    /// Logged out or revoked.
    SessionEnded = 4401, "session_ended", NewToken;
    Kicked = 4403, "kicked", GiveUp;
    Banned = 4403, "banned", GiveUp;
    HeartbeatTimeout = 4408, "heartbeat_timeout", ComeBack;
    Idle = 4408, "idle", ComeBack;
    /// By a newer connection of the same user.
    Replaced = 4409, "replaced", GiveUp;
    RateLimited = 4429, "rate_limited", Wait;
    SlowConsumer = 4430, "slow_consumer", Resume;
}

impl CloseReason {
    /// Whether a client that hears of it is to come back by itself.
    pub const fn comes_back(self) -> bool {
        matches!(self.advice(), Advice::ComeBack | Advice::Resume | Advice::NewToken)
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_str() {
            "" => write!(f, "{}", self.code()),
            text => write!(f, "{} {text}", self.code()),
        }
    }
}
