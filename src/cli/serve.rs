//! `tertulia serve`: the hub in the foreground, until it is told to stop.

use std::io::{self, Write as _};
use std::num::NonZeroUsize;

use super::banner::{banner, setup_link};
use super::{Failure, data_dir};
use crate::RunError;
use crate::config::{Config, Loaded, LogFormat};
use crate::logging;

/// Descriptors that the process needs besides one for each connection: databases, listeners, runtimes, logs.
const SPARE_FILES: u64 = 256;

pub(super) fn serve(loaded: Loaded) -> Result<(), Failure> {
    let config = begin(loaded, 1);
    if let Some(url) = &config.redis.url {
        log::warn!("redis.url is set ({url}), but this version runs on a single node and does not use it");
    }
    if config.auth.jwt_secret.is_none()
        && config.database.url.as_ref().is_some_and(|url| url.expose().starts_with("postgres"))
    {
        log::warn!(
            "tokens are signed with a secret of this hub's own: other hubs on this database need the same JWT_SECRET"
        );
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

/// What comes first wherever something is served: the log, and as many open files as there may be. `files`: how many
/// a connection needs.
pub(super) fn begin(loaded: Loaded, files: usize) -> Config {
    let Loaded { mut config, file, warnings, .. } = loaded;
    logging::init(&config.log);
    if let Some(path) = file {
        log::info!("settings from {}", path.display());
    }
    for warning in warnings {
        log::warn!("{warning}");
    }
    if let Some(doubt) = files_doubt(&config, files) {
        log::warn!("{doubt}");
    }
    fit_into_files(&mut config, files);
    config
}

/// Raises the limit of open files as far as it goes. Returns it, and how many connections it has room for.
fn open_files() -> io::Result<(u64, NonZeroUsize)> {
    let limit = rlimit::increase_nofile_limit(u64::MAX)?;
    let room = usize::try_from(limit.saturating_sub(SPARE_FILES)).unwrap_or(usize::MAX);
    Ok((limit, NonZeroUsize::new(room).unwrap_or(NonZeroUsize::MIN)))
}

/// No more sockets than there may be files, but for some that the database and calls over HTTP need: who comes after them
/// is told so.
pub(super) fn fit_into_files(config: &mut Config, files: usize) {
    if let Ok((_, room)) = open_files() {
        let room = NonZeroUsize::new(room.get() / files).unwrap_or(NonZeroUsize::MIN);
        config.limits.max_connections = Some(config.limits.max_connections.map_or(room, |most| most.min(room)));
    }
}

/// What is to be said where `limits.max_connections` does not fit into the limit of open files. `files`: how many a
/// connection needs.
pub(super) fn files_doubt(config: &Config, files: usize) -> Option<String> {
    let (limit, room) = match open_files() {
        Ok((limit, room)) => (limit, (room.get() / files).max(1)),
        Err(error) => return Some(format!("the limit of open files cannot be raised: {error}")),
    };
    let wanted = config.limits.max_connections.filter(|wanted| wanted.get() > room)?;
    let each = if files > 1 { format!(", each of which takes {files}") } else { String::new() };
    Some(format!(
        "{limit} files may be open, so no more than {room} connections are let in{each}, and limits.max_connections is \
         {wanted}: raise the limit (ulimit -Hn, LimitNOFILE=) or lower the setting"
    ))
}
