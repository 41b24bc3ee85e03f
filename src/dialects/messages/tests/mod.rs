//! The dialect as its clients meet it: frames in, frames out.

mod changes;
mod decode;
mod encode;

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::domain::{
    ContactId, Content, Direction, Message, MessageStatus, MessageType, OrgId, RoomId, SenderType, UserId,
};

const SESSION: &str = "550e8400-e29b-41d4-a716-446655440000";
const CONTACT: &str = "660e8400-e29b-41d4-a716-446655440000";
const USER: &str = "770e8400-e29b-41d4-a716-446655440000";
const MESSAGE: &str = "880e8400-e29b-41d4-a716-446655440000";
const AT: Timestamp = Timestamp::from_secs(1_760_110_200);

fn fixed_id() -> MessageId {
    MessageId(id(MESSAGE))
}

fn id(text: &str) -> Uuid {
    text.parse().expect("a UUID")
}

fn messages() -> Messages {
    Messages::new(&Options { max_text_bytes: 10_240, message_ids: fixed_id, socketio_path: "/" })
}

fn stored() -> Message {
    Message {
        id: fixed_id(),
        organization: OrgId(id(USER)),
        room: RoomId(id(SESSION)),
        seq: 12,
        pos: 40,
        changed_pos: 40,
        sender_type: SenderType::Agent,
        direction: Direction::Outbound,
        user: Some(UserId(id(USER))),
        user_name: "Ada".into(),
        contact: Some(ContactId(id(CONTACT))),
        message_type: MessageType::Text,
        content: Content { text: "Olá! \"1\" < 2".into(), ..Content::default() },
        status: MessageStatus::Sent,
        reply_to: None,
        client_message_id: None,
        delivered_at: None,
        external_id: None,
        read_at: None,
        created_at: AT,
        reactions: Vec::new(),
        edited_at: None,
        deleted_at: None,
    }
}

/// The first frame of a process, which is called `55440000`: the tail of the first id.
fn told(event: &Event, tag: Option<&str>) -> String {
    let mut out = Vec::new();
    assert!(messages().encode(event, tag, AT, &mut out));
    String::from_utf8(out).expect("UTF-8")
}

/// JSON of any shape whose keys are often the right ones.
fn frames() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just(SESSION.to_owned()),
        Just("send_message".to_owned()),
        Just("join_session".to_owned()),
        Just("typing".to_owned()),
        Just("mark_read".to_owned()),
        Just("message_id".to_owned()),
        Just("session_id".to_owned()),
        Just("text".to_owned()),
        ".{0,12}",
    ];
    let leaf = prop_oneof![
        word.clone().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    let payload = prop::collection::hash_map(word.clone(), leaf.clone(), 0..6);
    (word, payload, leaf).prop_map(|(kind, payload, message_id)| {
        json!({"type": kind, "payload": payload.into_iter().collect::<serde_json::Map<_, _>>(), "message_id": message_id})
            .to_string()
    })
}

proptest! {
    #[test]
    fn anything_is_answered_without_a_panic(text in "\\PC*") {
        let _ = messages().decode(&text);
    }

    #[test]
    fn whatever_is_answered_is_json(frame in frames()) {
        let (event, tag) = match messages().decode(&frame) {
            Ok(inbound) => (Event::Pong, inbound.tag),
            Err(misread) => (Event::Rejected(misread.reject), misread.tag),
        };
        let told: Value = serde_json::from_str(&told(&event, tag.as_deref())).expect("JSON");
        let asked: Value = serde_json::from_str(&frame).expect("JSON");
        if tag.is_some() {
            prop_assert_eq!(&told["in_reply_to"], &asked["message_id"]);
        }
    }

    #[test]
    fn any_message_is_told_as_json(text in any::<String>(), name in any::<String>(), key in any::<String>()) {
        let message = Message {
            content: Content { text: text.into(), caption: Some(name.as_str().into()), ..Content::default() },
            user_name: name.into(),
            client_message_id: Some(key.as_str().into()),
            ..stored()
        };
        let told: Value = serde_json::from_str(&told(&Event::Message(Arc::new(message)), None)).expect("JSON");
        prop_assert_eq!(told["payload"]["client_message_id"].as_str(), Some(key.as_str()));
    }
}
