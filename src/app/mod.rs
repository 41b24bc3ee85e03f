//! The composition root: puts the parts of the hub together, runs them, and ends them in the right order.
//!
//! The only module that knows everything; nobody imports it but `lib.rs`.

mod accounts;
mod admission;
mod claim;
mod gateway;
mod reception;
mod settings;
mod streams;
mod upgrade;
mod vitals;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_server::ServerHandle;
use actix_web::web::Data;
use rustls::ServerConfig;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::api::{self, Attempts, Chat, Context, Limiter, Memory};
use crate::clock;
use crate::config::{Config, Listen};
use crate::dialects;
use crate::dialects::socketio;
use crate::hub::handle::{self, Hub};
use crate::metrics::Metrics;
use crate::session::Sessions;
use crate::session::dialect::Carrier;
use crate::session::member::Club;
use crate::socketio::Engine;
use crate::sse::Desk;
use crate::store::{OpenError, SqlStore};
use crate::transport::listener::Listeners;
use crate::web::{self, Pages};
use accounts::HubHerald;
use admission::Admission;
use reception::Reception;
use upgrade::Door;
use vitals::Process;

pub use gateway::run as run_gateway;

/// How long clients have for their closing handshakes when the process ends. Each has a second of its own, and where
/// there are many the last one's begins later.
const CLOSING: Duration = Duration::from_secs(2);

/// How long HTTP requests that are being answered have when the process ends.
const LAST_REQUESTS: Duration = Duration::from_secs(1);

/// How long the store has to write what is still queued when the process ends.
const LAST_WRITES: Duration = Duration::from_secs(2);

