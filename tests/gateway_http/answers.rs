//! What becomes of requests and answers on their way.

use std::time::{Duration, Instant};

use crate::client::{Client, dial};
use crate::eventually;
use crate::process::{Gateway, reply};
use crate::upstream::{Upstream, nobody};

fn one() -> (Upstream, Gateway) {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&[upstream.url()], &[]);
    (upstream, gateway)
}

#[test]
fn a_request_arrives_with_where_it_came_from_and_without_what_belongs_to_the_connection() {
    let (upstream, gateway) = one();
    let headers = "X-Custom: one\r\nX-Custom: two\r\nConnection: X-Secret, keep-alive\r\nX-Secret: 1\r\nTE: trailers\r\n\
                   Proxy-Authorization: Basic abc\r\nX-Request-Id: mine-1\r\n";
    let answer = gateway.ask("GET", "/any/path?a=%2F&b=%20", headers);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-request-id"), Some("mine-1"));
    let head = upstream.last().to_lowercase();
    assert!(head.starts_with("get /any/path?a=%2f&b=%20 http/1.1\r\n"), "{head}");
    let expected = [
        format!("host: {}", upstream.address),
        "x-forwarded-for: 127.0.0.1".to_owned(),
        "x-forwarded-proto: http".to_owned(),
        "x-forwarded-host: chat.example.com".to_owned(),
        "x-request-id: mine-1".to_owned(),
        "x-custom: one".to_owned(),
        "x-custom: two".to_owned(),
    ];
    for line in expected {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{line} in {head}");
    }
    for name in ["x-secret", "te", "proxy-authorization", "transfer-encoding", "content-length"] {
        assert!(!head.contains(&format!("\r\n{name}:")), "{name} in {head}");
    }
}

