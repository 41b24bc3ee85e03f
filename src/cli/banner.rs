//! What a person sees when the hub has started: where it is and what it runs on.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::config::Config;

/// A handful of lines for standard output. `addresses` are those that were bound, port 0 resolved; `setup` is the token
/// for the first account.
pub(super) fn banner(config: &Config, addresses: &[SocketAddr], setup: Option<&str>) -> String {
    let tls = tls(config);
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
    if let Some(link) = setup_link(config, addresses, setup) {
        line("set up", &format!("{link} (make the administrator's account)"));
    }
    line("more", "tertulia --help, tertulia check, GET /health, README.md");
    text
}

/// Where the first account is made.
pub(super) fn setup_link(config: &Config, addresses: &[SocketAddr], setup: Option<&str>) -> Option<String> {
    Some(format!("http{}://{}/?setup={}", tls(config), addresses.first()?, setup?))
}

fn tls(config: &Config) -> &'static str {
    if config.tls_files().is_some() { "s" } else { "" }
}
