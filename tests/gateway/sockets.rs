//! Sockets through the gateway: what an upstream hears of a request, what a client hears of its answer, and that what
//! both say arrives.

use std::path::Path;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tertulia::auth::{Grant, mint};
use tertulia::clock;
use tertulia::domain::{OrgId, Role, UserId};
use tertulia::session::SessionLimits;

use crate::client::{BINARY, CLOSE, Client, FIN, PING, PONG, TEXT, close_payload, frame, handshake, text};
use crate::direct::EchoServer;
use crate::process::{Gateway, SECRET, before};
use crate::upstream::{Socket, Upstream};

fn behind(upstream: &Upstream) -> Gateway {
    before(&[upstream.url()], &["limits.requests_per_ip=0"])
}

/// A client and its upstream, connected.
fn pair(gateway: &Gateway, upstream: &Upstream) -> (Client, Socket) {
    let client = Client::open(gateway.address);
    (client, upstream.socket())
}

fn knock(gateway: &Gateway, path: &str, headers: &str) -> (Client, String, String) {
    let mut client = Client::dial(gateway.address);
    client.send(handshake(path, headers).as_bytes());
    let (head, body) = client.response();
    (client, head, body)
}

fn token() -> String {
    let user = UserId(clock::fresh_id());
    let organization = Some(OrgId(clock::fresh_id()));
    let lifetime = std::time::Duration::from_mins(5);
    let grant = Grant { user, organization, role: Role::Agent, name: None, audience: None, lifetime };
    mint(SECRET.as_bytes(), &grant, clock::now()).expect("a token")
}

#[test]
fn frames_pass_both_ways_as_they_are() {
    let upstream = Upstream::start();
    let gateway = behind(&upstream);
    let (mut client, mut socket) = pair(&gateway, &upstream);
    for said in [
        text("hello"),
        frame(FIN | BINARY, &[0xFF; 200]),
        frame(FIN | PING, b"p"),
        frame(TEXT, b"part"),
        frame(FIN, b"s"),
    ] {
        client.send(&said);
        socket.expect(&said);
    }
    let long = [&[FIN | BINARY, 126, 0x3F, 0xFF][..], &[7; 0x3FFF]].concat();
    socket.send(&[&[FIN | TEXT, 2, b'h', b'i', FIN | PING, 1, b'q', FIN | PONG, 0][..], &long].concat());
    client.expect(FIN | TEXT, b"hi");
    client.expect(FIN | PING, b"q");
    client.expect(FIN | PONG, b"");
    client.expect(FIN | BINARY, &[7; 0x3FFF]);
    assert_eq!(gateway.metric("websocket_proxy_messages_total{direction=\"client_to_backend\"}"), 3);
    assert_eq!(gateway.metric("websocket_proxy_messages_total{direction=\"backend_to_client\"}"), 2);
    assert!(gateway.metric("websocket_proxy_latency_ms_count") > 0);
    assert_eq!(gateway.metric("websocket_proxy_connections_total"), 1);
}

#[test]
fn what_comes_with_either_handshake_is_not_lost() {
    let upstream = Upstream::start();
    upstream.answer(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n\u{1}\u{5}greet",
    );
    let gateway = behind(&upstream);
    let mut client = Client::dial(gateway.address);
    client.send(&[handshake("/echo", "").as_bytes(), &text("early")].concat());
    assert!(client.response().0.starts_with("HTTP/1.1 101 "));
    let mut socket = upstream.socket();
    socket.expect(&text("early"));
    socket.send(&[FIN, 3, b'i', b'n', b'g']);
    client.expect(FIN | TEXT, b"greeting");
}

