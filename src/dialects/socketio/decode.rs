//! From an event of a client to what it asks for.
//!
//! The event's name and its first argument are read; nothing is allocated but what the command keeps.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::payload::{Refresh, Said, Text, mark_target};
use super::asked::{Asked, Verb, View};
use super::wire::{Call, Change, FIELDS, Join, Mark, Send, TypingNotice};
use crate::domain::{
    Author, Command, Draft, MAX_NUMBER, MarkKind, MessageId, MessageType, Reject, RejectCode, Resume, RoomId, RoomKind,
    wording,
};
use crate::session::dialect::{Inbound, Misread, Request};

/// What decoding depends on besides the event.
pub(super) struct Rules {
    pub max_text_bytes: usize,
    pub message_ids: fn() -> MessageId,
}

/// Reads an event's arguments. `ack`: the id under which an acknowledgement is asked for.
pub(super) fn event(args: &str, ack: Option<u64>, rules: &Rules) -> Result<Inbound, Misread> {
    let call: Call<'_> = serde_json::from_str(args).map_err(|error| {
        let reject = Reject::new(RejectCode::InvalidJson, format!("The event cannot be read: {error}"));
        Misread { reject, tag: Asked { verb: Verb::Other(View::Conversation), ack }.tag() }
    })?;
    let payload = call.payload.filter(|raw| raw.get() != "null");
    match request(&call.name, payload, rules) {
        // Typing is answered only to those who wait for it.
        Ok((request @ Request::Command(Command::Typing { .. }), _)) if ack.is_none() => {
            Ok(Inbound { request, tag: None })
        }
        Ok((request, verb)) => Ok(Inbound { request, tag: Asked { verb, ack }.tag() }),
        Err(reject) => Err(Misread { reject, tag: Asked { verb: Verb::Other(View::Conversation), ack }.tag() }),
    }
}

fn request(name: &str, payload: Option<&RawValue>, rules: &Rules) -> Result<(Request, Verb), Reject> {
    let (command, verb) = match name {
        "join_conversation" => join(&read(payload)?, View::Conversation)?,
        "join_room" => join(&read(payload)?, View::Room)?,
        "leave_conversation" => leave(&read(payload)?, View::Conversation)?,
        "leave_room" => leave(&read(payload)?, View::Room)?,
        "typing_start" => typing(&read(payload)?, Some(true))?,
        "typing_stop" => typing(&read(payload)?, Some(false))?,
        "typing" => typing(&read(payload)?, None)?,
        "send_message" => send(read(payload)?, rules)?,
        "mark_read" => mark(MarkKind::Read, &read(payload)?)?,
        "mark_delivered" => mark(MarkKind::Delivered, &read(payload)?)?,
        "edit_message" => edit(read(payload)?, rules)?,
        "delete_message" => delete(&read(payload)?)?,
        "react" => react(read(payload)?, true)?,
        "unreact" => react(read(payload)?, false)?,
        "refresh_token" => {
            let refresh: Refresh<'_> = read(payload)?;
            return Ok((refresh.request(&FIELDS)?, Verb::Other(View::Conversation)));
        }
        "ping" => return Ok((Request::Ping, Verb::Other(View::Conversation))),
        unknown => return Err(unknown_event(unknown)),
    };
    Ok((Request::Command(command), verb))
}

fn unknown_event(name: &str) -> Reject {
    let shown: String = name.chars().take(64).collect();
    let message =
        format!("There is no event `{shown}`: expected join_conversation, join_room, send_message, ping or the like");
    Reject::new(RejectCode::UnknownType, message)
}

fn read<'a, T: Default + Deserialize<'a>>(payload: Option<&'a RawValue>) -> Result<T, Reject> {
    FIELDS.read("payload", payload).map_err(|reject| match reject.field {
        Some(field @ ("conversation_id" | "room_id")) => {
            Reject { message: format!("Invalid {field}").into(), ..reject }
        }
        _ => reject,
    })
}

const fn field(view: View) -> &'static str {
    match view {
        View::Conversation => "conversation_id",
        View::Room => "room_id",
    }
}

fn required(field: &'static str) -> Reject {
    Reject { message: format!("{field} required").into(), ..Reject::field(field, "a UUID") }
}

/// The room, by whichever of its names the client uses.
fn place(conversation: Option<RoomId>, room: Option<RoomId>) -> Result<(RoomId, View), Reject> {
    place_in(View::Conversation, conversation, room)
}

/// As [`place`], for an event that is one of this view's words.
fn place_in(view: View, conversation: Option<RoomId>, room: Option<RoomId>) -> Result<(RoomId, View), Reject> {
    match (conversation, room) {
        (Some(id), _) => Ok((id, View::Conversation)),
        (None, Some(id)) => Ok((id, View::Room)),
        (None, None) => Err(required(field(view))),
    }
}

/// The room, by the name that it has in one view.
fn named(join: &Join, view: View) -> Result<RoomId, Reject> {
    let id = match view {
        View::Conversation => join.conversation_id,
        View::Room => join.room_id,
    };
    id.ok_or_else(|| required(field(view)))
}

