//! The hub: who is in which room, what may happen there, and in which order everyone hears of it.
//!
//! The rules are pure: `state` turns what happens into effects, `fanout` turns operations into writes. Around them
//! stand two actors, `server` (the `ChatServer`) and `delivery` (one per worker thread), that do nothing but run them.

mod access;
mod amended;
mod changes;
mod commands;
mod connections;
mod delivery;
pub mod effect;
pub mod fanout;
mod feed;
pub mod handle;
mod marks;
mod membership;
mod outcomes;
mod outlet;
mod paused;
mod permissions;
pub mod ports;
pub mod presence;
mod server;
pub mod state;
