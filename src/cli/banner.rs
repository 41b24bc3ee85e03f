//! What a person sees when the hub has started: where it is and what it runs on.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::config::Config;

/// A handful of lines for standard output. `addresses` are those that were bound, port 0 resolved.
pub(super) fn banner(config: &Config, addresses: &[SocketAddr]) -> String {
    let tls = if config.tls_files().is_some() { "s" } else { "" };
    let mut text = format!("Tertulia {}\n", env!("CARGO_PKG_VERSION"));
    let mut line = |name: &str, value: &str| {
        // Writing into a String does not fail.
        let _ = writeln!(text, "  {name:<10}{value}");
    };
    for address in addresses {
        line("listening", &format!("http{tls}://{address}"));
    }
    if let Some(first) = addresses.first() {
        line("websocket", &format!("ws{tls}://{first}/api/v1/ws/messages"));
    }
    line("database", &config.database_url().to_string());
    line("redis", "none: single node");
    if config.server.dev {
        line("token", "dev-admin-key (--dev: for this machine only)");
    } else {
        line("token", "tertulia token --sub UUID --org UUID --role agent");
    }
    line("more", "tertulia --help, tertulia check, GET /health, README.md");
    text
}
