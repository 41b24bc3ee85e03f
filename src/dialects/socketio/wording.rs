//! What clients are told in words.

use std::borrow::Cow;

use crate::domain::{CloseReason, Reject, RejectCode};

/// Clients know some refusals by their words; the hub's other ones call every room a session.
pub(super) fn refusal(it: &Reject) -> Cow<'_, str> {
    match code(it) {
        RejectCode::AuthenticationRequired | RejectCode::InvalidToken | RejectCode::TokenExpired => {
            "Not authenticated".into()
        }
        RejectCode::NotFound | RejectCode::Forbidden if [Reject::not_found(), Reject::forbidden()].contains(it) => {
            "Forbidden".into()
        }
        // These quote the client.
        RejectCode::UnknownType | RejectCode::InvalidJson => (&*it.message).into(),
        _ if it.message.contains("session") => it.message.replace("session", "room").into(),
        _ => (&*it.message).into(),
    }
}

/// To these clients, whoever belongs to no organization is nobody yet.
pub(super) fn code(it: &Reject) -> RejectCode {
    if *it == Reject::no_organization() { RejectCode::AuthenticationRequired } else { it.code }
}

/// Why a connection is ended.
pub(super) const fn farewell(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Replaced => "A newer connection of yours has taken this one's place",
        CloseReason::TokenExpired => "The token has ended: connect again with a new one",
        CloseReason::SessionEnded => "You were logged out, or your account or key was revoked",
        CloseReason::Kicked | CloseReason::Banned => "You were put out",
        CloseReason::RateLimited => "Rate limit exceeded",
        CloseReason::TooManyErrors => "Too many events that cannot be read",
        CloseReason::SlowConsumer => "You read more slowly than others write",
        CloseReason::Idle => "You were in no room and said nothing for a long time",
        _ => "The server has closed the connection",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_speaks_of_rooms_but_quotes_the_client_as_it_is() {
        assert_eq!(refusal(&Reject::not_joined()), "Join the room first");
        let quoting = Reject::new(RejectCode::UnknownType, "There is no event `join_session`");
        assert_eq!(refusal(&quoting), "There is no event `join_session`");
    }
}
