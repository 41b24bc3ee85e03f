//! Bytes in and out: listeners, the upgrade from HTTP to a socket, and the WebSocket protocol.
//!
//! Nothing in here knows what is said. A socket that was upgraded belongs to a session; the HTTP stack with its
//! buffers is gone by then.

pub mod caller;
mod gate;
pub mod io;
pub mod listener;
mod patient;
pub mod query;
pub mod upgrade;
pub mod ws;