#[test]
fn interim_answers_are_no_answer() {
    const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    const OPEN: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
                        Sec-WebSocket-Accept: {accept}\r\n\r\n";
    let upstream = Upstream::start();
    let gateway = behind(&upstream);
    upstream.answer(&(HINTS.repeat(16) + OPEN));
    let (mut client, mut socket) = pair(&gateway, &upstream);
    socket.send(&[FIN | TEXT, 2, b'h', b'i']);
    client.expect(FIN | TEXT, b"hi");
    upstream.answer(&(HINTS.repeat(17) + OPEN));
    let (_, head, body) = knock(&gateway, "/echo", "");
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}{body}");
}

#[test]
fn close_codes_are_kept_in_both_directions() {
    let upstream = Upstream::start();
    let gateway = behind(&upstream);
    let payloads = [
        close_payload(1000, b""),
        close_payload(1001, b"off"),
        close_payload(3000, b""),
        close_payload(4999, "adi\u{f3}s".as_bytes()),
        Vec::new(),
    ];
    for payload in &payloads {
        let unmasked = [&[FIN | CLOSE, u8::try_from(payload.len()).unwrap()], &payload[..]].concat();
        let (mut client, mut socket) = pair(&gateway, &upstream);
        client.send(&frame(FIN | CLOSE, payload));
        socket.expect(&frame(FIN | CLOSE, payload));
        socket.send(&unmasked);
        drop(socket);
        client.expect(FIN | CLOSE, payload);
        client.expect_end();

        let (mut client, mut socket) = pair(&gateway, &upstream);
        socket.send(&unmasked);
        client.expect(FIN | CLOSE, payload);
        client.send(&frame(FIN | CLOSE, payload));
        socket.expect(&frame(FIN | CLOSE, payload));
        drop(socket);
        client.expect_end();
    }
    assert_eq!(gateway.metric("websocket_proxy_errors_total{reason=\"upstream_lost\"}"), 0);
    assert_eq!(gateway.metric("websocket_proxy_errors_total{reason=\"client_lost\"}"), 0);
}

#[test]
fn an_upstream_hears_what_it_needs_and_nothing_else() {
    let upstream = Upstream::start();
    let gateway = behind(&upstream);
    let headers = "Cookie: a=b\r\nOrigin: http://localhost\r\nUser-Agent: test/1\r\nAccept-Language: pt-BR\r\n\
                   Sec-WebSocket-Extensions: permessage-deflate\r\nX-Forwarded-For: 203.0.113.9\r\n\
                   X-Forwarded-Host: evil.example\r\nX-Request-Id: abc-1\r\nX-Other: no\r\n";
    let (_client, head, _) = knock(&gateway, "/echo/?a=%41&b=c", headers);
    assert!(head.starts_with("HTTP/1.1 101 ") && !head.contains("extensions"), "{head}");
    let socket = upstream.socket();
    assert!(socket.head.starts_with("GET /echo/?a=%41&b=c HTTP/1.1\r\n"), "{}", socket.head);
    for (name, value) in [
        ("host", upstream.address.to_string()),
        ("cookie", "a=b".to_owned()),
        ("origin", "http://localhost".to_owned()),
        ("user-agent", "test/1".to_owned()),
        ("accept-language", "pt-BR".to_owned()),
        ("x-forwarded-for", "127.0.0.1".to_owned()),
        ("x-forwarded-proto", "http".to_owned()),
        ("x-forwarded-host", "localhost".to_owned()),
        ("x-request-id", "abc-1".to_owned()),
        ("x-offered-extensions", "permessage-deflate".to_owned()),
    ] {
        assert_eq!(socket.header(name), Some(&*value), "{name}");
    }
    assert_ne!(socket.header("sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="), "the gateway has its own");
    for name in ["sec-websocket-extensions", "x-other"] {
        assert_eq!(socket.header(name), None, "{name}");
    }
}

