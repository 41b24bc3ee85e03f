//! Frames of clients, right and wrong.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::{Command, RejectCode, Resume, RoomId, RoomKind};
use crate::session::dialect::Request;

fn understood(frame: &Value) -> Request {
    let inbound = Status.decode(&frame.to_string()).unwrap_or_else(|misread| panic!("{frame}: {misread:?}"));
    assert_eq!(inbound.tag, None);
    inbound.request
}

#[test]
fn a_conversation_is_subscribed_to_from_wherever_the_client_left_off() {
    let subscribe = |frame| match understood(&frame) {
        Request::Command(Command::Join { room, resume, presence: Some(false), create_as: RoomKind::Conversation }) => {
            assert_eq!(room.0, id(CONVERSATION));
            resume
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(subscribe(json!({"type": "subscribe", "conversationId": CONVERSATION})), Resume::Live);
    let upper = CONVERSATION.to_uppercase();
    assert_eq!(subscribe(json!({"type": "subscribe", "conversation_id": upper, "afterSeq": null})), Resume::Live);
    for name in ["afterSeq", "after_seq"] {
        let from = |seq: u64| subscribe(json!({"conversationId": CONVERSATION, name: seq, "type": "subscribe"}));
        assert_eq!((from(0), from(41)), (Resume::AfterSeq(0), Resume::AfterSeq(41)));
        assert_eq!(from(u64::MAX), Resume::AfterSeq(i64::MAX.unsigned_abs()));
    }
}

#[test]
fn every_other_frame_is_read() {
    let leave = Request::Command(Command::Leave { room: RoomId(id(CONVERSATION)) });
    for name in ["conversationId", "conversation_id"] {
        assert_eq!(understood(&json!({"type": "unsubscribe", name: CONVERSATION})), leave);
    }
    assert_eq!(understood(&json!({"type": "ping", "anything": [1]})), Request::Ping);
    let token = Request::RefreshToken("a.b.c".into());
    assert_eq!(understood(&json!({"type": "refresh_token", "token": "a.b.c"})), token);
}

#[test]
fn what_is_wrong_is_answered_with_what_would_be_right() {
    use RejectCode::{InvalidJson, InvalidPayload, UnknownType};
    for (frame, code, words) in [
        ("", InvalidJson, "expected a JSON object"),
        ("[\"subscribe\"]", InvalidJson, "expected a JSON object"),
        ("{\"type\":\"ping\"", InvalidJson, "expected a JSON object"),
        ("{}", InvalidJson, "expected a `type` that is a string"),
        ("{\"type\":7}", InvalidJson, "expected a `type` that is a string"),
        (r#"{"type":"send_message"}"#, UnknownType, "expected subscribe, unsubscribe, ping or refresh_token"),
        (r#"{"type":"subscribe"}"#, InvalidPayload, "conversationId: expected a UUID"),
        (r#"{"type":"subscribe","conversationId":"7"}"#, InvalidPayload, "conversationId: expected a UUID"),
        (r#"{"type":"unsubscribe","conversation_id":7}"#, InvalidPayload, "conversation_id: expected a UUID"),
        (r#"{"type":"subscribe","afterSeq":-1}"#, InvalidPayload, "afterSeq: expected a non-negative integer"),
        (r#"{"type":"subscribe","after_seq":"1"}"#, InvalidPayload, "after_seq: expected a non-negative integer"),
        (r#"{"type":"refresh_token","token":""}"#, InvalidPayload, "token: expected a token as a string"),
        (r#"{"type":"refresh_token","token":{}}"#, InvalidPayload, "token: expected a token as a string"),
    ] {
        let reject = Status.decode(frame).expect_err(frame).reject;
        assert!(reject.code == code && reject.message.contains(words), "{frame}: {reject:?}");
    }
    let twice =
        format!(r#"{{"type":"subscribe","conversationId":"{CONVERSATION}","conversation_id":"{CONVERSATION}"}}"#);
    assert_eq!(Status.decode(&twice).expect_err("twice").reject.code, InvalidPayload);
}

proptest! {
    #[test]
    fn anything_is_answered_without_a_panic(text in "\\PC*") {
        let _ = Status.decode(&text);
        let _ = Status.decode(&json!({"type": "subscribe", "conversationId": text, "afterSeq": text}).to_string());
    }
}
