//! The fields that clients send, read so that whatever is wrong is answered with the field and what it should hold.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::{Content, MAX_NUMBER, MarkTarget, MessageId, Reject, RejectCode, wording};
use crate::session::dialect::Request;

/// A string of a frame: borrowed from it unless it is written with escapes.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// Reads a frame that has to be an object. An array would do for a struct as well.
pub(super) fn object<'a, T: Deserialize<'a>>(frame: &'a str) -> Result<T, Reject> {
    if !frame.trim_ascii_start().starts_with('{') {
        return Err(invalid_json("expected a JSON object"));
    }
    serde_json::from_str(frame).map_err(|error| invalid_json(&format!("expected a JSON object: {error}")))
}

/// Reads what a frame has as its `type`.
pub(super) fn kind(raw: Option<&RawValue>) -> Result<Cow<'_, str>, Reject> {
    let kind = raw.and_then(|kind| serde_json::from_str(kind.get()).ok());
    kind.map(|Text(kind)| kind).ok_or_else(|| invalid_json("expected a `type` that is a string"))
}

fn invalid_json(what: &str) -> Reject {
    Reject::new(RejectCode::InvalidJson, format!("The frame cannot be read: {what}"))
}

/// `refresh_token`, which is the same in every dialect.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Refresh<'a> {
    #[serde(borrow)]
    token: Option<Text<'a>>,
}

impl Refresh<'_> {
    /// What it asks for. `token` is one of the `fields`.
    pub(super) fn request(self, fields: &Fields) -> Result<Request, Reject> {
        let token = self.token.filter(|Text(token)| !token.is_empty());
        let Text(token) = token.ok_or_else(|| fields.wrong("token"))?;
        Ok(Request::RefreshToken(token.into()))
    }
}

/// What a message says, as it was sent.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Said<'a> {
    #[serde(borrow)]
    pub text: Option<Text<'a>>,
    #[serde(borrow)]
    pub media_url: Option<Text<'a>>,
    #[serde(borrow)]
    pub filename: Option<Text<'a>>,
    #[serde(borrow)]
    pub caption: Option<Text<'a>>,
}

impl Said<'_> {
    /// `limit`: how many bytes its texts may have.
    pub(super) fn content(self, limit: usize) -> Result<Content, Reject> {
        let content = Content {
            text: self.text.map(|Text(text)| wording::text("text", &text, limit)).transpose()?.unwrap_or_default(),
            caption: self.caption.map(|Text(text)| wording::text("caption", &text, limit)).transpose()?,
            media_url: self.media_url.map(|Text(url)| wording::media_url(&url)).transpose()?,
            filename: self.filename.map(|Text(name)| wording::filename(&name)).transpose()?,
        };
        wording::says_something(&content)?;
        Ok(content)
    }
}

/// Up to where a mark reaches. One with both targets, as in the events that tell of marks, reaches up to the message.
/// `up_to_seq` is one of the `fields`.
pub(super) fn mark_target(
    message: Option<MessageId>,
    up_to_seq: Option<u64>,
    fields: &Fields,
) -> Result<MarkTarget, Reject> {
    match (message, up_to_seq) {
        (Some(message), _) => Ok(MarkTarget::Message(message)),
        (None, Some(0)) => Err(fields.wrong("up_to_seq")),
        (None, Some(seq)) => Ok(MarkTarget::Seq(seq.min(MAX_NUMBER))),
        (None, None) => Err(Reject::field("message_id", "the UUID of a message, or up_to_seq instead")),
    }
}

/// What each field of a dialect should hold, in the words of an answer.
pub(super) struct Fields(pub &'static [(&'static str, &'static str)]);

impl Fields {
    /// Reads the object `name`. One that is missing is one without any field.
    pub(super) fn read<'a, T>(&self, name: &'static str, raw: Option<&'a RawValue>) -> Result<T, Reject>
    where
        T: Default + Deserialize<'a>,
    {
        let Some(raw) = raw.map(RawValue::get) else { return Ok(T::default()) };
        if !raw.starts_with('{') {
            return Err(Reject::field(name, "an object"));
        }
        serde_json::from_str(raw).map_err(|_| self.fault::<T>(name, raw))
    }

    /// Reads what cannot be read once more, to find the field that is at fault.
    fn fault<'a, T: Deserialize<'a>>(&self, name: &'static str, raw: &'a str) -> Reject {
        let reading = serde_path_to_error::deserialize::<_, T>(&mut serde_json::Deserializer::from_str(raw));
        let Err(error) = reading else { return Reject::field(name, "an object") };
        let path = error.path().to_string();
        match self.0.iter().find(|(field, _)| *field == path) {
            Some((field, expected)) => Reject::field(field, expected),
            None => Reject::field(name, &format!("an object with each field once: {}", error.inner())),
        }
    }

    /// What is wrong with `field`, one of these.
    pub(super) fn wrong(&self, field: &'static str) -> Reject {
        let expected = self.0.iter().find(|(name, _)| *name == field).map_or("another value", |(_, expected)| expected);
        Reject::field(field, expected)
    }
}
