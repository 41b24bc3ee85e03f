//! From HTTP to a socket, and what is answered to requests that cannot become one.

use tertulia::session::SessionLimits;

use crate::support::client::{Client, FIN, TEXT, handshake, text};
use crate::support::echo::EchoServer;

fn server() -> EchoServer {
    EchoServer::start(SessionLimits::default())
}

/// The answer to `request`, after which the server closes.
fn refused(server: &EchoServer, request: &str) -> (String, String) {
    let mut client = Client::dial(server.address);
    client.send(request.as_bytes());
    let response = client.response();
    client.expect_end();
    response
}

#[test]
fn bytes_that_come_with_the_handshake_are_read() {
    let server = server();
    let mut client = Client::dial(server.address);
    client.send(&[handshake("/echo", "").as_bytes(), &text("early"), &text("half")[..7]].concat());
    assert!(client.response().0.starts_with("HTTP/1.1 101 "));
    client.expect(FIN | TEXT, b"early");
    client.send(&text("half")[7..]);
    client.expect(FIN | TEXT, b"half");
}

#[test]
fn a_handshake_may_come_byte_by_byte_and_behind_another_request() {
    let server = server();
    let mut client = Client::dial(server.address);
    for byte in handshake("/echo", "").as_bytes() {
        client.send(&[*byte]);
    }
    assert!(client.response().0.starts_with("HTTP/1.1 101 "));
    client.expect_echo("hello");

    let mut client = Client::dial(server.address);
    let pipelined = format!("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n{}", handshake("/echo", ""));
    client.send(&[pipelined.as_bytes(), &text("early")].concat());
    assert_eq!(client.response().1, "fine");
    assert!(client.response().0.starts_with("HTTP/1.1 101 "));
    client.expect(FIN | TEXT, b"early");
}

#[test]
fn what_cannot_become_a_socket_is_told_why_in_json() {
    let server = server();
    let (head, body) = refused(&server, &handshake("/nowhere", ""));
    assert!(head.starts_with("HTTP/1.1 404 "));
    assert_eq!(body, r#"{"error":"not_found","message":"There is no socket at this path"}"#);

    let (head, _) = refused(&server, &handshake("/echo", "").replace("Version: 13", "Version: 8"));
    assert!(head.starts_with("HTTP/1.1 426 ") && head.contains("\r\nsec-websocket-version: 13\r\n"));

    let (head, _) = refused(&server, &handshake("/echo", "").replace("GET", "POST"));
    assert!(head.starts_with("HTTP/1.1 405 "));

    let (head, _) = refused(&server, &handshake("/echo", "Content-Length: 4\r\n"));
    assert!(head.starts_with("HTTP/1.1 400 "));

    let (head, _) = refused(&server, "CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 405 "));

    let (head, _) = refused(&server, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 400 "));
}

#[test]
fn a_refusal_reaches_a_client_that_has_already_sent_more() {
    let server = server();
    let mut client = Client::dial(server.address);
    client.send(&[handshake("/nowhere", "").as_bytes(), &vec![7; 100_000]].concat());
    assert!(client.response().0.starts_with("HTTP/1.1 404 "));
    client.expect_end();
}

#[test]
fn requests_that_ask_for_no_socket_go_to_the_application() {
    let server = server();
    let answer = |request: &str| {
        let mut client = Client::dial(server.address);
        client.send(request.as_bytes());
        client.response()
    };
    let (head, _) = answer("GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 426 "));
    // An advertised upgrade to something else is an ordinary request (RFC 9110, section 7.8).
    for advertised in ["Connection: Upgrade\r\n", "Connection: Upgrade\r\nUpgrade: h2c\r\n"] {
        let (_, body) = answer(&format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{advertised}\r\n"));
        assert_eq!(body, "fine");
    }
}

#[test]
fn a_token_of_a_hundred_kilobytes_is_for_the_door_to_refuse() {
    let server = server();
    let token = "x".repeat(100 * 1024);
    let headers =
        [format!("Authorization: Bearer {token}\r\n"), format!("Sec-WebSocket-Protocol: bearer, {token}\r\n")];
    for header in headers {
        let (head, body) = refused(&server, &handshake("/nowhere", &header));
        assert!(head.starts_with("HTTP/1.1 404 ") && body.contains("not_found"), "{head}");
        let mut client = Client::dial(server.address);
        client.send(handshake("/echo", &header).as_bytes());
        assert!(client.response().0.starts_with("HTTP/1.1 101 "));
        client.expect_echo("hello");
    }
}

#[test]
fn a_head_beyond_what_is_read_is_refused_in_json() {
    let server = server();
    let mut other = Client::open(server.address);
    let long_query = format!("/echo?token={}", "x".repeat(100 * 1024));
    let (head, body) = refused(&server, &handshake(&long_query, ""));
    assert!(head.starts_with("HTTP/1.1 414 URI Too Long\r\n"), "{head}");
    assert_eq!(body, r#"{"error":"uri_too_long","message":"The URI must be shorter than 64 KiB"}"#);

    let long_header = format!("Authorization: Bearer {}\r\n", "x".repeat(121 * 1024));
    let (head, body) = refused(&server, &handshake("/echo", &long_header));
    assert!(head.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{head}");
    assert_eq!(body, r#"{"error":"headers_too_large","message":"The request's head must be shorter than 120 KiB"}"#);
    other.expect_echo("unmoved");
}
