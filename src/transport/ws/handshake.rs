//! The opening handshake (RFC 6455, section 4.2): which requests may become a socket, and the answers to both kinds.

use actix_http::header::{self, HeaderMap};
use actix_http::{HttpMessage, Method, Request, StatusCode, ws};

use crate::transport::upgrade::Refusal;

/// The subprotocol under which a browser may bring a token: `Sec-WebSocket-Protocol: bearer, <token>`.
const BEARER: &str = "bearer";

/// A request that may become a socket.
#[derive(Clone, Copy, Debug)]
pub struct Handshake {
    accept: [u8; 28],
    bearer: bool,
}

impl Handshake {
    /// Checks that a request is an opening handshake.
    ///
    /// # Errors
    /// What to answer instead.
    pub fn of(request: &Request) -> Result<Self, Refusal> {
        let headers = request.headers();
        let invalid = |message| Refusal::new(StatusCode::BAD_REQUEST, "invalid_handshake", message);
        if request.method() != Method::GET {
            let refusal =
                Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "A socket is opened with GET");
            return Err(refusal.header("allow", "GET"));
        }
        if !has_token(headers, &header::UPGRADE, "websocket") || !has_token(headers, &header::CONNECTION, "upgrade") {
            let refusal = Refusal::new(
                StatusCode::UPGRADE_REQUIRED,
                "upgrade_required",
                "Expected Connection: Upgrade and Upgrade: websocket",
            );
            return Err(refusal.header("upgrade", "websocket"));
        }
        if text(headers, &header::SEC_WEBSOCKET_VERSION) != Some("13") {
            let refusal =
                Refusal::new(StatusCode::UPGRADE_REQUIRED, "unsupported_version", "Expected Sec-WebSocket-Version: 13");
            return Err(refusal.header("upgrade", "websocket").header("sec-websocket-version", "13"));
        }
        if text(headers, &header::CONTENT_LENGTH).is_some_and(|len| len != "0") {
            return Err(invalid("An opening handshake has no body"));
        }
        let key = text(headers, &header::SEC_WEBSOCKET_KEY).filter(|key| is_key(key));
        let key = key.ok_or_else(|| invalid("Expected a Sec-WebSocket-Key of 16 bytes in base64"))?;
        Ok(Self { accept: ws::hash_key(key.as_bytes()), bearer: bearer_token(headers).is_some() })
    }

    /// The answer that opens the socket.
    pub fn response(&self) -> Vec<u8> {
        self.response_with(self.bearer.then_some(BEARER))
    }

    /// The same, with another subprotocol, which must be one that was offered.
    pub fn response_with(&self, protocol: Option<&str>) -> Vec<u8> {
        let mut response = Vec::with_capacity(192);
        response.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ",
        );
        response.extend_from_slice(&self.accept);
        if let Some(protocol) = protocol {
            response.extend_from_slice(b"\r\nsec-websocket-protocol: ");
            response.extend_from_slice(protocol.as_bytes());
        }
        response.extend_from_slice(b"\r\n\r\n");
        response
    }
}

/// The token that was offered as the subprotocol pair `bearer, <token>`.
pub fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let mut offered = tokens(headers, &header::SEC_WEBSOCKET_PROTOCOL);
    offered.find(|protocol| *protocol == BEARER)?;
    offered.next()
}

/// The subprotocols that were offered, the one that the client would like best first.
pub fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    tokens(headers, &header::SEC_WEBSOCKET_PROTOCOL)
}

/// Whether this subprotocol was offered.
pub fn offers(headers: &HeaderMap, protocol: &str) -> bool {
    offered(headers).any(|it| it == protocol)
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// The comma-separated elements of a header, which may be spread over several lines (RFC 9110, section 5.6.1).
fn tokens<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

fn has_token(headers: &HeaderMap, name: &header::HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|it| it.eq_ignore_ascii_case(token))
}

/// 16 bytes in base64: 22 letters and two signs of padding.
fn is_key(key: &str) -> bool {
    let letters = key.strip_suffix("==").unwrap_or_default().as_bytes();
    letters.len() == 22 && letters.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

#[cfg(test)]
mod tests {
    use actix_http::test::TestRequest;

    use super::*;

    fn request() -> TestRequest {
        let mut request = TestRequest::default();
        request
            .insert_header(("connection", "keep-alive, Upgrade"))
            .insert_header(("upgrade", "WebSocket"))
            .insert_header(("sec-websocket-version", "13"))
            .insert_header(("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="));
        request
    }

    #[track_caller]
    fn refused(request: &mut TestRequest, status: StatusCode) -> Refusal {
        let refusal = Handshake::of(&request.finish()).expect_err("a refusal");
        assert_eq!(refusal.status(), status);
        refusal
    }

    #[test]
    fn a_proper_request_is_accepted_with_the_hash_of_its_key() {
        let response = Handshake::of(&request().finish()).unwrap().response();
        let response = String::from_utf8(response).unwrap();
        // The example of RFC 6455, section 1.3.
        assert!(response.contains("\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        assert!(!response.contains("protocol"));
    }

    #[test]
    fn only_the_pair_of_bearer_and_token_is_answered() {
        let mut paired = request();
        paired.insert_header(("sec-websocket-protocol", "chat, bearer, abc.def"));
        let paired = paired.finish();
        assert_eq!(bearer_token(paired.headers()), Some("abc.def"));
        let response = String::from_utf8(Handshake::of(&paired).unwrap().response()).unwrap();
        assert!(response.ends_with("\r\nsec-websocket-protocol: bearer\r\n\r\n"));
        let mut alone = request();
        alone.insert_header(("sec-websocket-protocol", "bearer"));
        assert_eq!(bearer_token(alone.finish().headers()), None);
    }

    #[test]
    fn requests_that_are_no_handshake_are_told_what_is_missing() {
        refused(request().method(Method::POST), StatusCode::METHOD_NOT_ALLOWED);
        refused(request().insert_header(("connection", "keep-alive")), StatusCode::UPGRADE_REQUIRED);
        refused(request().insert_header(("upgrade", "h2c")), StatusCode::UPGRADE_REQUIRED);
        refused(request().insert_header(("content-length", "5")), StatusCode::BAD_REQUEST);
        for key in ["", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25j", "!!!!IHNhbXBsZSBub25jZQ=="] {
            refused(request().insert_header(("sec-websocket-key", key)), StatusCode::BAD_REQUEST);
        }
    }

    #[test]
    fn another_version_is_told_the_one_that_is_spoken() {
        let refusal = refused(request().insert_header(("sec-websocket-version", "8")), StatusCode::UPGRADE_REQUIRED);
        let response = String::from_utf8(refusal.response()).unwrap();
        assert!(response.contains("\r\nsec-websocket-version: 13\r\n"));
    }
}
