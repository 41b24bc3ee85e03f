//! The order of sources, the rules between values, and what people read when something is wrong.

use std::fs;

use super::*;

fn environment(variables: &[(&str, &str)]) -> Sources {
    let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Sources { environment, ..Sources::default() }
}

fn flag(key: &str, values: &[&str]) -> Flag {
    let values = values.iter().map(|&it| it.to_owned()).collect();
    Flag { key: key.to_owned(), name: "--flag".to_owned(), values }
}

fn loaded(sources: Sources) -> Config {
    Config::load(sources).expect("a configuration").config
}

fn refusal(sources: Sources) -> String {
    let line = Config::load(sources).expect_err("an error").to_string();
    assert_eq!(line.lines().count(), 1, "one line: {line}");
    line
}

/// A file with this text, and sources that name it.
fn file(text: &str) -> (tempfile::TempDir, Sources) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("hub.toml");
    fs::write(&path, text).expect("written");
    (dir, Sources { file: Some(path), ..Sources::default() })
}

#[test]
fn every_key_of_the_defaults_has_a_field_and_every_field_a_default() {
    let fields = [
        Server::KEYS,
        Tls::KEYS,
        Database::KEYS,
        Redis::KEYS,
        Auth::KEYS,
        Rooms::KEYS,
        Socketio::KEYS,
        Gateway::KEYS,
        Limits::KEYS,
        Log::KEYS,
    ];
    let settings = Settings::defaults().expect("the defaults");
    let mut fields: Vec<_> = fields.concat();
    for key in &fields {
        assert!(settings.raw(key).is_some(), "default.toml lacks {key}");
    }
    fields.sort_unstable();
    assert_eq!(settings.keys(), fields);
}

#[test]
fn the_defaults_are_those_of_the_documentation() {
    let config = loaded(Sources::default());
    assert_eq!(config.server.listen[0].to_string(), "127.0.0.1:8080");
    assert_eq!(config.database_url().expose(), "sqlite:./data/tertulia.db");
    assert_eq!(config.limits.max_frame_bytes, Size(65_536));
    assert_eq!(config.limits.max_text_bytes, Size(10_240));
    assert_eq!(config.limits.outbound_queue_bytes, Size(1_048_576));
    assert_eq!(config.limits.max_connections.map(Into::into), Some(100_000_usize));
    assert_eq!(config.limits.max_connections_per_ip, None);
    assert_eq!(config.limits.events_per_connection.map(|it| u32::from(it.burst)), Some(100));
    assert!(!config.auto_creates_rooms() && !config.server.dev);
    assert!(config.auth.role_map.is_empty() && config.auth.jwt_secret.is_none());
}

#[test]
fn flags_are_stronger_than_environment_than_file_than_defaults() {
    let (_dir, mut sources) =
        file("[limits]\nmax_rooms_per_connection = 1\nmax_connections = 1\nidle_timeout = \"1m\"");
    sources.environment =
        environment(&[("TERTULIA_LIMITS_MAX_ROOMS_PER_CONNECTION", "2"), ("TERTULIA_LIMITS_MAX_CONNECTIONS", "2")])
            .environment;
    sources.flags = vec![flag("limits.max_rooms_per_connection", &["3"])];
    let limits = loaded(sources).limits;
    assert_eq!(limits.max_rooms_per_connection.map(usize::from), Some(3));
    assert_eq!(limits.max_connections.map(usize::from), Some(2));
    assert_eq!(limits.idle_timeout.map(|it| it.as_secs()), Some(60));
    assert_eq!(limits.max_connections_per_user.map(usize::from), Some(10));
}

#[test]
fn existing_deployments_names_are_understood() {
    let secret = "0123456789abcdef0123456789abcdef";
    let config = loaded(environment(&[
        ("JWT_SECRET_KEY", secret),
        ("REDIS_CONNECTION_STRING", "cache:6379"),
        ("DATABASE_URL", "postgres://app:hush@db/chat"),
        ("ALLOWED_ORIGINS", "https://a.example.com, https://b.example.com"),
        ("TRUSTED_PROXIES", "10.0.0.0/8"),
        ("TERTULIA_LISTEN", "localhost:9000,127.0.0.2:9000"),
    ]));
    assert_eq!(config.jwt_secret().expect("a secret").expose(), secret);
    assert_eq!(config.redis.url.as_ref().map(RedisUrl::expose), Some("redis://cache:6379"));
    assert_eq!(config.database_url().to_string(), "postgres://app:***@db/chat");
    assert_eq!(config.server.allowed_origins.len(), 2);
    assert_eq!(config.server.trusted_proxies[0].as_str(), "10.0.0.0/8");
    assert_eq!(config.server.listen.len(), 2);
}

