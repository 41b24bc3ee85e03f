//! The gateway's composition: from the configuration to listeners, and their end in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_server::ServerHandle;
use actix_web::http::header::HeaderValue;
use actix_web::web::Data;
use tokio::signal::unix::{SignalKind, signal};

use super::upgrade::Door;
use super::{RunError, bind_each, early_end, settings};
use crate::api::Limiter;
use crate::clock;
use crate::config::{self, Config, Loaded};
use crate::gateway::balance::Balance;
use crate::gateway::breaker::BreakerSettings;
use crate::gateway::dial::Dialer;
use crate::gateway::limits::Gatehouse;
use crate::gateway::metrics::GatewayMetrics;
use crate::gateway::pool::{Pool, PoolSettings};
use crate::gateway::upstream::Target;
use crate::gateway::{self, Gateway, HealthSettings, door};
use crate::metrics::Metrics;
use crate::transport::listener::Listeners;

/// Runs a gateway until SIGTERM or SIGINT. `again` reads the settings once more (`Err` is one line); `announce` is told the
/// addresses that the gateway listens on.
pub fn run(
    config: Config,
    again: impl Fn() -> Result<Loaded, String> + 'static,
    announce: impl FnOnce(&[SocketAddr]),
) -> Result<(), RunError> {
    // Only fails where another provider was installed before; then that one serves.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    actix_web::rt::System::new().block_on(serve(config, again, announce))
}

async fn serve(
    config: Config,
    again: impl Fn() -> Result<Loaded, String> + 'static,
    announce: impl FnOnce(&[SocketAddr]),
) -> Result<(), RunError> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let tls = config.tls_server().map_err(RunError::Tls)?;
    let gateway = Data::new(build(&config)?);
    gateway.watch();

    let mut listeners = Listeners::new(config.workers());
    let mut addresses = Vec::new();
    for listen in &config.server.listen {
        addresses.extend(bind_each(listen, |address| {
            let sockets = door::handler(&gateway);
            let gateway = gateway.clone();
            listeners.bind(address, tls.as_ref(), move || gateway::app(gateway.clone()), sockets)
        })?);
    }
    if let Some(listen) = &config.server.metrics_listen {
        bind_each(listen, |address| {
            let gateway = gateway.clone();
            listeners.bind(address, None, move || gateway::metrics_app(gateway.clone()), Door::closed())
        })?;
    }
    let server = listeners.run();
    let stop = server.handle();
    let mut server = actix_web::rt::spawn(server);
    announce(&addresses);

    loop {
        tokio::select! {
            _ = hangup.recv() => reload(&gateway, &config, again()),
            _ = terminate.recv() => break log::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => break log::info!("SIGINT: stopping"),
            ended = &mut server => return Err(early_end(ended).into()),
        }
    }
    gateway.draining.store(true, Ordering::Relaxed);
    tokio::select! {
        () = wind_down(&gateway, &stop) => {}
        _ = terminate.recv() => log::warn!("a second signal: stopping at once"),
        _ = interrupt.recv() => log::warn!("a second signal: stopping at once"),
    }
    log::info!("stopped");
    Ok(())
}

/// Takes nobody in, tells the sockets, and waits for the answers that are on their way.
async fn wind_down(gateway: &Gateway, server: &ServerHandle) {
    server.pause().await;
    let open = gateway.tunnels.open();
    let left = gateway.tunnels.drain().await;
    if left > 0 {
        log::info!("{left} of {open} clients did not complete their closing handshake");
    }
    server.stop(true).await;
}

/// Takes over what can change while connections are open. `running`: the settings of the start.
fn reload(gateway: &Gateway, running: &Config, loaded: Result<Loaded, String>) {
    let applied = loaded.and_then(|loaded| {
        let pool = pool(&loaded.config).map_err(|error| error.to_string())?;
        // A file that is empty, or half written, is no wish to send everybody to the default.
        if !loaded.names_upstreams && !gateway.pool.has_exactly(&pool.upstreams) {
            return Err("gateway.upstreams is no longer set: name the hubs' URLs there".to_owned());
        }
        Ok((loaded, pool))
    });
    let (Loaded { config, warnings, .. }, pool) = match applied {
        Ok(applied) => applied,
        Err(error) => return log::error!("SIGHUP: the settings stay as they were: {error}"),
    };
    for warning in warnings {
        log::warn!("{warning}");
    }
    gateway.pool.apply(pool);
    gateway.read_only.store(config.gateway.read_only, Ordering::Relaxed);
    let urls: Vec<_> = config.gateway.upstreams.iter().map(ToString::to_string).collect();
    let read_only = if config.gateway.read_only { ", nothing new is taken in" } else { "" };
    log::info!("SIGHUP: {} to {}{read_only}", config.gateway.balance.as_str(), urls.join(", "));
    for section in running.differences(&config) {
        log::warn!("SIGHUP: [{section}] has changed, which takes a restart");
    }
}

fn build(config: &Config) -> Result<Gateway, RunError> {
    let shared = Arc::new(Metrics::new());
    let authenticator = Arc::new(settings::authenticator(config, shared.clone())?);
    let pool = Pool::new(pool(config)?);
    let limits = &config.limits;
    Ok(Gateway {
        metrics: Arc::new(GatewayMetrics::new(&shared, pool.clone())),
        pool,
        authenticator,
        gatehouse: Gatehouse::new(
            limits.max_connections,
            limits.max_connections_per_ip,
            limits.max_connections_per_user,
        ),
        limiter: limits.requests_per_ip.map(|rate| Limiter::new(settings::rate(rate))),
        trust_loopback: config.server.dev,
        is_tls: config.tls_files().is_some(),
        socketio_path: config.socketio.path.as_str().into(),
        max_message: limits.max_frame_bytes.0,
        via: via(),
        serve_metrics: config.server.metrics_listen.is_none(),
        started: clock::now(),
        tunnels: Arc::default(),
        read_only: AtomicBool::new(config.gateway.read_only),
        draining: AtomicBool::new(false),
    })
}

/// A name that no other gateway has.
fn via() -> HeaderValue {
    let id = clock::fresh_id().simple().to_string();
    HeaderValue::from_str(&format!("1.1 tertulia-{id}")).unwrap_or(HeaderValue::from_static("1.1 tertulia"))
}

fn pool(config: &Config) -> Result<PoolSettings, RunError> {
    let gateway = &config.gateway;
    let target = |it: &config::Upstream| Target { host: it.host.clone(), port: it.port, is_tls: it.is_tls };
    Ok(PoolSettings {
        upstreams: gateway.upstreams.iter().map(target).collect(),
        balance: match gateway.balance {
            config::Balance::LeastConnections => Balance::LeastConnections,
            config::Balance::RoundRobin => Balance::RoundRobin,
            config::Balance::Hash => Balance::Hash,
        },
        dialer: Dialer { timeout: gateway.connect_timeout.0, tls: config.tls_client().map_err(RunError::Tls)? },
        answer_timeout: gateway.answer_timeout,
        breaker: BreakerSettings {
            failures: gateway.breaker_failures.get().into(),
            pause: gateway.breaker_pause.0,
            longest_pause: gateway.breaker_longest_pause.0,
        },
        health: HealthSettings {
            interval: gateway.health_interval.0,
            path: gateway.health_path.as_str().into(),
            failures: gateway.health_failures.get().into(),
            successes: gateway.health_successes.get().into(),
        },
    })
}
