//! The Socket.IO protocol (revision 5) over Engine.IO (revision 4), for whatever is served through it.
//!
//! Nothing in here knows of rooms or messages: an application takes sockets in by implementing [`Visitor`] and [`Socket`],
//! and an Engine.IO path by implementing [`Host`].

mod agent;
mod client;
mod connection;
mod engine;
mod held;
mod host;
mod http;
pub mod packet;
mod partial;
mod placeholders;
mod refusal;
mod sid;
mod socket;
mod strangers;

pub use agent::is_javascript;
pub use client::{Client, ClientSettings};
pub use connection::{message_frame, message_frame_with};
pub use engine::{Cors, Engine, Settings};
pub use host::{Host, Refused, Visit};
pub use socket::{ConnectError, Line, Packet, Socket, Visitor};
