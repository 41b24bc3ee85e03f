//! Socket.IO packets (protocol revision 5) as text: what a client's message says, and how an answer begins.
//!
//! - A message is read in place. Its JSON is looked at once, to see that it is JSON, and never becomes a tree; however
//!   deep it is nested, that takes no stack.
//! - What the reference server's parser refuses is refused here.
//! - Everything that is written begins with Engine.IO's type for a message, `4`.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::placeholders;
use super::socket::ConnectError;
use crate::transport::ws::Opcode;
use crate::transport::ws::writer::{frame, frame_with};

/// The namespace that always exists. It is never written.
pub const MAIN: &str = "/";

/// No event that is sent can have such a name: clients and servers give these to themselves.
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// Answers to a CONNECT fit; a longer one costs another allocation.
const SHORT: usize = 118;

/// A client's packet. Attachments that it announces come behind it.
#[derive(Clone, Copy, Debug)]
pub struct Inbound<'a> {
    /// Begins with `/`. What old clients put behind it as a query string is part of the name.
    pub namespace: &'a str,
    pub body: Body<'a>,
}

#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// With the object that the client shows, if it shows one.
    Connect(Option<&'a RawValue>),
    Disconnect,
    /// An EVENT or a BINARY_EVENT.
    Event(Payload<'a>),
    /// An ACK or a BINARY_ACK.
    Ack(Payload<'a>),
}

#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    /// A JSON array; in an event, its first element is a string or a number. Empty: there was none, and nothing is said.
    pub args: &'a str,
    pub id: Option<u64>,
    /// How many binary messages follow. Each has its placeholders in `args`.
    pub attachments: usize,
}

/// A message that is no packet that a client may send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Invalid;

/// Reads a message, without Engine.IO's type. It may announce `max_attachments`.
pub fn read(message: &str, max_attachments: usize) -> Result<Inbound<'_>, Invalid> {
    let kind = message.bytes().next().ok_or(Invalid)?;
    let rest = message.get(1..).ok_or(Invalid)?;
    let (attachments, rest) = match kind {
        b'5' | b'6' => announced(rest, max_attachments)?,
        _ => (0, rest),
    };
    let (namespace, rest) = namespace(rest);
    let (id, json) = id(rest)?;
    let payload = || array(json, attachments).map(|args| Payload { args, id, attachments });
    let body = match kind {
        b'0' => Body::Connect(auth(json)?),
        b'1' if json.is_empty() => Body::Disconnect,
        b'2' | b'5' => {
            let payload = payload()?;
            if !payload.args.is_empty() && !may_be_event(payload.args) {
                return Err(Invalid);
            }
            Body::Event(payload)
        }
        b'3' | b'6' => Body::Ack(payload()?),
        _ => return Err(Invalid),
    };
    Ok(Inbound { namespace, body })
}

/// `2-`
fn announced(text: &str, max: usize) -> Result<(usize, &str), Invalid> {
    let (number, rest) = text.split_once('-').ok_or(Invalid)?;
    // A sign would be taken for part of the number.
    if !number.bytes().all(|it| it.is_ascii_digit()) {
        return Err(Invalid);
    }
    let number = number.parse().map_err(|_| Invalid)?;
    if (1..=max).contains(&number) { Ok((number, rest)) } else { Err(Invalid) }
}

/// `/name,`, where the comma may be left out at the end.
fn namespace(text: &str) -> (&str, &str) {
    if !text.starts_with('/') {
        return (MAIN, text);
    }
    text.split_once(',').unwrap_or((text, ""))
}

