//! From HTTP to a socket: who is asked whether a request may become one, and what follows from the answer.
//!
//! The HTTP connection, with its buffers, ends here. A socket that was accepted goes over to a session, together
//! with the bytes that came behind the request; one that was refused gets its answer and is closed.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_codec::Framed;
use actix_http::header::{HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_EXTENSIONS};
use actix_http::{HttpMessage, Request, StatusCode, Uri, h1};
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::io::Io;
use super::patient::Patient;
use super::ws::handshake::{Handshake, bearer_token, offered};
use crate::session::{Opening, Polled, start};

/// What a client offered, as a proxy says that answers such offers itself. It grants nothing, so whoever asks may say so.
pub const OFFERED_EXTENSIONS: HeaderName = HeaderName::from_static("x-offered-extensions");

/// The extensions that the client of an opening handshake offers, as it wrote them.
pub fn offered_extensions(headers: &HeaderMap) -> Option<&[u8]> {
    let offer = headers.get(SEC_WEBSOCKET_EXTENSIONS).or_else(|| headers.get(OFFERED_EXTENSIONS));
    offer.map(HeaderValue::as_bytes)
}

/// A valid opening handshake that asks to become a socket.
#[derive(Debug)]
pub struct UpgradeRequest {
    request: Request,
    peer: SocketAddr,
}

impl UpgradeRequest {
    pub fn path(&self) -> &str {
        self.request.path()
    }

    pub fn uri(&self) -> &Uri {
        self.request.uri()
    }

    /// The query string, without its question mark; empty where there is none.
    pub fn query(&self) -> &str {
        self.request.uri().query().unwrap_or_default()
    }

    pub fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    /// A header's first value, if it is printable ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name)?.to_str().ok()
    }

    /// The token of the subprotocol pair `bearer, <token>`.
    pub fn bearer_protocol(&self) -> Option<&str> {
        bearer_token(self.request.headers())
    }

    /// The subprotocol that the client would like best, if it asks for any.
    pub fn favourite_protocol(&self) -> Option<&str> {
        offered(self.request.headers()).next()
    }

    /// The other end of the TCP connection.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }
}

/// What becomes of a request for a socket.
pub enum Verdict {
    Accept(Opening),
    /// It is offered to a session that goes on without one, which may move to it within so long.
    Offer(Polled, Duration),
    /// As the other says, which accepts or offers, and this subprotocol is spoken of those that were asked for.
    Speaking(String, Box<Self>),
    /// It becomes no session.
    HandOver(HandOver),
    Refuse(Refusal),
}

/// A socket that somebody else takes over as it is.
pub struct HandOver {
    /// Which of the subprotocols that were offered is spoken.
    pub protocol: Option<String>,
    pub to: NewOwner,
}

/// Gets the socket, the answer that must be written to it first, and what has been read of it already.
pub type NewOwner = Box<dyn FnOnce(Io, Vec<u8>, Bytes)>;

/// Decides about requests for sockets, on the worker thread that owns the connection.
pub type UpgradeHandler = Arc<dyn Fn(UpgradeRequest) -> LocalBoxFuture<'static, Verdict> + Send + Sync>;

/// A refusal over HTTP: a status and the JSON `{"error": code, "message": text}`, or another body that a protocol, or
/// the server behind this one, asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    /// `None`: of the code and the message.
    body: Option<Box<Body>>,
    headers: Vec<(&'static str, Cow<'static, str>)>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Body {
    content_type: Cow<'static, str>,
    bytes: Bytes,
}

const JSON: Cow<'static, str> = Cow::Borrowed("application/json");

