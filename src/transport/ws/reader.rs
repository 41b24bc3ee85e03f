//! Reads a client's frames from whatever pieces of them arrive, and hands out whole messages.
//!
//! - A frame that breaks a rule is refused as soon as the byte is there that breaks it, from the header alone where
//!   that is possible: nothing of an oversized message is ever kept.
//! - What is kept never exceeds the limit for messages, however many fragments it comes in, and grows with what
//!   came, not with what was announced.
//! - Fragments with nothing in them, which that limit does not bound, are counted.
//! - A message that lies in one piece is handed out from where it lies; between messages nothing is kept at all.

use std::mem;

use super::text::{NotUtf8, PartialText};
use super::{MAX_CONTROL, Opcode};
use crate::domain::CloseReason;

/// How many fragments of a message may be empty.
const MAX_EMPTY: u16 = 1024;

/// What a client said. Pongs are not handed out: that bytes came at all says as much.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frame<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    Ping(&'a [u8]),
    /// The last frame of a connection, with its code if it has one. What follows is not read.
    Close(Option<u16>),
}

/// The reading side of one connection. Small while nothing is incomplete.
#[derive(Default, Debug)]
pub struct Reader {
    partial: Option<Box<Partial>>,
}

impl Reader {
    /// Reads the next piece of the stream, in which payloads are unmasked in place.
    ///
    /// Not to be called again after it has failed or handed out `Frame::Close`.
    ///
    /// # Errors
    /// Why the connection must be closed: `ProtocolError`, `InvalidUtf8`, or `TooBig` for a message over `max_message` bytes
    /// or with too many empty fragments.
    pub fn feed(
        &mut self,
        piece: &mut [u8],
        max_message: usize,
        mut sink: impl FnMut(Frame<'_>),
    ) -> Result<(), CloseReason> {
        let mut rest = piece;
        while !rest.is_empty() {
            let Some((mut frame, used)) = self.next_frame(rest, max_message)? else { break };
            let body = mem::take(&mut rest).split_at_mut(used).1;
            let here = frame.remaining.min(body.len());
            let (payload, after) = body.split_at_mut(here);
            rest = after;
            frame.unmask(payload);
            if frame.remaining > 0 {
                self.keep(frame, payload, max_message)?;
                break;
            }
            let opcode = frame.opcode;
            self.complete(&frame, payload, max_message, &mut sink)?;
            if opcode == Opcode::Close {
                break;
            }
        }
        if self.partial.as_ref().is_some_and(|partial| partial.is_empty()) {
            self.partial = None;
        }
        Ok(())
    }

    /// The frame that `bytes` go on with or begin with, and how many of them belong to its header.
    /// `None`: its header is not complete; what there is of it is kept.
    fn next_frame(&mut self, bytes: &[u8], max_message: usize) -> Result<Option<(Header, usize)>, CloseReason> {
        let Some(partial) = &mut self.partial else {
            let parsed = Header::parse(bytes, None, max_message)?;
            if parsed.is_none() {
                self.partial.insert(Box::default()).head.extend(bytes);
            }
            return Ok(parsed);
        };
        if let Some(frame) = partial.frame.take() {
            return Ok(Some((frame, 0)));
        }
        let assembled = partial.message.as_ref().map(Message::len);
        let before = partial.head.len();
        if before == 0 {
            let parsed = Header::parse(bytes, assembled, max_message)?;
            if parsed.is_none() {
                partial.head.extend(bytes);
            }
            return Ok(parsed);
        }
        partial.head.extend(bytes);
        let parsed = Header::parse(partial.head.bytes(), assembled, max_message)?;
        Ok(parsed.map(|(frame, used)| {
            partial.head = Head::default();
            (frame, used - before)
        }))
    }

    /// Keeps the part of a frame's payload that came, the frame being incomplete.
    fn keep(&mut self, frame: Header, payload: &[u8], max_message: usize) -> Result<(), CloseReason> {
        let partial = self.partial.get_or_insert_default();
        if frame.opcode.is_control() {
            partial.control.extend_from_slice(payload);
        } else {
            partial.message(frame.opcode).push(payload, max_message)?;
        }
        partial.frame = Some(frame);
        Ok(())
    }

    /// Takes the last part of a frame's payload, often the whole, and hands out what is complete with it.
    fn complete(
        &mut self,
        frame: &Header,
        payload: &[u8],
        max_message: usize,
        sink: &mut impl FnMut(Frame<'_>),
    ) -> Result<(), CloseReason> {
        if frame.opcode.is_control() {
            let mut kept = self.partial.as_mut().map(|partial| mem::take(&mut partial.control)).unwrap_or_default();
            if kept.is_empty() {
                return control(frame.opcode, payload, sink);
            }
            kept.extend_from_slice(payload);
            return control(frame.opcode, &kept, sink);
        }
        let begun = self.partial.as_ref().is_some_and(|partial| partial.message.is_some());
        if frame.fin && !begun {
            sink(match frame.opcode {
                Opcode::Text => Frame::Text(std::str::from_utf8(payload).map_err(|_| CloseReason::InvalidUtf8)?),
                _ => Frame::Binary(payload),
            });
            return Ok(());
        }
        let partial = self.partial.get_or_insert_default();
        partial.message(frame.opcode).push(payload, max_message)?;
        // The last part of a longer fragment is never empty.
        if payload.is_empty() {
            partial.count_empty()?;
        }
        if frame.fin {
            partial.empty = 0;
            match partial.message.take() {
                Some(Message::Text(text)) => sink(Frame::Text(&text.finish()?)),
                Some(Message::Binary(data)) => sink(Frame::Binary(&data)),
                None => {}
            }
        }
        Ok(())
    }
}

fn control(opcode: Opcode, payload: &[u8], sink: &mut impl FnMut(Frame<'_>)) -> Result<(), CloseReason> {
    match opcode {
        Opcode::Ping => sink(Frame::Ping(payload)),
        Opcode::Close => sink(Frame::Close(close_code(payload)?)),
        _ => {}
    }
    Ok(())
}

/// The code of a Close frame, if it and the text behind it are valid (sections 5.5.1 and 7.4).
///
/// # Errors
/// With what the other side is told.
pub fn close_code(payload: &[u8]) -> Result<Option<u16>, CloseReason> {
    let Some((code, text)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(None) } else { Err(CloseReason::ProtocolError) };
    };
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(CloseReason::ProtocolError);
    }
    std::str::from_utf8(text).map_err(|_| CloseReason::InvalidUtf8)?;
    Ok(Some(code))
}

/// A frame whose header was read, and what is still to come of its payload.
#[derive(Debug)]
struct Header {
    opcode: Opcode,
    fin: bool,
    /// Turned so that its first byte belongs to the payload's next one.
    mask: [u8; 4],
    remaining: usize,
}

/// The longest header that a client's frame can have.
const MAX_HEADER: usize = 14;

impl Header {
    /// Reads a header, and judges as much of it as is there. `assembled`: the length of the message that fragments
    /// have come of already. `None`: there must be more bytes first.
    fn parse(bytes: &[u8], assembled: Option<usize>, max_message: usize) -> Result<Option<(Self, usize)>, CloseReason> {
        let Some((&first, bytes)) = bytes.split_first() else { return Ok(None) };
        let (fin, reserved) = (first & 0x80 != 0, first & 0x70);
        let opcode = Opcode::from_bits(first & 0x0F).filter(|_| reserved == 0).ok_or(CloseReason::ProtocolError)?;
        let out_of_place =
            if opcode.is_control() { !fin } else { (opcode == Opcode::Continuation) != assembled.is_some() };
        if out_of_place {
            return Err(CloseReason::ProtocolError);
        }

        let Some((&second, bytes)) = bytes.split_first() else { return Ok(None) };
        let (masked, short_len) = (second & 0x80 != 0, second & 0x7F);
        if !masked || (opcode.is_control() && usize::from(short_len) > MAX_CONTROL) {
            return Err(CloseReason::ProtocolError);
        }

        let (len, len_bytes, bytes) = match short_len {
            126 => {
                let Some((len, bytes)) = bytes.split_first_chunk() else { return Ok(None) };
                (u64::from(u16::from_be_bytes(*len)), 2, bytes)
            }
            127 => {
                let Some((len, bytes)) = bytes.split_first_chunk() else { return Ok(None) };
                (u64::from_be_bytes(*len), 8, bytes)
            }
            len => (u64::from(len), 0, bytes),
        };
        if len > i64::MAX.unsigned_abs() {
            return Err(CloseReason::ProtocolError);
        }
        let room = max_message.saturating_sub(assembled.unwrap_or(0));
        let remaining =
            usize::try_from(len).ok().filter(|&len| opcode.is_control() || len <= room).ok_or(CloseReason::TooBig)?;

        let Some(mask) = bytes.first_chunk() else { return Ok(None) };
        Ok(Some((Self { opcode, fin, mask: *mask, remaining }, 2 + len_bytes + 4)))
    }

