//! What an Engine.IO client is told that asked for something wrong: `{"code": …, "message": …}`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;

use super::host::Refused;
use crate::session::Unserved;
use crate::transport::upgrade::Refusal;

/// When a client should come back that finds the house full, or closing, in seconds.
const RETRY_SECS: &str = "5";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wrong {
    UnknownTransport,
    UnknownSid,
    BadHandshakeMethod,
    BadRequest,
    Forbidden,
    UnsupportedVersion,
    /// What was posted is longer than the open packet allowed.
    TooLarge,
    TooMany,
    Restarting,
}

impl Wrong {
    /// Status, code and message. The codes and their messages are the protocol's; what it has none for is a bad request.
    const fn words(self) -> (StatusCode, u8, &'static str) {
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        match self {
            Self::UnknownTransport => (BAD, 0, "Transport unknown"),
            Self::UnknownSid => (BAD, 1, "Session ID unknown"),
            Self::BadHandshakeMethod => (BAD, 2, "Bad handshake method"),
            Self::BadRequest => (BAD, 3, "Bad request"),
            Self::Forbidden => (StatusCode::FORBIDDEN, 4, "Forbidden"),
            Self::UnsupportedVersion => (BAD, 5, "Unsupported protocol version"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, 3, "Payload too large"),
            Self::TooMany => (StatusCode::TOO_MANY_REQUESTS, 3, "Too many sessions"),
            Self::Restarting => (StatusCode::SERVICE_UNAVAILABLE, 3, "The server is restarting"),
        }
    }

    fn body(self) -> String {
        let (_, code, message) = self.words();
        format!(r#"{{"code":{code},"message":"{message}"}}"#)
    }

    fn retry_secs(self) -> Option<&'static str> {
        matches!(self, Self::TooMany | Self::Restarting).then_some(RETRY_SECS)
    }

    pub(super) fn response(self) -> HttpResponse {
        let mut response = HttpResponse::build(self.words().0);
        if let Some(secs) = self.retry_secs() {
            response.insert_header((RETRY_AFTER, secs));
        }
        response.content_type("application/json").body(self.body())
    }

    /// The same, to a request for a socket.
    pub(super) fn refusal(self) -> Refusal {
        let (status, _, message) = self.words();
        let refusal = Refusal::new(status, "engine_io", message).body(self.body());
        match self.retry_secs() {
            Some(secs) => refusal.header("retry-after", secs),
            None => refusal,
        }
    }
}

impl From<Refused> for Wrong {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Forbidden => Self::Forbidden,
            Refused::TooMany => Self::TooMany,
            Refused::Restarting => Self::Restarting,
        }
    }
}

impl From<Unserved> for Wrong {
    fn from(unserved: Unserved) -> Self {
        match unserved {
            Unserved::Ended => Self::UnknownSid,
            Unserved::Unexpected => Self::BadRequest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_texts_are_the_protocols() {
        assert_eq!(Wrong::UnknownTransport.body(), r#"{"code":0,"message":"Transport unknown"}"#);
        assert_eq!(Wrong::UnknownSid.body(), r#"{"code":1,"message":"Session ID unknown"}"#);
        assert_eq!(Wrong::BadHandshakeMethod.body(), r#"{"code":2,"message":"Bad handshake method"}"#);
        assert_eq!(Wrong::BadRequest.body(), r#"{"code":3,"message":"Bad request"}"#);
        assert_eq!(Wrong::Forbidden.body(), r#"{"code":4,"message":"Forbidden"}"#);
        assert_eq!(Wrong::UnsupportedVersion.body(), r#"{"code":5,"message":"Unsupported protocol version"}"#);
    }

    #[test]
    fn a_request_for_a_socket_is_refused_with_the_same_words() {
        let response = String::from_utf8(Wrong::from(Refused::TooMany).refusal().response()).unwrap();
        assert!(response.starts_with("HTTP/1.1 429 ") && response.contains("\r\nretry-after: 5\r\n"), "{response}");
        assert!(response.ends_with("\r\n\r\n{\"code\":3,\"message\":\"Too many sessions\"}"), "{response}");
    }
}
