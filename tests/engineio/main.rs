//! Engine.IO as its clients meet it, and as those do who mean no good: requests and frames, byte by byte.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "../support/client.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod client;

mod asking;
mod attacks;
mod polling;
mod repeating;
mod secured;
mod server;
mod upgrading;

use std::time::{Duration, Instant};

/// Waits until `done`, for as long as a slow machine may need.
#[track_caller]
fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "never came true: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
