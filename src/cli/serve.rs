//! `tertulia serve`: the hub in the foreground, until it is told to stop.

use std::io::{self, Write as _};

use super::banner::{banner, setup_link};
use super::{Failure, data_dir};
use crate::RunError;
use crate::config::{Config, Loaded, LogFormat};
use crate::logging;

/// Descriptors that the process needs besides one for each connection: databases, listeners, runtimes, logs.
pub(super) const SPARE_FILES: u64 = 256;

pub(super) fn serve(loaded: Loaded) -> Result<(), Failure> {
    let Loaded { config, file, warnings, .. } = loaded;
    logging::init(&config.log);
    if let Some(path) = file {
        log::info!("settings from {}", path.display());
    }
    for warning in warnings {
        log::warn!("{warning}");
    }
    if let Some(url) = &config.redis.url {
        log::warn!("redis.url is set ({url}), but this version runs on a single node and does not use it");
    }
    if let Some(doubt) = files_doubt(&config) {
        log::warn!("{doubt}");
    }
    config.make_data_dir().map_err(|error| data_dir(&config, &error))?;

    let for_banner = config.clone();
    let announce = move |addresses: &[std::net::SocketAddr], setup: Option<&str>| {
        // For machines the log says it all; a closed standard output is nobody's failure.
        if for_banner.log.format == LogFormat::Text {
            let _ = io::stdout().write_all(banner(&for_banner, addresses, setup).as_bytes());
        }
        if for_banner.log.format != LogFormat::Text
            && let Some(link) = setup_link(&for_banner, addresses, setup)
        {
            log::info!("there is no account yet; make the administrator's at {link}");
        }
        for address in addresses {
            log::info!(address:%; "listening on {address}");
        }
        log::info!("WebSocket Hub started (Redis Pub/Sub disabled)");
    };
    crate::run(config, announce).map_err(|error| match error {
        RunError::Tls(_) | RunError::Policy(_) => Failure::Usage(error.to_string()),
        _ => Failure::Runtime(error.to_string()),
    })
}

/// Raises the limit of open files as far as it goes; says so if `limits.max_connections` still does not fit.
pub(super) fn files_doubt(config: &Config) -> Option<String> {
    let limit = match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => limit,
        Err(error) => return Some(format!("the limit of open files cannot be raised: {error}")),
    };
    let wanted = config.limits.max_connections.map(|most| most.get() as u64)?;
    (limit < wanted + SPARE_FILES).then(|| {
        format!(
            "{limit} files may be open, enough for about {} connections, and limits.max_connections is {wanted}: raise \
             the limit (ulimit -n, LimitNOFILE=) or lower the setting",
            limit.saturating_sub(SPARE_FILES)
        )
    })
}
