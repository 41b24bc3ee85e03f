//! What may stand on the command line, and how `--help` explains it.
//!
//! Flags only name settings; `crate::config` knows what they mean and parses their values.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use uuid::Uuid;

use super::account_args::{KEY_EXAMPLES, KeyArgs, USER_EXAMPLES, UserArgs};
use crate::config::Flag;

const EXAMPLES: &str = "\
Examples:
  tertulia                                    the hub on 127.0.0.1:8080, SQLite in ./data
  tertulia --dev                              the same, with the token `dev-admin-key`, for trying it out
  tertulia serve --listen 0.0.0.0:8080 --database-url postgres://app:secret@db/chat
  tertulia --set limits.max_connections_per_user=0 --set limits.events_per_connection=0
  tertulia --print-config > tertulia.toml     every setting with its explanation
  tertulia check                              is everything that the configuration names there?

Settings come from flags, then the environment, then tertulia.toml (or --config FILE), then defaults.
Every setting section.key is also the variable TERTULIA_SECTION_KEY.
Exit codes: 0 clean, 1 failed while running, 2 bad usage or configuration.";

const TOKEN_EXAMPLES: &str = "\
Examples:
  tertulia token --sub 11111111-1111-4111-8111-111111111111 --org 22222222-2222-4222-8222-222222222222 --role agent
  TOKEN=$(tertulia token --sub $USER_ID --org $ORG_ID --role admin --name Ana --ttl 15m)

The token is signed with the secret of the configuration, or the one in the data directory: run it with the same
settings as the hub.";

const GATEWAY_EXAMPLES: &str = "\
Examples:
  tertulia gateway --upstream http://10.0.0.5:8080 --upstream http://10.0.0.6:8080
  tertulia gateway --listen 0.0.0.0:443 --tls-cert chain.pem --tls-key key.pem --balance hash
  tertulia check --upstream http://10.0.0.5:8080     does the hub answer?
  kill -HUP PID                               read the file and the environment again, without dropping connections

The gateway verifies tokens and needs the hubs' secret: give both the same JWT_SECRET. The hubs must trust the gateway's
address (their --trusted-proxy), or they count all clients as one and refuse pages that came through it.

Settings come from flags, then the environment, then tertulia.toml (or --config FILE), then defaults.
Every setting section.key is also the variable TERTULIA_SECTION_KEY.
Exit codes: 0 clean, 1 failed while running, 2 bad usage or configuration.";

const HEALTH_EXAMPLES: &str = "\
Examples:
  tertulia health                                       the hub of this configuration
  tertulia health http://127.0.0.1:8080/health/live     does the process answer at all?

Made for `HEALTHCHECK` in containers. Over https the certificate is not checked: it names no loopback address.";

/// A real-time hub in one binary: clients that speak different wire formats meet in the same rooms.
#[derive(Parser, Debug)]
#[command(name = "tertulia", version, after_help = EXAMPLES, max_term_width = 120)]
pub struct Cli {
    #[command(flatten)]
    pub settings: SettingArgs,

    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the hub (what `tertulia` alone does, too)
    #[command(after_help = EXAMPLES)]
    Serve(Box<SettingArgs>),
    /// Run a gateway: one public address in front of several hubs
    #[command(after_help = GATEWAY_EXAMPLES)]
    #[command(mut_args(without_database))]
    Gateway(Box<GatewayArgs>),
    /// Print a signed token, for scripts and load tests
    #[command(after_help = TOKEN_EXAMPLES)]
    Token(TokenArgs),
    /// Accounts: add them, list them, change them; a running hub on the same database heeds it at once
    #[command(after_help = USER_EXAMPLES)]
    User(UserArgs),
    /// API keys: make, list and revoke them; a running hub on the same database heeds it at once
    #[command(after_help = KEY_EXAMPLES)]
    Key(KeyArgs),
    /// Bring the database's schema up to date and say what was done
    Migrate(Box<SettingArgs>),
    /// Try everything that the configuration names, and print a table of what works; exits 1 if anything fails
    Check(Box<GatewayArgs>),
    /// Ask a running hub whether it is ready for traffic; exits 1 if it is not
    #[command(after_help = HEALTH_EXAMPLES)]
    Health(Box<HealthArgs>),
}

#[derive(Args, Debug)]
pub struct GatewayArgs {
    /// A hub, such as http://10.0.0.5:8080, default http://localhost:5000; may be repeated [env: CHAT_API_URL]
    #[arg(long, value_name = "URL")]
    upstream: Vec<String>,
    /// Which hub gets a new connection: `least-conn` (default), `round-robin` or `hash`
    /// [env: TERTULIA_GATEWAY_BALANCE]
    #[arg(long, value_name = "POLICY")]
    balance: Option<String>,
    /// Take nothing new in: what is open goes on [env: TERTULIA_GATEWAY_READ_ONLY]
    #[arg(long)]
    read_only: bool,
    #[command(flatten)]
    pub settings: SettingArgs,
}

