//! What a connection may hold and how it is kept alive, and how many there are.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::domain::Rate;

/// The limits of one connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionLimits {
    /// The longest message that is read, in bytes; a longer one is refused from its header (1009).
    pub max_message: usize,
    /// What may wait to be written, in bytes; more makes a slow consumer of the peer (4430). `usize::MAX`: no limit.
    pub queue_bytes: usize,
    /// The same, in frames.
    pub queue_frames: usize,
    /// Nothing is read while more bytes than this wait to be written. `usize::MAX`: reading does not depend on it.
    pub pause_at: usize,
    /// How many Pings the client may send; more closes with 4429. `None`: any number.
    pub pings: Option<Rate>,
    /// How often the server sends a Ping. `None`: never.
    pub heartbeat_interval: Option<Duration>,
    /// After how long without a byte from the peer it is taken for gone (4408). `None`: never.
    pub heartbeat_timeout: Option<Duration>,
}

/// Far more than anyone needs who only wants to know whether the other side is there.
const PINGS: Rate = Rate {
    events: NonZeroU32::MIN.saturating_add(99),
    period: Duration::from_secs(1),
    burst: NonZeroU32::MIN.saturating_add(999),
};

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            max_message: 64 * 1024,
            queue_bytes: 1024 * 1024,
            queue_frames: 1024,
            pause_at: usize::MAX,
            pings: Some(PINGS),
            heartbeat_interval: Some(Duration::from_secs(25)),
            heartbeat_timeout: Some(Duration::from_mins(1)),
        }
    }
}

/// The sessions that have the same limits, counted together with those [beside](Self::beside) them.
#[derive(Debug)]
pub struct Sessions {
    limits: SessionLimits,
    live: Arc<AtomicUsize>,
}

impl Sessions {
    pub fn new(limits: SessionLimits) -> Arc<Self> {
        Arc::new(Self { limits, live: Arc::default() })
    }

    /// Others with limits of their own.
    pub fn beside(&self, limits: SessionLimits) -> Arc<Self> {
        Arc::new(Self { limits, live: self.live.clone() })
    }

    pub fn limits(&self) -> &SessionLimits {
        &self.limits
    }

    /// How many have not ended yet, those in their closing handshake included.
    pub fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    pub(super) fn enter(&self) {
        self.live.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn leave(&self) {
        self.live.fetch_sub(1, Ordering::Relaxed);
    }
}