    /// Unmasks the next part of the payload (section 5.3), eight bytes at a time.
    fn unmask(&mut self, payload: &mut [u8]) {
        let [a, b, c, d] = self.mask;
        let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
        let (words, tail) = payload.as_chunks_mut();
        for word in words {
            *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
        }
        for (byte, mask) in tail.iter_mut().zip(self.mask.iter().cycle()) {
            *byte ^= mask;
        }
        self.remaining -= payload.len();
        self.mask.rotate_left(payload.len() % 4);
    }
}

/// What is incomplete.
#[derive(Default, Debug)]
struct Partial {
    head: Head,
    frame: Option<Header>,
    control: Vec<u8>,
    message: Option<Message>,
    /// How many of the message's fragments were empty.
    empty: u16,
}

impl Partial {
    fn is_empty(&self) -> bool {
        self.head.len() == 0 && self.frame.is_none() && self.control.is_empty() && self.message.is_none()
    }

    fn count_empty(&mut self) -> Result<(), CloseReason> {
        self.empty += 1;
        if self.empty > MAX_EMPTY { Err(CloseReason::TooBig) } else { Ok(()) }
    }

    /// The message that is being assembled, begun with a frame of this opcode if there is none yet.
    fn message(&mut self, opcode: Opcode) -> &mut Message {
        self.message.get_or_insert_with(|| match opcode {
            Opcode::Text => Message::Text(PartialText::default()),
            _ => Message::Binary(Vec::new()),
        })
    }
}

/// The beginning of a header.
#[derive(Default, Debug)]
struct Head {
    bytes: [u8; MAX_HEADER],
    len: u8,
}

impl Head {
    fn len(&self) -> usize {
        usize::from(self.len)
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len()]
    }

