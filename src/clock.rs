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

/// A fresh id (UUID v7), for whatever needs one.
#[expect(clippy::disallowed_methods, reason = "this is the one place that draws ids")]
pub fn fresh_id() -> Uuid {
    Uuid::now_v7()
}

/// A fresh message id (UUID v7).
pub fn message_id() -> MessageId {
    MessageId(fresh_id())
}

/// Random bytes that nobody can guess. `None`: the system has none to give.
pub fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}