#[test]
fn the_newer_of_two_names_for_a_key_wins_and_an_empty_one_is_not_set() {
    let config = loaded(environment(&[
        ("JWT_SECRET", ""),
        ("JWT_SECRET_KEY", "an-old-secret-that-is-long-enough"),
        ("REDIS_CONNECTION_STRING", "old:1"),
        ("REDIS_URL", "new:1"),
    ]));
    assert!(config.auth.jwt_secret.is_some());
    assert_eq!(config.redis.url.expect("a URL").expose(), "redis://new:1");
}

#[test]
fn an_unknown_key_is_refused_with_the_one_that_was_meant() {
    for (text, meant) in [
        ("[limits]\nmax_conections = 5", "limits.max_connections?"),
        ("[limit]\nmax_connections = 5", "limits.max_connections?"),
        ("listen = \"127.0.0.1:1\"", "server.listen?"),
        ("[server]\nmax_connections = 5", "limits.max_connections?"),
    ] {
        let (_dir, sources) = file(text);
        let line = refusal(sources);
        assert!(line.contains("hub.toml") && line.contains(meant), "{line}");
    }
    let (_dir, sources) = file("[kitchen]\nstove = true");
    let line = refusal(sources);
    assert!(line.contains("kitchen.stove") && !line.contains("did you mean"), "{line}");
}

#[test]
fn a_value_that_does_not_parse_is_named_with_its_key_its_source_and_what_was_expected() {
    let line = refusal(environment(&[("TERTULIA_LIMITS_EVENTS_PER_CONNECTION", "fast")]));
    assert!(
        line.starts_with("limits.events_per_connection = \"fast\" (TERTULIA_LIMITS_EVENTS_PER_CONNECTION)"),
        "{line}"
    );
    assert!(line.contains("50/1s"), "{line}");

    let (_dir, sources) = file("[limits]\nheartbeat_interval = 25");
    assert!(refusal(sources).contains("limits.heartbeat_interval = \"25\""));

    let (_dir, sources) = file("[server]\nlisten = [[1]]");
    assert!(refusal(sources).contains("expected a list"));

    let (_dir, sources) = file("[limits]\n\nmax_connections = = 5");
    assert!(refusal(sources).contains("hub.toml: line 3: "));

    let (_dir, sources) = file("[auth.role_map]\nboss = \"king\"");
    assert!(refusal(sources).contains("auth.role_map.boss = \"king\""));

    let sources = Sources { file: Some("/nowhere/hub.toml".into()), ..Sources::default() };
    assert!(refusal(sources).contains("/nowhere/hub.toml: cannot be read"));
}

#[test]
fn secrets_are_neither_shown_by_debug_nor_by_errors_nor_printed() {
    let line = refusal(environment(&[("JWT_SECRET", "hush-too-short")]));
    assert!(line.contains("auth.jwt_secret") && line.contains("32 bytes") && !line.contains("hush"), "{line}");
    let line = refusal(environment(&[("DATABASE_URL", "mysql://app:hush@db/chat")]));
    assert!(line.contains("database.url") && !line.contains("hush"), "{line}");

    let loaded = Config::load(environment(&[
        ("JWT_SECRET", "hush-0123456789abcdef0123456789abcdef"),
        ("DATABASE_URL", "postgres://app:hush@db/chat"),
        ("REDIS_URL", "redis://:hush@cache:6379"),
    ]))
    .expect("a configuration");
    assert!(!format!("{loaded:?}").contains("hush"), "{loaded:?}");
}

