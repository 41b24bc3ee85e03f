//! Counts what a client does wrong, to end the connection when it goes on and on.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::Timestamp;

/// Within how long offences add up.
const WINDOW: Duration = Duration::from_secs(10);

/// The times of a connection's latest offences of one kind. Takes no memory before the first.
#[derive(Default, Debug)]
pub(super) struct Offences {
    #[expect(clippy::box_collection, reason = "every connection has some, next to none commit any")]
    times: Option<Box<VecDeque<Timestamp>>>,
}

impl Offences {
    /// Notes one more. True: it is at least the `limit`th within ten seconds.
    pub(super) fn add(&mut self, now: Timestamp, limit: usize) -> bool {
        let times = self.times.get_or_insert_default();
        while times.len() >= limit || times.front().is_some_and(|&then| now.since(then) >= WINDOW) {
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
