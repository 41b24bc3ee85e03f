//! What clients send, as it stands on the wire.
//!
//! Every field is optional here, and missing ones are found where they are needed, so that an answer can name the
//! field and say what it should hold. Names are in camel case; snake case will do. What is not known is ignored.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::payload::Fields;
use crate::domain::RoomId;

/// What every frame has. The rest is read when it is known what it should be.
#[derive(Deserialize)]
pub(super) struct Kind<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<&'a RawValue>,
}

/// `subscribe`
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Subscribe {
    #[serde(alias = "conversation_id")]
    pub conversation_id: Option<RoomId>,
    #[serde(alias = "after_seq")]
    pub after_seq: Option<u64>,
}

/// `unsubscribe`
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Unsubscribe {
    #[serde(alias = "conversation_id")]
    pub conversation_id: Option<RoomId>,
}

/// What each field should hold, in the words of an answer.
pub(super) const FIELDS: Fields = Fields(&[
    ("conversationId", "a UUID"),
    ("conversation_id", "a UUID"),
    ("afterSeq", "a non-negative integer"),
    ("after_seq", "a non-negative integer"),
    ("token", "a token as a string"),
]);
