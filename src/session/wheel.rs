//! The timer of a worker thread's sessions: one for all of them, so that a thousand idle connections cost one sleep.
//!
//! A session has at most one time set, the earliest that it has something to do at; when it comes, its outbox rings.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::time::DelayQueue;
pub(super) use tokio_util::time::delay_queue::Key;

use super::outbox::Outbox;

/// Times are put off to the next of these steps, so that many sessions are served by one wake-up.
const STEP: Duration = Duration::from_millis(250);

thread_local! {
    static WHEEL: RefCell<Option<Wheel>> = const { RefCell::new(None) };
}

struct Wheel {
    queue: DelayQueue<Rc<Outbox>>,
    start: Instant,
    driver: JoinHandle<()>,
}

impl Wheel {
    fn start() -> Self {
        let driver = actix_rt::spawn(poll_fn(turn));
        Self { queue: DelayQueue::new(), start: Instant::now(), driver }
    }
}

/// Has `outbox` ring at `at`, or up to a quarter of a second later. To be called on the thread of its session.
pub(super) fn set(at: Instant, outbox: &Rc<Outbox>) -> Key {
    WHEEL.with_borrow_mut(|wheel| {
        // A runtime that has ended has taken its driver with it.
        let wheel = match wheel {
            Some(wheel) if !wheel.driver.is_finished() => wheel,
            _ => wheel.insert(Wheel::start()),
        };
        let steps = at.saturating_duration_since(wheel.start).as_millis().div_ceil(STEP.as_millis());
        let at = wheel.start + STEP * u32::try_from(steps).unwrap_or(u32::MAX);
        wheel.queue.insert_at(outbox.clone(), at)
    })
}

/// As [`set`], to the millisecond.
pub(super) fn set_exactly(at: Instant, outbox: &Rc<Outbox>) -> Key {
    WHEEL.with_borrow_mut(|wheel| match wheel {
        Some(wheel) if !wheel.driver.is_finished() => wheel.queue.insert_at(outbox.clone(), at),
        _ => wheel.insert(Wheel::start()).queue.insert_at(outbox.clone(), at),
    })
}

/// Takes back a time that has not come.
pub(super) fn cancel(key: Key) {
    // While the thread ends, its wheel may be gone before its last session.
    let _ = WHEEL.try_with(|wheel| wheel.borrow_mut().as_mut().map(|wheel| wheel.queue.try_remove(&key)));
}

fn turn(cx: &mut Context<'_>) -> Poll<()> {
    WHEEL.with_borrow_mut(|wheel| {
        let Some(wheel) = wheel else { return Poll::Ready(()) };
        while let Poll::Ready(Some(expired)) = wheel.queue.poll_expired(cx) {
            expired.get_ref().ring();
        }
        Poll::Pending
    })
}
