//! The dialect as its clients meet it: events in, packets out.

mod decode;
mod encode;
mod places;

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::asked::{Asked, Verb};
use super::*;
use crate::domain::{
    Command, Content, Direction, Message, MessageId, MessageStatus, MessageType, OrgId, Reject, RejectCode, RoomId,
    SenderType, UserId,
};
use crate::session::dialect::Request;
use crate::session::replay::beyond;

const ROOM: &str = "550e8400-e29b-41d4-a716-446655440000";
const USER: &str = "770e8400-e29b-41d4-a716-446655440000";
const MESSAGE: &str = "880e8400-e29b-41d4-a716-446655440000";
const AT: Timestamp = Timestamp::from_secs(1_760_110_200);
const TIME: &str = "2025-10-10T15:30:00.000Z";

fn id(text: &str) -> Uuid {
    text.parse().expect("a UUID")
}

fn fixed_id() -> MessageId {
    MessageId(id(MESSAGE))
}

fn room() -> RoomId {
    RoomId(id(ROOM))
}

fn user() -> UserId {
    UserId(id(USER))
}

fn stored() -> Message {
    Message {
        id: fixed_id(),
        organization: OrgId(id(USER)),
        room: room(),
        seq: 12,
        pos: 40,
        changed_pos: 40,
        sender_type: SenderType::Agent,
        direction: Direction::Outbound,
        user: Some(user()),
        user_name: "Ada".into(),
        contact: None,
        message_type: MessageType::Text,
        content: Content { text: "Olá! 1 < 2".into(), ..Content::default() },
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

#[test]
fn a_room_that_is_joined_again_says_only_what_was_not_told_before() {
    let beyond = |event, pos| beyond(&event, pos, 50).map(|(event, pos)| (event.into_owned(), pos));
    let message = |pos, changed_pos| Arc::new(Message { pos, changed_pos, ..stored() });
    assert_eq!(beyond(Event::Message(message(40, 50)), 40), None, "it was told as it is");
    let changed = message(40, 60);
    let edit = Event::Edited { message: changed.clone(), by: None };
    assert_eq!(beyond(Event::Message(changed), 40), Some((edit, 50)), "it was told before the change");
    let new = Event::Message(message(55, 60));
    assert_eq!(beyond(new.clone(), 55), Some((new, 55)));
    let left = Event::Left { room: room() };
    assert_eq!(beyond(left.clone(), 49), None);
    assert_eq!(beyond(left.clone(), 50), Some((left, 50)), "a change that was read early may stand there");
}
