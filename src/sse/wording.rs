//! What a stream says besides the words of dialects: comments, which programs pass over and people read.

use bytes::Bytes;

use crate::domain::CloseReason;
use crate::session::Phrases;

/// How long a client waits before it comes back, in milliseconds.
const RETRY_MS: u32 = 3_000;

pub(super) const PHRASES: Phrases = Phrases { heartbeat: ": still here\n\n", farewell };

/// The first that is said, so that the client knows at once that the stream is open.
pub(super) fn greeting(is_unknown: bool) -> Bytes {
    let what = if is_unknown {
        "that Last-Event-ID was never told here: what follows is what happens from now on"
    } else {
        "open"
    };
    format!("retry: {RETRY_MS}\n\n: {what}\n\n").into()
}

/// The last.
fn farewell(reason: CloseReason) -> Bytes {
    format!(": the end, {reason}\n\n").into()
}
