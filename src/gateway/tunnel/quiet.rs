//! A future that is asked only when it has something to say, however often the task around it is woken by others.
//!
//! Whoever waits for news that all tunnels get together stands in a list that all threads share; asking again at each
//! frame would mean to lock it at each frame.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// To be polled by one task only.
pub struct Quiet<T> {
    future: Pin<Box<dyn Future<Output = T>>>,
    bell: Arc<Bell>,
}

struct Bell {
    rung: AtomicBool,
    task: AtomicWaker,
}

impl<T> Quiet<T> {
    pub fn new(future: impl Future<Output = T> + 'static) -> Self {
        Self {
            future: Box::pin(future),
            bell: Arc::new(Bell { rung: AtomicBool::new(true), task: AtomicWaker::new() }),
        }
    }
}

impl<T> Future for Quiet<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        if !self.bell.rung.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        self.bell.task.register(cx.waker());
        self.bell.rung.store(false, Ordering::Release);
        let waker = Waker::from(self.bell.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.task.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::rc::Rc;

    use futures_util::task::noop_waker_ref;

    use super::*;

    #[test]
    fn it_is_asked_once_and_then_only_when_woken() {
        let (asked, inner) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(None::<Waker>)));
        let (asked_too, inner_too) = (asked.clone(), inner.clone());
        let mut quiet = Quiet::new(poll_fn(move |cx| {
            asked_too.set(asked_too.get() + 1);
            inner_too.set(Some(cx.waker().clone()));
            if asked_too.get() == 2 { Poll::Ready(()) } else { Poll::Pending }
        }));
        let mut poll = || Pin::new(&mut quiet).poll(&mut Context::from_waker(noop_waker_ref()));
        for _ in 0..3 {
            assert!(poll().is_pending());
        }
        assert_eq!(asked.get(), 1);
        inner.take().unwrap().wake();
        assert!(poll().is_ready());
        assert_eq!(asked.get(), 2);
    }
}
