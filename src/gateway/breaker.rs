//! A circuit breaker: an upstream at which one request after the other fails is spared for a while.
//!
//! After the pause one request is let through to try it. If that one fails too, the pause is twice as long.

use std::time::{Duration, Instant};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BreakerSettings {
    /// So many failures in a row.
    pub failures: u32,
    pub pause: Duration,
    pub longest_pause: Duration,
}

/// What it looks like from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Circuit {
    /// All is well.
    Closed,
    /// Nothing is let through.
    Open,
    /// One request tries whether all is well again.
    HalfOpen,
}

impl Circuit {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Breaker {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
        pause: Duration,
    },
    /// A trial that has not told its end by then is forgotten, and another one may try.
    Trying {
        until: Instant,
        pause: Duration,
    },
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    pub(super) fn circuit(&self) -> Circuit {
        match self {
            Self::Closed { .. } => Circuit::Closed,
            Self::Open { .. } => Circuit::Open,
            Self::Trying { .. } => Circuit::HalfOpen,
        }
    }

    pub(super) fn allows(&self, now: Instant) -> bool {
        match self {
            Self::Closed { .. } => true,
            Self::Open { until, .. } | Self::Trying { until, .. } => now >= *until,
        }
    }

    /// A request goes through, for which [`Breaker::allows`] was asked.
    pub(super) fn enter(&mut self, now: Instant) {
        if let Self::Open { pause, .. } | Self::Trying { pause, .. } = *self {
            *self = Self::Trying { until: now + pause, pause };
        }
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Returns for how long nothing will be let through, if that begins now.
    pub(super) fn failed(&mut self, now: Instant, settings: &BreakerSettings) -> Option<Duration> {
        let pause = match *self {
            Self::Closed { failures } if failures + 1 < settings.failures => {
                *self = Self::Closed { failures: failures + 1 };
                return None;
            }
            Self::Closed { .. } => settings.pause,
            Self::Trying { pause, .. } => (pause * 2).min(settings.longest_pause),
            // What was let through before it opened.
            Self::Open { .. } => return None,
        };
        *self = Self::Open { until: now + pause, pause };
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const SETTINGS: BreakerSettings =
        BreakerSettings { failures: 2, pause: SECOND, longest_pause: Duration::from_secs(3) };

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        assert_eq!(breaker.failed(now, &SETTINGS), None);
        breaker.succeeded();
        assert_eq!(breaker.failed(now, &SETTINGS), None);
        assert!(breaker.allows(now));
        assert_eq!(breaker.failed(now, &SETTINGS), Some(SECOND));
        assert!(!breaker.allows(now) && breaker.circuit() == Circuit::Open);
        assert_eq!(breaker.failed(now, &SETTINGS), None, "a late failure changes nothing");
    }

    #[test]
    fn after_the_pause_one_request_tries_and_a_failure_doubles_the_pause() {
        let (mut breaker, mut now) = (Breaker::default(), Instant::now());
        let _ = (breaker.failed(now, &SETTINGS), breaker.failed(now, &SETTINGS));
        for pause in [2, 3, 3] {
            now += Duration::from_secs(4);
            assert!(breaker.allows(now));
            breaker.enter(now);
            assert!(!breaker.allows(now) && breaker.circuit() == Circuit::HalfOpen);
            assert_eq!(breaker.failed(now, &SETTINGS), Some(SECOND * pause));
        }
        now += Duration::from_secs(4);
        breaker.enter(now);
        breaker.succeeded();
        assert!(breaker.allows(now) && breaker.circuit() == Circuit::Closed);
    }

    #[test]
    fn a_trial_that_is_never_heard_of_again_does_not_close_the_way_for_ever() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        let _ = (breaker.failed(now, &SETTINGS), breaker.failed(now, &SETTINGS));
        breaker.enter(now + SECOND);
        assert!(!breaker.allows(now + SECOND) && breaker.allows(now + 2 * SECOND));
    }
}
