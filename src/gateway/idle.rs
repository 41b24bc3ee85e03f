//! Connections to upstreams that wait for another request, on the thread that made them.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::time::sleep;

use super::dial::Stream;
use super::upstream::Upstream;

/// Shorter than a hub keeps them, so that no request meets a hub that is about to close.
const KEPT: Duration = Duration::from_secs(10);

/// So many for each upstream and thread.
const MOST: usize = 64;

#[derive(Default)]
struct Idle {
    /// By the upstream's URL; the one that waits shortest is the last.
    waiting: FxHashMap<Box<str>, Vec<(Stream, Instant)>>,
    is_swept: bool,
}

thread_local! {
    static IDLE: RefCell<Idle> = RefCell::default();
}

/// A connection that is still good, as far as one can tell.
pub(super) async fn take(upstream: &Upstream) -> Option<Stream> {
    loop {
        let (mut stream, since) =
            IDLE.with_borrow_mut(|idle| idle.waiting.get_mut(upstream.url()).and_then(Vec::pop))?;
        if since.elapsed() < KEPT && is_quiet(&mut stream).await {
            return Some(stream);
        }
    }
}

/// Nothing was said on it, and it has not ended.
async fn is_quiet(stream: &mut Stream) -> bool {
    poll_fn(|cx| {
        let mut byte = [0];
        Poll::Ready(Pin::new(&mut *stream).poll_read(cx, &mut ReadBuf::new(&mut byte)).is_pending())
    })
    .await
}

pub(super) fn put(upstream: &Upstream, stream: Stream) {
    let begins = IDLE.with_borrow_mut(|idle| {
        let waiting = idle.waiting.entry(upstream.url().into()).or_default();
        if waiting.len() < MOST {
            waiting.push((stream, Instant::now()));
        }
        !std::mem::replace(&mut idle.is_swept, true)
    });
    if begins {
        actix_web::rt::spawn(sweep());
    }
}

/// Closes what has waited too long, until nothing waits.
async fn sweep() {
    loop {
        sleep(KEPT).await;
        let is_over = IDLE.with_borrow_mut(|idle| {
            for waiting in idle.waiting.values_mut() {
                waiting.retain(|(_, since)| since.elapsed() < KEPT);
            }
            idle.waiting.retain(|_, waiting| !waiting.is_empty());
            idle.is_swept = !idle.waiting.is_empty();
            !idle.is_swept
        });
        if is_over {
            return;
        }
    }
}
