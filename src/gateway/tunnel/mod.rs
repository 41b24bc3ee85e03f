//! A WebSocket that goes through the gateway: frames between a client and its upstream, until one of them ends it.

pub mod header;
pub mod relay;
pub mod watch;

use crate::transport::ws::Opcode;

/// A frame that has passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    pub opcode: Opcode,
    pub fin: bool,
    /// Of the payload.
    pub len: u64,
}

impl Seen {
    /// Whether a message ends with it.
    pub fn is_message(self) -> bool {
        self.fin && !self.opcode.is_control()
    }
}

/// One side's Close frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Farewell {
    pub code: Option<u16>,
}
