//! The gateway: one public address in front of several hubs.
//!
//! A request comes in by [`http`] and leaves for an upstream that the [`pool`] chooses; a socket is handed to a tunnel.
//! The gateway knows nothing of rooms or messages, keeps nothing, and asks no database: tokens are verified with the
//! hubs' secret, keys are left to the hubs.

mod answer;
pub mod balance;
pub mod breaker;
pub mod dial;
pub mod door;
mod exchange;
pub mod forward;
mod gate;
mod handshake;
mod health;
mod http;
mod idle;
pub mod limits;
pub mod metrics;
mod own;
pub mod pool;
mod sticky;
pub mod tunnel;
pub mod upstream;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::header::HeaderValue;

pub use health::HealthSettings;
pub use own::{app, metrics_app};

use crate::api::Limiter;
use crate::auth::Authenticator;
use crate::domain::Timestamp;
use limits::Gatehouse;
use metrics::GatewayMetrics;
use pool::Pool;
use tunnel::Tunnels;

/// What everything in a gateway shares.
pub struct Gateway {
    pub pool: Arc<Pool>,
    pub authenticator: Arc<Authenticator>,
    pub metrics: Arc<GatewayMetrics>,
    pub gatehouse: Arc<Gatehouse>,
    /// Counts requests by address.
    pub limiter: Option<Limiter>,
    /// Requests from loopback are not limited (`--dev`).
    pub trust_loopback: bool,
    /// Clients speak TLS with the gateway.
    pub is_tls: bool,
    /// Where Socket.IO is served; ends with a slash.
    pub socketio_path: Box<str>,
    /// The largest message that a client may send.
    pub max_message: usize,
    /// Names this gateway among those that a request went through.
    pub via: HeaderValue,
    /// Whether `/metrics` is answered beside the rest, and not on an address of its own.
    pub serve_metrics: bool,
    pub started: Timestamp,
    /// The sockets that are open.
    pub tunnels: Arc<Tunnels>,
    /// Nothing new is taken in, for a deployment.
    pub read_only: AtomicBool,
    /// The process is about to end.
    pub draining: AtomicBool,
}

impl Gateway {
    pub fn is_read_only(&self) -> bool {
        self.read_only.load(Ordering::Relaxed)
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Whether a path, decoded as hubs decode it, is where Socket.IO clients connect to.
    pub fn is_socketio(&self, path: &str) -> bool {
        path.strip_prefix(self.socketio_path.trim_end_matches('/')).is_some_and(|rest| matches!(rest, "" | "/"))
    }

    /// The Socket.IO session that a request belongs to, by its path and its query.
    fn session<'a>(&self, path: &str, query: &'a str) -> Option<Cow<'a, str>> {
        sticky::session(query).filter(|_| self.is_socketio(path))
    }

    /// Nothing of this address is limited.
    fn is_exempt(&self, address: IpAddr) -> bool {
        self.trust_loopback && address.to_canonical().is_loopback()
    }

    /// Begins to watch over the upstreams, for as long as the pool is there.
    pub fn watch(&self) {
        actix_web::rt::spawn(health::watch(Arc::downgrade(&self.pool)));
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("pool", &self.pool).finish_non_exhaustive()
    }
}