impl Refusal {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), body: None, headers: Vec::new() }
    }

    /// Of somebody who has not shown who they are, or who came from a page that may not.
    pub fn unauthorized(status: u16, code: &'static str, message: &'static str) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::UNAUTHORIZED);
        let refusal = Self::new(status, code, message);
        match status {
            StatusCode::UNAUTHORIZED => refusal.header("www-authenticate", "Bearer"),
            _ => refusal,
        }
    }

    /// There is nothing at this path that could become a socket.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is no socket at this path")
    }

    /// Adds a header. `value` must be fit for one: no line breaks.
    pub fn header(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Answers with this JSON instead.
    pub fn body(mut self, json: String) -> Self {
        self.body = Some(Box::new(Body { content_type: JSON, bytes: json.into() }));
        self
    }

    /// Answers with this body instead. `content_type` must be fit for a header.
    pub fn content(mut self, content_type: String, body: Bytes) -> Self {
        self.body = Some(Box::new(Body { content_type: content_type.into(), bytes: body }));
        self
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The whole answer.
    pub fn response(&self) -> Vec<u8> {
        let own = || serde_json::json!({ "error": self.code, "message": self.message }).to_string();
        let body = self.body.as_deref().cloned();
        let Body { content_type, bytes } = body.unwrap_or_else(|| Body { content_type: JSON, bytes: own().into() });
        let mut head = format!("HTTP/1.1 {}\r\n", self.status);
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(
            head,
            "content-type: {content_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            bytes.len()
        );
        let mut response = head.into_bytes();
        response.extend_from_slice(&bytes);
        response
    }
}

/// How long a refused client may take to read its answer and close.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// How much a refused client may still send before the connection is cut.
pub(super) const LINGER_BYTES: usize = 256 * 1024;

/// Takes a connection over from the HTTP stack.
pub(super) async fn upgrade<T>(
    handler: UpgradeHandler,
    request: Request,
    framed: Framed<Patient<T>, h1::Codec>,
) -> Result<(), Infallible>
where
    T: AsyncRead + AsyncWrite + Unpin,
    Io: From<T>,
{
    let parts = framed.into_parts();
    let io = parts.io.into_inner();
    // Without its address, a peer is gone already.
    let Some(peer) = request.peer_addr() else { return Ok(()) };
    // The answer to a pipelined request before this one may not have been written yet.
    let mut answer = parts.write_buf.to_vec();
    let verdict = match Handshake::of(&request) {
        Ok(handshake) => {
            let verdict = handler(UpgradeRequest { request, peer }).await;
            let (protocol, verdict) = match verdict {
                Verdict::Speaking(protocol, verdict) => (Some(protocol), *verdict),
                verdict => (None, verdict),
            };
            match &verdict {
                Verdict::Accept(_) | Verdict::Offer(..) => answer.extend(match protocol {
                    Some(protocol) => handshake.response_with(Some(&protocol)),
                    None => handshake.response(),
                }),
                Verdict::HandOver(over) => answer.extend(handshake.response_with(over.protocol.as_deref())),
                Verdict::Speaking(..) | Verdict::Refuse(_) => {}
            }
            verdict
        }
        Err(refusal) => Verdict::Refuse(refusal),
    };
    match verdict {
        Verdict::Speaking(..) => {}
        Verdict::Accept(opening) => start(Io::from(io), answer, &parts.read_buf, opening),
        Verdict::Offer(session, patience) => session.offer(Io::from(io), answer, parts.read_buf.into(), patience),
        Verdict::HandOver(over) => (over.to)(Io::from(io), answer, parts.read_buf.freeze()),
        Verdict::Refuse(refusal) => {
            answer.extend(refusal.response());
            drop(parts.read_buf);
            part(io, &answer).await;
        }
    }
    Ok(())
}

/// Writes the last answer, and waits a moment for the peer to close: a socket that is closed with bytes unread is
/// reset, and the answer may be lost with it.
pub(super) async fn part<T: AsyncRead + AsyncWrite + Unpin>(io: T, answer: &[u8]) {
    // The peer may be gone, and with it everything that there was to do.
    let _ = timeout(LINGER, write_and_drain(io, answer)).await;
}

async fn write_and_drain<T: AsyncRead + AsyncWrite + Unpin>(mut io: T, answer: &[u8]) -> std::io::Result<()> {
    io.write_all(answer).await?;
    io.shutdown().await?;
    let (mut discarded, mut scratch) = (0, [0; 1024]);
    while discarded < LINGER_BYTES {
        match io.read(&mut scratch).await? {
            0 => break,
            n => discarded += n,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_json_with_its_length() {
        let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "invalid_token", "Authentication \"required\"");
        let response = String::from_utf8(refusal.header("x-reason", "expired").response()).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 401 Unauthorized\r\nx-reason: expired\r\n"));
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())));
        assert_eq!(body, r#"{"error":"invalid_token","message":"Authentication \"required\""}"#);
    }
}
