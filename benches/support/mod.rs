//! What the benches share: how long they measure, and the people and messages that they measure with.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::sync::Arc;
use std::time::Duration;

use criterion::Criterion;
use tertulia::clock;
use tertulia::domain::{
    ContactId, Content, Direction, Identity, Message, MessageStatus, MessageType, OrgId, Role, RoomId, Scopes,
    SenderType, Typing, UserId,
};
use uuid::Uuid;

/// As long as the words of a usual message.
pub const WORDS: &str = "Olá! Recebi a sua mensagem de ontem e já pedi ao armazém que veja a encomenda. \
     Assim que souber mais, escrevo-lhe por aqui.";

/// Short enough for all of them to be run in passing.
pub fn config() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2))
}

pub fn organization() -> OrgId {
    OrgId(Uuid::from_u128(0x0A))
}

pub fn user(n: u64) -> UserId {
    UserId(Uuid::from_u128(0x1000_0000 + u128::from(n)))
}

pub fn room() -> RoomId {
    RoomId(Uuid::from_u128(0x0B))
}

pub fn identity(n: u64) -> Arc<Identity> {
    Arc::new(Identity {
        organization: Some(organization()),
        user: user(n),
        role: Role::Agent,
        name: "Ada".into(),
        email: None,
        expires_at: None,
        login: None,
        scopes: Scopes::ALL,
    })
}

pub fn message(text: &str) -> Message {
    Message {
        id: clock::message_id(),
        organization: organization(),
        room: room(),
        seq: 4_711,
        pos: 123_456,
        changed_pos: 123_456,
        sender_type: SenderType::Agent,
        direction: Direction::Outbound,
        user: Some(user(1)),
        user_name: "Ada".into(),
        contact: Some(ContactId(Uuid::from_u128(0x0C))),
        message_type: MessageType::Text,
        content: Content { text: text.into(), ..Content::default() },
        status: MessageStatus::Sent,
        reply_to: None,
        client_message_id: Some("c-1".into()),
        delivered_at: None,
        external_id: None,
        read_at: None,
        created_at: clock::now(),
        reactions: Vec::new(),
        edited_at: None,
        deleted_at: None,
    }
}

pub fn typing() -> Typing {
    Typing { room: room(), contact: None, user: user(1), user_name: "Ada".into(), is_typing: true }
}
