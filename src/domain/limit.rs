//! Token buckets for what one connection may do. Small, because every connection has some.

use std::num::NonZeroU32;
use std::time::Duration;

use super::Timestamp;

/// `events` per `period`, with up to `burst` at once.
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
    fn no_rate_is_no_limit() {
        let mut bucket = Bucket::default();
        assert!((0..1_000).all(|_| bucket.take(None, Timestamp::default()).is_ok()));
    }
}
