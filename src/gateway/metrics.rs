//! What a gateway counts. Names are contracts, and everything is there from the start.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::breaker::Circuit;
use super::pool::Pool;
use crate::metrics::{Metrics, ReasonLabel};

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct DirectionLabel {
    direction: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct StatusLabel {
    status: &'static str,
}

macro_rules! failures {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why a socket or a request was not served as its client wished.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Failure {
            $($(#[$doc])* $name,)*
        }

        impl Failure {
            const ALL: &[Self] = &[$(Self::$name),*];

            /// The label in metrics.
            pub const fn reason(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

failures! {
    /// No upstream could be used.
    NoUpstream = "no_upstream",
    /// An upstream could not be connected to.
    Connect = "connect",
    /// An upstream did not answer in time.
    UpstreamTimeout = "upstream_timeout",
    /// An upstream answered a request for a socket with something else.
    UpstreamRefused = "upstream_refused",
    /// An upstream ended, or went silent, in the middle.
    UpstreamLost = "upstream_lost",
    /// A client ended in the middle without a word.
    ClientLost = "client_lost",
    /// Somebody sent what the protocol does not have.
    Protocol = "protocol",
    /// A token or a key that is not good.
    Unauthorized = "unauthorized",
    /// A page that may not.
    Origin = "origin",
    /// An address or a user has too many sockets.
    TooManyConnections = "too_many_connections",
    /// An address asks too often.
    RateLimited = "rate_limited",
    /// Nothing new is taken in.
    ReadOnly = "read_only",
}

pub struct GatewayMetrics {
    registry: Registry,
    /// Sockets that were let through, ever.
    pub connections_total: Counter,
    /// Sockets that are open.
    pub connections: Gauge,
    pub client_to_backend: Counter,
    pub backend_to_client: Counter,
    /// How long what was read takes to be written, in milliseconds. What is held until its frame is whole counts from
    /// the last read.
    pub latency_ms: Histogram,
    errors: Family<ReasonLabel, Counter>,
    answers: Family<StatusLabel, Counter>,
}

impl GatewayMetrics {
    /// `shared`: where refused tokens are counted.
    pub fn new(shared: &Metrics, pool: Arc<Pool>) -> Self {
        let mut registry = Registry::default();
        let messages = Family::<DirectionLabel, Counter>::default();
        let direction = |direction| messages.get_or_create(&DirectionLabel { direction }).clone();
        // From 10 µs to 1 s.
        let steps = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0];
        let metrics = Self {
            connections_total: Counter::default(),
            connections: Gauge::default(),
            client_to_backend: direction("client_to_backend"),
            backend_to_client: direction("backend_to_client"),
            latency_ms: Histogram::new(steps),
            errors: Family::default(),
            answers: Family::default(),
            registry: Registry::default(),
        };
        for failure in Failure::ALL {
            drop(metrics.errors.get_or_create(&ReasonLabel { reason: failure.reason() }));
        }
        for status in ["1xx", "2xx", "3xx", "4xx", "5xx"] {
            drop(metrics.answers.get_or_create(&StatusLabel { status }));
        }
        // The library writes `_total` behind the names of counters.
        registry.register("websocket_proxy_connections", "Open sockets", metrics.connections.clone());
        registry.register_collector(Box::new(Opened(metrics.connections_total.clone())));
        registry.register(
            "websocket_proxy_messages",
            "Messages passed on, by direction, however many frames they have",
            messages.clone(),
        );
        let latency = metrics.latency_ms.clone();
        let help = "Time from a read to the end of its write: one observation for all that is written together";
        registry.register("websocket_proxy_latency_ms", help, latency);
        registry.register("websocket_proxy_errors", "What was not served, by reason", metrics.errors.clone());
        registry.register("http_proxy_responses", "Answers to requests, by class of status", metrics.answers.clone());
        registry.register("auth_failures", "Refused tokens and origins, by reason", shared.auth_failures.clone());
        registry.register_collector(Box::new(Upstreams(pool)));
        Self { registry, ..metrics }
    }

    pub fn count(&self, failure: Failure) {
        self.errors.get_or_create(&ReasonLabel { reason: failure.reason() }).inc();
    }

    pub(super) fn answered(&self, status: u16) {
        let status = match status {
            0..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            _ => "5xx",
        };
        self.answers.get_or_create(&StatusLabel { status }).inc();
    }

    /// The text format of Prometheus (OpenMetrics 1.0).
    ///
    /// # Errors
    /// When a metric refuses to be written, which none of these does.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl fmt::Debug for GatewayMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayMetrics").finish_non_exhaustive()
    }
}

/// Sockets that were let through. The name is taken by those that are open, so this is no counter in the words of
/// OpenMetrics, which would share it.
#[derive(Debug)]
struct Opened(Counter);

impl Collector for Opened {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (name, help) = ("websocket_proxy_connections_total", "Sockets let through");
        let metric = encoder.encode_descriptor(name, help, None, MetricType::Unknown)?;
        ConstGauge::new(self.0.get()).encode(metric)
    }
}

/// What each upstream is like at the moment of asking.
#[derive(Debug)]
struct Upstreams(Arc<Pool>);

impl Collector for Upstreams {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let roster = self.0.roster();
        let mut gauge = |name: &str, help: &str, of: &dyn Fn(&super::upstream::Upstream) -> i64| {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for upstream in &roster.upstreams {
                let label = [("upstream", upstream.url())];
                let family = metric.encode_family(&label)?;
                ConstGauge::new(of(upstream)).encode(family)?;
            }
            Ok::<_, fmt::Error>(())
        };
        gauge("upstream_healthy", "Whether health checks find an upstream well", &|it| i64::from(it.is_healthy()))?;
        gauge("upstream_connections", "Sockets and requests that an upstream has", &|it| {
            i64::try_from(it.connections()).unwrap_or(i64::MAX)
        })?;
        gauge("upstream_circuit", "Breaker: 0 closed, 1 half-open, 2 open", &|it| match it.circuit() {
            Circuit::Closed => 0,
            Circuit::HalfOpen => 1,
            Circuit::Open => 2,
        })
    }
}
