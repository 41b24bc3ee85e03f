//! Dialect `status`: what becomes of the messages of a conversation, for those who want to know that and nothing else.
//!
//! Rooms are called conversations here. Every frame is one flat JSON object in both directions. Nothing names a client's
//! frame in its answer, so there is no [`Tag`](crate::domain::Tag) in this dialect.

mod decode;
mod encode;
mod wire;

#[cfg(test)]
mod tests;

use log::Level;

use crate::domain::{Event, Timestamp};
use crate::session::dialect::{Dialect, Inbound, Misread};

pub struct Status;

impl Dialect for Status {
    fn name(&self) -> &'static str {
        "status"
    }

    fn path(&self) -> &'static str {
        "/ws/status"
    }

    /// The first frame is the answer to the client's.
    fn speaks_first(&self) -> bool {
        false
    }

    fn log_level(&self) -> Level {
        Level::Info
    }

    fn decode(&self, text: &str) -> Result<Inbound, Misread> {
        decode::frame(text)
    }

    fn encode(&self, event: &Event, _: Option<&str>, at: Timestamp, out: &mut Vec<u8>) -> bool {
        encode::frame(event, at, out)
    }
}