    /// Takes as many bytes as a header can still need.
    fn extend(&mut self, bytes: &[u8]) {
        let free = &mut self.bytes[usize::from(self.len)..];
        for (slot, &byte) in free.iter_mut().zip(bytes) {
            *slot = byte;
            self.len += 1;
        }
    }
}

/// A message of which not everything has come.
#[derive(Debug)]
enum Message {
    Text(PartialText),
    Binary(Vec<u8>),
}

impl Message {
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(data) => data.len(),
        }
    }

    fn push(&mut self, piece: &[u8], limit: usize) -> Result<(), CloseReason> {
        match self {
            Self::Text(text) => text.push(piece, limit)?,
            Self::Binary(data) => {
                if data.capacity() - data.len() < piece.len() {
                    data.reserve_exact(grown(data.capacity(), data.len() + piece.len(), limit) - data.len());
                }
                data.extend_from_slice(piece);
            }
        }
        Ok(())
    }
}

impl From<NotUtf8> for CloseReason {
    fn from(NotUtf8: NotUtf8) -> Self {
        Self::InvalidUtf8
    }
}

/// The capacity that a buffer should have that must hold `needed` bytes: at least double, but not over `limit`.
pub(super) fn grown(capacity: usize, needed: usize, limit: usize) -> usize {
    capacity.saturating_mul(2).max(64).min(limit).max(needed)
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
