//! The files of `docs/install`, as they stand there: a hub with that configuration behind an nginx with that one.
//!
//! Clients come from several addresses of this machine, of which the hub trusts only the proxy's.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "../support/client.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod client;
#[path = "../support/hub.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod hub;
mod nginx;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use diesel::sql_types::{BigInt, Text};
use diesel::{Connection as _, QueryableByName, RunQueryDsl as _, SqliteConnection, sql_query};
use serde_json::json;
use tertulia::domain::{OrgId, Role};

use hub::{Hub, Person, fresh_id};
use nginx::{Guest, NAME, Nginx, Visitor, ask_plain, connect, enter, free_address};

const SETTINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/install/tertulia.toml");

/// A hub with the settings of the example and `more`, and the address at which it stays.
fn hub(more: &[&str]) -> (Hub, SocketAddr) {
    let address = free_address();
    let listen = address.to_string();
    let settings = ["--config", SETTINGS, "--listen", &*listen, "--metrics-listen", "127.0.0.1:0"];
    (Hub::start(&[&settings, more].concat()), address)
}

fn agent() -> Person {
    Person::new(OrgId(fresh_id()), Role::Agent, "Ada")
}

fn enter_as(nginx: &Nginx, person: &Person) -> Guest {
    let mut guest = Visitor::at(nginx, 1).enter(person, "").ok().expect("let in");
    guest.hear("connected");
    guest
}

#[test]
fn sockets_pass_with_frames_of_every_size() {
    let (_hub, address) = hub(&["--set", "limits.events_per_connection=0"]);
    let nginx = Nginx::before(address);
    let (ada, room) = (agent(), fresh_id());
    let mut guest = enter_as(&nginx, &ada);
    guest.say("join_session", &json!({"session_id": room}));
    guest.hear("session_joined");
    let long = "ã".repeat(5_000);
    for _ in 0..60 {
        guest.say("send_message", &json!({"session_id": room, "text": long}));
    }
    // All of it once more, for one who comes later.
    let mut late = enter_as(&nginx, &ada);
    for seq in 1..=60 {
        assert_eq!(guest.hear("message_sent")["payload"]["seq"], seq);
    }
    late.say("join_session", &json!({"session_id": room, "after_seq": 0}));
    for seq in 1..=60 {
        let message = late.hear("new_message");
        assert_eq!((&message["payload"]["seq"], &message["payload"]["text"]), (&json!(seq), &json!(long)));
    }
    guest.say("ping", &json!({"padding": "x".repeat(60_000)}));
    guest.hear("pong");
    guest.say("ping", &json!({"padding": "x".repeat(70_000)}));
    assert_eq!(guest.closed(), 1009, "the hub's own close code arrives");
    late.leave();
}

#[test]
fn pages_of_the_own_host_may_connect_and_others_may_not() {
    let (_hub, address) = hub(&["--allowed-origin", "https://app.example.com"]);
    let (nginx, ada) = (Nginx::before(address), agent());
    let visitor = Visitor::at(&nginx, 1);
    let with_port = format!("https://chat.example.com:{}", nginx.secure.port());
    for origin in ["https://chat.example.com", "https://CHAT.example.com:443", &*with_port, "https://app.example.com"] {
        let guest = visitor.enter(&ada, &format!("Origin: {origin}\r\n"));
        guest.unwrap_or_else(|answer| panic!("{origin}: {}", answer.body)).leave();
    }
    let foreign = "Origin: https://evil.example\r\n";
    for forged in ["", "X-Forwarded-Host: evil.example\r\n", "Forwarded: host=evil.example\r\n"] {
        let refused = visitor.enter(&ada, &format!("{foreign}{forged}")).err().expect(forged);
        assert_eq!((refused.status, &refused.json()["error"]), (403, &json!("origin_not_allowed")), "{forged}");
        let refused = visitor.ask("GET", "/api/v1/ws/stats", NAME, &format!("{foreign}{forged}"));
        assert_eq!(refused.status, 403, "{forged}");
    }
    let refused = visitor.ask("GET", "/health", "evil.example", foreign);
    assert_eq!(refused.status, 421, "under a name that is not its own there is no hub");
}

