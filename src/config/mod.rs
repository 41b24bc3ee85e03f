//! The configuration: what can be set, by flag, environment, file or default, and what is refused.
//!
//! A [`Config`] that exists is valid: every value has parsed, and values that must fit each other do.
//! Nothing outside this module reads the environment or the file.

mod address;
mod error;
mod gateway;
mod layers;
mod print;
mod secret;
mod sections;
mod socketio;
mod tls;
mod url;
mod value;

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use address::{Listen, Network, Origin};
pub use error::ConfigError;
pub use gateway::{Balance, HealthPath, Upstream};
pub use layers::{CONFIG_VARIABLE, DEFAULTS, Flag, Source};
pub use secret::{SECRET_FILE, Secret};
pub use sections::{Auth, Database, Gateway, Limits, Log, Redis, Rooms, Server, Socketio, Tls};
pub use url::{DatabaseUrl, RedisUrl};
pub use value::{LogFilter, LogFormat, Rate, Registration, RoleName, Size, Switch, duration};

use layers::Settings;

/// Read from the working directory where no file is named.
const DEFAULT_FILE: &str = "tertulia.toml";

#[derive(Clone, Debug)]
pub struct Config {
    pub server: Server,
    pub tls: Tls,
    pub database: Database,
    pub redis: Redis,
    pub auth: Auth,
    pub rooms: Rooms,
    pub socketio: Socketio,
    pub gateway: Gateway,
    pub limits: Limits,
    pub log: Log,
}

/// Everything that settings are read from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    pub flags: Vec<Flag>,
    pub environment: Vec<(String, String)>,
    /// `None`: [`CONFIG_VARIABLE`], or `tertulia.toml` if it is there.
    pub file: Option<PathBuf>,
}

/// A configuration, and what is to be said about how it came to be.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// The file that was read.
    pub file: Option<PathBuf>,
    pub warnings: Vec<String>,
    /// Somebody said where the hubs of a gateway are.
    pub names_upstreams: bool,
    /// The commented file with the values in force, secrets left out.
    pub printed: String,
}

impl Config {
    pub fn load(sources: Sources) -> Result<Loaded, ConfigError> {
        let mut settings = Settings::defaults()?;
        let file = file(&sources);
        if let Some(path) = &file {
            settings.merge_file(path)?;
        }
        let mut warnings = settings.merge_environment(&sources.environment)?;
        settings.merge_flags(sources.flags)?;

        let config = Self {
            server: Server::read(&settings)?,
            tls: Tls::read(&settings)?,
            database: Database::read(&settings)?,
            redis: Redis::read(&settings)?,
            auth: Auth::read(&settings)?,
            rooms: Rooms::read(&settings)?,
            socketio: Socketio::read(&settings)?,
            gateway: Gateway::read(&settings)?,
            limits: Limits::read(&settings)?,
            log: Log::read(&settings)?,
        };
        config.check(&settings)?;
        warnings.extend(config.doubts());
        let printed = print::effective(&settings, &Settings::defaults()?);
        let names_upstreams = settings.is_set("gateway.upstreams");
        Ok(Loaded { config, file, warnings, names_upstreams, printed })
    }

    /// The rules between values.
    fn check(&self, settings: &Settings) -> Result<(), ConfigError> {
        let refuse = |key, expected| Err(settings.refuse(key, expected));
        if self.server.listen.is_empty() {
            return refuse("server.listen", "at least one address");
        }
        if self.server.dev && !self.server.listen.iter().all(Listen::is_loopback) {
            return refuse("server.listen", "only loopback addresses with `dev`, whose token anyone knows");
        }
        if !self.server.dev && self.server.allowed_origins.iter().any(Origin::is_any) {
            return refuse("server.allowed_origins", "the origins by name; `*` is for `dev`");
        }
        match (&self.tls.cert, &self.tls.key) {
            (Some(_), None) => return refuse("tls.key", "the private key of tls.cert: TLS needs both files"),
            (None, Some(_)) => return refuse("tls.cert", "the certificate of tls.key: TLS needs both files"),
            _ => {}
        }
        if self.limits.typing_per_connection.is_some_and(|it| it.burst != it.events) {
            return refuse(
                "limits.typing_per_connection",
                "a rate without burst, such as `10/5s`: no more in any 5 seconds",
            );
        }
        if self.gateway.upstreams.is_empty() {
            return refuse("gateway.upstreams", "at least one URL of a hub");
        }
        Ok(())
    }

