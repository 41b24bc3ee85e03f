//! Waiting for what must come true.

use std::time::{Duration, Instant};

/// Waits until `done`, for as long as a slow machine may need.
#[track_caller]
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(30), "never came true: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
