//! One request to an upstream and its answer, over HTTP/1.1.
//!
//! Both bodies flow at the same time, each as fast as the slower side takes it, and no more of them is here than was read
//! at once. An upstream may answer before it has the whole request; what it ends in the middle is known as such.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_codec::{Decoder as _, Encoder as _};
use actix_http::body::BodySize;
use actix_http::h1::{ClientCodec, ClientPayloadCodec, Message, MessageType};
use actix_http::{Method, RequestHead, RequestHeadType, ResponseHead, StatusCode, Version};
use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use bytes::{Bytes, BytesMut};
use futures_util::Stream as _;
use tokio::io::AsyncWrite as _;
use tokio::time::{Instant, sleep};
use tokio_util::io::{poll_read_buf, poll_write_buf};

use super::dial::Stream;

/// How much is read at once.
const READ: usize = 32 * 1024;

/// How long either side may take over the next piece of a request's body.
const BODY_PATIENCE: Duration = Duration::from_secs(30);

/// How many interim answers an upstream may send before the one that counts.
pub(super) const MAX_INTERIM: usize = 16;

/// In place of no limit.
const FAR_AWAY: Duration = Duration::from_hours(24 * 365);

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// A connection that had been kept was no longer good: nothing came back on it.
    Stale,
    /// The upstream does not answer any more, though its connection is there.
    Hung,
    /// The upstream ended, or sent what is not HTTP.
    Lost(io::Error),
    /// The upstream took too long.
    Slow,
    /// The client broke its request off.
    ClientLost,
    /// The client took too long over its request's body.
    ClientSlow,
}

/// How long a request's body is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Length {
    None,
    Exactly(u64),
    /// As long as it comes.
    Open,
}

pub(super) struct Exchange {
    io: Stream,
    heard: Heard,
    outgoing: BytesMut,
    incoming: BytesMut,
    /// What is still to come of the request's body.
    body: Option<(Payload, Length)>,
    /// The upstream takes no more of the request.
    is_deaf: bool,
    /// Another request may follow this one.
    is_kept: bool,
    /// Counts what was sent.
    sent: u64,
    /// Counts interim answers.
    interim: usize,
    codec: Codec,
    method: Method,
}

/// What has come back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Heard {
    Nothing,
    /// The connection had been used before, and may have ended meanwhile.
    NothingOnKept,
    Something,
}

/// How the answer is read.
enum Codec {
    Head(ClientCodec),
    /// So many bytes more. Counted here, as the codec takes an answer that speaks of an upgrade for one without a body.
    Counted(u64),
    Chunked(ClientPayloadCodec),
    UntilEnd,
    Nothing,
}

/// An answer's head, and the length of its body if it says so.
pub(super) struct Answer {
    pub(super) head: ResponseHead,
    pub(super) length: Length,
}

impl Exchange {
    /// `body`: the payload, if there is any.
    pub(super) fn new(
        io: Stream,
        is_reused: bool,
        head: RequestHead,
        body: Option<Payload>,
        length: Length,
    ) -> io::Result<Self> {
        let size = match length {
            Length::None => BodySize::None,
            Length::Exactly(bytes) => BodySize::Sized(bytes),
            Length::Open => BodySize::Stream,
        };
        let (mut codec, mut outgoing, method) = (ClientCodec::default(), BytesMut::new(), head.method.clone());
        codec.encode(Message::Item((RequestHeadType::Owned(head), size)), &mut outgoing)?;
        let body = body.filter(|_| length != Length::None).map(|payload| (payload, length));
        Ok(Self {
            io,
            heard: if is_reused { Heard::NothingOnKept } else { Heard::Nothing },
            outgoing,
            incoming: BytesMut::new(),
            body,
            is_deaf: false,
            is_kept: false,
            sent: 0,
            interim: 0,
            codec: Codec::Head(codec),
            method,
        })
    }

