//! The only door of the hub that sessions and REST see.

pub use super::outlet::{Backlog, Broadcast, Departure, End, Outlet, Seat, WIRE_FORMS, WireForm};
