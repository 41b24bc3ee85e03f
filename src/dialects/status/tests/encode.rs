//! Frames of the hub, word for word.

use std::sync::Arc;

use super::*;
use crate::domain::{
    ConnId, Content, Direction, Mark, MarkKind, Message, MessageId, MessageStatus, MessageType, OrgId, Reject, RoomId,
    SenderType, Typing, UserId,
};

fn stored(status: MessageStatus) -> Message {
    Message {
        id: MessageId(id(MESSAGE)),
        organization: OrgId(id(USER)),
        room: RoomId(id(CONVERSATION)),
        seq: 12,
        pos: 40,
        changed_pos: 40,
        sender_type: SenderType::Agent,
        direction: Direction::Outbound,
        user: Some(UserId(id(USER))),
        user_name: "Ada".into(),
        contact: None,
        message_type: MessageType::Text,
        content: Content::default(),
        status,
        reply_to: None,
        client_message_id: None,
        external_id: None,
        delivered_at: None,
        read_at: None,
        reactions: Vec::new(),
        created_at: AT,
        edited_at: None,
        deleted_at: None,
    }
}

fn step(status: &str, user: bool, time: &str) -> String {
    let user = if user { format!(r#""userId":"{USER}","#) } else { String::new() };
    format!(
        r#"{{"type":"message.status","conversationId":"{CONVERSATION}","messageId":"{MESSAGE}","status":"{status}",{user}"timestamp":"{time}"}}"#
    )
}

#[test]
fn a_message_is_told_by_how_far_it_has_come() {
    let message = |message: Message| told(&Event::Message(Arc::new(message)));
    assert_eq!(message(stored(MessageStatus::Pending)), None);
    assert_eq!(message(stored(MessageStatus::Sent)), Some(step("SENT", true, TIME)));
    assert_eq!(message(stored(MessageStatus::Failed)), Some(step("FAILED", false, TIME)));
    assert_eq!(message(stored(MessageStatus::Delivered)), Some(step("DELIVERED", false, TIME)));
    let contacts = Message { user: None, sender_type: SenderType::Contact, ..stored(MessageStatus::Sent) };
    assert_eq!(message(contacts), Some(step("SENT", false, TIME)));
    let later = |secs: i64| Some(Timestamp::from_secs(1_760_110_200 + secs));
    let (delivered_at, read_at) = (later(1), later(2));
    let read = Message { delivered_at, read_at, ..stored(MessageStatus::Read) };
    assert_eq!(message(read.clone()), Some(step("READ", false, "2025-10-10T15:30:02.000Z")));
    let delivered = "2025-10-10T15:30:01.000Z";
    assert_eq!(message(Message { read_at: None, ..read.clone() }), Some(step("READ", false, TIME)));
    assert_eq!(
        message(Message { status: MessageStatus::Delivered, ..read }),
        Some(step("DELIVERED", false, delivered))
    );
}

#[test]
fn what_has_changed_while_a_client_was_away_is_told_and_an_edit_is_not() {
    let message = Arc::new(stored(MessageStatus::Read));
    let edited = |by| told(&Event::Edited { message: message.clone(), by });
    assert_eq!(edited(None), Some(step("READ", false, TIME)));
    assert_eq!(edited(Some(UserId(id(USER)))), None);
}

#[test]
fn a_mark_is_told_where_it_moves_a_message() {
    let mark = |kind, moved: Option<&str>| {
        let moved = moved.map(|moved| MessageId(id(moved)));
        let (room, user, message) = (RoomId(id(CONVERSATION)), UserId(id(USER)), MessageId(id(USER)));
        told(&Event::Marked(Mark { room, kind, user, message, up_to_seq: 12, moved, at: AT }))
    };
    assert_eq!(mark(MarkKind::Read, Some(MESSAGE)), Some(step("READ", true, TIME)));
    assert_eq!(mark(MarkKind::Delivered, Some(MESSAGE)), Some(step("DELIVERED", true, TIME)));
    assert_eq!(mark(MarkKind::Read, None), None);
}

#[test]
fn what_the_outside_reports_is_told() {
    let (room, message) = (RoomId(id(CONVERSATION)), MessageId(id(MESSAGE)));
    let reported = |status| told(&Event::Status { room, message, status, at: AT });
    assert_eq!(reported(MessageStatus::Failed), Some(step("FAILED", false, TIME)));
    assert_eq!(reported(MessageStatus::Read), Some(step("READ", false, TIME)));
    assert_eq!(reported(MessageStatus::Pending), None);
}

#[test]
fn answers_say_what_was_asked_and_nothing_else() {
    let room = RoomId(id(CONVERSATION));
    for (event, frame) in [
        (
            Event::Joined { room, last_seq: 3, last_pos: 9, members: 2 },
            format!(r#"{{"type":"subscribed","conversationId":"{CONVERSATION}"}}"#),
        ),
        (Event::Left { room }, format!(r#"{{"type":"unsubscribed","conversationId":"{CONVERSATION}"}}"#)),
        (Event::Pong, r#"{"type":"pong"}"#.to_owned()),
        (Event::TokenRefreshed { expires_at: Some(AT) }, r#"{"type":"token_refreshed"}"#.to_owned()),
        (Event::TokenExpiring { expires_at: AT }, format!(r#"{{"type":"token_expiring","expiresAt":"{TIME}"}}"#)),
        (
            Event::ServerRestarting { reconnect_after_ms: 1_234 },
            r#"{"type":"server_restarting","reconnectAfterMs":1234}"#.to_owned(),
        ),
        (
            Event::Rejected(Reject::not_found()),
            r#"{"type":"error","code":"not_found","message":"There is no such conversation"}"#.to_owned(),
        ),
        (
            Event::Rejected(Reject::not_joined()),
            r#"{"type":"error","code":"not_joined","message":"Subscribe to the conversation first"}"#.to_owned(),
        ),
        (
            Event::Rejected(Reject::rate_limited(250)),
            r#"{"type":"error","code":"rate_limited","message":"Rate limit exceeded: try again in 250 ms"}"#.to_owned(),
        ),
    ] {
        assert_eq!(told(&event), Some(frame));
    }
}

#[test]
fn of_everything_else_nothing_is_told() {
    let (room, user, message) = (RoomId(id(CONVERSATION)), UserId(id(USER)), Arc::new(stored(MessageStatus::Sent)));
    for event in [
        Event::Typing(Typing { room, contact: None, user, user_name: "Ada".into(), is_typing: true }),
        Event::UserJoined { room, user, user_name: "Ada".into() },
        Event::UserLeft { room, user, user_name: "Ada".into() },
        Event::Connected { conn: ConnId(1), user, heartbeat_secs: 25 },
        Event::Sent { message, duplicate: false },
        Event::TypingTold { room },
        Event::Watching,
        Event::RoomRemoved { room },
    ] {
        assert_eq!(told(&event), None);
    }
}
