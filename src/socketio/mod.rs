//! The Socket.IO protocol (revision 5) over Engine.IO (revision 4), for whatever is served through it.
//!
//! Nothing in here knows of rooms or messages: an application takes sockets in by implementing [`Visitor`] and [`Socket`],
//! and an Engine.IO path by implementing [`Host`].

mod client;
mod held;
mod host;
pub mod packet;
mod partial;
mod placeholders;
mod sid;
mod socket;

pub use client::{Client, ClientSettings};
pub use host::{Host, Refused, Visit};
pub use socket::{ConnectError, Line, Packet, Socket, Visitor};