    /// Waits for the head of the answer, no longer than `patience` after the request was sent.
    pub(super) async fn answer(&mut self, patience: Option<Duration>) -> Result<Answer, Trouble> {
        let patience = patience.unwrap_or(FAR_AWAY);
        let limit = |is_sending| if is_sending { BODY_PATIENCE } else { patience };
        let mut end = pin!(sleep(limit(self.is_sending())));
        poll_fn(|cx| {
            let before = self.sent;
            if let Poll::Ready(answer) = self.poll_answer(cx) {
                return Poll::Ready(answer);
            }
            if self.sent != before {
                // As long as the request moves, time begins anew.
                end.as_mut().reset(Instant::now() + limit(self.is_sending()));
            }
            // Compared as well, as a timer is silent while an upstream keeps a task so busy that it has used up its turn.
            if end.as_mut().poll(cx).is_pending() && Instant::now() < end.deadline() {
                return Poll::Pending;
            }
            let waits_for_client = self.body.is_some() && self.outgoing.is_empty();
            Poll::Ready(Err(if waits_for_client { Trouble::ClientSlow } else { Trouble::Slow }))
        })
        .await
    }

    /// Whether not a byte of an answer has come.
    pub(super) fn is_unanswered(&self) -> bool {
        self.heard != Heard::Something
    }

