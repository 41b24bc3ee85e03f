//! The transport against clients that keep to the protocol, and against those that do not.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod support;

#[path = "transport/bad_clients.rs"]
mod bad_clients;
#[path = "transport/members.rs"]
mod members;
#[path = "transport/protocol.rs"]
mod protocol;
#[path = "transport/tls.rs"]
mod tls;
#[path = "transport/upgrade.rs"]
mod upgrade;
