//! The upstreams of a gateway, and which of them gets what.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::balance::{self, Balance};
use super::breaker::BreakerSettings;
use super::dial::{Dialer, Stream};
use super::health::HealthSettings;
use super::sticky::Sticky;
use super::upstream::{Target, Upstream};
use crate::domain::Identity;

/// What a pool is told, at the start and whenever it is to be different.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    pub upstreams: Vec<Target>,
    pub balance: Balance,
    pub dialer: Dialer,
    /// How long an upstream may take to begin its answer. `None`: as long as it likes.
    pub answer_timeout: Option<Duration>,
    pub breaker: BreakerSettings,
    pub health: HealthSettings,
}

/// Shared by all worker threads.
#[derive(Debug)]
pub struct Pool {
    roster: RwLock<Arc<Roster>>,
    turn: AtomicUsize,
    sticky: Mutex<Sticky>,
}

/// The upstreams at one time, and how they are used.
#[derive(Debug)]
pub struct Roster {
    pub upstreams: Vec<Arc<Upstream>>,
    pub settings: PoolSettings,
    /// Those that were in the list before.
    former: Vec<Weak<Upstream>>,
}

/// What a request holds on to.
#[derive(Clone, Copy, Debug)]
pub struct Affinity<'a> {
    /// Stands for who asks.
    pub client: u64,
    /// The Socket.IO session that it belongs to.
    pub sid: Option<&'a str>,
}

impl<'a> Affinity<'a> {
    /// By the user, or else by the address.
    pub fn of(address: IpAddr, identity: Option<&Identity>, sid: Option<&'a str>) -> Self {
        let client = match identity {
            Some(identity) => balance::key(&identity.user),
            None => balance::key(&address.to_canonical()),
        };
        Self { client, sid }
    }
}

impl Pool {
    pub fn new(settings: PoolSettings) -> Arc<Self> {
        let sticky = Mutex::new(Sticky::new(Instant::now()));
        let roster = RwLock::new(Arc::new(Roster::new(settings, Vec::new())));
        Arc::new(Self { roster, turn: AtomicUsize::new(0), sticky })
    }

    /// From now on these. An upstream that was there before goes on as it is; one that no longer is gets nothing new,
    /// and is the same again if it comes back while it has connections.
    pub fn apply(&self, settings: PoolSettings) {
        let mut roster = self.roster.write().unwrap_or_else(PoisonError::into_inner);
        let former = roster.former.iter().filter_map(Weak::upgrade);
        let next = Roster::new(settings, roster.upstreams.iter().cloned().chain(former).collect());
        *roster = Arc::new(next);
    }

    /// Whether these are the upstreams that there are.
    pub fn has_exactly(&self, targets: &[Target]) -> bool {
        self.roster().settings.upstreams == targets
    }

    pub fn roster(&self) -> Arc<Roster> {
        self.roster.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A place at an upstream that can be used, other than `not`, which has just failed. `None`: there is none.
    pub fn lease(&self, affinity: &Affinity<'_>, not: Option<&Arc<Upstream>>) -> Option<Lease> {
        let (roster, now) = (self.roster(), Instant::now());
        let is_other = |it: &Arc<Upstream>| not.is_none_or(|not| !Arc::ptr_eq(it, not));
        let holder = affinity.sid.and_then(|sid| self.holder(sid, now));
        let upstream = match holder {
            // Even if it is no longer in the list: only there the session is known.
            Some(holder) if is_other(&holder) && holder.is_available(now) => holder,
            _ => {
                let usable: Vec<_> =
                    roster.upstreams.iter().filter(|it| is_other(it) && it.is_available(now)).collect();
                let turn = || self.turn.fetch_add(1, Ordering::Relaxed);
                match affinity.sid {
                    Some(sid) => balance::by_hash(&usable, balance::key(sid)),
                    None => roster.settings.balance.choose(&usable, affinity.client, turn),
                }?
                .clone()
            }
        };
        let lost = upstream.enter(now);
        Some(Lease { upstream, roster, lost })
    }

    /// The session of this name is held by that upstream.
    pub fn note_sid(&self, sid: &str, upstream: &Arc<Upstream>) {
        self.sticky.lock().unwrap_or_else(PoisonError::into_inner).note(sid, upstream, Instant::now());
    }

    fn holder(&self, sid: &str, now: Instant) -> Option<Arc<Upstream>> {
        self.sticky.lock().unwrap_or_else(PoisonError::into_inner).find(sid, now)
    }

    /// Why there is none that can be used, in words for who asked.
    pub(super) fn excuse(&self) -> &'static str {
        if self.roster().upstreams.iter().all(|it| it.is_unwell()) {
            "No hub is ready right now"
        } else {
            "No hub can be reached right now"
        }
    }