/// Why the hub could not start, or could not go on.
#[derive(Debug)]
pub enum RunError {
    Store(OpenError),
    Bind(SocketAddr, io::Error),
    /// An address of the configuration that cannot be used.
    Listen(Listen, io::Error),
    Tls(String),
    Secret(io::Error),
    /// Another process has this SQLite file.
    Taken(PathBuf),
    Claim(PathBuf, io::Error),
    /// `server.static_dir` cannot be read.
    Pages(PathBuf, io::Error),
    Policy(String),
    Io(io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Bind(address, error) if error.kind() == io::ErrorKind::AddrInUse => {
                write!(f, "{address} is in use by another program; name another address with --listen")
            }
            Self::Bind(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::Listen(listen, error) => write!(f, "cannot listen on {listen}: {error}"),
            Self::Tls(error) => write!(f, "TLS: {error}"),
            Self::Secret(error) => write!(f, "the secret that tokens are signed with: {error}"),
            Self::Taken(path) => write!(
                f,
                "another hub runs on {}: end it first, name another file, or use Postgres for several hubs",
                path.display()
            ),
            Self::Claim(path, error) => write!(f, "cannot lock {}: {error}", path.display()),
            Self::Pages(path, error) => write!(f, "server.static_dir: cannot read {}: {error}", path.display()),
            Self::Policy(error) => f.write_str(error),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RunError {}

impl From<io::Error> for RunError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Runs the hub until SIGTERM or SIGINT. `announce` is told the addresses that it listens on and, while there is no
/// account, the set-up token.
pub fn run(config: Config, announce: impl FnOnce(&[SocketAddr], Option<&str>)) -> Result<(), RunError> {
    // Only fails where another provider was installed before; then that one serves.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    actix_web::rt::System::new().block_on(serve(config, announce))
}

async fn serve(config: Config, announce: impl FnOnce(&[SocketAddr], Option<&str>)) -> Result<(), RunError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    let metrics = Arc::new(Metrics::new());
    let _claim = claim::claim(config.database_url().expose())?;
    let store = SqlStore::open(&settings::store(&config), metrics.clone()).map_err(RunError::Store)?;
    let workers = config.workers();
    let place = if workers == 1 { handle::Place::WithTheWorker } else { handle::Place::OwnThread };
    let hub = handle::start(settings::rules(&config), store.clone(), metrics.clone(), place);
    let authenticator = Arc::new(settings::authenticator(&config, metrics.clone())?);
    let accounts = settings::accounts(&config, store.clone(), &authenticator, HubHerald(hub.clone()), metrics.clone())?;
    if accounts.look().await.is_err() {
        log::warn!("who may come in cannot be asked for yet: API keys are unknown until it can");
    }
    accounts::watch(&accounts);
    let tls = config.tls_server().map_err(RunError::Tls)?;
    let sessions = Sessions::new(settings::session_limits(&config));
    let draining = Arc::new(AtomicBool::new(false));

    let admission = Admission::new(config.limits.max_connections, config.limits.max_connections_per_ip);
    let club = Arc::new(Club {
        hub: hub.clone(),
        gatekeeper: Arc::new(upgrade::Tokens(authenticator.clone())),
        metrics: metrics.clone(),
        events: config.limits.events_per_connection.map(settings::rate),
        typing: config.limits.typing_per_connection.map(settings::rate),
        idle_timeout: config.limits.idle_timeout,
    });
    let options = settings::dialects(&config);
    let registry = dialects::registry(&options);
    let engine = registry.iter().find(|it| it.dialect.carrier() == Carrier::EngineIo).map(|registered| {
        let reception = Reception {
            authenticator: authenticator.clone(),
            admission: admission.clone(),
            desk: socketio::Desk::new(club.clone(), registered, &options, config.socketio.recovery_window.is_some()),
            hub: hub.clone(),
            clients: reception::clients(&config),
            draining: draining.clone(),
            limiter: reception::limiter(&config),
        };
        reception::engine(&config, &sessions, reception)
    });
    let engine_paths = engine.iter().map(|it| it.settings().path.as_str().into()).collect();
    let plain = registry.iter().filter(|it| it.dialect.carrier() == Carrier::WebSocket);
    let sockets = plain.map(|it| it.dialect.path()).collect();
    let streams = streams::desk(&config, registry, &club, &sessions, &admission);
    let door = Arc::new(Door {
        authenticator: authenticator.clone(),
        registry,
        admission,
        club,
        engine,
        sessions: sessions.clone(),
        draining: draining.clone(),
    });
    let context = Data::new(Context {
        authenticator,
        vitals: Arc::new(Process {
            hub: hub.clone(),
            store: store.clone(),
            metrics: metrics.clone(),
            draining: draining.clone(),
        }),
        metrics,
        login_limiter: config.limits.logins_per_ip.map(|rate| Attempts::new(settings::rate(rate))),
        accounts: accounts.clone(),
        only_local: config.server.listen.iter().all(Listen::is_loopback),
        limiter: config.limits.requests_per_ip.map(|rate| Limiter::new(settings::rate(rate))),
        trust_loopback: config.server.dev,
        serve_metrics: config.server.metrics_listen.is_none(),
        sockets,
        engines: engine_paths,
        node: Uuid::from_bytes(clock::message_id().0.into_bytes()).simple().to_string().into(),
        started: clock::now(),
        health: Memory::default(),
    });

    let chat = Data::new(Chat::new(hub.clone(), store.reads(), config.limits.max_text_bytes.0));

    let mut listeners = Listeners::new(workers);
    let pages = Arc::new(settings::pages(&config)?);
    let addresses =
        bind(&config, &mut listeners, tls.as_ref(), &Served { context, chat, streams, pages, door: door.clone() })?;
    let server = listeners.run();
    let stop = server.handle();
    let mut server = actix_web::rt::spawn(server);
    let setup = matches!(accounts.is_founded().await, Ok(false)).then(|| accounts.setup_token());
    announce(&addresses, setup);

    tokio::select! {
        _ = terminate.recv() => log::info!("SIGTERM: stopping"),
        _ = interrupt.recv() => log::info!("SIGINT: stopping"),
        ended = &mut server => return Err(early_end(ended).into()),
    }
    draining.store(true, Ordering::Relaxed);
    tokio::select! {
        () = wind_down(&hub, door.engine.as_deref(), store.as_ref(), &sessions, &stop) => {}
        _ = terminate.recv() => log::warn!("a second signal: stopping at once"),
        _ = interrupt.recv() => log::warn!("a second signal: stopping at once"),
    }
    log::info!("stopped");
    Ok(())
}

/// What every listener serves.
#[derive(Clone)]
struct Served {
    context: Data<Context>,
    chat: Data<Chat>,
    streams: Data<Arc<Desk>>,
    pages: Arc<Pages>,
    door: Arc<Door>,
}

/// Binds every address of the configuration.
fn bind(
    config: &Config,
    listeners: &mut Listeners,
    tls: Option<&Arc<ServerConfig>>,
    served: &Served,
) -> Result<Vec<SocketAddr>, RunError> {
    let mut bound = Vec::new();
    for listen in &config.server.listen {
        bound.extend(bind_each(listen, |address| {
            let served = served.clone();
            let door = served.door.clone();
            let app = move || {
                let Served { context, chat, streams, pages, door } = served.clone();
                chat.start_here();
                api::app(context, Some(chat), move |routes| {
                    routes.app_data(streams);
                    if let Some(engine) = &door.engine {
                        engine.routes(routes);
                    }
                    web::configure(routes, &pages);
                })
            };
            listeners.bind(address, tls, app, Door::handler(&door))
        })?);
    }
    if let Some(listen) = &config.server.metrics_listen {
        bind_each(listen, |address| {
            let context = served.context.clone();
            listeners.bind(address, None, move || api::metrics_app(context.clone()), Door::closed())
        })?;
    }
    Ok(bound)
}

/// Binds every address that `listen` stands for.
fn bind_each(
    listen: &Listen,
    mut bind: impl FnMut(SocketAddr) -> io::Result<SocketAddr>,
) -> Result<Vec<SocketAddr>, RunError> {
    let mut bound: Vec<SocketAddr> = Vec::new();
    for mut address in listen.addresses().map_err(|error| RunError::Listen(listen.clone(), error))? {
        if let (0, Some(first)) = (address.port(), bound.first())
            && listen.tolerates_missing_ipv6()
        {
            // Both families of `localhost` share a port.
            address.set_port(first.port());
        }
        match bind(address) {
            Ok(address) => bound.push(address),
            Err(_) if address.is_ipv6() && listen.tolerates_missing_ipv6() => {}
            Err(error) => return Err(RunError::Bind(address, error)),
        }
    }
    Ok(bound)
}

/// Ends in an order in which nothing acknowledged is lost and everyone is told: no new connections, what is being
/// written is acknowledged, sockets are closed, what is queued is stored.
async fn wind_down(hub: &Hub, engine: Option<&Engine>, store: &SqlStore, sessions: &Sessions, server: &ServerHandle) {
    server.pause().await;
    let open = sessions.live();
    if let Some(engine) = engine {
        engine.drain();
    }
    hub.drain().await;
    let closed = async {
        while sessions.live() > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    if timeout(CLOSING, closed).await.is_err() {
        log::info!("{} of {open} clients did not complete their closing handshake", sessions.live());
    }
    let _ = timeout(LAST_REQUESTS, server.stop(true)).await;
    if !matches!(timeout(LAST_WRITES, store.settle()).await, Ok(Ok(()))) {
        log::warn!("the database did not take the last lines of the audit log");
    }
}

fn early_end(ended: Result<io::Result<()>, tokio::task::JoinError>) -> io::Error {
    match ended {
        Ok(Ok(())) => io::Error::other("the server ended by itself"),
        Ok(Err(error)) => error,
        Err(error) => io::Error::other(error),
    }
}