/// What is made where the id is unknown and rooms are made by joining or sending.
const fn create_as(view: View) -> RoomKind {
    match view {
        View::Conversation => RoomKind::Conversation,
        View::Room => RoomKind::Public,
    }
}

fn join(join: &Join, view: View) -> Result<(Command, Verb), Reject> {
    let room = named(join, view)?;
    let resume = join.after_seq.map_or(Resume::Live, |seq| Resume::AfterSeq(seq.min(MAX_NUMBER)));
    // Who comes and goes is told in the words of rooms only; a conversation that is joined besides does not end that.
    let presence = (view == View::Room).then_some(true);
    let verb = Verb::Join { view, room, past: join.after_seq.is_some() };
    Ok((Command::Join { room, resume, presence, create_as: create_as(view) }, verb))
}

fn leave(join: &Join, view: View) -> Result<(Command, Verb), Reject> {
    let room = named(join, view)?;
    Ok((Command::Leave { room }, Verb::Leave { view, room }))
}

fn typing(typing: &TypingNotice, is_typing: Option<bool>) -> Result<(Command, Verb), Reject> {
    // Conversations have an event for each, rooms one for both.
    let words = if is_typing.is_some() { View::Conversation } else { View::Room };
    let (room, view) = place_in(words, typing.conversation_id, typing.room_id)?;
    let is_typing = is_typing.or(typing.is_typing).ok_or_else(|| FIELDS.wrong("is_typing"))?;
    Ok((Command::Typing { room, contact: typing.contact_id, is_typing }, Verb::Other(view)))
}

fn mark(kind: MarkKind, mark: &Mark) -> Result<(Command, Verb), Reject> {
    let (room, view) = place(mark.conversation_id, mark.room_id)?;
    let target = mark_target(mark.message_id, mark.up_to_seq, &FIELDS)?;
    Ok((Command::Mark { room, kind, target }, Verb::Other(view)))
}

/// The room and the message that a change is about.
fn subject(change: &Change<'_>) -> Result<(RoomId, MessageId, Verb), Reject> {
    let (room, view) = place(change.conversation_id, change.room_id)?;
    let message = change.message_id.ok_or_else(|| Reject::field("message_id", "the UUID of a message"))?;
    Ok((room, message, Verb::Other(view)))
}

fn edit(edit: Change<'_>, rules: &Rules) -> Result<(Command, Verb), Reject> {
    let (room, message, verb) = subject(&edit)?;
    let Text(text) = edit.text.or(edit.content).ok_or_else(|| FIELDS.wrong("text"))?;
    let text = wording::text("text", &text, rules.max_text_bytes)?;
    Ok((Command::Edit { room, message, text, if_changed_pos: None }, verb))
}

fn delete(delete: &Change<'_>) -> Result<(Command, Verb), Reject> {
    let (room, message, verb) = subject(delete)?;
    Ok((Command::Delete { room, message, if_changed_pos: None }, verb))
}

fn react(reaction: Change<'_>, present: bool) -> Result<(Command, Verb), Reject> {
    let (room, message, verb) = subject(&reaction)?;
    let Text(emoji) = reaction.emoji.ok_or_else(|| FIELDS.wrong("emoji"))?;
    Ok((Command::React { room, message, emoji: wording::emoji(&emoji)?, present }, verb))
}

fn send(send: Send<'_>, rules: &Rules) -> Result<(Command, Verb), Reject> {
    let (room, view) = place(send.conversation_id, send.room_id)?;
    let message_type = match &send.message_type {
        None => MessageType::Text,
        Some(Text(name)) => name.parse().map_err(|_| FIELDS.wrong("message_type"))?,
    };
    let mut said = Said { text: send.text, media_url: send.media_url, filename: send.filename, caption: send.caption };
    if let Some(raw) = send.content {
        let inner = content(raw)?;
        said.text = said.text.or(inner.text);
        said.media_url = said.media_url.or(inner.media_url);
        said.filename = said.filename.or(inner.filename);
        said.caption = said.caption.or(inner.caption);
    }
    let content = said.content(rules.max_text_bytes)?;
    let draft = Draft {
        id: (rules.message_ids)(),
        room,
        contact: None,
        message_type,
        content,
        reply_to: send.reply_to_id,
        client_message_id: send.client_message_id.map(|Text(id)| wording::client_message_id(&id)).transpose()?,
        author: Author::Caller,
        external_id: None,
        idempotency: None,
        create_as: create_as(view),
    };
    Ok((Command::Send(Box::new(draft)), Verb::Send))
}

/// A string is a text.
fn content(raw: &RawValue) -> Result<Said<'_>, Reject> {
    match raw.get().as_bytes().first() {
        Some(b'"') => {
            let text = serde_json::from_str(raw.get()).map_err(|_| FIELDS.wrong("content"))?;
            Ok(Said { text: Some(text), ..Said::default() })
        }
        Some(b'{') => FIELDS.read("content", Some(raw)),
        _ if raw.get() == "null" => Ok(Said::default()),
        _ => Err(FIELDS.wrong("content")),
    }
}
