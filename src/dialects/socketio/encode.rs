//! From what the hub tells to packets of the namespace `/`, as WebSocket frames.
//!
//! Written by hand, because an event is encoded for thousands who receive it; nothing in an event depends on who does.
//! What people wrote goes out as it is stored.

use bytes::Bytes;

use super::super::message::since_sent;
use super::super::object::Object;
use super::asked::View;
use super::place::Place;
use super::wording;
use crate::domain::{
    Deletion, Event, Identity, Mark, MarkKind, Member, Message, MessageStatus, Reaction, Reject, Room, RoomId,
    Timestamp, Typing,
};
use crate::transport::ws::Opcode;
use crate::transport::ws::writer::frame_with;

/// Most events fit; a longer one costs another allocation.
const TYPICAL_EVENT: usize = 758;

/// The frames that tell a room's event in one view; empty where it has no word for it. `place`: where the client is
/// then, if it wants to be taken up again there.
pub(super) fn told(event: &Event, view: View, place: Option<Place>, at: Timestamp) -> Bytes {
    match (event, view) {
        // Clients of either habit listen for one of them.
        (Event::Typing(_), View::Room) => {
            let frames = ["typing", "user_typing"].map(|name| emit(name, place, |p| fields(p, event, view, at)));
            Bytes::from(frames.concat())
        }
        _ => name(event, view).map(|name| emit(name, place, |p| fields(p, event, view, at))).unwrap_or_default(),
    }
}

