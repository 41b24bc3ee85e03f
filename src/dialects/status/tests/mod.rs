//! The dialect as its clients meet it: frames in, frames out.

mod decode;
mod encode;

use uuid::Uuid;

use super::*;

const CONVERSATION: &str = "550e8400-e29b-41d4-a716-446655440000";
const USER: &str = "770e8400-e29b-41d4-a716-446655440000";
const MESSAGE: &str = "880e8400-e29b-41d4-a716-446655440000";
const AT: Timestamp = Timestamp::from_secs(1_760_110_200);
const TIME: &str = "2025-10-10T15:30:00.000Z";

fn id(text: &str) -> Uuid {
    text.parse().expect("a UUID")
}

/// The frame that tells `event`, if there is one.
fn told(event: &Event) -> Option<String> {
    let mut out = Vec::new();
    let is_told = Status.encode(event, None, AT, &mut out);
    assert_eq!(is_told, !out.is_empty(), "{event:?}");
    is_told.then(|| String::from_utf8(out).expect("UTF-8"))
}
