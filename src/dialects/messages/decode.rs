//! From a client's frame to what it asks for.
//!
//! Reads the envelope once without looking into its payload, then the payload as what the type says; nothing is
//! allocated but what the command keeps. Whatever is wrong is answered with what would be right, and with the frame's
//! own name where that can be read.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::payload::{Refresh, Said, Text, kind, mark_target, object};
use super::wire::{Change, Envelope, FIELDS, Join, Mark, Reaction, Send, Session, TypingNotice};
use crate::domain::{
    Author, Command, Draft, MAX_NUMBER, MarkKind, MessageId, MessageType, Reject, RejectCode, Resume, RoomId, RoomKind,
    Tag, wording,
};
use crate::session::dialect::{Inbound, Misread, Request};

const MAX_TAG_BYTES: usize = 128;

/// Where joining or sending makes a room, it is a customer conversation.
const CREATE_AS: RoomKind = RoomKind::Conversation;

/// What decoding depends on besides the frame.
pub(super) struct Rules {
    pub max_text_bytes: usize,
    pub message_ids: fn() -> MessageId,
}

pub(super) fn frame(frame: &str, rules: &Rules) -> Result<Inbound, Misread> {
    let envelope: Envelope<'_> = object(frame).map_err(|reject| Misread { reject, tag: None })?;
    let tag = tag(envelope.message_id).map_err(|reject| Misread { reject, tag: None })?;
    match request(&envelope, rules) {
        Ok(request) => Ok(Inbound { request, tag }),
        Err(reject) => Err(Misread { reject, tag }),
    }
}

/// Strings and numbers, kept as they were written.
fn tag(message_id: Option<&RawValue>) -> Result<Tag, Reject> {
    let Some(raw) = message_id.map(RawValue::get) else { return Ok(None) };
    let fits = match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw).is_ok_and(|Text(text)| text.len() <= MAX_TAG_BYTES),
        Some(b'-' | b'0'..=b'9') => raw.len() <= MAX_TAG_BYTES,
        _ => false,
    };
    if fits { Ok(Some(raw.into())) } else { Err(Reject::field("message_id", "a string of at most 128 bytes")) }
}

fn request(envelope: &Envelope<'_>, rules: &Rules) -> Result<Request, Reject> {
    let command = match &*kind(envelope.kind)? {
        "typing" => typing(&payload(envelope)?)?,
        "send_message" => Command::Send(Box::new(draft(payload(envelope)?, rules)?)),
        "mark_read" => mark(MarkKind::Read, &payload(envelope)?)?,
        "mark_delivered" => mark(MarkKind::Delivered, &payload(envelope)?)?,
        "join_session" => join(&payload(envelope)?)?,
        "leave_session" => Command::Leave { room: session(payload::<Session>(envelope)?.session_id)? },
        "get_presence" => Command::Presence { room: session(payload::<Session>(envelope)?.session_id)? },
        "edit_message" => edit(payload(envelope)?, rules)?,
        "delete_message" => delete(&payload(envelope)?)?,
        "react" => react(payload(envelope)?, true)?,
        "unreact" => react(payload(envelope)?, false)?,
        "watch_sessions" => return Ok(Request::Watch),
        "ping" => return Ok(Request::Ping),
        "refresh_token" => return payload::<Refresh<'_>>(envelope)?.request(&FIELDS),
        unknown => return Err(unknown_type(unknown)),
    };
    Ok(Request::Command(command))
}

fn unknown_type(kind: &str) -> Reject {
    let shown: String = kind.chars().take(64).collect();
    let message = format!("There is no type `{shown}`: expected join_session, send_message, typing, ping or the like");
    Reject::new(RejectCode::UnknownType, message)
}

fn payload<'a, T: Default + Deserialize<'a>>(envelope: &Envelope<'a>) -> Result<T, Reject> {
    FIELDS.read("payload", envelope.payload)
}

/// What is wrong with `field`, for one of [`FIELDS`].
fn wrong(field: &'static str) -> Reject {
    FIELDS.wrong(field)
}

fn session(id: Option<RoomId>) -> Result<RoomId, Reject> {
    id.ok_or_else(|| wrong("session_id"))
}

fn join(join: &Join) -> Result<Command, Reject> {
    let room = session(join.session_id)?;
    let resume = match (join.after_seq, join.after_pos) {
        (None, None) => Resume::Live,
        (Some(seq), None) => Resume::AfterSeq(seq.min(MAX_NUMBER)),
        (None, Some(pos)) => Resume::AfterPos(pos.min(MAX_NUMBER)),
        (Some(_), Some(_)) => return Err(Reject::field("after_pos", "either after_seq or after_pos, not both")),
    };
    Ok(Command::Join { room, resume, presence: Some(join.presence.unwrap_or(false)), create_as: CREATE_AS })
}

fn typing(typing: &TypingNotice) -> Result<Command, Reject> {
    let room = session(typing.session_id)?;
    let is_typing = typing.is_typing.ok_or_else(|| wrong("is_typing"))?;
    Ok(Command::Typing { room, contact: typing.contact_id, is_typing })
}

fn mark(kind: MarkKind, mark: &Mark) -> Result<Command, Reject> {
    let room = session(mark.session_id)?;
    let target = mark_target(mark.message_id, mark.up_to_seq, &FIELDS)?;
    Ok(Command::Mark { room, kind, target })
}

fn message(id: Option<MessageId>) -> Result<MessageId, Reject> {
    id.ok_or_else(|| Reject::field("message_id", "the UUID of a message"))
}

fn edit(edit: Change<'_>, rules: &Rules) -> Result<Command, Reject> {
    let (room, message) = (session(edit.session_id)?, message(edit.message_id)?);
    let Text(text) = edit.text.ok_or_else(|| wrong("text"))?;
    let text = wording::text("text", &text, rules.max_text_bytes)?;
    Ok(Command::Edit { room, message, text, if_changed_pos: None })
}

fn delete(delete: &Change<'_>) -> Result<Command, Reject> {
    let (room, message) = (session(delete.session_id)?, message(delete.message_id)?);
    Ok(Command::Delete { room, message, if_changed_pos: None })
}

fn react(reaction: Reaction<'_>, present: bool) -> Result<Command, Reject> {
    let (room, message) = (session(reaction.session_id)?, message(reaction.message_id)?);
    let Text(emoji) = reaction.emoji.ok_or_else(|| wrong("emoji"))?;
    Ok(Command::React { room, message, emoji: wording::emoji(&emoji)?, present })
}

fn draft(send: Send<'_>, rules: &Rules) -> Result<Draft, Reject> {
    let room = session(send.session_id)?;
    let message_type = match &send.content_type {
        None => MessageType::Text,
        Some(Text(name)) => name.parse().map_err(|_| wrong("content_type"))?,
    };
    let said = Said { text: send.text, media_url: send.media_url, filename: send.filename, caption: send.caption };
    let content = said.content(rules.max_text_bytes)?;
    Ok(Draft {
        id: (rules.message_ids)(),
        room,
        contact: send.contact_id,
        message_type,
        content,
        reply_to: send.reply_to_id,
        client_message_id: send.client_message_id.map(|Text(id)| wording::client_message_id(&id)).transpose()?,
        author: Author::Caller,
        external_id: None,
        idempotency: None,
        create_as: CREATE_AS,
    })
}
