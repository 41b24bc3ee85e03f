//! How many requests one address may make (`limits.requests_per_ip`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, ResponseError as _};
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

use super::caller::knock;
use super::{Context, Problem};
use crate::domain::{Rate, Reject};

/// After so many requests, addresses that have been quiet are forgotten.
const SWEEP_EVERY: u32 = 4_096;

pub(super) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
pub(super) const RATE_REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
pub(super) const RATE_RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// One bucket for each address. An IPv6 host has a whole /64 to choose from, so that counts as one.
pub struct Limiter {
    buckets: RateLimiter<IpAddr, DefaultKeyedStateStore<IpAddr>, DefaultClock, StateInformationMiddleware>,
    clock: DefaultClock,
    quota: Quota,
    since_sweep: AtomicU32,
}

impl Limiter {
    pub fn new(rate: Rate) -> Self {
        let quota = Quota::with_period(rate.period / rate.events.get())
            .unwrap_or_else(|| Quota::per_second(NonZeroU32::MAX))
            .allow_burst(rate.burst);
        Self {
            buckets: RateLimiter::keyed(quota).with_middleware(),
            clock: DefaultClock::default(),
            quota,
            since_sweep: AtomicU32::new(0),
        }
    }

    /// What is left to the address. `Err`: how long until it may ask again.
    pub fn take(&self, address: IpAddr) -> Result<u32, Duration> {
        if self.since_sweep.fetch_add(1, Ordering::Relaxed) == SWEEP_EVERY {
            self.since_sweep.store(0, Ordering::Relaxed);
            self.buckets.retain_recent();
        }
        match self.buckets.check_key(&one_host(address)) {
            Ok(state) => Ok(state.remaining_burst_capacity()),
            Err(wait) => Err(wait.wait_time_from(self.clock.now())),
        }
    }

    /// Tells the caller how much is left, and in how many seconds all of it is there again
    /// (draft-ietf-httpapi-ratelimit-headers, before it had one header).
    pub fn tell(&self, left: Result<u32, Duration>, headers: &mut HeaderMap) {
        let most = self.quota.burst_size().get();
        let (remaining, reset) = match left {
            Ok(remaining) => (remaining, self.quota.replenish_interval() * most.saturating_sub(remaining)),
            Err(wait) => (0, wait),
        };
        let reset = reset.as_secs() + u64::from(reset.subsec_nanos() > 0);
        headers.insert(RATE_LIMIT, HeaderValue::from(most));
        headers.insert(RATE_REMAINING, HeaderValue::from(remaining));
        headers.insert(RATE_RESET, HeaderValue::from(reset));
    }
}

/// How often one may try to come in: from one host, and from all hosts of one network together, so that whoever has a
/// network to try from takes no more of the hub than a few.
pub struct Attempts {
    hosts: Limiter,
    networks: Limiter,
}

/// How many hosts' worth of attempts a network has.
const HOSTS_PER_NETWORK: u32 = 4;

impl Attempts {
    pub fn new(rate: Rate) -> Self {
        let times = |number: NonZeroU32| number.saturating_mul(NonZeroU32::MIN.saturating_add(HOSTS_PER_NETWORK - 1));
        let together = Rate { events: times(rate.events), burst: times(rate.burst), ..rate };
        Self { hosts: Limiter::new(rate), networks: Limiter::new(together) }
    }

    /// `Err`: how long until the address may try again.
    pub(super) fn take(&self, address: IpAddr) -> Result<(), Duration> {
        self.hosts.take(address)?;
        self.networks.take(network(address)).map(drop)
    }
}

/// What one customer of a provider may have: 256 addresses of IPv4, a /48 of IPv6 (RFC 6177, section 2).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & (u32::MAX << 8)).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 80)).into(),
    }
}

/// Whom an address stands for: an IPv6 subscriber has a whole network of 64 bits.
pub fn one_host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Calls of the API count. Monitoring must get through whatever else goes on, and a page is a dozen files from memory.
pub fn counts(path: &str) -> bool {
    path.starts_with("/api/") && !matches!(path, "/api/v1/chat/health" | "/api/v1/auth/health")
}

pub(super) async fn enforce(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(context) = request.app_data::<Data<Context>>().cloned() else {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    };
    let address = context.authenticator.client_address(&knock(request.head()));
    let is_trusted = context.trust_loopback && address.to_canonical().is_loopback();
    let Some(limiter) = context.limiter.as_ref().filter(|_| !is_trusted && counts(request.match_info().as_str()))
    else {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    };
    let left = limiter.take(address);
    let mut response = match left {
        Ok(_) => next.call(request).await?.map_into_boxed_body(),
        Err(wait) => {
            let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            request.into_response(Problem::from(Reject::rate_limited(wait)).error_response())
        }
    };
    limiter.tell(left, response.headers_mut());
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn addresses_are_counted_apart_and_a_v6_network_as_one() {
        let two = NonZeroU32::new(2).expect("positive");
        let limiter = Limiter::new(Rate { events: two, period: Duration::from_hours(1), burst: two });
        for who in ["192.0.2.1", "192.0.2.2"] {
            assert!(limiter.take(address(who)).is_ok() && limiter.take(address(who)).is_ok());
            let wait = limiter.take(address(who)).expect_err("too many");
            assert!(wait > Duration::from_secs(1_000), "{wait:?}");
        }
        assert!(limiter.take(address("::ffff:192.0.2.1")).is_err(), "the same host in another spelling");
        assert!(limiter.take(address("2001:db8::1")).is_ok() && limiter.take(address("2001:db8::2")).is_ok());
        assert!(limiter.take(address("2001:db8::3")).is_err());
        assert!(limiter.take(address("2001:db8:0:1::1")).is_ok());
    }

    #[test]
    fn a_network_has_few_hosts_worth_of_attempts() {
        let two = NonZeroU32::new(2).expect("positive");
        let attempts = Attempts::new(Rate { events: two, period: Duration::from_hours(1), burst: two });
        for network in ["192.0.2", "198.51.100"] {
            let taken = |host: u8| attempts.take(address(&format!("{network}.{host}"))).is_ok();
            assert!((1..=4).all(|host| taken(host) && taken(host)), "four hosts have theirs");
            assert!(!taken(5), "and then the network is quiet");
        }
        let taken = |host: u16| attempts.take(address(&format!("2001:db8:0:{host:x}::1"))).is_ok();
        assert_eq!((0..100).filter(|host| taken(*host)).count(), 8);
        assert!(attempts.take(address("2001:db8:1::1")).is_ok());
    }

    #[test]
    fn calls_of_the_api_count_and_neither_monitoring_nor_pages_do() {
        assert!(["/api/v1/ws/stats", "/api/v1/auth/login", "/api/", "/api/v1/chat/healthy"].into_iter().all(counts));
        let others = ["/health", "/health/db", "/metrics", "/", "/app/main.js", "/openapi.json", "/api/v1/auth/health"];
        assert!(!others.into_iter().any(counts));
    }
}