    /// What is allowed and yet looks like a mistake.
    fn doubts(&self) -> Option<String> {
        let (interval, timeout) = (self.limits.heartbeat_interval?, self.limits.heartbeat_timeout?);
        (timeout <= interval).then(|| {
            "limits.heartbeat_timeout is not longer than limits.heartbeat_interval: quiet clients will be closed"
                .to_owned()
        })
    }

    /// Where the database is, which may be the embedded default.
    pub fn database_url(&self) -> DatabaseUrl {
        self.database.url.clone().unwrap_or_else(|| DatabaseUrl::in_data_dir(&self.server.data_dir))
    }

    /// The sections, `[gateway]` aside, in which another configuration differs from this one.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let text = |section: &dyn fmt::Debug| format!("{section:?}");
        // Secrets do not show how they differ.
        let is_same_secret = self.auth.jwt_secret == other.auth.jwt_secret;
        let sections = [
            ("server", text(&self.server) != text(&other.server)),
            ("tls", text(&self.tls) != text(&other.tls)),
            ("auth", text(&self.auth) != text(&other.auth) || !is_same_secret),
            ("socketio", text(&self.socketio) != text(&other.socketio)),
            ("limits", text(&self.limits) != text(&other.limits)),
            ("log", text(&self.log) != text(&other.log)),
        ];
        sections.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }

    /// The threads that serve connections.
    pub fn workers(&self) -> usize {
        self.server.workers.map_or_else(usual_workers, NonZeroUsize::get)
    }

    /// Whether joining or writing to an unknown room makes it.
    pub fn auto_creates_rooms(&self) -> bool {
        self.rooms.auto_create.is_on(self.server.dev)
    }

    /// What is needed to serve TLS, read from its files; `None`: plain HTTP. `Err` is one line for a person.
    pub fn tls_server(&self) -> Result<Option<Arc<rustls::ServerConfig>>, String> {
        self.tls_files().map(|(cert, key)| tls::load(cert, key)).transpose()
    }

    /// What a gateway needs to speak TLS with its upstreams, read from its file. `Err` is one line for a person.
    pub fn tls_client(&self) -> Result<Arc<rustls::ClientConfig>, String> {
        let is_needed = self.gateway.upstreams.iter().any(|it| it.is_tls);
        gateway::tls_client(self.gateway.upstream_ca.as_deref(), is_needed)
    }

    /// The certificate and the key, if TLS is to be served.
    pub fn tls_files(&self) -> Option<(&Path, &Path)> {
        Some((self.tls.cert.as_deref()?, self.tls.key.as_deref()?))
    }

    /// The secret that tokens are signed with: the configured one, or the one in the data directory, made if need be.
    pub fn jwt_secret(&self) -> io::Result<Secret> {
        if let Some(secret) = &self.auth.jwt_secret {
            return Ok(secret.clone());
        }
        self.make_data_dir()?;
        secret::kept_in(&self.server.data_dir)
    }

    /// Whether [`Config::jwt_secret`] would have to make one.
    pub fn makes_secret(&self) -> bool {
        self.auth.jwt_secret.is_none() && !self.server.data_dir.join(SECRET_FILE).exists()
    }

    /// Makes the data directory if it is missing, for its owner only.
    pub fn make_data_dir(&self) -> io::Result<()> {
        secret::make_dir(&self.server.data_dir)
    }
}

fn file(sources: &Sources) -> Option<PathBuf> {
    let named = || sources.environment.iter().find(|(name, path)| name == CONFIG_VARIABLE && !path.is_empty());
    let default = || Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists());
    sources.file.clone().or_else(|| named().map(|(_, path)| path.into())).or_else(default)
}

/// The worker threads of a hub that is not told how many: one less than there are cores, at least one, for the sequencer and
/// the database want one, too.
pub fn usual_workers() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1))
}

#[cfg(test)]
mod tests;