#[test]
fn limits_and_the_audit_log_see_the_client_and_not_the_proxy() {
    let (hub, address) = hub(&["--set", "limits.max_connections_per_ip=1", "--set", "limits.requests_per_ip=2/1h"]);
    let (nginx, ada) = (Nginx::before(address), agent());
    let (first, second) = (Visitor::at(&nginx, 2), Visitor::at(&nginx, 3));
    let guest = first.enter(&ada, "").ok().expect("let in");
    for forged in ["", "X-Forwarded-For: 127.0.0.3\r\n", "X-Forwarded-For: 192.0.2.7, 127.0.0.1\r\n"] {
        let refused = first.enter(&ada, forged).err().expect(forged);
        assert_eq!((refused.status, &refused.json()["error"]), (429, &json!("too_many_connections")), "{forged}");
    }
    second.enter(&ada, "").ok().expect("another address has a place of its own").leave();
    guest.leave();

    let statuses = |visitor: Visitor<'_>| {
        let forged = (1..=3).map(|last| format!("X-Forwarded-For: 192.0.2.{last}\r\n"));
        forged.map(|header| visitor.ask("GET", "/api/v1/nothing", NAME, &header).status).collect::<Vec<_>>()
    };
    assert_eq!(statuses(first), [404, 404, 429]);
    assert_eq!(statuses(second), [404, 404, 429]);

    let known = |address: &str| audited(&hub, address) > 0;
    let start = Instant::now();
    while !(known("127.0.0.2") && known("127.0.0.3")) {
        assert!(start.elapsed() < Duration::from_secs(20), "the audit log does not name the clients");
        thread::sleep(Duration::from_millis(50));
    }
    assert!(!known("127.0.0.1") && !known("192.0.2.7"), "the audit log names who was not there");
}

/// How many lines the audit log has of an address.
fn audited(hub: &Hub, address: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        lines: i64,
    }
    let mut connection = SqliteConnection::establish(&hub.database()).unwrap();
    sql_query("SELECT count(*) AS lines FROM audit_log WHERE address = ?")
        .bind::<Text, _>(address)
        .get_result::<Count>(&mut connection)
        .unwrap()
        .lines
}

#[test]
fn forwarding_headers_of_strangers_are_not_believed() {
    // Past the proxy, from an address that is not trusted.
    let (hub, _) = hub(&["--set", "limits.max_connections_per_ip=1"]);
    let ada = agent();
    let stranger = || connect(Ipv4Addr::new(127, 0, 0, 9), hub.address);
    let _inside = enter(stranger(), "hub.internal", &ada, "X-Forwarded-For: 192.0.2.1\r\n").ok().expect("let in");
    let again = enter(stranger(), "hub.internal", &ada, "X-Forwarded-For: 192.0.2.2\r\n").err().expect("refused");
    assert_eq!(again.status, 429, "it is the same address, whatever it says");
    let page = "Origin: https://evil.example\r\nX-Forwarded-Host: evil.example\r\n";
    let refused = enter(connect(Ipv4Addr::new(127, 0, 0, 10), hub.address), "hub.internal", &ada, page);
    assert_eq!(refused.err().expect("refused").status, 403);
}

#[test]
fn a_proxy_that_is_not_trusted_is_a_client_like_any_other() {
    let (_hub, address) = hub(&["--trusted-proxy", "192.0.2.1", "--set", "limits.max_connections_per_ip=1"]);
    let (nginx, ada) = (Nginx::before(address), agent());
    let _inside = Visitor::at(&nginx, 2).enter(&ada, "").ok().expect("let in");
    assert_eq!(Visitor::at(&nginx, 3).enter(&ada, "").err().expect("refused").status, 429);
}

#[test]
fn a_restart_is_told_and_those_who_come_back_are_let_in() {
    let (mut hub, address) = hub(&[]);
    let (nginx, ada) = (Nginx::before(address), agent());
    let visitor = Visitor::at(&nginx, 1);
    let mut guest = enter_as(&nginx, &ada);
    hub.terminate();
    guest.hear("server_restarting");
    assert_eq!(guest.closed(), 1012);
    assert_eq!(hub.ended().code(), Some(0));

    let down = visitor.get("/health/ready");
    assert_eq!((down.status, down.header("content-type")), (503, Some("application/problem+json")));
    assert_eq!((&down.json()["status"], &down.json()["code"]), (&json!(503), &json!("unavailable")));
    assert!(down.header("retry-after").is_some(), "{}", down.head);
    assert_eq!(visitor.enter(&ada, "").err().expect("nobody is there").status, 503);

    hub.restart();
    enter_as(&nginx, &ada).leave();
    assert_eq!(visitor.get("/health/ready").status, 200);
}