    fn is_sending(&self) -> bool {
        !self.is_deaf && (self.body.is_some() || !self.outgoing.is_empty())
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Trouble>> {
        loop {
            self.poll_send(cx)?;
            if let Some(head) = self.decode_head()? {
                return Poll::Ready(Ok(head));
            }
            match ready!(self.poll_fill(cx)) {
                Ok(0) | Err(_) if self.heard == Heard::NothingOnKept => return Poll::Ready(Err(Trouble::Stale)),
                Ok(0) => return Poll::Ready(Err(Trouble::Lost(ErrorKind::UnexpectedEof.into()))),
                Ok(_) => self.heard = Heard::Something,
                Err(error) => return Poll::Ready(Err(Trouble::Lost(error))),
            }
        }
    }

    /// The answer's head, once it is there. Interim answers are skipped: nobody here has asked for one.
    fn decode_head(&mut self) -> Result<Option<Answer>, Trouble> {
        loop {
            let Codec::Head(codec) = &mut self.codec else { return Ok(None) };
            if self.incoming.is_empty() {
                return Ok(None);
            }
            let garbled = |error| Trouble::Lost(io::Error::new(ErrorKind::InvalidData, error));
            let Some(head) = codec.decode(&mut self.incoming).map_err(garbled)? else { return Ok(None) };
            let wrong = |what| Err(Trouble::Lost(io::Error::new(ErrorKind::InvalidData, what)));
            if head.status == StatusCode::SWITCHING_PROTOCOLS {
                return wrong("nobody asked for another protocol");
            }
            if head.status.is_informational() {
                if codec.message_type() != MessageType::None {
                    return wrong("an interim answer has no body");
                }
                self.interim += 1;
                if self.interim > MAX_INTERIM {
                    return wrong("there are too many interim answers");
                }
                continue;
            }
            let Some(length) = self.read_on(&head) else { return wrong("it is not known where the answer ends") };
            return Ok(Some(Answer { head, length }));
        }
    }

    /// From the head to the body (RFC 9112, section 6.3). `None`: it is in an encoding that the codec does not undo.
    fn read_on(&mut self, head: &ResponseHead) -> Option<Length> {
        let has_none =
            self.method == Method::HEAD || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let announced = || head.headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok();
        let is_chunked = head.version == Version::HTTP_11 && head.headers.contains_key(TRANSFER_ENCODING);
        let is_empty = head.status == StatusCode::NO_CONTENT;
        // Says that a body comes where none may: what comes next on the connection cannot be told apart from it.
        let is_contradictory = is_empty && (is_chunked || announced().is_some_and(|bytes: u64| bytes > 0));
        let length = match announced() {
            _ if is_empty => Length::None,
            _ if is_chunked => Length::Open,
            Some(bytes) => Length::Exactly(bytes),
            None if has_none => Length::None,
            None => Length::Open,
        };
        let codec = std::mem::replace(&mut self.codec, Codec::Nothing);
        let Codec::Head(codec) = codec else { return Some(length) };
        self.is_kept = codec.keep_alive() && !is_contradictory;
        self.codec = match length {
            _ if has_none => Codec::Nothing,
            Length::Exactly(0) | Length::None => Codec::Nothing,
            Length::Open if !is_chunked => {
                self.is_kept = false;
                Codec::UntilEnd
            }
            Length::Exactly(bytes) => Codec::Counted(bytes),
            // `identity`, which the codec takes for no body at all, and it would panic if it were asked for one.
            Length::Open if codec.message_type() == MessageType::None => return None,
            Length::Open => Codec::Chunked(codec.into_payload_codec()),
        };
        Some(length)
    }

    /// The next piece of the answer's body. `None`: that was all.
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            // What becomes of the rest of the request, the answer says.
            if self.poll_send(cx).is_err() {
                return Poll::Ready(Some(Err(ErrorKind::ConnectionAborted.into())));
            }
            match &mut self.codec {
                Codec::Head(_) => return Poll::Ready(Some(Err(ErrorKind::NotConnected.into()))),
                Codec::Nothing => return Poll::Ready(None),
                Codec::UntilEnd if !self.incoming.is_empty() => {
                    return Poll::Ready(Some(Ok(self.incoming.split().freeze())));
                }
                Codec::Counted(left) if !self.incoming.is_empty() => {
                    let here = usize::try_from(*left).map_or(self.incoming.len(), |left| left.min(self.incoming.len()));
                    *left -= here as u64;
                    if *left == 0 {
                        self.codec = Codec::Nothing;
                    }
                    return Poll::Ready(Some(Ok(self.incoming.split_to(here).freeze())));
                }
                Codec::UntilEnd | Codec::Counted(_) => {}
                Codec::Chunked(codec) => match codec.decode(&mut self.incoming).map_err(io::Error::other)? {
                    Some(Some(piece)) => return Poll::Ready(Some(Ok(piece))),
                    Some(None) => {
                        self.codec = Codec::Nothing;
                        return Poll::Ready(None);
                    }
                    None => {}
                },
            }
            match ready!(self.poll_fill(cx)) {
                Ok(0) if matches!(self.codec, Codec::UntilEnd) => {
                    self.codec = Codec::Nothing;
                    return Poll::Ready(None);
                }
                Ok(0) => return Poll::Ready(Some(Err(ErrorKind::UnexpectedEof.into()))),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    /// The connection, if another request can be sent on it.
    pub(super) fn into_idle(self) -> Option<Stream> {
        let is_over = matches!(self.codec, Codec::Nothing) && self.body.is_none() && self.outgoing.is_empty();
        (is_over && self.is_kept && !self.is_deaf && self.incoming.is_empty()).then_some(self.io)
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.incoming.reserve(READ);
        poll_read_buf(Pin::new(&mut self.io), cx, &mut self.incoming)
    }

    /// Sends as much of the request as there is and as the upstream takes. An upstream that takes no more may still have
    /// something to say, so that is no failure.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Result<(), Trouble> {
        while !self.is_deaf {
            if !self.outgoing.is_empty() {
                match poll_write_buf(Pin::new(&mut self.io), cx, &mut self.outgoing) {
                    Poll::Ready(Ok(written)) if written > 0 => self.sent += 1,
                    Poll::Ready(_) => self.is_deaf = true,
                    Poll::Pending => return Ok(()),
                }
                continue;
            }
            let Some((payload, length)) = &mut self.body else {
                let flushed = Pin::new(&mut self.io).poll_flush(cx);
                self.is_deaf = matches!(flushed, Poll::Ready(Err(_)));
                return Ok(());
            };
            match Pin::new(payload).poll_next(cx) {
                Poll::Ready(Some(Ok(piece))) => write_piece(length, &piece, &mut self.outgoing)?,
                Poll::Ready(None) => {
                    match length {
                        Length::Exactly(1..) => return Err(Trouble::ClientLost),
                        Length::Open => self.outgoing.extend_from_slice(b"0\r\n\r\n"),
                        _ => {}
                    }
                    self.body = None;
                    self.sent += 1;
                }
                Poll::Ready(Some(Err(_))) => return Err(Trouble::ClientLost),
                Poll::Pending => {
                    // TLS may hold back what was written.
                    let _ = Pin::new(&mut self.io).poll_flush(cx);
                    return Ok(());
                }
            }
        }
        // The rest is for nobody.
        self.outgoing.clear();
        self.body = None;
        Ok(())
    }
}

fn write_piece(length: &mut Length, piece: &[u8], outgoing: &mut BytesMut) -> Result<(), Trouble> {
    match length {
        // Would end a body in chunks.
        Length::Open if piece.is_empty() => {}
        Length::Open => {
            outgoing.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            outgoing.extend_from_slice(piece);
            outgoing.extend_from_slice(b"\r\n");
        }
        Length::Exactly(left) => {
            *left = left.checked_sub(piece.len() as u64).ok_or(Trouble::ClientLost)?;
            outgoing.extend_from_slice(piece);
        }
        Length::None => return Err(Trouble::ClientLost),
    }
    Ok(())
}