/// A gateway has no use for these, and its help does not offer them.
fn without_database(arg: clap::Arg) -> clap::Arg {
    const HUBS: [&str; 5] = ["static_dir", "database_url", "db_workers", "no_migrate", "redis_url"];
    let is_a_hubs = HUBS.contains(&arg.get_id().as_str());
    if is_a_hubs { arg.hide(true) } else { arg }
}

impl GatewayArgs {
    pub fn names_upstreams(&self) -> bool {
        !self.upstream.is_empty()
    }

    /// What was given besides the settings that every command takes.
    pub fn flags(&self) -> Vec<Flag> {
        let mut flags = Vec::new();
        if !self.upstream.is_empty() {
            flags.push(flag("gateway.upstreams", "--upstream", self.upstream.clone()));
        }
        if let Some(balance) = &self.balance {
            flags.push(flag("gateway.balance", "--balance", vec![balance.clone()]));
        }
        if self.read_only {
            flags.push(flag("gateway.read_only", "--read-only", vec!["true".to_owned()]));
        }
        flags
    }
}

#[derive(Args, Debug)]
pub struct HealthArgs {
    /// Where the hub is, if not at the first of its own addresses; `/health/ready` is asked where no path is named
    pub url: Option<String>,
    #[command(flatten)]
    pub settings: SettingArgs,
}

#[derive(Args, Debug)]
pub struct TokenArgs {
    /// The user's id
    #[arg(long, value_name = "UUID")]
    pub sub: Uuid,
    /// The organization's id
    #[arg(long, value_name = "UUID")]
    pub org: Uuid,
    /// What the user is in the organization
    #[arg(long, value_parser = ["admin", "agent", "member", "bot"])]
    pub role: String,
    /// The name that others see
    #[arg(long)]
    pub name: Option<String>,
    /// How long the token is good for: `90s`, `15m`, `1h`, `30d`
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = ttl)]
    pub ttl: std::time::Duration,
    #[command(flatten)]
    pub secret: SecretArgs,
}

pub(super) fn ttl(text: &str) -> Result<std::time::Duration, String> {
    crate::config::duration(text).ok_or_else(|| "expected a duration such as `90s`, `15m` or `1h`".to_owned())
}

/// Where the signing secret is.
#[derive(Args, Debug)]
pub struct SecretArgs {
    /// The file to read settings from, instead of tertulia.toml [env: TERTULIA_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where a generated secret lives [env: TERTULIA_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// The secret; better given in the environment, where `ps` does not show it [env: JWT_SECRET]
    #[arg(long, value_name = "SECRET")]
    pub jwt_secret: Option<String>,
}