#[test]
fn strangers_are_refused_before_an_upstream_hears_of_them() {
    let upstream = Upstream::start();
    let gateway = behind(&upstream);
    for (path, headers, status, code) in [
        ("/ws", "", "401 Unauthorized", "authentication_required"),
        ("/ws?token=a.b.c", "", "401 Unauthorized", "invalid_token"),
        ("/ws", "Origin: http://evil.example\r\n", "403 Forbidden", "origin_not_allowed"),
        ("/echo", "Origin: http://evil.example\r\n", "403 Forbidden", "origin_not_allowed"),
    ] {
        let (_, head, body) = knock(&gateway, path, headers);
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{head}");
        assert!(body.starts_with(&format!("{{\"error\":\"{code}\",")), "{body}");
        assert_eq!(head.contains("www-authenticate: Bearer"), status.starts_with("401"));
    }
    assert!(!upstream.has_socket());
    // Keys are the upstream's to judge.
    let (_, head, _) = knock(&gateway, "/ws?token=tk_whatever", "");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(upstream.socket().head.starts_with("GET /ws?token=tk_whatever "));
}

#[test]
fn a_token_goes_on_as_it_came_and_stays_out_of_the_log() {
    let upstream = Upstream::start();
    let gateway = behind(&upstream);
    let token = token();
    let (_a, head, _) = knock(&gateway, &format!("/ws?token={token}&x=1"), "");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(upstream.socket().head.starts_with(&format!("GET /ws?token={token}&x=1 ")));
    let bearer = format!("Bearer {token}");
    let (_b, head, _) = knock(&gateway, "/ws", &format!("Authorization: {bearer}\r\n"));
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(upstream.socket().header("authorization"), Some(&*bearer));

    let pair = format!("bearer, {token}");
    let offered = format!("Sec-WebSocket-Protocol: {pair}\r\n");
    let (_c, head, _) = knock(&gateway, "/ws", &offered);
    assert!(!head.contains("sec-websocket-protocol"), "the upstream chose none: {head}");
    assert_eq!(upstream.socket().header("sec-websocket-protocol"), Some(&*pair));
    let chosen = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
                  sec-websocket-accept: {accept}\r\nsec-websocket-protocol: bearer\r\n\r\n";
    upstream.answer(chosen);
    let (_d, head, _) = knock(&gateway, "/ws", &offered);
    assert!(head.contains("\r\nsec-websocket-protocol: bearer\r\n"), "{head}");
    drop(upstream.socket());
    let (_, head, body) = knock(&gateway, "/ws", &format!("Authorization: {bearer}\r\n"));
    assert!(head.starts_with("HTTP/1.1 502 "), "it was not offered: {head} {body}");

    let log = gateway.log();
    assert!(!log.contains(&token), "{log}");
    for line in [
        "WebSocket proxy: New connection from 127.0.0.1 request=".to_owned(),
        format!("WebSocket proxy: Connecting to backend ws://{}/ws?token=[redacted]&x=1\n", upstream.address),
        "WebSocket proxy: Connected to backend successfully\n".to_owned(),
    ] {
        assert!(log.contains(&line), "{line}: {log}");
    }
}

