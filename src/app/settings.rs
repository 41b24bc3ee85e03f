//! From the configuration to what each part of the hub wants to be told.

use std::collections::HashMap;
use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::RunError;
use crate::auth::{self, Authenticator, Origins, Policy, Proxies};
use crate::config::{self, Config, RoleName};
use crate::domain::{OrgId, Rate, Role};
use crate::hub::handle::Rules;
use crate::metrics::Metrics;
use crate::session::SessionLimits;
use crate::store;

pub(super) fn rate(rate: config::Rate) -> Rate {
    Rate { events: rate.events, period: rate.period, burst: rate.burst }
}

pub(super) fn rules(config: &Config) -> Rules {
    // In the hub's rules, zero is no limit.
    let or_none = |limit: Option<NonZeroUsize>| limit.map_or(0, NonZeroUsize::get);
    Rules {
        auto_create: config.auto_creates_rooms(),
        max_rooms_per_connection: or_none(config.limits.max_rooms_per_connection),
        max_connections_per_user: or_none(config.limits.max_connections_per_user),
    }
}

pub(super) fn store(config: &Config) -> store::Options {
    store::Options {
        workers: usize::from(config.database.workers.get()),
        migrate: config.database.migrate,
        ..store::Options::new(config.database_url().expose())
    }
}

pub(super) fn session_limits(config: &Config) -> SessionLimits {
    let limits = &config.limits;
    SessionLimits {
        max_message: limits.max_frame_bytes.0,
        queue_bytes: limits.outbound_queue_bytes.0,
        queue_frames: limits.outbound_queue_frames.map_or(usize::MAX, frames),
        pause_at: usize::MAX,
        heartbeat_interval: limits.heartbeat_interval,
        heartbeat_timeout: limits.heartbeat_timeout,
    }
}

fn frames(limit: NonZeroU32) -> usize {
    usize::try_from(limit.get()).unwrap_or(usize::MAX)
}

pub(super) fn authenticator(config: &Config, metrics: Arc<Metrics>) -> Result<Authenticator, RunError> {
    let secret = config.jwt_secret().map_err(RunError::Secret)?;
    let origins: Vec<&str> = config.server.allowed_origins.iter().map(config::Origin::as_str).collect();
    let proxies: Vec<&str> = config.server.trusted_proxies.iter().map(config::Network::as_str).collect();
    let options = auth::Options {
        secret: secret.expose().as_bytes(),
        policy: policy(&config.auth),
        origins: Origins::new(&origins, config.server.dev).map_err(RunError::Policy)?,
        proxies: Proxies::new(&proxies).map_err(RunError::Policy)?,
        dev: config.server.dev,
    };
    Ok(Authenticator::new(options, metrics))
}

fn policy(auth: &config::Auth) -> Policy {
    let role_map: HashMap<String, Role> =
        auth.role_map.iter().map(|(name, mapped)| (name.clone(), role(*mapped))).collect();
    Policy {
        audience: auth.audience.clone(),
        default_organization: auth.default_organization.map(OrgId),
        default_role: role(auth.default_role),
        role_map,
    }
}

fn role(name: RoleName) -> Role {
    match name {
        RoleName::Admin => Role::Admin,
        RoleName::Agent => Role::Agent,
        RoleName::Member => Role::Member,
        RoleName::Bot => Role::Bot,
    }
}

/// What TLS is served with, if it is.
pub(super) fn tls(config: &Config) -> Result<Option<Arc<ServerConfig>>, RunError> {
    let Some((cert, key)) = config.tls_files() else { return Ok(None) };
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(cert, "a PEM certificate chain", error))?;
    let key_file = key;
    let key =
        PrivateKeyDer::from_pem_file(key_file).map_err(|error| unreadable(key_file, "a PEM private key", error))?;
    let tls = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    tls.map(|tls| Some(Arc::new(tls))).map_err(|error| RunError::Tls(error.to_string()))
}

fn unreadable(path: &Path, expected: &str, error: impl fmt::Display) -> RunError {
    RunError::Tls(format!("{}: expected {expected}: {error}", path.display()))
}