/// Every setting that has a flag.
#[derive(Args, Debug)]
pub struct SettingArgs {
    /// The file to read settings from, instead of tertulia.toml [env: TERTULIA_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to answer, default 127.0.0.1:8080; may be repeated; `localhost:8080` is both loopback families
    /// [env: TERTULIA_LISTEN]
    #[arg(long, value_name = "ADDR")]
    listen: Vec<String>,
    /// A separate address for /metrics [env: TERTULIA_METRICS_LISTEN]
    #[arg(long, value_name = "ADDR")]
    metrics_listen: Option<String>,
    /// For the SQLite file and the generated secret, default ./data [env: TERTULIA_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Serve the pages from here instead of those in the program, to change them [env: TERTULIA_SERVER_STATIC_DIR]
    #[arg(long, value_name = "DIR")]
    static_dir: Option<String>,
    /// `sqlite:PATH` or `postgres://…`, default tertulia.db in the data directory [env: DATABASE_URL]
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// Database connections that read, default 2; one more writes [env: TERTULIA_DB_WORKERS]
    #[arg(long, value_name = "N")]
    db_workers: Option<String>,
    /// Do not change the schema: refuse to start if it is not up to date [env: TERTULIA_DATABASE_MIGRATE=false]
    #[arg(long)]
    no_migrate: bool,
    /// Redis; this version runs on a single node and only checks that it answers [env: REDIS_URL]
    #[arg(long, value_name = "URL")]
    redis_url: Option<String>,
    /// Signs HS256 tokens, at least 32 bytes; default: generated into the data directory; better given in the
    /// environment, where `ps` does not show it [env: JWT_SECRET]
    #[arg(long, value_name = "SECRET")]
    jwt_secret: Option<String>,
    /// A browser origin that may connect; may be repeated [env: ALLOWED_ORIGINS]
    #[arg(long, value_name = "ORIGIN")]
    allowed_origin: Vec<String>,
    /// A proxy whose forwarding headers are believed, as address or network; may be repeated [env: TRUSTED_PROXIES]
    #[arg(long, value_name = "ADDR")]
    trusted_proxy: Vec<String>,
    /// Certificate chain (PEM): serve TLS [env: TLS_CERT]
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<String>,
    /// Private key (PEM) of --tls-cert [env: TLS_KEY]
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// Threads that serve connections, default one per core [env: TERTULIA_WORKERS]
    #[arg(long, value_name = "N")]
    workers: Option<String>,
    /// What is logged: error, warn, info, debug, trace, also by module [env: RUST_LOG]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// `text` or `json` [env: TERTULIA_LOG_FORMAT]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Try it out on this machine: the token `dev-admin-key`, rooms made on demand, development origins; loopback only
    /// [env: TERTULIA_DEV]
    #[arg(long)]
    dev: bool,
    /// Any other setting; may be repeated (`--set limits.idle_timeout=1h`)
    #[arg(long, value_name = "SECTION.KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Print every setting with its explanation and the value in force, as a file to start from, and exit
    #[arg(long)]
    pub print_config: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected SECTION.KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

impl SettingArgs {
    /// What was given, weakest first.
    pub fn flags(&self) -> Vec<Flag> {
        let mut flags: Vec<Flag> =
            self.set.iter().map(|(key, value)| flag(key, "--set", vec![value.clone()])).collect();
        let mut given = |key, name, values: Vec<String>| {
            if !values.is_empty() {
                flags.push(flag(key, name, values));
            }
        };
        let one = |value: &Option<String>| value.iter().cloned().collect();
        let switch = |on: bool, value: &str| if on { vec![value.to_owned()] } else { Vec::new() };
        given("server.listen", "--listen", self.listen.clone());
        given("server.metrics_listen", "--metrics-listen", one(&self.metrics_listen));
        given("server.data_dir", "--data-dir", one(&self.data_dir));
        given("server.static_dir", "--static-dir", one(&self.static_dir));
        given("server.workers", "--workers", one(&self.workers));
        given("server.allowed_origins", "--allowed-origin", self.allowed_origin.clone());
        given("server.trusted_proxies", "--trusted-proxy", self.trusted_proxy.clone());
        given("server.dev", "--dev", switch(self.dev, "true"));
        given("tls.cert", "--tls-cert", one(&self.tls_cert));
        given("tls.key", "--tls-key", one(&self.tls_key));
        given("database.url", "--database-url", one(&self.database_url));
        given("database.workers", "--db-workers", one(&self.db_workers));
        given("database.migrate", "--no-migrate", switch(self.no_migrate, "false"));
        given("redis.url", "--redis-url", one(&self.redis_url));
        given("auth.jwt_secret", "--jwt-secret", one(&self.jwt_secret));
        given("log.filter", "--log", one(&self.log));
        given("log.format", "--log-format", one(&self.log_format));
        flags
    }
}

impl SecretArgs {
    pub fn flags(&self) -> Vec<Flag> {
        let given =
            [("server.data_dir", "--data-dir", &self.data_dir), ("auth.jwt_secret", "--jwt-secret", &self.jwt_secret)];
        given.into_iter().filter_map(|(key, name, value)| Some(flag(key, name, vec![value.clone()?]))).collect()
    }
}

pub(super) fn flag(key: &str, name: &str, values: Vec<String>) -> Flag {
    Flag { key: key.to_owned(), name: name.to_owned(), values }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::config::{Config, Sources};

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_gateway_has_flags_of_its_own() {
        let all = ["tertulia", "gateway", "--upstream", "http://a", "--upstream", "wss://b:1", "--balance", "hash"];
        let Some(Command::Gateway(args)) = Cli::parse_from(all.into_iter().chain(["--read-only"])).command else {
            panic!("another command");
        };
        let config =
            Config::load(Sources { flags: args.flags(), ..Sources::default() }).expect("a configuration").config;
        let upstreams: Vec<_> = config.gateway.upstreams.iter().map(ToString::to_string).collect();
        assert_eq!(upstreams, ["http://a:80", "https://b:1"]);
        assert!(config.gateway.read_only && config.gateway.balance.as_str() == "hash");
    }

    #[test]
    fn every_flag_names_a_setting_that_exists() {
        let all = [
            "tertulia",
            "--listen",
            "127.0.0.1:1",
            "--listen",
            "[::1]:1",
            "--metrics-listen",
            "127.0.0.1:2",
            "--data-dir",
            "d",
            "--static-dir",
            "s",
            "--database-url",
            "sqlite:x",
            "--db-workers",
            "3",
            "--no-migrate",
            "--redis-url",
            "r:1",
            "--jwt-secret",
            "0123456789abcdef0123456789abcdef",
            "--allowed-origin",
            "https://a.example.com",
            "--trusted-proxy",
            "10.0.0.1",
            "--tls-cert",
            "c",
            "--tls-key",
            "k",
            "--workers",
            "2",
            "--log",
            "debug",
            "--log-format",
            "json",
            "--dev",
            "--set",
            "limits.idle_timeout=1h",
        ];
        let flags = Cli::parse_from(all).settings.flags();
        assert_eq!(flags.len(), 18);
        let config = Config::load(Sources { flags, ..Sources::default() }).expect("a configuration").config;
        assert_eq!(config.server.listen.len(), 2);
        assert!(config.server.dev && !config.database.migrate);
    }
}
