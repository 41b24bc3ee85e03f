//! The timer of a worker thread's sessions: one for all of them, so that a thousand idle connections cost one sleep.
//!
//! A session has at most one time set, the earliest that it has something to do at; when it comes, its outbox rings.

use std::cell::RefCell;
use std::future::poll_fn;
use std::num::NonZeroU32;
use std::ops::Add;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::time::DelayQueue;
use tokio_util::time::delay_queue::Key;

use super::outbox::Outbox;

/// The grain of a thread's time: what is due within it is served by one wake-up.
const STEP: Duration = Duration::from_millis(50);

/// A time on this thread, in steps since its wheel was started, counted from one. An `Instant` is four times the size,
/// and a connection keeps several.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Moment(NonZeroU32);

impl Moment {
    pub(super) fn now() -> Self {
        with_wheel(|wheel| Self(NonZeroU32::MIN.saturating_add(steps(wheel.start.elapsed()))))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    /// Never early: what is left of a step counts as one, and so does what has passed of the present one.
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(steps(span)).saturating_add(u32::from(!span.is_zero())))
    }
}

fn steps(span: Duration) -> u32 {
    u32::try_from(span.as_millis() / STEP.as_millis()).unwrap_or(u32::MAX)
}

/// A time that was set for a session.
#[derive(Debug)]
pub(super) struct Timer {
    at: Moment,
    key: Key,
}

impl Timer {
    /// Has `outbox` ring at `at`. To be called on the thread of its session.
    pub(super) fn set(at: Moment, outbox: &Rc<Outbox>) -> Self {
        with_wheel(|wheel| {
            let key = wheel.queue.insert_at(outbox.clone(), wheel.start + STEP * (at.0.get() - 1));
            Self { at, key }
        })
    }

    pub(super) fn at(&self) -> Moment {
        self.at
    }

    /// Takes back a time that has not come.
    pub(super) fn cancel(self) {
        // While the thread ends, its wheel may be gone before its last session.
        let _ = WHEEL.try_with(|wheel| {
            if let Some(wheel) = wheel.borrow_mut().as_mut() {
                wheel.queue.try_remove(&self.key);
            }
        });
    }
}

struct Wheel {
    queue: DelayQueue<Rc<Outbox>>,
    start: Instant,
    driver: JoinHandle<()>,
}

thread_local! {
    static WHEEL: RefCell<Option<Wheel>> = const { RefCell::new(None) };
}

fn with_wheel<T>(use_it: impl FnOnce(&mut Wheel) -> T) -> T {
    WHEEL.with_borrow_mut(|wheel| {
        use_it(match wheel {
            Some(wheel) if !wheel.driver.is_finished() => wheel,
            // None yet, or its runtime has ended and taken the driver with it.
            _ => wheel.insert(Wheel {
                queue: DelayQueue::new(),
                start: Instant::now(),
                driver: actix_rt::spawn(poll_fn(turn)),
            }),
        })
    })
}

fn turn(cx: &mut Context<'_>) -> Poll<()> {
    with_wheel(|wheel| {
        while let Poll::Ready(Some(expired)) = wheel.queue.poll_expired(cx) {
            expired.get_ref().ring();
        }
    });
    Poll::Pending
}
