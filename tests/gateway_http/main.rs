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

use std::time::{Duration, Instant};

/// Waits until `done`, for as long as a slow machine may need.
#[track_caller]
fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "never came true: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