/// An event for one client alone.
pub(super) fn emit(name: &str, place: Option<Place>, write: impl FnOnce(&mut Object<'_>)) -> Bytes {
    packet(|out| {
        out.extend_from_slice(b"42[\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\",");
        Object::write(out, write);
        if let Some(place) = place {
            out.extend_from_slice(b",\"");
            place.write(out);
            out.push(b'"');
        }
        out.push(b']');
    })
}

/// The acknowledgement of a client's event.
pub(super) fn acknowledge(ack: u64, write: impl FnOnce(&mut Object<'_>)) -> Bytes {
    packet(|out| {
        out.extend_from_slice(b"43");
        out.extend_from_slice(itoa::Buffer::new().format(ack).as_bytes());
        out.push(b'[');
        Object::write(out, write);
        out.push(b']');
    })
}

fn packet(write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let frame = frame_with(Opcode::Text, TYPICAL_EVENT, |out| {
        write(out);
        true
    });
    frame.unwrap_or_default()
}

/// The name under which a room's event is told in a view, if it is.
pub(super) fn name(event: &Event, view: View) -> Option<&'static str> {
    let (in_conversation, in_room) = match event {
        Event::Message(_) => (Some("message:new"), Some("message_received")),
        Event::Typing(_) => (Some("user_typing"), Some("typing")),
        Event::Marked(_) | Event::Status { .. } => (Some("message:status"), None),
        Event::Edited { .. } => (Some("message:updated"), Some("message:updated")),
        Event::Deleted(_) => (Some("message:deleted"), Some("message:deleted")),
        Event::Reacted(_) => (Some("message:reaction"), Some("message:reaction")),
        Event::RoomUpdated(_) => (None, Some("room_updated")),
        Event::UserJoined { .. } => (None, Some("user_joined")),
        Event::UserLeft { .. } => (None, Some("user_left")),
        _ => (None, None),
    };
    match view {
        View::Conversation => in_conversation,
        View::Room => in_room,
    }
}

/// The frame that answers whoever asked for this in the words of one view, also where a room is not told of it in these.
/// Empty where nothing is said but the acknowledgement.
pub(super) fn answer(event: &Event, view: View, at: Timestamp) -> Bytes {
    let name = name(event, view).or_else(|| name(event, View::Conversation));
    name.map(|name| emit(name, None, |p| fields(p, event, view, at))).unwrap_or_default()
}

/// What a room's event says in one view.
pub(super) fn fields(p: &mut Object<'_>, event: &Event, view: View, at: Timestamp) {
    match event {
        Event::Message(it) => message(p, it, view),
        Event::Edited { message: it, by } => {
            message(p, it, view);
            if let Some(by) = by {
                p.id("edited_by", by.0);
            }
        }
        Event::Typing(it) => typing(p, it, view),
        Event::TypingTold { .. } => {}
        Event::Marked(it) => mark(p, it, view),
        Event::Status { room: of, message, status, at } => {
            p.id("message_id", message.0);
            room(p, *of, view);
            p.plain("status", status.as_str());
            p.time("timestamp", *at);
        }
        Event::Deleted(it) => deletion(p, it, view),
        Event::Reacted(it) => reaction(p, it, view),
        Event::RoomUpdated(it) => room_updated(p, it),
        Event::UserJoined { room: of, user, user_name } | Event::UserLeft { room: of, user, user_name } => {
            room(p, *of, View::Room);
            p.id("user_id", user.0);
            p.plain("user_name", user_name);
        }
        _ => p.time("timestamp", at),
    }
}

pub(super) fn room(p: &mut Object<'_>, room: RoomId, view: View) {
    let key = match view {
        View::Conversation => "conversation_id",
        View::Room => "room_id",
    };
    p.id(key, room.0);
}

fn message(p: &mut Object<'_>, it: &Message, view: View) {
    match view {
        View::Conversation => conversation_message(p, it),
        View::Room => room_message(p, it),
    }
    since_sent(p, it);
}

fn conversation_message(p: &mut Object<'_>, it: &Message) {
    p.id("id", it.id.0);
    room(p, it.room, View::Conversation);
    p.number("seq", it.seq);
    p.plain("direction", it.direction.as_str());
    p.plain("sender_type", it.sender_type.as_str());
    p.id_or_null("sender_id", it.user.map(|it| it.0).or(it.contact.map(|it| it.0)));
    p.plain("sender_name", &it.user_name);
    p.plain("message_type", it.message_type.as_str());
    p.object("content", |p| {
        if !it.content.text.is_empty() {
            p.plain("text", &it.content.text);
        }
        p.plain_if("media_url", it.content.media_url.as_deref());
        p.plain_if("filename", it.content.filename.as_deref());
        p.plain_if("caption", it.content.caption.as_deref());
    });
    p.plain("status", it.status.as_str());
    p.plain_or_null("whatsapp_message_id", it.external_id.as_deref());
    p.plain_or_null("client_message_id", it.client_message_id.as_deref());
    p.id_or_null("reply_to_id", it.reply_to.map(|it| it.0));
    p.time("created_at", it.created_at);
    p.time_or_null("sent_at", (it.status != MessageStatus::Pending).then_some(it.created_at));
    p.time_or_null("delivered_at", it.delivered_at);
    p.time_or_null("read_at", it.read_at);
}

fn room_message(p: &mut Object<'_>, it: &Message) {
    p.id("id", it.id.0);
    room(p, it.room, View::Room);
    p.number("seq", it.seq);
    p.id_or_null("user_id", it.user.map(|it| it.0).or(it.contact.map(|it| it.0)));
    p.plain("user_name", &it.user_name);
    p.plain("content", &it.content.text);
    p.plain("message_type", it.message_type.as_str());
    p.plain_if("media_url", it.content.media_url.as_deref());
    p.plain_if("filename", it.content.filename.as_deref());
    p.plain_if("caption", it.content.caption.as_deref());
    if let Some(reply_to) = it.reply_to {
        p.id("reply_to_id", reply_to.0);
    }
    p.plain_if("client_message_id", it.client_message_id.as_deref());
    p.plain("status", it.status.as_str());
    p.time("created_at", it.created_at);
}

fn typing(p: &mut Object<'_>, it: &Typing, view: View) {
    room(p, it.room, view);
    p.id("user_id", it.user.0);
    if view == View::Room {
        p.plain("user_name", &it.user_name);
    }
    if let Some(contact) = it.contact {
        p.id("contact_id", contact.0);
    }
    p.flag("typing", it.is_typing);
    if view == View::Room {
        p.flag("is_typing", it.is_typing);
    }
}

fn mark(p: &mut Object<'_>, it: &Mark, view: View) {
    let status = match it.kind {
        MarkKind::Delivered => MessageStatus::Delivered,
        MarkKind::Read => MessageStatus::Read,
    };
    p.id("message_id", it.message.0);
    room(p, it.room, view);
    p.plain("status", status.as_str());
    p.time("timestamp", it.at);
    p.id("user_id", it.user.0);
    p.number("up_to_seq", it.up_to_seq);
}

fn deletion(p: &mut Object<'_>, it: &Deletion, view: View) {
    p.id("message_id", it.message.0);
    room(p, it.room, view);
    p.number("seq", it.seq);
    p.time("deleted_at", it.at);
    if let Some(by) = it.by {
        p.id("deleted_by", by.0);
    }
}

fn reaction(p: &mut Object<'_>, it: &Reaction, view: View) {
    p.id("message_id", it.message.0);
    room(p, it.room, view);
    p.number("seq", it.seq);
    p.plain("emoji", &it.emoji);
    p.plain("action", if it.present { "added" } else { "removed" });
    p.id("user_id", it.user.0);
    p.plain("user_name", &it.user_name);
    p.number("count", it.count);
    p.time("timestamp", it.at);
}

fn room_updated(p: &mut Object<'_>, it: &Room) {
    room(p, it.id, View::Room);
    p.plain_or_null("name", it.name.as_deref());
    p.plain("kind", it.kind.as_str());
    p.time("updated_at", it.updated_at);
    p.time_or_null("archived_at", it.archived_at);
}

/// A room that the client's user has a place in from now on.
pub(super) fn room_added(p: &mut Object<'_>, it: &Room, member: &Member) {
    room(p, it.id, View::Room);
    p.plain_or_null("name", it.name.as_deref());
    p.plain("kind", it.kind.as_str());
    p.plain("role", member.membership.role.as_str());
    p.time("created_at", it.created_at);
}

/// The client's user, to those in a room and to itself.
pub(super) fn person(p: &mut Object<'_>, of: RoomId, identity: &Identity) {
    room(p, of, View::Room);
    p.id("user_id", identity.user.0);
    p.plain("user_name", &identity.name);
}

/// What a sender is told when its message is stored.
pub(super) fn sent(p: &mut Object<'_>, it: &Message, duplicate: bool) {
    p.id("id", it.id.0);
    p.number("seq", it.seq);
    p.plain("status", it.status.as_str());
    p.time("created_at", it.created_at);
    if duplicate {
        p.flag("duplicate", true);
    }
}

pub(super) fn reject(p: &mut Object<'_>, it: &Reject) {
    p.plain("message", &wording::refusal(it));
    p.plain("code", wording::code(it).as_str());
    p.plain_if("field", it.field);
    if let Some(ms) = it.retry_after_ms {
        p.number("retry_after_ms", ms);
    }
}
