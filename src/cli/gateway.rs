//! `tertulia gateway`: one address in front of several hubs, in the foreground, until it is told to stop.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;

use super::serve::{begin, fit_into_files};
use super::{Failure, one_line};
use crate::RunError;
use crate::config::{Config, ConfigError, Loaded, LogFormat, SECRET_FILE};

/// How many files a socket takes: one for the client, one for the upstream.
pub(super) const FILES: usize = 2;

/// `again` reads the settings once more, as they are then.
pub(super) fn gateway(
    loaded: Loaded,
    again: impl Fn() -> Result<Loaded, ConfigError> + 'static,
) -> Result<(), Failure> {
    let config = begin(loaded, FILES);
    if config.makes_secret() {
        return Err(Failure::Usage(format!(
            "the gateway verifies tokens and needs the hubs' secret: set JWT_SECRET, or name with --data-dir the \
             directory that has their {SECRET_FILE}; there is none in {}",
            config.server.data_dir.display()
        )));
    }
    let for_banner = config.clone();
    let announce = move |addresses: &[SocketAddr]| {
        // For machines the log says it all; a closed standard output is nobody's failure.
        if for_banner.log.format == LogFormat::Text {
            let _ = io::stdout().write_all(banner(&for_banner, addresses).as_bytes());
        }
        for address in addresses {
            log::info!(address:%; "listening on {address}");
        }
        log::info!("WebSocket proxy started");
    };
    // As those of the start were, or they would differ from them.
    let again = move || {
        let mut loaded = again().map_err(|error| one_line(&error.to_string()))?;
        fit_into_files(&mut loaded.config, FILES);
        Ok(loaded)
    };
    crate::run_gateway(config, again, announce).map_err(|error| match error {
        RunError::Tls(_) | RunError::Policy(_) => Failure::Usage(error.to_string()),
        _ => Failure::Runtime(error.to_string()),
    })
}

/// A handful of lines for standard output. `addresses` are those that were bound, port 0 resolved.
fn banner(config: &Config, addresses: &[SocketAddr]) -> String {
    let tls = if config.tls_files().is_some() { "s" } else { "" };
    let gateway = &config.gateway;
    let mut text = format!("Tertulia {} gateway\n", env!("CARGO_PKG_VERSION"));
    let mut line = |name: &str, value: &str| {
        // Writing into a String does not fail.
        let _ = writeln!(text, "  {name:<10}{value}");
    };
    for address in addresses {
        line("listening", &format!("http{tls}://{address}"));
    }
    for upstream in &gateway.upstreams {
        line("upstream", &upstream.to_string());
    }
    line("balance", gateway.balance.as_str());
    if gateway.read_only {
        line("read-only", "nothing new is taken in");
    }
    line("more", "tertulia gateway --help, GET /health, README.md");
    text
}
