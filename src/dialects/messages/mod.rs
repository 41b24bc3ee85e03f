//! Dialect `messages`: each text frame is one JSON envelope, `{"type", "payload", …}`, in both directions.
//!
//! Rooms are called sessions here. A frame that a client named with `message_id` is answered with the same value as
//! `in_reply_to`: the [`Tag`](crate::domain::Tag) of this dialect is that value as the JSON text that the client wrote,
//! so that a number comes back as a number.

mod decode;
mod encode;
mod text;
mod wire;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};

use super::Options;
use crate::domain::{Event, MessageId, Timestamp};
use crate::session::dialect::{Dialect, Inbound, Misread};

pub struct Messages {
    max_text_bytes: usize,
    message_ids: fn() -> MessageId,
    /// Tells the frames and connections of this process from those of others.
    process: Box<str>,
    frames: AtomicU64,
}

impl Messages {
    pub fn new(options: &Options) -> Self {
        // The tail of a version 7 id is random.
        let id = (options.message_ids)().0.simple().to_string();
        Self {
            max_text_bytes: options.max_text_bytes,
            message_ids: options.message_ids,
            process: id[24..].into(),
            frames: AtomicU64::new(1),
        }
    }
}

impl Dialect for Messages {
    fn name(&self) -> &'static str {
        "messages"
    }

    fn path(&self) -> &'static str {
        "/api/v1/ws/messages"
    }

    fn decode(&self, text: &str) -> Result<Inbound, Misread> {
        decode::frame(text, &decode::Rules { max_text_bytes: self.max_text_bytes, message_ids: self.message_ids })
    }

    fn encode(&self, event: &Event, tag: Option<&str>, at: Timestamp, out: &mut Vec<u8>) -> bool {
        let number = self.frames.fetch_add(1, Ordering::Relaxed);
        encode::frame(event, &encode::Stamp { process: &self.process, number, at, tag }, out)
    }
}
