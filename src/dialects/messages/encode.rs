//! From what the hub tells to the text of a frame.
//!
//! Written by hand, because an event is encoded for thousands who receive it and for the one who waits for it. Every
//! frame is `{"type","payload"?,"timestamp","message_id","in_reply_to"?,"error"?}`, in that order; nothing in it depends
//! on who receives it.

use super::super::message::since_sent;
use super::super::object::Object;
use super::text;
use crate::domain::{
    Deletion, Direction, Event, Mark, MarkKind, Member, Message, Reaction, Reject, Room, Timestamp, Typing, UserId,
};

/// What a frame says besides the event.
pub(super) struct Stamp<'a> {
    pub process: &'a str,
    pub number: u64,
    pub at: Timestamp,
    /// The client's name for the frame that this one answers, as JSON.
    pub tag: Option<&'a str>,
}

pub(super) fn frame(event: &Event, stamp: &Stamp<'_>, out: &mut Vec<u8>) -> bool {
    let mut error = None;
    match event {
        Event::Message(it) => payload(out, "new_message", |p| message(p, it)),
        Event::Sent { message: it, duplicate } => payload(out, "message_sent", |p| {
            message(p, it);
            if *duplicate {
                p.flag("duplicate", true);
            }
        }),
        Event::Typing(it) => payload(out, "user_typing", |p| typing(p, it)),
        Event::Marked(it) => match it.kind {
            MarkKind::Read => payload(out, "message_read", |p| mark(p, it, "read_at")),
            MarkKind::Delivered => payload(out, "message_delivered", |p| mark(p, it, "delivered_at")),
        },
        Event::Status { room, message, status: it, at } => payload(out, "message_status", |p| {
            p.id("message_id", message.0);
            p.id("session_id", room.0);
            p.plain("status", it.as_str());
            p.time("timestamp", *at);
        }),
        Event::UserJoined { room, user, user_name } => payload(out, "user_joined", |p| {
            p.id("session_id", room.0);
            person(p, *user, user_name);
        }),
        Event::UserLeft { room, user, user_name } => payload(out, "user_left", |p| {
            p.id("session_id", room.0);
            person(p, *user, user_name);
        }),
        Event::Connected { conn, user, heartbeat_secs } => payload(out, "connected", |p| {
            p.plain("client_id", &format!("{}-{}", stamp.process, conn.0));
            p.id("user_id", user.0);
            p.time("timestamp", stamp.at);
            p.number("heartbeat_interval", *heartbeat_secs);
        }),
        Event::Joined { room, last_seq, last_pos, members } => payload(out, "session_joined", |p| {
            p.id("session_id", room.0);
            p.number("last_seq", *last_seq);
            p.number("last_pos", *last_pos);
            p.number("members", *members as u64);
        }),
        Event::Left { room } => payload(out, "session_left", |p| p.id("session_id", room.0)),
        Event::Presence { room, users, total } => payload(out, "presence", |p| {
            p.id("session_id", room.0);
            p.list("users", users, |p, (user, name)| person(p, *user, name));
            p.number("total", *total as u64);
        }),
        Event::TokenExpiring { expires_at } => payload(out, "token_expiring", |p| p.time("expires_at", *expires_at)),
        Event::TokenRefreshed { expires_at } => {
            payload(out, "token_refreshed", |p| p.time_or_null("expires_at", *expires_at));
        }
        Event::ServerRestarting { reconnect_after_ms } => {
            payload(out, "server_restarting", |p| p.number("reconnect_after_ms", *reconnect_after_ms));
        }
        Event::Edited { message: it, by } => payload(out, "message_edited", |p| {
            message(p, it);
            if let Some(by) = by {
                p.id("edited_by", by.0);
            }
        }),
        Event::Deleted(it) => payload(out, "message_deleted", |p| deletion(p, it)),
        Event::Reacted(it) => {
            let kind = if it.present { "reaction_added" } else { "reaction_removed" };
            payload(out, kind, |p| reaction(p, it));
        }
        Event::RoomUpdated(it) => payload(out, "session_updated", |p| room_updated(p, it)),
        Event::UserStatus { room, user, status } => payload(out, "user_status", |p| {
            p.id("session_id", room.0);
            p.id("user_id", user.0);
            p.plain("status", status.as_str());
        }),
        Event::Watching => out.extend_from_slice(br#"{"type":"watching""#),
        Event::RoomAdded { room, member } => payload(out, "session_added", |p| room_added(p, room, member)),
        Event::RoomRemoved { room } => payload(out, "session_removed", |p| p.id("session_id", room.0)),
        // Nothing here asks for what these answer, or waits for it.
        Event::TypingTold { .. }
        | Event::RoomCreated { .. }
        | Event::RoomPurged { .. }
        | Event::MemberSet(_)
        | Event::MemberRemoved { .. } => return false,
        Event::Pong => out.extend_from_slice(br#"{"type":"pong""#),
        Event::Rejected(it) => {
            error = Some(it.code.as_str());
            payload(out, "error", |p| reject(p, it));
        }
    }
    close(out, stamp, error);
    true
}

fn payload(out: &mut Vec<u8>, kind: &str, write: impl FnOnce(&mut Object<'_>)) {
    out.extend_from_slice(br#"{"type":""#);
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(br#"","payload":"#);
    Object::write(out, write);
}

fn close(out: &mut Vec<u8>, stamp: &Stamp<'_>, error: Option<&str>) {
    out.extend_from_slice(br#","timestamp":""#);
    out.extend_from_slice(stamp.at.rfc3339().as_str().as_bytes());
    out.extend_from_slice(br#"","message_id":"msg-"#);
    out.extend_from_slice(stamp.process.as_bytes());
    out.push(b'-');
    out.extend_from_slice(itoa::Buffer::new().format(stamp.number).as_bytes());
    out.push(b'"');
    if let Some(tag) = stamp.tag {
        out.extend_from_slice(br#","in_reply_to":"#);
        out.extend_from_slice(tag.as_bytes());
    }
    if let Some(code) = error {
        out.extend_from_slice(br#","error":""#);
        out.extend_from_slice(code.as_bytes());
        out.push(b'"');
    }
    out.push(b'}');
}

fn message(p: &mut Object<'_>, it: &Message) {
    let outbound = it.direction == Direction::Outbound;
    p.id("message_id", it.id.0);
    p.id("session_id", it.room.0);
    p.number("seq", it.seq);
    p.number("pos", it.pos);
    p.id_or_null("contact_id", it.contact.map(|it| it.0));
    let mut altered = p.safe("text", &it.content.text);
    p.plain("content_type", it.message_type.as_str());
    p.flag("from_me", outbound);
    p.time("timestamp", it.created_at);
    if let Some(user) = it.user.filter(|_| outbound) {
        p.id("agent_id", user.0);
        p.safe("agent_name", &it.user_name);
    }
    p.plain("status", it.status.as_str());
    if let Some(reply_to) = it.reply_to {
        p.id("reply_to_id", reply_to.0);
    }
    p.plain_if("client_message_id", it.client_message_id.as_deref());
    p.plain_if("media_url", it.content.media_url.as_deref());
    if let Some(filename) = &it.content.filename {
        altered |= p.safe("filename", filename);
    }
    if let Some(caption) = &it.content.caption {
        altered |= p.safe("caption", caption);
    }
    if altered {
        p.flag("altered", true);
    }
    since_sent(p, it);
}

fn deletion(p: &mut Object<'_>, it: &Deletion) {
    p.id("message_id", it.message.0);
    p.id("session_id", it.room.0);
    p.number("seq", it.seq);
    p.time("deleted_at", it.at);
    if let Some(by) = it.by {
        p.id("deleted_by", by.0);
    }
}

fn reaction(p: &mut Object<'_>, it: &Reaction) {
    p.id("message_id", it.message.0);
    p.id("session_id", it.room.0);
    p.number("seq", it.seq);
    p.plain("emoji", &it.emoji);
    person(p, it.user, &it.user_name);
    p.number("count", it.count);
    p.time("timestamp", it.at);
}

fn room_updated(p: &mut Object<'_>, it: &Room) {
    name_and_kind(p, it);
    p.time("updated_at", it.updated_at);
    p.time_or_null("archived_at", it.archived_at);
}

fn room_added(p: &mut Object<'_>, it: &Room, member: &Member) {
    name_and_kind(p, it);
    p.plain("role", member.membership.role.as_str());
    p.id_or_null("contact_id", it.contact.map(|it| it.0));
    p.time("created_at", it.created_at);
}

fn name_and_kind(p: &mut Object<'_>, it: &Room) {
    p.id("session_id", it.id.0);
    match &it.name {
        Some(name) => {
            p.safe("name", name);
        }
        None => p.null("name"),
    }
    p.plain("kind", it.kind.as_str());
}

fn typing(p: &mut Object<'_>, it: &Typing) {
    p.id("session_id", it.room.0);
    p.id_or_null("contact_id", it.contact.map(|it| it.0));
    p.flag("is_typing", it.is_typing);
    person(p, it.user, &it.user_name);
}

fn mark(p: &mut Object<'_>, it: &Mark, when: &str) {
    p.id("message_id", it.message.0);
    p.id("session_id", it.room.0);
    p.time(when, it.at);
    p.id("user_id", it.user.0);
    p.number("up_to_seq", it.up_to_seq);
}

fn person(p: &mut Object<'_>, user: UserId, name: &str) {
    p.id("user_id", user.0);
    p.safe("user_name", name);
}

fn reject(p: &mut Object<'_>, it: &Reject) {
    p.plain("code", it.code.as_str());
    p.plain("message", &it.message);
    if it.field.is_none() && it.retry_after_ms.is_none() {
        return;
    }
    p.object("details", |details| {
        details.plain_if("field", it.field);
        if let Some(ms) = it.retry_after_ms {
            details.number("retry_after_ms", ms);
        }
    });
    // Clients that are told to wait look for it here first.
    if let Some(ms) = it.retry_after_ms {
        p.number("retry_after_ms", ms);
    }
}

impl Object<'_> {
    /// What a person wrote. Returns whether it is told with other words than it was written.
    fn safe(&mut self, key: &str, value: &str) -> bool {
        let told = text::safe(value);
        self.plain(key, &told);
        text::is_altered(value, &told)
    }
}
