//! Clients that lie about where they are, or try to say two things at once.

use std::io::{Read, Write};

use crate::client::{Client, dial};
use crate::eventually;
use crate::process::Gateway;
use crate::upstream::Upstream;

/// Everything that comes back until the connection ends, or nothing more does.
fn exchange(gateway: &Gateway, bytes: &[u8]) -> String {
    let mut stream = dial(gateway.address);
    stream.set_read_timeout(Some(std::time::Duration::from_millis(700))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(read) = stream.read(&mut piece) {
        if read == 0 {
            break;
        }
        all.extend_from_slice(&piece[..read]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn a_stranger_cannot_say_where_it_comes_from() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&[upstream.url()], &[]);
    let lies = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 198.51.100.1\r\nX-Forwarded-Proto: https\r\n\
                X-Forwarded-Host: evil.example.com\r\nForwarded: for=203.0.113.9\r\nX-Real-IP: 203.0.113.9\r\n\
                Connection: X-Forwarded-For, X-Request-Id\r\nX-Request-Id: a b\r\n";
    assert_eq!(gateway.ask("GET", "/", lies).status, 200);
    let head = upstream.last().to_lowercase();
    assert!(!head.contains("203.0.113.9") && !head.contains("198.51.100.1") && !head.contains("evil"), "{head}");
    assert!(head.contains("\r\nx-forwarded-for: 127.0.0.1\r\n") && head.contains("\r\nx-forwarded-proto: http\r\n"));
    assert!(!head.contains("x-request-id: a b") && head.contains("\r\nx-request-id: "), "{head}");
}

#[test]
fn a_trusted_proxy_is_believed_and_its_chain_goes_on() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&[upstream.url()], &["--trusted-proxy", "127.0.0.1"]);
    let told = "X-Forwarded-For: 203.0.113.9, 198.51.100.1\r\nX-Forwarded-Proto: https\r\n\
                X-Forwarded-Host: public.example.com\r\n";
    assert_eq!(gateway.ask("GET", "/", told).status, 200);
    let head = upstream.last().to_lowercase();
    for line in [
        "x-forwarded-for: 203.0.113.9, 198.51.100.1, 127.0.0.1",
        "x-forwarded-proto: https",
        "x-forwarded-host: public.example.com",
    ] {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{line} in {head}");
    }
}

#[test]
fn nothing_is_smuggled_past() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&[upstream.url()], &[]);
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let length = smuggled.len();
    let attempts = [
        format!(
            "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
        ),
        format!("POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: {length}\r\n\r\n{smuggled}"),
        format!("POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: +{length}\r\n\r\n{smuggled}"),
        format!("POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("POST /count HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{smuggled}"),
        format!("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n{smuggled}"),
        format!("GET / HTTP/1.1\r\nHost: a\r\nX-One: 1\r\n folded\r\n\r\n{smuggled}"),
    ];
    for attempt in attempts {
        let answer = exchange(&gateway, attempt.as_bytes());
        assert!(!answer.starts_with("HTTP/1.1 200"), "{attempt}\n{answer}");
    }
    let heads = upstream.state.heads.lock().unwrap().join("");
    assert!(!heads.contains("/smuggled"), "{heads}");
}

#[test]
fn a_request_that_is_cut_short_reaches_nobody_as_a_whole_one() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&[upstream.url()], &[]);
    for request in [
        "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf",
        "POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let mut stream = dial(gateway.address);
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[test]
fn a_chunk_that_is_none_is_a_bad_request() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&[upstream.url()], &[]);
    for (number, chunks) in ["zz\r\n", "4\r\nhalfXX5\r\n"].into_iter().enumerate() {
        let mut client = Client::over(dial(gateway.address));
        client.send(b"POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        eventually("it is on its way", || upstream.asked() == number + 1);
        client.send(chunks.as_bytes());
        let (head, body) = client.response();
        assert!(head.starts_with("HTTP/1.1 400 ") && body.contains("\"code\":\"bad_request\""), "{head}{body}");
    }
}

#[test]
fn line_breaks_do_not_become_headers() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&[upstream.url()], &[]);
    assert_eq!(gateway.get("/path%0d%0aX-Injected:%201").status, 200);
    assert!(!upstream.last().to_lowercase().contains("\r\nx-injected"), "{}", upstream.last());
    let bare = exchange(&gateway, b"GET / HTTP/1.1\r\nHost: a\r\nX-One: 1\rX-Injected: 1\r\n\r\n");
    assert!(!bare.starts_with("HTTP/1.1 200"), "{bare}");
}

#[test]
fn a_gateway_in_front_of_itself_says_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
    drop(dir);
    let address = format!("127.0.0.1:{port}");
    let gateway = Gateway::start(&[format!("http://{address}")], &["--listen", &address]);
    // It listens on two addresses; its upstream is one of them.
    let answer = gateway.get("/");
    assert_eq!(answer.status, 508, "{answer:?}");
    for method in ["TRACE", "CONNECT"] {
        let answer = exchange(&gateway, format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
}
