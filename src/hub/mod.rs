//! The hub: who is in which room, what may happen there, and in which order everyone hears of it.

pub mod handle;
mod outlet;
pub mod ports;
