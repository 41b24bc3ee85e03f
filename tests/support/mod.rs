//! What the tests stand on: servers in this process and clients that say exactly the bytes they are told to.

use std::time::{Duration, Instant};

pub mod client;
pub mod echo;
pub mod store;
pub mod words;

/// Waits until `done`, for as long as a slow machine may need.
#[track_caller]
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "never came true: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
