//! A hub behind the gateway: where it is, how many connections it has, and whether it can be used.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::header::HeaderValue;
use tokio::sync::watch;

use super::breaker::{Breaker, BreakerSettings, Circuit};

/// Scheme, host and port of an upstream.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Target {
    /// With its brackets, if it is an IPv6 address.
    pub host: Box<str>,
    pub port: u16,
    pub is_tls: bool,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

pub struct Upstream {
    target: Target,
    url: Box<str>,
    authority: HeaderValue,
    /// Its place where places are drawn by hash.
    seed: u64,
    connections: AtomicUsize,
    is_healthy: AtomicBool,
    /// The last health check got an answer, be it a bad one.
    answers: AtomicBool,
    breaker: Mutex<Breaker>,
    /// Tells its connections that it is gone.
    lost: watch::Sender<()>,
}

impl Upstream {
    /// It counts as healthy until it is found not to be.
    pub(super) fn new(target: Target) -> Self {
        let url = target.to_string();
        let has_usual_port = target.port == if target.is_tls { 443 } else { 80 };
        let authority =
            if has_usual_port { target.host.to_string() } else { format!("{}:{}", target.host, target.port) };
        let mut hasher = DefaultHasher::new();
        target.hash(&mut hasher);
        Self {
            url: url.into(),
            authority: HeaderValue::from_str(&authority).unwrap_or(HeaderValue::from_static("")),
            seed: hasher.finish(),
            target,
            connections: AtomicUsize::new(0),
            is_healthy: AtomicBool::new(true),
            answers: AtomicBool::new(true),
            breaker: Mutex::default(),
            lost: watch::Sender::new(()),
        }
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    /// `http://host:port` or `https://host:port`, for people and for labels.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What `Host` says.
    pub fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// Connections and requests that it has now, by way of this gateway.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub fn is_healthy(&self) -> bool {
        self.is_healthy.load(Ordering::Relaxed)
    }

    /// Health checks take it in, or out.
    pub(super) fn set_healthy(&self, is_healthy: bool) {
        self.is_healthy.store(is_healthy, Ordering::Relaxed);
    }

    /// It was taken out, though it answers.
    pub(super) fn is_unwell(&self) -> bool {
        !self.is_healthy() && self.answers.load(Ordering::Relaxed)
    }

    pub(super) fn set_answers(&self, answers: bool) {
        self.answers.store(answers, Ordering::Relaxed);
    }

    /// It does not answer at all: what it has is lost.
    pub(super) fn give_up(&self) {
        self.lost.send_replace(());
    }

    pub fn circuit(&self) -> Circuit {
        self.breaker().circuit()
    }

    /// Whether it may be given something now.
    pub(super) fn is_available(&self, now: Instant) -> bool {
        self.is_healthy() && self.breaker().allows(now)
    }

    pub(super) fn succeeded(&self) {
        self.breaker().succeeded();
    }

    /// Returns for how long it will be spared now, if that is new.
    pub(super) fn failed(&self, now: Instant, settings: &BreakerSettings) -> Option<Duration> {
        self.breaker().failed(now, settings)
    }

    /// One connection more. Returns what tells of the upstream's end.
    pub(super) fn enter(&self, now: Instant) -> watch::Receiver<()> {
        self.breaker().enter(now);
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.lost.subscribe()
    }

    pub(super) fn leave(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_header_leaves_the_usual_port_out() {
        let authority = |host: &str, port, is_tls| {
            let upstream = Upstream::new(Target { host: host.into(), port, is_tls });
            upstream.authority().to_str().expect("text").to_owned()
        };
        assert_eq!(authority("hub", 80, false), "hub");
        assert_eq!(authority("hub", 80, true), "hub:80");
        assert_eq!(authority("[::1]", 8080, false), "[::1]:8080");
    }
}