    /// Whether there is an upstream that can be used.
    pub fn is_available(&self) -> bool {
        let now = Instant::now();
        self.roster().upstreams.iter().any(|it| it.is_available(now))
    }
}

impl Roster {
    fn new(settings: PoolSettings, before: Vec<Arc<Upstream>>) -> Self {
        let mut upstreams: Vec<Arc<Upstream>> = Vec::new();
        for target in &settings.upstreams {
            if upstreams.iter().any(|it| it.target() == target) {
                continue;
            }
            let known = before.iter().find(|it| it.target() == target).cloned();
            upstreams.push(known.unwrap_or_else(|| Arc::new(Upstream::new(target.clone()))));
        }
        let is_former = |it: &&Arc<Upstream>| !upstreams.iter().any(|known| Arc::ptr_eq(known, it));
        let former = before.iter().filter(is_former).map(Arc::downgrade).collect();
        Self { upstreams, settings, former }
    }
}

/// A place at an upstream: it counts as a connection there until it is dropped.
#[derive(Debug)]
pub struct Lease {
    upstream: Arc<Upstream>,
    roster: Arc<Roster>,
    lost: watch::Receiver<()>,
}

impl Lease {
    pub fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    /// How long the upstream may take to begin its answer.
    pub fn answer_timeout(&self) -> Option<Duration> {
        self.roster.settings.answer_timeout
    }

    /// Connects. A failure is told to the breaker; success is not, before the upstream has answered.
    ///
    /// # Errors
    /// `TimedOut` where it took too long.
    pub async fn connect(&self) -> io::Result<Stream> {
        self.roster.settings.dialer.dial(self.upstream.target()).await.inspect_err(|error| {
            log::warn!("{} cannot be reached: {error}", self.upstream.url());
            self.failed();
        })
    }

    /// The upstream did what was expected of it.
    pub fn succeeded(&self) {
        self.upstream.succeeded();
    }

    /// The upstream could not be reached, or did not answer.
    pub fn failed(&self) {
        if let Some(pause) = self.upstream.failed(Instant::now(), &self.roster.settings.breaker) {
            log::warn!("{} fails, and is spared for {} ms", self.upstream.url(), pause.as_millis());
        }
    }

    /// Comes when the upstream no longer answers: whatever it was to do here, it will not do.
    pub fn lost(&self) -> impl Future<Output = ()> + use<> {
        let mut lost = self.lost.clone();
        async move {
            if lost.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.upstream.leave();
    }
}

#[cfg(test)]
mod tests {
    use rustls::{ClientConfig, RootCertStore};

    use super::*;

    fn of(ports: &[u16]) -> PoolSettings {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
        let tls = tls.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        let second = Duration::from_secs(1);
        PoolSettings {
            upstreams: ports.iter().map(|port| Target { host: "hub".into(), port: *port, is_tls: false }).collect(),
            balance: Balance::LeastConnections,
            dialer: Dialer { timeout: second, tls: Arc::new(tls) },
            answer_timeout: None,
            breaker: BreakerSettings { failures: 1, pause: second, longest_pause: second },
            health: HealthSettings { interval: second, path: "/".into(), failures: 1, successes: 1 },
        }
    }

    #[test]
    fn an_upstream_that_comes_back_knows_its_connections() {
        let pool = Pool::new(of(&[1]));
        let affinity = Affinity { client: 0, sid: None };
        let lease = pool.lease(&affinity, None).expect("a place");
        // Twice, as a list may change more than once before it does.
        pool.apply(of(&[2]));
        pool.apply(of(&[2, 3]));
        pool.apply(of(&[1, 2]));
        let roster = pool.roster();
        assert!(Arc::ptr_eq(&roster.upstreams[0], lease.upstream()));
        assert_eq!(pool.lease(&affinity, None).expect("a place").upstream().target().port, 2);
        drop(lease);
        assert_eq!(roster.upstreams[0].connections(), 0);
    }

    #[test]
    fn who_asks_in_vain_is_told_whether_any_hub_answers() {
        let pool = Pool::new(of(&[1, 2]));
        assert_eq!(pool.excuse(), "No hub can be reached right now");
        for (answers, excuse) in [(true, "No hub is ready right now"), (false, "No hub can be reached right now")] {
            for upstream in &pool.roster().upstreams {
                upstream.set_healthy(false);
                upstream.set_answers(answers);
            }
            assert_eq!(pool.excuse(), excuse);
        }
    }
}
