//! The built gateway between raw clients and upstreams: hubs, and a server of the tests' own that does what it is told.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod answers;
mod attacks;
mod balance;
mod broken;
mod check;
mod gates;
mod health;
mod polling;
mod process;
mod reload;
mod secured;
mod streaming;
mod upstream;

#[path = "../support/client.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod client;
#[path = "../support/hub.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod hub;
#[path = "../support/patience.rs"]
mod patience;

use patience::eventually;
