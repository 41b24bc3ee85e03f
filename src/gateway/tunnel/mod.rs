//! A WebSocket that goes through the gateway: frames between a client and its upstream, until one of them ends it.
//!
//! - [`watch`] follows what the client sends, and changes nothing; [`relay`] passes on what the upstream sends, in such a
//!   way that a Close frame fits in at any time; [`pump`] moves both.
//! - A goodbye of either side is passed on with its code, and so is the answer. The upstream closes first (RFC 6455,
//!   section 7.1.1), then the client's connection is ended.
//! - An upstream that is gone without a goodbye, or that no longer answers, is a restart (1012) for its clients. A client
//!   that is gone without one is a lost connection for the upstream: the gateway says nothing in its name.

mod ending;
pub mod header;
mod open;
mod pump;
mod quiet;
pub mod relay;
pub mod watch;

use std::fmt;

pub use open::{Tunnel, Tunnels};

use crate::transport::ws::Opcode;

/// Which way a frame goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    ClientToBackend,
    BackendToClient,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientToBackend => "Client->Backend",
            Self::BackendToClient => "Backend->Client",
        })
    }
}

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

    fn kind(self) -> &'static str {
        match self.opcode {
            Opcode::Continuation => "continuation",
            Opcode::Text => "text",
            Opcode::Binary => "binary",
            Opcode::Close => "close",
            Opcode::Ping => "ping",
            Opcode::Pong => "pong",
        }
    }
}

/// One side's Close frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Farewell {
    pub code: Option<u16>,
}

fn log_end(direction: Direction) {
    log::info!("WebSocket proxy [{direction}]: Connection closed");
}
