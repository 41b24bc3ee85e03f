//! What clients send, as it stands on the wire: the envelope, and a payload for each type of frame.
//!
//! Every field is optional here, and missing ones are found where they are needed, so that an answer can name the
//! field and say what it should hold. Fields that are not known are ignored.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::payload::{Fields, Text};
use crate::domain::{ContactId, MessageId, RoomId};

/// The parts are kept unread until it is known what they should be.
#[derive(Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<&'a RawValue>,
    #[serde(borrow)]
    pub payload: Option<&'a RawValue>,
    #[serde(borrow)]
    pub message_id: Option<&'a RawValue>,
}

/// `join_session`
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Join {
    pub session_id: Option<RoomId>,
    pub after_seq: Option<u64>,
    pub after_pos: Option<u64>,
    pub presence: Option<bool>,
}

/// `leave_session`, `get_presence`
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Session {
    pub session_id: Option<RoomId>,
}

/// `send_message`
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Send<'a> {
    pub session_id: Option<RoomId>,
    pub contact_id: Option<ContactId>,
    #[serde(borrow)]
    pub text: Option<Text<'a>>,
    #[serde(borrow)]
    pub content_type: Option<Text<'a>>,
    pub reply_to_id: Option<MessageId>,
    #[serde(borrow)]
    pub client_message_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub media_url: Option<Text<'a>>,
    #[serde(borrow)]
    pub filename: Option<Text<'a>>,
    #[serde(borrow)]
    pub caption: Option<Text<'a>>,
}

/// `typing`
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct TypingNotice {
    pub session_id: Option<RoomId>,
    pub contact_id: Option<ContactId>,
    pub is_typing: Option<bool>,
}

/// `mark_delivered`, `mark_read`
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Mark {
    pub session_id: Option<RoomId>,
    pub message_id: Option<MessageId>,
    pub up_to_seq: Option<u64>,
}

/// `edit_message`, `delete_message`
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Change<'a> {
    pub session_id: Option<RoomId>,
    pub message_id: Option<MessageId>,
    #[serde(borrow)]
    pub text: Option<Text<'a>>,
}

/// `react`, `unreact`
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Reaction<'a> {
    pub session_id: Option<RoomId>,
    pub message_id: Option<MessageId>,
    #[serde(borrow)]
    pub emoji: Option<Text<'a>>,
}

/// What each field should hold, in the words of an answer.
pub(super) const FIELDS: Fields = Fields(&[
    ("session_id", "a UUID"),
    ("message_id", "a UUID"),
    ("after_seq", "a non-negative integer"),
    ("after_pos", "a non-negative integer"),
    ("presence", "true or false"),
    ("contact_id", "a UUID or null"),
    ("text", "a string"),
    ("content_type", "text, image, video, audio or document"),
    ("reply_to_id", "a UUID or null"),
    ("client_message_id", "a string of 1 to 128 bytes without control characters"),
    ("media_url", "an http or https URL or a path, of at most 2048 bytes, without spaces, quotes or angle brackets"),
    ("filename", "a string of at most 255 bytes"),
    ("caption", "a string"),
    ("emoji", "an emoji, of at most 64 bytes"),
    ("is_typing", "true or false"),
    ("up_to_seq", "a positive integer"),
    ("token", "a token as a string"),
]);
