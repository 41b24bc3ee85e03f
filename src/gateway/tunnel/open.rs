//! The life of a tunnel: a task on the thread of its client.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use actix_web::rt;
use bytes::Bytes;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::ending::{self, Told};
use super::pump::{End, Pump};
use super::quiet::Quiet;
use crate::gateway::limits::Pass;
use crate::gateway::metrics::GatewayMetrics;
use crate::gateway::pool::Lease;
use crate::transport::io::Io;

/// How long all tunnels together have for their goodbyes when the process ends.
const CLOSING: Duration = Duration::from_secs(2);

/// All tunnels of a gateway.
#[derive(Default, Debug)]
pub struct Tunnels {
    ending: CancellationToken,
    open: AtomicUsize,
}

impl Tunnels {
    /// How many there are.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Ends them all, and those that come after this: clients are told to come back. Returns how many did not end in
    /// the time that they had.
    pub async fn drain(&self) -> usize {
        self.ending.cancel();
        let closed = async {
            while self.open() > 0 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = timeout(CLOSING, closed).await;
        self.open()
    }
}

/// What a tunnel is made of.
pub struct Tunnel {
    pub tunnels: Arc<Tunnels>,
    pub metrics: Arc<GatewayMetrics>,
    pub pass: Pass,
    pub lease: Lease,
    pub client: Io,
    /// What the client sent behind its handshake.
    pub early: Bytes,
    /// What the client is to get first.
    pub answer: Vec<u8>,
    pub upstream: Io,
    /// What the upstream sent behind its handshake.
    pub greeting: Bytes,
}

/// A tunnel counts while this is there.
struct Counted {
    tunnels: Arc<Tunnels>,
    metrics: Arc<GatewayMetrics>,
    _pass: Pass,
    _lease: Lease,
}

impl Tunnel {
    /// Opens it, on this thread.
    pub fn start(self) {
        let Self { tunnels, metrics, pass, lease, client, early, answer, upstream, greeting } = self;
        let (lost, ending) = (lease.lost(), tunnels.ending.clone());
        let told = Quiet::new(async move {
            tokio::select! {
                () = ending.cancelled() => Told::Drained,
                () = lost => Told::UpstreamLost,
            }
        });
        let pump = Pump::new((client, early), (upstream, greeting), answer, metrics.clone());
        tunnels.open.fetch_add(1, Ordering::Relaxed);
        metrics.connections_total.inc();
        metrics.connections.inc();
        let counted = Counted { tunnels, metrics, _pass: pass, _lease: lease };
        rt::spawn(run(pump, told, counted));
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.tunnels.open.fetch_sub(1, Ordering::Relaxed);
        self.metrics.connections.dec();
    }
}

async fn run(mut pump: Pump, mut told: Quiet<Told>, counted: Counted) {
    let end = poll_fn(|cx| match Pin::new(&mut told).poll(cx) {
        Poll::Ready(told) => Poll::Ready(Err(told)),
        Poll::Pending => pump.poll(cx).map(Ok::<End, Told>),
    })
    .await;
    drop(told);
    // Boxed, so that the many that are open have no room for what the few that are ending need.
    Box::pin(ending::end(pump, end, &counted.metrics)).await;
}
