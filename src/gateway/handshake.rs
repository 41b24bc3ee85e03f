//! The opening handshake from the client's side (RFC 6455, section 4.1): the gateway asks an upstream for a socket.

use std::io::{self, ErrorKind};

use actix_codec::Framed;
use actix_http::body::BodySize;
use actix_http::h1::{ClientCodec, Message, MessageType};
use actix_http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_http::ws::hash_key;
use actix_http::{
    ConnectionType, Method, RequestHead, RequestHeadType, ResponseHead, ServiceConfig, StatusCode, Uri, Version,
};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::AsyncReadExt as _;

use super::dial::Stream;
use super::exchange::MAX_INTERIM;
use crate::clock;
use crate::transport::upgrade::OFFERED_EXTENSIONS;

/// What a client's request says that its upstream is to hear as well. Above all it is offered no extensions: the gateway
/// could not follow frames whose meaning they change. It only hears, by another name, what the client offered.
const PASSED_ON: [HeaderName; 7] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::ORIGIN,
    header::USER_AGENT,
    header::ACCEPT_LANGUAGE,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::VIA,
];

/// How much of an answer that opens no socket is passed on, in bytes.
const MAX_BODY: usize = 64 * 1024;

thread_local! {
    /// It has a clock of its own, which is enough once.
    static CONFIG: ServiceConfig = ServiceConfig::default();
}

/// How an upstream answered.
pub enum Answer {
    Open {
        stream: Stream,
        /// The subprotocol that it chose.
        protocol: Option<String>,
        /// What came behind its answer.
        rest: Bytes,
    },
    Refused {
        status: StatusCode,
        headers: HeaderMap,
        /// As much of it as is passed on.
        body: Bytes,
    },
}

/// What is asked for.
pub struct Wish<'a> {
    /// Its path and its query, as the client sent them.
    pub uri: &'a Uri,
    /// The client's.
    pub headers: &'a HeaderMap,
    pub host: HeaderValue,
    /// Names this gateway among those that the request went through.
    pub via: HeaderValue,
}

/// Asks for a socket. `added` are headers beside those of the client.
///
/// # Errors
/// Where the upstream ended before it had answered, or answered something that is no HTTP.
pub async fn ask(
    stream: Stream,
    wish: Wish<'_>,
    added: impl Iterator<Item = (HeaderName, HeaderValue)>,
) -> io::Result<Answer> {
    let key = clock::random::<16>().ok_or_else(|| io::Error::other("the system has no randomness to give"))?;
    let key = BASE64_STANDARD.encode(key);
    let head = RequestHeadType::Owned(request(wish, added, &key)?);
    let mut framed = Framed::new(stream, ClientCodec::new(CONFIG.with(Clone::clone)));
    framed.send(Message::Item((head, BodySize::None))).await?;
    let head = answer(&mut framed).await?;
    if head.status != StatusCode::SWITCHING_PROTOCOLS {
        let headers = head.headers().clone();
        let body = body(framed, &headers).await;
        return Ok(Answer::Refused { status: head.status, headers, body });
    }
    let is = |name: HeaderName, value: &[u8]| {
        head.headers().get(name).is_some_and(|it| it.as_bytes().trim_ascii().eq_ignore_ascii_case(value))
    };
    let accept = head.headers().get(header::SEC_WEBSOCKET_ACCEPT).map(|it| it.as_bytes().trim_ascii());
    let is_proper = accept == Some(&hash_key(key.as_bytes())[..])
        && is(header::UPGRADE, b"websocket")
        && !head.headers().contains_key(header::SEC_WEBSOCKET_EXTENSIONS);
    if !is_proper {
        return Err(io::Error::new(ErrorKind::InvalidData, "the answer is not one to the handshake that was sent"));
    }
    let protocol = head.headers().get(header::SEC_WEBSOCKET_PROTOCOL);
    let protocol = protocol.map(|it| it.to_str().map(str::to_owned)).transpose().map_err(io::Error::other)?;
    let parts = framed.into_parts();
    Ok(Answer::Open { stream: parts.io, protocol, rest: parts.read_buf.freeze() })
}

/// The head of the answer that counts; interim ones come before it.
async fn answer(framed: &mut Framed<Stream, ClientCodec>) -> io::Result<ResponseHead> {
    for _ in 0..=MAX_INTERIM {
        let head = framed.next().await.ok_or(ErrorKind::UnexpectedEof)?.map_err(io::Error::other)?;
        if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(head);
        }
        if framed.codec_ref().message_type() != MessageType::None {
            return Err(io::Error::new(ErrorKind::InvalidData, "an interim answer has no body"));
        }
    }
    Err(io::Error::new(ErrorKind::InvalidData, "there are too many interim answers"))
}

fn request(
    wish: Wish<'_>,
    added: impl Iterator<Item = (HeaderName, HeaderValue)>,
    key: &str,
) -> io::Result<RequestHead> {
    let mut head = RequestHead::default();
    head.method = Method::GET;
    head.version = Version::HTTP_11;
    head.uri = wish.uri.clone();
    head.set_connection_type(ConnectionType::Upgrade);
    head.headers.insert(header::HOST, wish.host);
    for name in PASSED_ON {
        for value in wish.headers.get_all(&name) {
            head.headers.append(name.clone(), value.clone());
        }
    }
    if let Some(offer) = wish.headers.get(header::SEC_WEBSOCKET_EXTENSIONS) {
        head.headers.insert(OFFERED_EXTENSIONS, offer.clone());
    }
    head.headers.append(header::VIA, wish.via);
    for (name, value) in added {
        head.headers.insert(name, value);
    }
    head.headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    head.headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    head.headers.insert(header::SEC_WEBSOCKET_KEY, HeaderValue::from_str(key).map_err(io::Error::other)?);
    Ok(head)
}

/// The body of an answer; of one that is too long or that breaks off, what there is of it.
async fn body(framed: Framed<Stream, ClientCodec>, headers: &HeaderMap) -> Bytes {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.trim().parse::<usize>().ok());
    let mut body = BytesMut::new();
    if let Some(length) = length.filter(|_| !headers.contains_key(header::TRANSFER_ENCODING)) {
        // Counted here, as the codec takes an answer that speaks of an upgrade for one without a body.
        let length = length.min(MAX_BODY);
        let mut parts = framed.into_parts();
        body = parts.read_buf;
        while body.len() < length && matches!(parts.io.read_buf(&mut body).await, Ok(1..)) {}
        body.truncate(length);
    } else if framed.codec_ref().message_type() != MessageType::None {
        let mut framed = framed.into_map_codec(ClientCodec::into_payload_codec);
        while let Some(Ok(Some(chunk))) = framed.next().await {
            let room = MAX_BODY - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == MAX_BODY {
                break;
            }
        }
    }
    body.freeze()
}
