//! From what the hub tells to the text of a frame: how far messages have come, and the answers to what the client asked.
//!
//! Nothing in a frame depends on who receives it.

use std::borrow::Cow;

use super::super::object::Object;
use crate::domain::{
    Event, MarkKind, Message, MessageId, MessageStatus, Reject, RejectCode, RoomId, Timestamp, UserId,
};

pub(super) fn frame(event: &Event, at: Timestamp, out: &mut Vec<u8>) -> bool {
    match event {
        // What has changed may have come further since it was told; a live edit has an editor, and moves no status.
        Event::Message(it) | Event::Edited { message: it, by: None } => return message(it, at, out),
        Event::Marked(mark) => {
            let Some(moved) = mark.moved else { return false };
            let status = match mark.kind {
                MarkKind::Read => MessageStatus::Read,
                MarkKind::Delivered => MessageStatus::Delivered,
            };
            return step(&Step { room: mark.room, message: moved, status, user: Some(mark.user), at: mark.at }, out);
        }
        Event::Status { room, message, status, at } => {
            return step(&Step { room: *room, message: *message, status: *status, user: None, at: *at }, out);
        }
        Event::Joined { room, .. } => told(out, "subscribed", |p| p.id("conversationId", room.0)),
        Event::Left { room } => told(out, "unsubscribed", |p| p.id("conversationId", room.0)),
        Event::Pong => told(out, "pong", |_| {}),
        Event::TokenExpiring { expires_at } => told(out, "token_expiring", |p| p.time("expiresAt", *expires_at)),
        Event::TokenRefreshed { .. } => told(out, "token_refreshed", |_| {}),
        Event::ServerRestarting { reconnect_after_ms } => {
            told(out, "server_restarting", |p| p.number("reconnectAfterMs", *reconnect_after_ms));
        }
        Event::Rejected(it) => told(out, "error", |p| {
            p.plain("code", it.code.as_str());
            p.plain("message", &refusal(it));
        }),
        // Of everything else, nothing is told here.
        Event::Typing(_)
        | Event::Edited { .. }
        | Event::Deleted(_)
        | Event::Reacted(_)
        | Event::RoomUpdated(_)
        | Event::UserStatus { .. }
        | Event::UserJoined { .. }
        | Event::UserLeft { .. }
        | Event::Connected { .. }
        | Event::Sent { .. }
        | Event::Presence { .. }
        | Event::TypingTold { .. }
        | Event::Watching
        | Event::RoomAdded { .. }
        | Event::RoomRemoved { .. }
        | Event::RoomCreated { .. }
        | Event::RoomPurged { .. }
        | Event::MemberSet(_)
        | Event::MemberRemoved { .. } => return false,
    }
    true
}

fn told(out: &mut Vec<u8>, kind: &str, fields: impl FnOnce(&mut Object<'_>)) {
    Object::write(out, |p| {
        p.plain("type", kind);
        fields(p);
    });
}

/// A message that has come as far as `status`.
struct Step {
    room: RoomId,
    message: MessageId,
    status: MessageStatus,
    user: Option<UserId>,
    at: Timestamp,
}

/// How far a message has come by now. When it came so far is known where the outside has said it; else it is so at the
/// moment of telling. Who read it is not known any more.
fn message(it: &Message, now: Timestamp, out: &mut Vec<u8>) -> bool {
    let (user, at) = match it.status {
        MessageStatus::Pending | MessageStatus::Sent => (it.user, it.created_at),
        MessageStatus::Delivered => (None, it.delivered_at.unwrap_or(now)),
        MessageStatus::Read => (None, it.read_at.unwrap_or(now)),
        MessageStatus::Failed => (None, now),
    };
    step(&Step { room: it.room, message: it.id, status: it.status, user, at }, out)
}

fn step(it: &Step, out: &mut Vec<u8>) -> bool {
    let status = match it.status {
        // It is not stored yet, so it has come nowhere.
        MessageStatus::Pending => return false,
        MessageStatus::Sent => "SENT",
        MessageStatus::Failed => "FAILED",
        MessageStatus::Delivered => "DELIVERED",
        MessageStatus::Read => "READ",
    };
    told(out, "message.status", |p| {
        p.id("conversationId", it.room.0);
        p.id("messageId", it.message.0);
        p.plain("status", status);
        if let Some(user) = it.user {
            p.id("userId", user.0);
        }
        p.time("timestamp", it.at);
    });
    true
}

/// The hub calls every room a session, and joining what is subscribing here.
fn refusal(it: &Reject) -> Cow<'_, str> {
    if it.code == RejectCode::NotJoined {
        return "Subscribe to the conversation first".into();
    }
    let words = if it.message.contains("session") {
        it.message.replace("session", "conversation").into()
    } else {
        Cow::from(&*it.message)
    };
    match it.retry_after_ms {
        Some(ms) => format!("{words}: try again in {ms} ms").into(),
        None => words,
    }
}
