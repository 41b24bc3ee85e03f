//! The settings of each concern. `default.toml` explains every one to the people who set them.

use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use uuid::Uuid;

use super::address::{Listen, Network, Origin};
use super::error::ConfigError;
use super::gateway::{Balance, HealthPath, Upstream};
use super::layers::{Read, Settings};
use super::secret::Secret;
use super::socketio::{Namespace, SocketPath, Span};
use super::url::{DatabaseUrl, RedisUrl};
use super::value::{LogFilter, LogFormat, Rate, Registration, RoleName, Size, Switch};

/// A section of the file as a struct: each field is read from the key of its name.
macro_rules! sections {
    ($($(#[$doc:meta])* $name:ident = $section:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $name {
            pub(super) fn read(settings: &Settings) -> Result<Self, ConfigError> {
                Ok(Self { $($field: Read::read(settings, concat!($section, ".", stringify!($field)))?,)* })
            }

            #[cfg(test)]
            pub(super) const KEYS: &[&str] = &[$(concat!($section, ".", stringify!($field))),*];
        }
    )*};
}

sections! {
    Server = "server" {
        /// Never empty.
        listen: Vec<Listen>,
        metrics_listen: Option<Listen>,
        data_dir: PathBuf,
        /// `None`: the pages that the program carries.
        static_dir: Option<PathBuf>,
        /// `None`: see [`super::Config::workers`].
        workers: Option<NonZeroUsize>,
        allowed_origins: Vec<Origin>,
        trusted_proxies: Vec<Network>,
        /// Only ever true where every `listen` is loopback.
        dev: bool,
    }

    /// Both or none.
    Tls = "tls" {
        cert: Option<PathBuf>,
        key: Option<PathBuf>,
    }

    Database = "database" {
        /// `None`: see [`super::Config::database_url`].
        url: Option<DatabaseUrl>,
        workers: NonZeroU16,
        migrate: bool,
    }

    Redis = "redis" {
        url: Option<RedisUrl>,
    }

    Auth = "auth" {
        /// `None`: see [`super::Config::jwt_secret`].
        jwt_secret: Option<Secret>,
        audience: Option<String>,
        default_organization: Option<Uuid>,
        default_role: RoleName,
        role_map: BTreeMap<String, RoleName>,
        registration: Registration,
    }

    Rooms = "rooms" {
        /// See [`super::Config::auto_creates_rooms`].
        auto_create: Switch,
    }

    Socketio = "socketio" {
        path: SocketPath,
        namespaces: Vec<Namespace>,
        ping_interval: Span,
        ping_timeout: Span,
        connect_timeout: Span,
        /// `None`: no connection is taken up again.
        recovery_window: Option<Duration>,
    }

    Gateway = "gateway" {
        /// Never empty.
        upstreams: Vec<Upstream>,
        balance: Balance,
        read_only: bool,
        /// PEM; `None`: what the system trusts.
        upstream_ca: Option<PathBuf>,
        connect_timeout: Span,
        /// `None`: an answer may take as long as it takes.
        answer_timeout: Option<Duration>,
        health_interval: Span,
        health_path: HealthPath,
        health_failures: NonZeroU16,
        health_successes: NonZeroU16,
        breaker_failures: NonZeroU16,
        breaker_pause: Span,
        breaker_longest_pause: Span,
    }

    /// `None` is no limit; a [`Size`] without limit is larger than memory.
    Limits = "limits" {
        max_frame_bytes: Size,
        max_text_bytes: Size,
        max_connections: Option<NonZeroUsize>,
        max_connections_per_user: Option<NonZeroUsize>,
        max_connections_per_ip: Option<NonZeroUsize>,
        max_rooms_per_connection: Option<NonZeroUsize>,
        events_per_connection: Option<Rate>,
        typing_per_connection: Option<Rate>,
        requests_per_ip: Option<Rate>,
        logins_per_ip: Option<Rate>,
        outbound_queue_frames: Option<NonZeroU32>,
        outbound_queue_bytes: Size,
        heartbeat_interval: Option<Duration>,
        heartbeat_timeout: Option<Duration>,
        idle_timeout: Option<Duration>,
    }

    Log = "log" {
        filter: LogFilter,
        format: LogFormat,
    }
}
