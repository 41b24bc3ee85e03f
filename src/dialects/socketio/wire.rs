//! What clients send, as it stands on the wire: an event's name and its one argument.
//!
//! Every field is optional here, and missing ones are found where they are needed, so that an answer can name the field.
//! Fields that are not known are ignored, and so are further arguments.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::super::payload::{Fields, Text};
use crate::domain::{ContactId, MessageId, RoomId};

/// `["name", payload?, …]`
pub(super) struct Call<'a> {
    pub name: Cow<'a, str>,
    pub payload: Option<&'a RawValue>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Call<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Array;

        impl<'de> Visitor<'de> for Array {
            type Value = Call<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array that begins with the event's name")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Call<'de>, A::Error> {
                let Some(Text(name)) = array.next_element()? else {
                    return Err(serde::de::Error::invalid_length(0, &self));
                };
                let payload = array.next_element()?;
                while array.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Call { name, payload })
            }
        }

        deserializer.deserialize_seq(Array)
    }
}

/// A room's id. An empty one counts as none, as with those that clients come from.
fn room<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RoomId>, D::Error> {
    match Option::<Text<'de>>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Text(text)) if text.is_empty() => Ok(None),
        Some(Text(text)) => text.parse().map(Some).map_err(serde::de::Error::custom),
    }
}

/// `join_conversation`, `join_room`, `leave_conversation`, `leave_room`
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Join {
    #[serde(deserialize_with = "room")]
    pub conversation_id: Option<RoomId>,
    #[serde(deserialize_with = "room")]
    pub room_id: Option<RoomId>,
    pub after_seq: Option<u64>,
}

/// `send_message`
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Send<'a> {
    #[serde(deserialize_with = "room")]
    pub conversation_id: Option<RoomId>,
    #[serde(deserialize_with = "room")]
    pub room_id: Option<RoomId>,
    #[serde(borrow)]
    pub text: Option<Text<'a>>,
    /// A string, or an object with what a message may hold.
    #[serde(borrow)]
    pub content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub message_type: Option<Text<'a>>,
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

/// `typing_start`, `typing_stop`, `typing`
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct TypingNotice {
    #[serde(deserialize_with = "room")]
    pub conversation_id: Option<RoomId>,
    #[serde(deserialize_with = "room")]
    pub room_id: Option<RoomId>,
    pub contact_id: Option<ContactId>,
    pub is_typing: Option<bool>,
}

/// `mark_delivered`, `mark_read`
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Mark {
    #[serde(deserialize_with = "room")]
    pub conversation_id: Option<RoomId>,
    #[serde(deserialize_with = "room")]
    pub room_id: Option<RoomId>,
    pub message_id: Option<MessageId>,
    pub up_to_seq: Option<u64>,
}

/// `edit_message`, `delete_message`, `react`, `unreact`
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Change<'a> {
    #[serde(deserialize_with = "room")]
    pub conversation_id: Option<RoomId>,
    #[serde(deserialize_with = "room")]
    pub room_id: Option<RoomId>,
    pub message_id: Option<MessageId>,
    #[serde(borrow)]
    pub text: Option<Text<'a>>,
    #[serde(borrow)]
    pub content: Option<Text<'a>>,
    #[serde(borrow)]
    pub emoji: Option<Text<'a>>,
}

/// What each field should hold, in the words of an answer.
pub(super) const FIELDS: Fields = Fields(&[
    ("conversation_id", "a UUID"),
    ("room_id", "a UUID"),
    ("message_id", "a UUID"),
    ("contact_id", "a UUID or null"),
    ("after_seq", "a non-negative integer"),
    ("text", "a string"),
    ("content", "a string, or an object with text or media_url"),
    ("message_type", "text, image, video, audio or document"),
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
