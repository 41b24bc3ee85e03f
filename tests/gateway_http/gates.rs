//! Who is let through: tokens, limits, and a gateway that takes nothing new in.

use std::time::Duration;

use tertulia::domain::{OrgId, Role};

use crate::eventually;
use crate::hub::{Hub, Person, fresh_id};
use crate::process::Gateway;
use crate::upstream::{Upstream, nobody};

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

#[test]
fn bad_tokens_end_here_and_everything_else_is_for_the_hub() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&[upstream.url()], &[]);
    let person = Person::new(OrgId(fresh_id()), Role::Member, "Ana");
    for token in [person.token_of_past(Duration::from_hours(1)), "a.b.c".to_owned(), format!("{}x", person.token())] {
        let answer = gateway.ask("GET", "/api/v1/chat/rooms", &bearer(&token));
        assert_eq!(answer.status, 401, "{answer:?}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert_eq!(gateway.get(&format!("/api/v1/chat/rooms?token={token}")).status, 401);
    }
    let old = person.token_of_past(Duration::from_hours(1));
    assert_eq!(gateway.ask("GET", "/%61pi/v1/%63hat/rooms", &bearer(&old)).status, 401, "however the path is spelt");
    assert_eq!(upstream.asked(), 0);
    let passes = [
        gateway.ask("GET", "/api/v1/chat/rooms", &bearer(&person.token())),
        gateway.ask("GET", "/api/v1/chat/rooms", &bearer("tk_some-key")),
        gateway.get("/api/v1/chat/rooms"),
        gateway.ask("POST", "/api/v1/auth/refresh", &(bearer("a.b.c") + "Content-Length: 0\r\n")),
        gateway.ask("GET", "/docs", &bearer("a.b.c")),
    ];
    assert!(passes.iter().all(|it| it.status == 200), "{passes:?}");
    assert_eq!(gateway.gauge("auth_failures_total{reason=\"token_expired\"}"), Some(3.0));
    assert_eq!(gateway.gauge("websocket_proxy_errors_total{reason=\"unauthorized\"}"), Some(7.0));
}

#[test]
fn a_page_that_may_ask_can_read_why_it_may_not() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&[upstream.url()], &["--allowed-origin", "https://app.example.com"]);
    let ask = |origin: &str| gateway.ask("GET", "/api/v1/x", &format!("{}Origin: {origin}\r\n", bearer("a.b.c")));
    let answer = ask("https://app.example.com");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (401, Some("https://app.example.com")));
    let answer = ask("https://evil.example.com");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (401, None));
}

#[test]
fn an_address_that_asks_too_often_is_told_when_to_come_again() {
    let upstream = Upstream::start();
    let settings = ["--set", "limits.requests_per_ip=3/1h", "--trusted-proxy", "127.0.0.1"];
    let gateway = Gateway::start(&[upstream.url()], &settings);
    let ask = |from: &str| gateway.ask("GET", "/api/v1/x", &format!("X-Forwarded-For: {from}\r\n"));
    for left in ["2", "1", "0"] {
        let answer = ask("203.0.113.9");
        assert_eq!((answer.status, answer.header("ratelimit-remaining")), (200, Some(left)));
    }
    let answer = ask("203.0.113.9");
    assert_eq!(answer.status, 429);
    assert!(answer.body.contains("\"code\":\"rate_limited\""), "{answer:?}");
    let wait: u64 = answer.header("retry-after").and_then(|it| it.parse().ok()).expect("a number of seconds");
    assert!((1..=1200).contains(&wait), "{wait}");
    assert_eq!(ask("203.0.113.10").status, 200, "another address has its own");
    assert_eq!(gateway.ask("GET", "/page", "X-Forwarded-For: 203.0.113.9\r\n").status, 200, "pages do not count");
    for path in ["/%61pi/v1/x", "/socket.io/?EIO=4&transport=polling", "/%73ocket.io/?EIO=4&transport=polling"] {
        assert_eq!(gateway.ask("GET", path, "X-Forwarded-For: 203.0.113.9\r\n").status, 429, "{path}");
    }
}

#[test]
fn nothing_new_is_taken_in_for_a_deployment() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&[upstream.url()], &["--read-only"]);
    for (method, path) in
        [("POST", "/api/v1/x"), ("DELETE", "/api/v1/x"), ("GET", "/socket.io/?EIO=4&transport=polling")]
    {
        let answer = gateway.ask(method, path, "");
        assert_eq!(answer.status, 503, "{method} {path}: {answer:?}");
        assert!(answer.body.contains("\"code\":\"read_only\"") && answer.header("retry-after").is_some(), "{answer:?}");
    }
    assert_eq!(upstream.asked(), 0);
    let goes_on = [
        gateway.get("/api/v1/x"),
        gateway.ask("OPTIONS", "/api/v1/x", ""),
        gateway.ask("POST", "/socket.io/?EIO=4&transport=polling&sid=abc", "Content-Length: 0\r\n"),
    ];
    assert!(goes_on.iter().all(|it| it.status == 200), "{goes_on:?}");
    let health = gateway.get("/health");
    assert!(health.status == 200 && health.body.contains("\"read_only\":true"), "{health:?}");
    assert_eq!(gateway.get("/health/ready").status, 503, "a balancer before it sends nobody");
}

