//! Counts what a client does wrong, to end the connection when it goes on and on.

use std::time::Duration;

use crate::domain::{Timestamp, Window};

/// Within how long offences add up.
const WINDOW: Duration = Duration::from_secs(10);

/// A connection's latest offences of one kind.
#[derive(Default, Debug)]
pub(super) struct Offences(Window);

impl Offences {
    /// Notes one more. True: it is at least the `limit`th within ten seconds.
    pub(super) fn add(&mut self, now: Timestamp, limit: usize) -> bool {
        let times = self.0.recent(WINDOW, now);
        while times.len() >= limit {
            times.pop_front();
        }
        times.push_back(now);
        times.len() >= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_within_ten_seconds_whenever_they_begin() {
        let mut offences = Offences::default();
        let at = |millis: u64| Timestamp::from_secs(1_000) + Duration::from_millis(millis);
        assert!(!offences.add(at(0), 3));
        assert!(!offences.add(at(9_000), 3));
        assert!(!offences.add(at(10_000), 3), "the first is forgotten");
        assert!(offences.add(at(18_999), 3));
        assert!(offences.add(at(18_999), 3));
    }
}
