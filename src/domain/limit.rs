//! Limits for what one connection may do: buckets and windows. Small, because every connection has some.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

use super::Timestamp;

/// `events` per `period`, in a bucket with up to `burst` at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    pub events: NonZeroU32,
    pub period: Duration,
    pub burst: NonZeroU32,
}

impl Rate {
    fn micros_per_event(self) -> i64 {
        i64::try_from(self.period.as_micros()).unwrap_or(i64::MAX) / i64::from(self.events.get())
    }
}

/// A bucket in the form of the generic cell rate algorithm: one number, the theoretical arrival time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    full_at: i64,
}

impl Bucket {
    /// Takes one event out. `Err`: how long until there is room for one.
    pub fn take(&mut self, rate: Option<Rate>, now: Timestamp) -> Result<(), Duration> {
        let Some(rate) = rate else { return Ok(()) };
        let cost = rate.micros_per_event();
        let tolerance = cost.saturating_mul(i64::from(rate.burst.get()));
        let full_at = self.full_at.max(now.as_micros()).saturating_add(cost);
        let excess = full_at.saturating_sub(now.as_micros()).saturating_sub(tolerance);
        if excess > 0 {
            return Err(Duration::from_micros(excess.unsigned_abs()));
        }
        self.full_at = full_at;
        Ok(())
    }
}

/// The times of a connection's latest acts of one kind. Takes no memory before the first.
///
/// A bucket gives back what was taken little by little, so more than its burst fits into one period. A window does not:
/// within any period there are never more than so many.
#[derive(Default, Debug)]
pub struct Window {
    #[expect(clippy::box_collection, reason = "every connection has some, and most are never used")]
    times: Option<Box<VecDeque<Timestamp>>>,
}

impl Window {
    /// The times less than `period` ago, the oldest first.
    pub fn recent(&mut self, period: Duration, now: Timestamp) -> &mut VecDeque<Timestamp> {
        let times = self.times.get_or_insert_default();
        while times.front().is_some_and(|&then| now.since(then) >= period) {
            times.pop_front();
        }
        times
    }

    /// Notes one more, unless there were `rate.events` within the last period: what is refused does not count. `Err`: how
    /// long until there is room for one. A window has no burst.
    pub fn take(&mut self, rate: Option<Rate>, now: Timestamp) -> Result<(), Duration> {
        let Some(rate) = rate else { return Ok(()) };
        let limit = usize::try_from(rate.events.get()).unwrap_or(usize::MAX);
        let times = self.recent(rate.period, now);
        match times.front() {
            Some(&oldest) if times.len() >= limit => Err((oldest + rate.period).since(now)),
            _ => {
                times.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(events: u32, secs: u64, burst: u32) -> Rate {
        let number = |n| NonZeroU32::new(n).expect("a positive number");
        Rate { events: number(events), period: Duration::from_secs(secs), burst: number(burst) }
    }

    #[test]
    fn lets_a_burst_through_and_then_the_rate() {
        let (mut bucket, start) = (Bucket::default(), Timestamp::from_secs(1_000));
        let rate = Some(rate(10, 5, 10));
        for _ in 0..10 {
            assert_eq!(bucket.take(rate, start), Ok(()));
        }
        assert_eq!(bucket.take(rate, start), Err(Duration::from_millis(500)));
        assert_eq!(bucket.take(rate, start + Duration::from_millis(500)), Ok(()));
        assert!(bucket.take(rate, start + Duration::from_millis(500)).is_err());
    }

    #[test]
    fn a_window_lets_no_more_through_within_any_period() {
        let (mut window, rate) = (Window::default(), Some(rate(10, 5, 10)));
        let at = |millis| Timestamp::from_secs(1_000) + Duration::from_millis(millis);
        for i in 0..10 {
            assert_eq!(window.take(rate, at(i * 100)), Ok(()));
        }
        assert_eq!(window.take(rate, at(1_000)), Err(Duration::from_secs(4)));
        assert_eq!(window.take(rate, at(4_999)), Err(Duration::from_millis(1)));
        assert_eq!(window.take(rate, at(5_000)), Ok(()), "the first is over, and the refused ones do not count");
        assert_eq!(window.take(rate, at(5_000)), Err(Duration::from_millis(100)));
        assert_eq!(window.take(rate, at(5_100)), Ok(()));
        // Whatever is tried, any five seconds have ten at most.
        let mut taken = Vec::new();
        for millis in (10_000..30_000).step_by(37) {
            if window.take(rate, at(millis)).is_ok() {
                taken.push(millis);
            }
        }
        assert!(taken.windows(11).all(|it| it[10] - it[0] >= 5_000), "{taken:?}");
        assert!(taken.len() >= 40, "and all of these are had: {taken:?}");
    }

    #[test]
    fn no_rate_is_no_limit() {
        let (mut bucket, mut window) = (Bucket::default(), Window::default());
        assert!((0..1_000).all(|_| bucket.take(None, Timestamp::default()).is_ok()));
        assert!((0..1_000).all(|_| window.take(None, Timestamp::default()).is_ok()));
        assert!(window.times.is_none(), "and takes no memory");
    }

    #[test]
    fn a_window_is_as_small_as_a_bucket() {
        assert_eq!(size_of::<Window>(), size_of::<Bucket>());
    }
}
