//! Frames of the hub, word for word.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::domain::{
    ConnId, Content, Direction, Event, Mark, MarkKind, Message, MessageStatus, MessageType, Reject, RoomId, SenderType,
    Typing, UserId,
};

const END: &str = r#""timestamp":"2025-10-10T15:30:00.000Z","message_id":"msg-55440000-1""#;

#[test]
fn a_message_is_told_in_full() {
    assert_eq!(
        told(&Event::Message(Arc::new(stored())), None),
        format!(
            r#"{{"type":"new_message","payload":{{"message_id":"{MESSAGE}","session_id":"{SESSION}","seq":12,"pos":40,"contact_id":"{CONTACT}","text":"Olá! \"1\" &lt; 2","content_type":"text","from_me":true,"timestamp":"2025-10-10T15:30:00.000Z","agent_id":"{USER}","agent_name":"Ada","status":"sent"}},{END}}}"#
        )
    );
    let media = Message {
        direction: Direction::Inbound,
        sender_type: SenderType::Contact,
        user: None,
        contact: None,
        message_type: MessageType::Image,
        content: Content {
            text: "".into(),
            media_url: Some("/f/1?a&b".into()),
            filename: Some("<b>a</b>.png".into()),
            caption: Some("a & b".into()),
        },
        reply_to: Some(fixed_id()),
        client_message_id: Some("c<1>".into()),
        status: MessageStatus::Delivered,
        ..stored()
    };
    assert_eq!(
        told(&Event::Message(Arc::new(media)), None),
        format!(
            r#"{{"type":"new_message","payload":{{"message_id":"{MESSAGE}","session_id":"{SESSION}","seq":12,"pos":40,"contact_id":null,"text":"","content_type":"image","from_me":false,"timestamp":"2025-10-10T15:30:00.000Z","status":"delivered","reply_to_id":"{MESSAGE}","client_message_id":"c<1>","media_url":"/f/1?a&b","filename":"a.png","caption":"a &amp; b","altered":true}},{END}}}"#
        )
    );
}

#[test]
fn an_acknowledgement_says_so_when_it_is_for_a_repetition() {
    let sent = |duplicate| told(&Event::Sent { message: Arc::new(stored()), duplicate }, Some("\"m-1\""));
    let once: Value = serde_json::from_str(&sent(false)).expect("JSON");
    assert_eq!((&once["type"], &once["in_reply_to"]), (&json!("message_sent"), &json!("m-1")));
    assert_eq!(once["payload"].get("duplicate"), None);
    let twice: Value = serde_json::from_str(&sent(true)).expect("JSON");
    assert_eq!(twice["payload"]["duplicate"], json!(true));
}

#[test]
fn every_other_event_has_its_frame() {
    let (room, user, message) = (RoomId(id(SESSION)), UserId(id(USER)), fixed_id());
    let user_name: Box<str> = "<b>Ada</b> & co".into();
    let mark = |kind| Event::Marked(Mark { room, kind, user, message, up_to_seq: 12, moved: None, at: AT });
    let time = "2025-10-10T15:30:00.000Z";
    let person = json!({"session_id": SESSION, "user_id": USER, "user_name": "Ada &amp; co"});
    for (event, kind, payload) in [
        (
            Event::Typing(Typing { room, contact: None, user, user_name: user_name.clone(), is_typing: true }),
            "user_typing",
            json!({"session_id": SESSION, "contact_id": null, "is_typing": true, "user_id": USER, "user_name": "Ada &amp; co"}),
        ),
        (
            mark(MarkKind::Read),
            "message_read",
            json!({"message_id": MESSAGE, "session_id": SESSION, "read_at": time, "user_id": USER, "up_to_seq": 12}),
        ),
        (
            mark(MarkKind::Delivered),
            "message_delivered",
            json!({"message_id": MESSAGE, "session_id": SESSION, "delivered_at": time, "user_id": USER, "up_to_seq": 12}),
        ),
        (
            Event::Status { room, message, status: MessageStatus::Failed, at: AT },
            "message_status",
            json!({"message_id": MESSAGE, "session_id": SESSION, "status": "failed", "timestamp": time}),
        ),
        (Event::UserJoined { room, user, user_name: user_name.clone() }, "user_joined", person.clone()),
        (Event::UserLeft { room, user, user_name: user_name.clone() }, "user_left", person),
        (
            Event::Connected { conn: ConnId(7), user, heartbeat_secs: 25 },
            "connected",
            json!({"client_id": "55440000-7", "user_id": USER, "timestamp": time, "heartbeat_interval": 25}),
        ),
        (
            Event::Joined { room, last_seq: 3, last_pos: 9, members: 2 },
            "session_joined",
            json!({"session_id": SESSION, "last_seq": 3, "last_pos": 9, "members": 2}),
        ),
        (Event::Left { room }, "session_left", json!({"session_id": SESSION})),
        (
            Event::Presence { room, users: vec![(user, user_name.clone()), (user, "Bo".into())], total: 140 },
            "presence",
            json!({"session_id": SESSION, "total": 140, "users":
                [{"user_id": USER, "user_name": "Ada &amp; co"}, {"user_id": USER, "user_name": "Bo"}]}),
        ),
        (Event::TokenExpiring { expires_at: AT }, "token_expiring", json!({"expires_at": time})),
        (Event::TokenRefreshed { expires_at: Some(AT) }, "token_refreshed", json!({"expires_at": time})),
        (Event::TokenRefreshed { expires_at: None }, "token_refreshed", json!({"expires_at": null})),
        (
            Event::ServerRestarting { reconnect_after_ms: 4_321 },
            "server_restarting",
            json!({"reconnect_after_ms": 4_321}),
        ),
    ] {
        let expected = json!({"type": kind, "payload": payload, "timestamp": time, "message_id": "msg-55440000-1"});
        assert_eq!(serde_json::from_str::<Value>(&told(&event, None)).expect("JSON"), expected);
    }
    assert_eq!(told(&Event::Pong, None), format!(r#"{{"type":"pong",{END}}}"#));
    assert_eq!(told(&Event::Pong, Some("17")), format!(r#"{{"type":"pong",{END},"in_reply_to":17}}"#));
}

#[test]
fn an_error_tells_its_code_twice_and_what_would_be_right() {
    assert_eq!(
        told(&Event::Rejected(Reject::field("session_id", "a UUID")), Some("\"m-1\"")),
        format!(
            r#"{{"type":"error","payload":{{"code":"invalid_payload","message":"session_id: expected a UUID","details":{{"field":"session_id"}}}},{END},"in_reply_to":"m-1","error":"invalid_payload"}}"#
        )
    );
    assert_eq!(
        told(&Event::Rejected(Reject::rate_limited(250)), None),
        format!(
            r#"{{"type":"error","payload":{{"code":"rate_limited","message":"Rate limit exceeded","details":{{"retry_after_ms":250}},"retry_after_ms":250}},{END},"error":"rate_limited"}}"#
        )
    );
    assert!(!told(&Event::Rejected(Reject::not_found()), None).contains("details"));
}

#[test]
fn no_two_frames_have_the_same_id() {
    let messages = messages();
    let tell = || {
        let mut out = Vec::new();
        messages.encode(&Event::Pong, None, AT, &mut out);
        out
    };
    assert_ne!(tell(), tell());
}