#[test]
fn heartbeats_keep_a_quiet_connection_open() {
    let heartbeats = ["--set", "limits.heartbeat_interval=1s", "--set", "limits.heartbeat_timeout=20s"];
    let (_hub, address) = hub(&heartbeats);
    let nginx = Nginx::with(address, &[("proxy_read_timeout 90s;", "proxy_read_timeout 3s;")]);
    let mut guest = enter_as(&nginx, &agent());
    guest.idle(Duration::from_secs(7));
    guest.say("ping", &json!({}));
    guest.hear("pong");
}

#[test]
fn a_renewed_certificate_ends_no_connection() {
    let (_hub, address) = hub(&[]);
    let nginx = Nginx::before(address);
    let mut guest = enter_as(&nginx, &agent());
    nginx.reload();
    // New clients are served before, while and after nginx changes its workers.
    for _ in 0..20 {
        assert_eq!(Visitor::at(&nginx, 1).get("/health").status, 200);
    }
    guest.say("ping", &json!({}));
    guest.hear("pong");
}

#[test]
fn plain_requests_pass_as_they_are() {
    let (hub, address) = hub(&[]);
    let nginx = Nginx::before(address);
    let visitor = Visitor::at(&nginx, 1);
    let direct = ask_plain(hub.address, "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let through = visitor.ask("GET", "/health/live", NAME, "Accept-Encoding: gzip\r\n");
    assert_eq!((through.status, &through.body), (200, &direct.body));
    assert_eq!(through.header("content-encoding"), None, "nginx does not compress");
    for header in ["content-type", "content-security-policy", "cache-control", "x-content-type-options"] {
        assert!(direct.header(header).is_some(), "{header}");
        assert_eq!(through.header(header), direct.header(header), "{header}");
    }
    assert_eq!(through.header("strict-transport-security"), Some("max-age=31536000"));
    let head = visitor.ask("HEAD", "/health/live", NAME, "");
    assert_eq!((head.status, &*head.body, head.header("content-length")), (200, "", direct.header("content-length")));

    assert_eq!(visitor.get("/api/v1/ws/stats").status, 401);
    assert_eq!(visitor.get("/api/v1/ws/messages").status, 426, "no socket without an upgrade");
    assert_eq!(visitor.get("/metrics").status, 404, "metrics have an address of their own");
    let enormous = visitor.ask("POST", "/api/v1/rooms", NAME, "Content-Length: 27262977\r\n");
    assert_eq!(enormous.status, 413);
}

#[test]
fn the_first_account_behind_a_proxy_takes_the_set_up_link() {
    let (_hub, address) = hub(&[]);
    let nginx = Nginx::before(address);
    let stranger = json!({"email": "eve@example.com", "password": "correct horse", "name": "Eve"});
    let refused = Visitor::at(&nginx, 1).post("/api/v1/auth/register", &stranger);
    assert_eq!((refused.status, &refused.json()["code"]), (403, &json!("forbidden")), "{}", refused.body);
}

#[test]
fn pages_keep_their_tags_and_their_compression() {
    let (_hub, address) = hub(&[]);
    let nginx = Nginx::before(address);
    let visitor = Visitor::at(&nginx, 1);
    let page = visitor.get("/");
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe-inline"), "{policy}");
    let tag = page.header("etag").unwrap().replace("w/", "W/");
    let again = visitor.ask("GET", "/", NAME, &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((again.status, &*again.body), (304, ""));
    let small = visitor.ask("HEAD", "/sdk/tertulia.js", NAME, "Accept-Encoding: gzip\r\n");
    assert_eq!((small.status, small.header("content-encoding")), (200, Some("gzip")));
}

#[test]
fn what_the_hub_is_told_is_what_the_proxy_knows() {
    let echo = TcpListener::bind("127.0.0.1:0").unwrap();
    let nginx = Nginx::before(echo.local_addr().unwrap());
    // Answers two requests with their heads.
    let echo = thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = echo.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            let answer = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", head.len());
            stream.write_all(&[answer.as_bytes(), &head].concat()).unwrap();
        }
    });
    let forged = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: evil.example\r\n\
                  Forwarded: for=192.0.2.1\r\n";
    let told = |upgrade: &str| {
        let answer = Visitor::at(&nginx, 2).ask("GET", "/a%20b?c=d", NAME, &format!("{forged}{upgrade}"));
        let mut lines: Vec<_> = answer.body.trim_end().lines().map(str::to_owned).collect();
        assert_eq!(lines.remove(0), "GET /a%20b?c=d HTTP/1.1");
        lines.sort();
        lines
    };
    let host = format!("X-Forwarded-Host: chat.example.com:{}", nginx.secure.port());
    let mut expected = vec!["Host: chat.example.com", "X-Forwarded-For: 127.0.0.2", &*host, "X-Forwarded-Proto: https"];
    assert_eq!(told("Upgrade: h2c\r\n"), expected, "only an upgrade to WebSocket is passed on");
    expected.splice(0..0, ["Connection: upgrade"]);
    expected.insert(2, "Upgrade: websocket");
    assert_eq!(told("Upgrade: WebSocket\r\n"), expected);
    echo.join().unwrap();
}

