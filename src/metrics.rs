//! Everything that is counted, in one place; rendered as Prometheus text at `/metrics`.
//!
//! Holders clone the counters they need: each is a shared atomic.

use std::fmt;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// OpenMetrics 1.0, which is what [`Metrics::render`] writes; Prometheus reads it since 2.5.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct DialectLabel {
    pub dialect: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct EventLabel {
    pub event_type: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct ReasonLabel {
    pub reason: &'static str,
}

/// The process's metrics. Names are contracts.
pub struct Metrics {
    registry: Registry,
    /// Open connections (`websocket_connections{dialect}`).
    pub connections: Family<DialectLabel, Gauge>,
    /// Events told, by kind, once each however many receive them (`websocket_events_total{event_type}`).
    pub events: Family<EventLabel, Counter>,
    /// Application messages received from clients.
    pub messages_in: Counter,
    /// Frames handed to connections, one per recipient.
    pub messages_out: Counter,
    /// Connections closed, by reason.
    pub closes: Family<ReasonLabel, Counter>,
    /// Connections closed because they read too slowly.
    pub slow_consumers: Counter,
    /// Refused tokens, keys and origins, by reason.
    pub auth_failures: Family<ReasonLabel, Counter>,
    /// Changes per transaction of the writer.
    pub store_batch_size: Histogram,
    /// Time of a transaction of the writer, from its begin to its commit.
    pub store_batch_seconds: Histogram,
    /// Time of a message from its command to its commit.
    pub store_latency_seconds: Histogram,
    /// 1 while the database answers, 0 while it does not.
    pub store_up: Gauge,
    /// Audit lines dropped because too many waited.
    pub audit_dropped: Counter,
    /// Connections that cannot be taken up again because too many waited to be kept.
    pub recovery_dropped: Counter,
}

impl Metrics {
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let metrics = Self {
            connections: Family::default(),
            events: Family::default(),
            messages_in: Counter::default(),
            messages_out: Counter::default(),
            closes: Family::default(),
            slow_consumers: Counter::default(),
            auth_failures: Family::default(),
            store_batch_size: Histogram::new(exponential_buckets(1.0, 2.0, 11)),
            store_batch_seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 14)),
            store_latency_seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 16)),
            store_up: Gauge::default(),
            audit_dropped: Counter::default(),
            recovery_dropped: Counter::default(),
            registry: Registry::default(),
        };
        registry.register("websocket_connections", "Open connections", metrics.connections.clone());
        registry.register("websocket_events", "Events told, by kind", metrics.events.clone());
        registry.register("websocket_messages_in", "Application messages received", metrics.messages_in.clone());
        registry.register("websocket_messages_out", "Frames handed to connections", metrics.messages_out.clone());
        registry.register("websocket_closes", "Connections closed, by reason", metrics.closes.clone());
        registry.register("slow_consumers", "Connections closed as slow consumers", metrics.slow_consumers.clone());
        registry.register("auth_failures", "Refused tokens and origins, by reason", metrics.auth_failures.clone());
        registry.register("store_batch_size", "Changes per transaction", metrics.store_batch_size.clone());
        let seconds = |registry: &mut Registry, name, help, histogram: &Histogram| {
            registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        };
        seconds(&mut registry, "store_batch", "Time of a transaction", &metrics.store_batch_seconds);
        seconds(&mut registry, "store_latency", "Time from a command to its commit", &metrics.store_latency_seconds);
        registry.register("store_up", "Whether the database answers", metrics.store_up.clone());
        registry.register("audit_dropped", "Audit lines dropped", metrics.audit_dropped.clone());
        registry.register("recovery_dropped", "Connections not kept for recovery", metrics.recovery_dropped.clone());
        Self { registry, ..metrics }
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

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
