//! `tertulia check`: tries everything that the configuration names, and says what works.
//!
//! Nothing is changed: no schema is migrated and no secret made.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use deadpool_redis::{Runtime, redis};

use super::serve::files_doubt;
use super::upstreams::upstreams;
use super::{Failure, gateway, one_line};
use crate::config::{Config, Loaded, RedisUrl, SECRET_FILE};
use crate::store::{self, OpenError};

/// How long Redis may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) enum Finding {
    Works(String),
    /// Works, and may not do what is expected of it.
    Doubtful(String),
    Fails(String),
}

use Finding::{Doubtful, Fails, Works};

/// `has_upstreams`: the command line names some.
pub(super) fn check(loaded: Loaded, has_upstreams: bool) -> Result<(), Failure> {
    let Loaded { config, file, warnings, .. } = loaded;
    let settings = file.map_or_else(|| "no file: defaults".to_owned(), |path| path.display().to_string());
    let mut findings = vec![("configuration", Works(settings))];
    findings.extend(warnings.into_iter().map(|warning| ("configuration", Doubtful(warning))));
    findings.push(("data directory", data_dir(&config)));
    findings.push(("secret", secret(&config)));
    findings.push(("database", database(&config)));
    findings.push(("redis", config.redis.url.as_ref().map_or_else(|| Works("none: single node".to_owned()), redis)));
    findings.push(("tls", tls(&config)));
    // Whoever names upstreams means a gateway.
    let is_gateway = has_upstreams || config.gateway.is_set();
    if is_gateway {
        findings.extend(upstreams(&config).into_iter().map(|finding| ("upstream", finding)));
    }
    findings.extend(config.server.listen.iter().chain(&config.server.metrics_listen).flat_map(|listen| {
        match listen.addresses() {
            Ok(addresses) => addresses.into_iter().map(|it| address(it, listen.tolerates_missing_ipv6())).collect(),
            Err(error) => vec![Fails(format!("{listen}: {error}"))],
        }
        .into_iter()
        .map(|finding| ("address", finding))
    }));
    let files = if is_gateway { gateway::FILES } else { 1 };
    findings.push(("open files", files_doubt(&config, files).map_or_else(|| Works("enough".to_owned()), Doubtful)));

    for (name, finding) in &findings {
        let (verdict, text) = match finding {
            Works(text) => ("ok", text),
            Doubtful(text) => ("warning", text),
            Fails(text) => ("FAILED", text),
        };
        println!("{name:<15} {verdict:<8} {}", one_line(text));
    }
    match findings.iter().filter(|(_, finding)| matches!(finding, Fails(_))).count() {
        0 => Ok(()),
        1 => Err(Failure::Runtime("1 check failed".to_owned())),
        failed => Err(Failure::Runtime(format!("{failed} checks failed"))),
    }
}

fn data_dir(config: &Config) -> Finding {
    let dir = &config.server.data_dir;
    let probe = dir.join(format!(".check-{}", std::process::id()));
    match config.make_data_dir().and_then(|()| fs::write(&probe, b"")).and_then(|()| fs::remove_file(&probe)) {
        Ok(()) => Works(format!("{} can be written", dir.display())),
        Err(error) => Fails(format!("{}: {error}", dir.display())),
    }
}

fn secret(config: &Config) -> Finding {
    let path = config.server.data_dir.join(SECRET_FILE);
    if config.auth.jwt_secret.is_some() {
        Works("from the configuration".to_owned())
    } else if !path.exists() {
        Works(format!("will be made at the first start, in {}", path.display()))
    } else {
        match config.jwt_secret() {
            Ok(_) => Works(format!("in {}", path.display())),
            Err(error) => Fails(format!("{}: {error}", path.display())),
        }
    }
}

fn database(config: &Config) -> Finding {
    let url = config.database_url();
    if config.database.url.is_none() && !config.server.data_dir.join("tertulia.db").exists() {
        return Works(format!("{url} will be made at the first start"));
    }
    match store::verify(url.expose()) {
        Ok(()) => Works(format!("{url} answers, and its schema is up to date")),
        Err(error @ OpenError::Pending { .. }) if config.database.migrate => {
            Works(format!("answers; the next start will bring its schema up to date ({error})"))
        }
        Err(error) => Fails(error.to_string()),
    }
}

fn redis(url: &RedisUrl) -> Finding {
    let ping = async {
        let pool = deadpool_redis::Config::from_url(url.expose())
            .create_pool(Some(Runtime::Tokio1))
            .map_err(|error| error.to_string())?;
        let mut connection = pool.get().await.map_err(|error| error.to_string())?;
        redis::cmd("PING").query_async::<String>(&mut connection).await.map_err(|error| error.to_string())
    };
    let answer = actix_rt::System::new().block_on(async { actix_rt::time::timeout(PATIENCE, ping).await });
    match answer {
        Ok(Ok(_)) => Doubtful(format!("{url} answers, but this version runs on a single node and does not use it")),
        Ok(Err(error)) => Fails(format!("{url}: {error}")),
        Err(_) => Fails(format!("{url}: no answer within {} s", PATIENCE.as_secs())),
    }
}

fn tls(config: &Config) -> Finding {
    match config.tls_server() {
        Ok(None) => Works("none: plain HTTP".to_owned()),
        Ok(Some(_)) => Works("certificate and key go together".to_owned()),
        Err(error) => Fails(error),
    }
}

fn address(address: SocketAddr, ipv6_may_be_missing: bool) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => Works(format!("{address} is free")),
        Err(error) if address.is_ipv6() && ipv6_may_be_missing && error.kind() == io::ErrorKind::AddrNotAvailable => {
            Doubtful(format!("{address}: this machine has no IPv6; the other loopback address is enough"))
        }
        Err(error) => Fails(format!("{address}: {error}")),
    }
}