fn id(text: &str) -> Result<(Option<u64>, &str), Invalid> {
    let end = text.bytes().position(|it| !it.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() {
        return Ok((None, rest));
    }
    digits.parse().map(|id| (Some(id), rest)).map_err(|_| Invalid)
}

fn auth(json: &str) -> Result<Option<&RawValue>, Invalid> {
    if json.is_empty() {
        return Ok(None);
    }
    let value: &RawValue = serde_json::from_str(json).map_err(|_| Invalid)?;
    if value.get().starts_with('{') { Ok(Some(value)) } else { Err(Invalid) }
}

fn array(json: &str, attachments: usize) -> Result<&str, Invalid> {
    if json.is_empty() {
        return Ok(json);
    }
    let value: &RawValue = serde_json::from_str(json).map_err(|_| Invalid)?;
    let args = value.get();
    let is_whole = attachments == 0 || placeholders::are_right(args, attachments);
    if args.starts_with('[') && is_whole { Ok(args) } else { Err(Invalid) }
}

/// Whether the array begins as an event's must. `args` is JSON.
fn may_be_event(args: &str) -> bool {
    let first = args.get(1..).unwrap_or_default().trim_ascii_start();
    match first.bytes().next() {
        Some(b'"') => {
            let quoted = &first[..placeholders::end_of_string(first.as_bytes())];
            !RESERVED.iter().any(|reserved| placeholders::says(quoted.as_bytes(), reserved))
        }
        Some(it) => it == b'-' || it.is_ascii_digit(),
        None => false,
    }
}

/// Writes what stands before the arguments of an EVENT. With an id, the client is asked to acknowledge.
pub fn begin_event(out: &mut Vec<u8>, namespace: &str, ack: Option<u64>, attachments: usize) {
    begin(out, if attachments == 0 { b'2' } else { b'5' }, namespace, ack, attachments);
}

/// Writes what stands before the arguments of an ACK.
pub fn begin_ack(out: &mut Vec<u8>, namespace: &str, id: u64, attachments: usize) {
    begin(out, if attachments == 0 { b'3' } else { b'6' }, namespace, Some(id), attachments);
}

fn begin(out: &mut Vec<u8>, kind: u8, namespace: &str, id: Option<u64>, attachments: usize) {
    out.extend_from_slice(&[b'4', kind]);
    let mut digits = itoa::Buffer::new();
    if attachments > 0 {
        out.extend_from_slice(digits.format(attachments).as_bytes());
        out.push(b'-');
    }
    if namespace != MAIN {
        out.extend_from_slice(namespace.as_bytes());
        out.push(b',');
    }
    if let Some(id) = id {
        out.extend_from_slice(digits.format(id).as_bytes());
    }
}

/// The frame of an EVENT. `args`: a JSON array that begins with the event's name.
pub fn event(namespace: &str, args: &str, ack: Option<u64>, attachments: usize) -> Bytes {
    text_frame(namespace.len() + args.len() + 64, |out| {
        begin_event(out, namespace, ack, attachments);
        out.extend_from_slice(args.as_bytes());
    })
}

/// The frame of an ACK. `args`: a JSON array.
pub fn ack(namespace: &str, id: u64, args: &str, attachments: usize) -> Bytes {
    text_frame(namespace.len() + args.len() + 64, |out| {
        begin_ack(out, namespace, id, attachments);
        out.extend_from_slice(args.as_bytes());
    })
}

/// The frame of an attachment.
pub fn attachment(data: &[u8]) -> Bytes {
    frame(Opcode::Binary, data)
}

/// The frame that answers a CONNECT: `40{"sid":…}`. `extra`: what else the object holds.
pub fn connected(namespace: &str, sid: &str, extra: &[(&str, &str)]) -> Bytes {
    text_frame(SHORT, |out| {
        begin(out, b'0', namespace, None, 0);
        out.extend_from_slice(b"{\"sid\":");
        json(out, sid);
        for (key, value) in extra {
            out.push(b',');
            json(out, key);
            out.push(b':');
            json(out, value);
        }
        out.push(b'}');
    })
}

/// The frame that refuses a CONNECT: `44{"message":…}`.
pub fn refused(namespace: &str, error: &ConnectError) -> Bytes {
    text_frame(SHORT, |out| {
        begin(out, b'4', namespace, None, 0);
        out.extend_from_slice(b"{\"message\":");
        json(out, &error.message);
        if let Some(data) = &error.data {
            out.extend_from_slice(b",\"data\":");
            json(out, data);
        }
        out.push(b'}');
    })
}

/// The frame of a DISCONNECT: `41`.
pub fn disconnect(namespace: &str) -> Bytes {
    text_frame(SHORT, |out| begin(out, b'1', namespace, None, 0))
}

/// A text frame around what `write` writes.
fn text_frame(hint: usize, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let frame = frame_with(Opcode::Text, hint, |out| {
        write(out);
        true
    });
    frame.unwrap_or_default()
}

fn json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    // Writing text or a `Value` to memory does not fail.
    let _ = serde_json::to_writer(out, value);
}

#[cfg(test)]
#[path = "packet_tests.rs"]
mod tests;
