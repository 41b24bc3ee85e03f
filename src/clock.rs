//! The only place that asks for the time or draws an id; everything else is handed them.

use std::time::SystemTime;

use uuid::Uuid;

use crate::domain::{MessageId, Timestamp};

/// The wall clock, in microseconds.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}

/// A fresh message id (UUID v7).
#[expect(clippy::disallowed_methods, reason = "this is the one place that draws ids")]
pub fn message_id() -> MessageId {
    MessageId(Uuid::now_v7())
}
