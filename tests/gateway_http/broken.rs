//! Upstreams that break the rules of HTTP, and clients that must not suffer from it.

use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::client::{Client, dial};
use crate::process::{Gateway, reply};
use crate::upstream::Upstream;

#[test]
fn a_body_where_none_may_be_does_not_become_an_answer() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&[upstream.url()], &[]);
    for path in ["/empty-chunked", "/empty-length"] {
        let mut client = Client::over(dial(gateway.address));
        for _ in 0..2 {
            client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
            let (head, body) = client.response();
            let head = head.to_lowercase();
            assert!(head.starts_with("http/1.1 204 ") && body.is_empty(), "{path}: {head}{body}");
            assert!(!head.contains("content-length") && !head.contains("transfer-encoding"), "{path}: {head}");
            client.send(b"GET /status/418 HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(reply(client.response()).status, 418, "what comes next is the next answer: {path}");
        }
    }
}

#[test]
fn only_so_many_interim_answers_are_heard() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&[upstream.url()], &["--set", "gateway.answer_timeout=1s"]);
    assert_eq!(gateway.get("/interim/16").status, 200);
    assert_eq!(gateway.get("/interim/17").status, 502);
    let since = Instant::now();
    assert_eq!(gateway.get("/interim").status, 502, "without end");
    assert!(since.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_client_is_known_however_much_was_said_before_it() {
    let upstream = Upstream::start();
    let trusted = ["--trusted-proxy", "127.0.0.1", "--trusted-proxy", "10.0.0.0/8"];
    let gateway = Gateway::start(&[upstream.url()], &trusted);
    let heard = |said: &str| {
        assert_eq!(gateway.ask("GET", "/", &format!("X-Forwarded-For: {said}\r\n")).status, 200);
        let head = upstream.last().to_lowercase();
        let line = head.lines().find_map(|line| line.strip_prefix("x-forwarded-for: ").map(str::to_owned));
        line.expect("a line")
    };
    let lies = "198.51.100.77, ".repeat(300);
    let line = heard(&format!("{lies}203.0.113.9"));
    assert!(line.ends_with(", 198.51.100.77, 203.0.113.9, 127.0.0.1") && line.len() < 2_100, "{line}");
    assert_eq!(heard(&format!("{}, 203.0.113.9", "x".repeat(3_000))), "203.0.113.9, 127.0.0.1");
    let proxies = ", 10.1.2.3".repeat(400);
    let line = heard(&format!("198.51.100.77, 203.0.113.9{proxies}"));
    assert!(line.starts_with("203.0.113.9, 10.1.2.3, ") && line.ends_with(", 10.1.2.3, 127.0.0.1"), "{line}");
    assert_eq!(heard(&"x".repeat(3_000)), "127.0.0.1", "nobody is found in there");
    assert_eq!(heard("203.0.113.9, 10.1.2.3"), "203.0.113.9, 10.1.2.3, 127.0.0.1");
    let mut client = dial(gateway.address);
    let unreadable = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.77\r\nX-Forwarded-For: \xFF\r\n\r\n";
    client.write_all(unreadable).unwrap();
    assert_eq!(reply(Client::over(client).response()).status, 200);
    assert!(!upstream.last().contains("198.51.100.77"), "what comes before a line that is no text does not count");
}