#[test]
fn an_answer_arrives_as_it_was_given() {
    let (_upstream, gateway) = one();
    let answer = gateway.get("/hop");
    assert_eq!((answer.status, answer.body.as_str()), (200, "done"));
    assert_eq!(answer.header("x-public"), Some("2"));
    assert_eq!(answer.head.matches("set-cookie: ").count(), 2);
    for name in ["x-private", "keep-alive", "proxy-authenticate"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    let moved = gateway.get("/status/302");
    assert_eq!((moved.status, moved.header("location")), (302, Some("/elsewhere")), "no redirect is followed");
    assert_eq!(gateway.get("/status/500").status, 500);
}

#[test]
fn answers_without_a_body_keep_their_connection() {
    let (upstream, gateway) = one();
    let mut client = Client::over(dial(gateway.address));
    let mut ask = |request: &str, status: u16, length: Option<&str>| {
        client.send(format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        // A length is announced, and nothing of that length comes.
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let mut byte = [0];
            std::io::Read::read_exact(&mut client.stream, &mut byte).expect("a byte");
            head.push(char::from(byte[0]));
        }
        let answer = reply((head, String::new()));
        assert_eq!((answer.status, answer.header("content-length")), (status, length), "{request}");
    };
    for _ in 0..2 {
        ask("HEAD /head", 200, Some("42"));
        ask("GET /not-modified", 304, Some("42"));
        ask("GET /empty", 204, None);
    }
    assert_eq!(upstream.asked(), 6);
}

#[test]
fn connections_to_an_upstream_are_used_again() {
    let (upstream, gateway) = one();
    let mut client = Client::over(dial(gateway.address));
    let checks = || upstream.state.checks.load(std::sync::atomic::Ordering::Relaxed);
    let others = || upstream.state.connections.load(std::sync::atomic::Ordering::Relaxed) - checks();
    for _ in 0..20 {
        client.send(b"GET /again HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(reply(client.response()).status, 200);
    }
    // A check may have connected and not asked yet.
    assert!(others() <= 2, "{} connections for 20 requests", others());
}

#[test]
fn what_an_upstream_ends_in_the_middle_is_not_taken_for_the_whole() {
    let (_upstream, gateway) = one();
    for path in ["/cut", "/cut-length"] {
        let mut client = dial(gateway.address);
        std::io::Write::write_all(&mut client, format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
        let mut all = Vec::new();
        // The end may be a reset.
        let _ = std::io::Read::read_to_end(&mut client, &mut all);
        let text = String::from_utf8_lossy(&all);
        assert!(text.starts_with("HTTP/1.1 200 "), "{path}: {text}");
        assert!(!text.ends_with("0\r\n\r\n"), "{path}: {text}");
    }
    assert!(gateway.gauge("websocket_proxy_errors_total{reason=\"upstream_lost\"}") >= Some(2.0));
}

#[test]
fn an_answer_that_lasts_until_its_connection_ends_is_whole() {
    let (_upstream, gateway) = one();
    let mut answer = ureq::get(format!("http://{}/until-end", gateway.address)).call().expect("an answer");
    assert_eq!(answer.body_mut().read_to_string().expect("text"), "all of it");
}

#[test]
fn upstreams_that_do_not_answer_are_told_apart() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&[upstream.url()], &["--set", "gateway.answer_timeout=500ms"]);
    let garbled = ["/vanish", "/garbage", "/identity", "/interim-body"];
    let codes: Vec<_> = garbled.map(|path| (path, 502, "bad_gateway")).into_iter().collect();
    let codes = [&codes[..], &[("/hang", 504, "gateway_timeout")]].concat();
    for (path, status, code) in codes {
        let answer = gateway.get(path);
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert!(answer.body.contains(&format!("\"code\":\"{code}\"")), "{path}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    let gateway = Gateway::start(&[nobody()], &[]);
    // Its health may have been asked for twice by now.
    assert!(matches!(gateway.get("/").status, 502 | 503));
    eventually("it is taken out", || gateway.get("/health").status == 503);
    let answer = gateway.get("/");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("2")), "{answer:?}");
}

#[test]
fn an_upstream_that_answers_before_it_has_all_is_heard() {
    let (_upstream, gateway) = one();
    let body = vec![b'x'; 4 << 20];
    let answer = ureq::post(format!("http://{}/early", gateway.address))
        .config()
        .http_status_as_error(false)
        .build()
        .send(&body[..]);
    // A client that goes on writing may see the connection end before it reads.
    if let Ok(answer) = answer {
        assert_eq!(answer.status(), 413);
    }
    let mut client = Client::over(dial(gateway.address));
    client.send(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbegun");
    assert_eq!(reply(client.response()).status, 413);
}

#[test]
fn clients_that_ask_whether_to_go_on_may() {
    let (_upstream, gateway) = one();
    let mut client = Client::over(dial(gateway.address));
    client.send(b"POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    let (head, _) = client.response();
    assert!(head.starts_with("HTTP/1.1 100 "), "{head}");
    client.send(b"hello");
    let answer = reply(client.response());
    assert_eq!((answer.status, answer.body.as_str()), (200, "5"));
}

#[test]
fn an_upstream_need_not_go_on_when_the_client_has_gone() {
    let (upstream, gateway) = one();
    let left = || upstream.state.left.load(std::sync::atomic::Ordering::Relaxed);
    let mut client = dial(gateway.address);
    std::io::Write::write_all(&mut client, b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    eventually("it is asked", || upstream.asked() == 1);
    drop(client);
    eventually("it is let go", || left() == 1);

    let start = Instant::now();
    let mut client = Client::over(dial(gateway.address));
    client.send(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut text = String::new();
    while !text.contains("data: 1") {
        let mut piece = [0; 64];
        let read = std::io::Read::read(&mut client.stream, &mut piece).expect("a piece");
        assert!(read > 0, "the stream ended");
        text.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    assert!(start.elapsed() < Duration::from_secs(2), "what is sent comes at once");
    drop(client);
    eventually("it is let go", || left() == 2);
}