#[test]
fn an_answer_that_opens_no_socket_is_passed_on() {
    let upstream = Upstream::start();
    let gateway = behind(&upstream);
    upstream.answer(
        "HTTP/1.1 429 Too Many Requests\r\ncontent-type: text/plain\r\nretry-after: 7\r\ncontent-length: 4\r\n\r\nfull",
    );
    let (_, head, body) = knock(&gateway, "/echo", "");
    assert!(head.starts_with("HTTP/1.1 429 ") && body == "full", "{head}");
    assert!(head.contains("\r\nretry-after: 7\r\n") && head.contains("\r\ncontent-type: text/plain\r\n"), "{head}");
    upstream.answer(
        "HTTP/1.1 426 Upgrade Required\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\
         content-length: 5\r\n\r\nnever",
    );
    let (_, head, body) = knock(&gateway, "/echo", "");
    assert!(head.starts_with("HTTP/1.1 426 ") && body == "never", "{head} {body}");
    // Nor is it lost on who asks without wanting a socket.
    let mut plain = Client::dial(gateway.address);
    plain.send(b"GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let (head, body) = plain.response();
    assert!(head.starts_with("HTTP/1.1 426 ") && body == "never", "{head} {body}");
    for wrong in [
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-accept: {accept}\r\nsec-websocket-extensions: permessage-deflate\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
    ] {
        let gateway = behind(&upstream);
        upstream.answer(wrong);
        let (_, head, body) = knock(&gateway, "/echo", "");
        assert!(head.starts_with("HTTP/1.1 502 ") && head.contains("\r\nretry-after: "), "{head}");
        assert!(body.starts_with("{\"error\":\"bad_gateway\","), "{body}");
    }
}

#[test]
fn where_one_upstream_cannot_be_reached_another_is_asked() {
    let upstream = Upstream::start();
    // Nobody listens at a port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let slow = ["gateway.balance=round-robin", "gateway.health_interval=1h", "gateway.breaker_failures=1000"];
    let gateway = before(&[format!("http://{free}"), upstream.url()], &slow);
    for _ in 0..4 {
        drop(pair(&gateway, &upstream));
    }
    assert!(gateway.metric("websocket_proxy_errors_total{reason=\"connect\"}") >= 1);
    let alone = before(&[format!("http://{free}")], &["gateway.health_interval=1h"]);
    let (_, head, body) = knock(&alone, "/echo", "");
    assert!(head.starts_with("HTTP/1.1 50") && head.contains("\r\nretry-after: "), "{head} {body}");
}

#[test]
fn too_many_sockets_are_refused_before_the_upgrade() {
    let upstream = Upstream::start();
    let gateway = before(&[upstream.url()], &["limits.max_connections_per_user=1"]);
    let path = format!("/ws?token={}", token());
    let (first, head, _) = knock(&gateway, &path, "");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let (_, head, body) = knock(&gateway, &path, "");
    assert!(head.starts_with("HTTP/1.1 429 ") && head.contains("\r\nretry-after: "), "{head}");
    assert!(body.starts_with("{\"error\":\"too_many_connections\","), "{body}");
    drop(first);
    crate::eventually("the place is given back", || knock(&gateway, &path, "").1.starts_with("HTTP/1.1 101 "));

    let closed = before(&[upstream.url()], &["gateway.read_only=true"]);
    let (_, head, body) = knock(&closed, &path, "");
    assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("\r\nretry-after: "), "{head}");
    assert!(body.starts_with("{\"error\":\"read_only\","), "{body}");
}

#[test]
fn an_upstream_may_speak_tls() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let limits = SessionLimits { max_message: 8 << 20, queue_bytes: 64 << 20, ..SessionLimits::default() };
    let server = EchoServer::start_with(limits, Some(tls.into()));
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("ca.pem");
    std::fs::write(&trusted, cert.pem()).unwrap();
    let gateway = |ca: &Path| {
        let url = format!("https://localhost:{}", server.address.port());
        before(&[url], &[&format!("gateway.upstream_ca={}", ca.display()), "limits.requests_per_ip=0"])
    };
    let through = gateway(&trusted);
    let mut client = Client::open(through.address);
    client.expect_echo("hello");
    let large = vec![b'*'; 3 << 20];
    let mut writer = client.stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| std::io::Write::write_all(&mut writer, &frame(FIN | BINARY, &large)).unwrap());
        client.expect(FIN | BINARY, &large);
    });
    client.send(&frame(FIN | CLOSE, &close_payload(4000, b"")));
    client.expect_close(4000);

    let other = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let untrusted = folder.path().join("other.pem");
    std::fs::write(&untrusted, other.cert.pem()).unwrap();
    let (_, head, _) = knock(&gateway(&untrusted), "/echo", "");
    assert!(head.starts_with("HTTP/1.1 50"), "{head}");
}