#[test]
fn without_tls_one_is_sent_to_where_it_is() {
    let (_hub, address) = hub(&[]);
    let nginx = Nginx::before(address);
    let request = "POST /a?b=c HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let answer = ask_plain(nginx.plain, request);
    assert_eq!((answer.status, answer.header("location")), (308, Some("https://chat.example.com/a?b=c")));
}

#[test]
fn no_token_is_written_to_the_logs_of_the_proxy() {
    let (mut hub, address) = hub(&[]);
    let (nginx, ada) = (Nginx::before(address), agent());
    let visitor = Visitor::at(&nginx, 1);
    enter_as(&nginx, &ada).leave();
    hub.terminate();
    hub.ended();
    assert_eq!(visitor.enter(&ada, "").err().expect("nobody is there").status, 503);
    let request = "GET /x?token=in-the-clear HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_eq!(ask_plain(nginx.plain, request).status, 308);

    let lines = || nginx.log("tertulia.access.log").lines().filter(|line| line.contains("/api/v1/ws/messages")).count();
    let start = Instant::now();
    while lines() < 2 {
        assert!(start.elapsed() < Duration::from_secs(20), "two visits are not in the log");
        thread::sleep(Duration::from_millis(20));
    }
    for log in ["tertulia.access.log", "tertulia.error.log", "error.log"] {
        let text = nginx.log(log);
        assert!(!text.contains("token") && !text.contains("eyJ"), "{log}:\n{text}");
    }
}

#[test]
fn the_unit_fits_the_settings() {
    let unit = include_str!("../../docs/install/tertulia.service");
    let set = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).expect(key);
    let settings: toml::Table = include_str!("../../docs/install/tertulia.toml").parse().unwrap();
    let most = settings["limits"]["max_connections"].as_integer().unwrap();
    assert_eq!(set("LimitNOFILE").parse::<i64>().unwrap(), most + 256);
    let state = settings["server"]["data_dir"].as_str().unwrap();
    assert_eq!(state, format!("/var/lib/{}", set("StateDirectory")));
    assert_eq!(set("ExecStart"), "/usr/local/bin/tertulia --config /etc/tertulia/tertulia.toml");
    assert_eq!(set("RestartPreventExitStatus"), "2");

    let printed = Command::new(env!("CARGO_BIN_EXE_tertulia"))
        .env_clear()
        .args(["--config", SETTINGS, "--print-config"])
        .output()
        .unwrap();
    let text = String::from_utf8(printed.stdout).unwrap();
    let effective: toml::Table = text.parse().unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(effective["server"]["trusted_proxies"][0].as_str(), Some("127.0.0.1"));
    assert_eq!(effective["server"]["metrics_listen"].as_str(), Some("127.0.0.1:9464"));
}
