//! Tertulia: a real-time hub in one binary. Clients that speak different wire formats meet in the same rooms.
//!
//! One way through the house: bytes → `transport` → a dialect's `decode` → `Command` → the `ChatServer` actor
//! (pure `hub::state`) → effects → `Event`, encoded once per wire form → a session's outbox → `transport` → bytes.
//! `docs/ARCHITECTURE.md` has the map; `tests/architecture.rs` holds the code to it.

pub mod api;
mod app;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dialects;
pub mod domain;
pub mod gateway;
pub mod hub;
pub mod logging;
pub mod metrics;
pub mod session;
pub mod socketio;
pub mod sse;
pub mod store;
pub mod transport;
pub mod web;

pub use app::{RunError, run, run_gateway};