#[test]
fn whoever_opens_a_session_is_known_however_the_request_is_spelt() {
    const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                           Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let hub = Hub::start(&[]);
    let opening = [
        "/socket.io/?EIO=4&transport=polling&sid=x&sid=",
        "/socket.io/?EIO=4&transport=polling&sid=x&%73id=",
        "/socket.io/?EIO=4&transport=polling&sid=x&sid",
        "/%73ocket.io/?EIO=4&transport=polling",
        "/socket%2Eio?EIO=4&transport=polling",
    ];
    let gateway = Gateway::start(&[hub.url("")], &[]);
    for path in opening {
        let answer = gateway.get(path);
        assert!(answer.status == 200 && answer.body.starts_with("0{\"sid\""), "a hub opens one: {path}: {answer:?}");
    }
    let gateway = Gateway::start(&[hub.url("")], &["--read-only"]);
    for path in opening {
        let answer = gateway.get(path);
        assert!(answer.status == 503 && answer.body.contains("read_only"), "{path}: {answer:?}");
        let answer = gateway.ask("GET", &path.replace("polling", "websocket"), UPGRADE);
        assert!(answer.status == 503 && answer.body.contains("read_only"), "a socket, {path}: {answer:?}");
    }
    let gateway = Gateway::start(&[hub.url("")], &["--set", "limits.requests_per_ip=1/1h"]);
    assert_eq!(gateway.get("/%61pi/v1/x").status, 404, "the only one");
    for path in opening {
        assert_eq!(gateway.get(path).status, 429, "{path}");
        assert_eq!(gateway.ask("GET", &path.replace("polling", "websocket"), UPGRADE).status, 429, "a socket, {path}");
    }
}

#[test]
fn the_name_of_a_session_stays_out_of_the_log() {
    let gateway = Gateway::start(&[nobody()], &[]);
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for path in ["/socket.io/?EIO=4&transport=websocket&sid=s3cret", "/ws?%73id=s3cret"] {
        gateway.ask("GET", path, upgrade);
    }
    eventually("it is told", || gateway.log().matches("[redacted]").count() >= 2);
    assert!(!gateway.log().contains("s3cret"), "{}", gateway.log());
}

#[test]
fn a_key_is_the_hubs_to_judge() {
    let hub = Hub::start(&[]);
    let gateway = Gateway::start(&[hub.url("")], &[]);
    assert!(hub.run(&["user", "add", "--email", "ana@example.com", "--name", "Ana"]).status.success());
    let made = hub.run(&["key", "create", "--user", "ana@example.com"]);
    let key = String::from_utf8(made.stdout).expect("text");
    let rooms = |key: &str| gateway.ask("GET", "/api/v1/chat/rooms", &bearer(key.trim()));
    eventually("the hub knows the key", || rooms(&key).status == 200);
    let unknown = rooms("tk_not-a-key-that-there-is");
    assert_eq!((unknown.status, unknown.header("www-authenticate")), (401, Some("Bearer")));
    assert_eq!(gateway.gauge("websocket_proxy_errors_total{reason=\"unauthorized\"}"), Some(0.0), "the hub said so");
    let person = Person::new(OrgId(fresh_id()), Role::Member, "Ana");
    assert_eq!(rooms(&person.token()).status, 200, "a token that both find good");
}

#[test]
fn a_gateway_does_not_make_up_a_secret() {
    let dir = tempfile::tempdir().expect("a directory");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_tertulia"))
        .env_clear()
        .current_dir(dir.path())
        .args(["gateway", "--listen", "127.0.0.1:0"])
        .output()
        .expect("the binary");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.lines().last().is_some_and(|line| line.contains("JWT_SECRET")), "{said}");
    assert!(!dir.path().join("data").exists(), "nothing was made");
}

#[test]
fn a_hub_that_does_not_trust_its_gateway_says_once_which_flag_is_missing() {
    let hub = Hub::start(&[]);
    let gateway = Gateway::start(&[hub.url("")], &[]);
    let socket = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://chat.example.com\r\n";
    let token = bearer(&Person::new(OrgId(fresh_id()), Role::Member, "Ana").token());
    for _ in 0..2 {
        let answer = gateway.ask("GET", "/api/v1/ws/messages", &format!("{socket}{token}"));
        assert!(answer.status == 403 && answer.header("x-request-id").is_some(), "{answer:?}");
    }
    let said = hub.log().lines().filter(|line| line.contains("start with --trusted-proxy 127.0.0.1")).count();
    assert_eq!(said, 1, "{}", hub.log());
    assert!(!gateway.log().contains("--trusted-proxy"), "{}", gateway.log());
}