#[test]
fn what_is_printed_can_be_read_again_and_means_the_same() {
    let (_dir, mut sources) = file("[auth.role_map]\n\"the boss\" = \"admin\"\n[rooms]\nauto_create = true");
    sources.flags = vec![
        flag("server.listen", &["127.0.0.1:1", "[::1]:2"]),
        flag("limits.events_per_connection", &["0"]),
        flag("tls.cert", &["a \"b\"\\c.pem"]),
        flag("tls.key", &["key.pem"]),
    ];
    let first = Config::load(sources).expect("a configuration");
    let (_dir, sources) = file(&first.printed);
    let second = Config::load(sources).expect("a configuration");
    assert_eq!(format!("{:?}", first.config), format!("{:?}", second.config));
    assert_eq!(Config::load(Sources::default()).expect("the defaults").printed, DEFAULTS);
}

#[test]
fn dev_opens_what_is_safe_on_one_machine_only() {
    let dev = |listen: &str| {
        let mut sources = environment(&[("TERTULIA_DEV", "1")]);
        sources.flags = vec![flag("server.listen", &[listen])];
        sources
    };
    let config = loaded(dev("localhost:8080"));
    assert!(config.auto_creates_rooms());
    for listen in ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:8080"] {
        let line = refusal(dev(listen));
        assert!(line.contains("server.listen") && line.contains("loopback"), "{line}");
    }

    let mut sources = dev("127.0.0.1:8080");
    sources.flags.push(flag("rooms.auto_create", &["false"]));
    assert!(!loaded(sources).auto_creates_rooms(), "what is set stays set");
}

#[test]
fn any_origin_is_allowed_in_dev_only() {
    assert!(refusal(environment(&[("ALLOWED_ORIGINS", "*")])).contains("server.allowed_origins"));
    assert!(loaded(environment(&[("ALLOWED_ORIGINS", "*"), ("TERTULIA_DEV", "1")])).server.allowed_origins[0].is_any());
}

#[test]
fn typing_has_no_burst() {
    let (_dir, sources) = file("[limits]\ntyping_per_connection = \"10/5s burst 20\"");
    let line = refusal(sources);
    assert!(line.contains("typing_per_connection") && line.contains("without burst"), "{line}");
    let (_dir, sources) = file("[limits]\ntyping_per_connection = \"0\"");
    assert_eq!(loaded(sources).limits.typing_per_connection, None);
}

#[test]
fn tls_needs_both_files() {
    assert!(refusal(environment(&[("TLS_CERT", "a.pem")])).contains("tls.key"));
    assert!(refusal(environment(&[("TLS_KEY", "a.pem")])).contains("tls.cert"));
    assert!(loaded(environment(&[("TLS_CERT", "a.pem"), ("TLS_KEY", "b.pem")])).tls_files().is_some());
}

#[test]
fn a_variable_that_is_no_setting_is_worth_a_warning() {
    let warnings = |variables: &[(&str, &str)]| Config::load(environment(variables)).expect("fine").warnings;
    let [warning] = &warnings(&[("TERTULIA_LIMITS_MAX_CONNECTION", "5")])[..] else { panic!("one warning") };
    assert!(warning.contains("did you mean TERTULIA_LIMITS_MAX_CONNECTIONS?"), "{warning}");
    assert!(warnings(&[("TERTULIA_CONFIG", ""), ("TERTULIA_DEV", "0"), ("PATH", "/bin")]).is_empty());
    assert_eq!(warnings(&[("TERTULIA_LIMITS_HEARTBEAT_TIMEOUT", "3s")]).len(), 1);
}

#[test]
fn zero_switches_a_limit_off() {
    let limits = loaded(environment(&[
        ("TERTULIA_LIMITS_MAX_CONNECTIONS_PER_USER", "0"),
        ("TERTULIA_LIMITS_EVENTS_PER_CONNECTION", "0"),
        ("TERTULIA_LIMITS_IDLE_TIMEOUT", "0"),
        ("TERTULIA_LIMITS_MAX_TEXT_BYTES", "0"),
    ]))
    .limits;
    assert!(limits.max_connections_per_user.is_none() && limits.events_per_connection.is_none());
    assert!(limits.idle_timeout.is_none() && limits.max_text_bytes > Size(1 << 40));
}
