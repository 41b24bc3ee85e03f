//! From the configuration to what each part of the hub wants to be told.

use std::collections::HashMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;

use super::RunError;
use crate::auth::accounts::{self, Accounts, Herald};
use crate::auth::ports::AccountStore;
use crate::auth::{self, Authenticator, Origins, Policy, Proxies};
use crate::clock;
use crate::config::{self, Config, RoleName};
use crate::dialects;
use crate::domain::{OrgId, Rate, Role};
use crate::hub::handle::Rules;
use crate::metrics::Metrics;
use crate::session::SessionLimits;
use crate::store;
use crate::web::Pages;

pub(super) fn rate(rate: config::Rate) -> Rate {
    Rate { events: rate.events, period: rate.period, burst: rate.burst }
}

pub(super) fn rules(config: &Config) -> Rules {
    // In the hub's rules, zero is no limit.
    let or_none = |limit: Option<NonZeroUsize>| limit.map_or(0, NonZeroUsize::get);
    Rules {
        auto_create: config.auto_creates_rooms(),
        max_rooms_per_connection: or_none(config.limits.max_rooms_per_connection),
        shared_store: config.database_url().is_shared(),
        max_connections_per_user: or_none(config.limits.max_connections_per_user),
    }
}

pub(super) fn dialects(config: &Config) -> dialects::Options {
    // It lives as long as the process, as the dialects do.
    let socketio_path = Box::leak(config.socketio.path.as_str().into());
    dialects::Options { max_text_bytes: config.limits.max_text_bytes.0, message_ids: clock::message_id, socketio_path }
}

pub(super) fn pages(config: &Config) -> Result<Pages, RunError> {
    match &config.server.static_dir {
        Some(folder) => Pages::from_folder(folder).map_err(|error| RunError::Pages(folder.clone(), error)),
        None => Ok(Pages::embedded()),
    }
}

pub(super) fn store(config: &Config) -> store::Options {
    store::Options {
        workers: usize::from(config.database.workers.get()),
        migrate: config.database.migrate,
        recovery_window: config.socketio.recovery_window.unwrap_or_default(),
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
        pings: SessionLimits::default().pings,
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

pub(super) fn accounts(
    config: &Config,
    store: Arc<dyn AccountStore>,
    authenticator: &Authenticator,
    herald: impl Herald,
    metrics: Arc<Metrics>,
) -> Result<Arc<Accounts>, RunError> {
    let secret = config.jwt_secret().map_err(RunError::Secret)?;
    let options = accounts::Options {
        secret: secret.expose().as_bytes(),
        audience: config.auth.audience.as_deref().map(Into::into),
        registration: config.auth.registration,
        default_organization: config.auth.default_organization.map(OrgId),
    };
    let directory = authenticator.directory().clone();
    Ok(Arc::new(Accounts::new(&options, store, directory, Arc::new(herald), metrics)))
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
