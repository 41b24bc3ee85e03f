//! Requests that open sessions or belong to one, and what is answered to those that are wrong.

use std::sync::atomic::Ordering;

use tertulia::socketio::Refused;

use crate::client::{Client, FIN, TEXT, handshake};
use crate::server::{Answer, PATH, Polled, Server, get, post};

#[test]
fn the_open_packet_says_what_the_protocol_wants_and_no_more() {
    let server = Server::start();
    let expected = |sid: &str, upgrades: &str| {
        format!(
            r#"0{{"sid":"{sid}","upgrades":{upgrades},"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}}"#
        )
    };
    // With and without a slash.
    for path in ["/engine.io/", "/engine.io"] {
        let answer = server.ask(&get(&format!("{path}?EIO=4&transport=polling&t=abc")));
        answer.expect(200, &expected(&answer.body[9..29], r#"["websocket"]"#));
        assert!(answer.head.contains("\r\ncontent-type: text/plain; charset=utf-8\r\n"), "{}", answer.head);
        assert!(answer.head.contains("\r\naccess-control-allow-origin: *\r\n"), "{}", answer.head);
        assert!(answer.head.contains("\r\ncache-control: no-store\r\n"), "{}", answer.head);
    }
    let (first, packet) = server.socket("").frame().unwrap().unwrap();
    let packet = String::from_utf8(packet).unwrap();
    assert_eq!((first, &packet), (FIN | TEXT, &expected(&packet[9..29], "[]")));
}

/// What is wrong with a request is told over both transports in the same words.
#[test]
fn wrong_requests_are_told_what_is_wrong() {
    let server = Server::start();
    let polled = Polled::open(&server);
    let wrong = |query: &str, code: u8, message: &str| {
        let body = format!(r#"{{"code":{code},"message":"{message}"}}"#);
        let answer = server.ask(&get(&format!("/engine.io/?{query}")));
        answer.expect(400, &body);
        assert!(answer.head.contains("\r\ncontent-type: application/json\r\n"), "{}", answer.head);
        let query = query.replace("polling", "websocket");
        server.ask(&handshake(&format!("/engine.io/?{query}"), "")).expect(400, &body);
    };
    wrong("", 0, "Transport unknown");
    wrong("EIO=4", 0, "Transport unknown");
    wrong("EIO=4&transport=carrier-pigeon", 0, "Transport unknown");
    wrong("transport=polling", 5, "Unsupported protocol version");
    wrong("EIO=3&transport=polling", 5, "Unsupported protocol version");
    wrong("EIO=4&EIO=5&transport=polling", 5, "Unsupported protocol version");
    for sid in ["x", "AAAAAAAAAAAAAAAAAAAA", "%00%00", &"x".repeat(5_000)] {
        wrong(&format!("EIO=4&transport=polling&sid={sid}"), 1, "Session ID unknown");
    }
    wrong(&format!("EIO=3&transport=polling&sid={}", polled.sid), 3, "Bad request");

    // A socket that is none, and polls that want to be one.
    server.ask(&get(&format!("{PATH}websocket"))).expect_bad();
    server.ask(&get(&format!("{PATH}websocket&sid={}", polled.sid))).expect_bad();
    server.ask(&handshake(&format!("{PATH}polling"), "")).expect_bad();
    for method in ["POST", "PUT", "DELETE"] {
        let request = get(&format!("{PATH}polling")).replace("GET", method);
        server.ask(&request).expect(400, r#"{"code":2,"message":"Bad handshake method"}"#);
    }
    server.ask(&get(&polled.target()).replace("GET", "PUT")).expect_bad();
    // None of that was the session's fault.
    polled.say("4still here");
    polled.poll().expect(200, "4still here");
}

#[test]
fn a_page_that_may_not_ask_is_refused_whatever_it_asks() {
    let server = Server::start();
    let polled = Polled::open(&server);
    server.house.forbids.store(true, Ordering::Relaxed);
    let forbidden = r#"{"code":4,"message":"Forbidden"}"#;
    server.ask(&get(&format!("{PATH}polling"))).expect(403, forbidden);
    server.ask(&handshake(&format!("{PATH}websocket"), "")).expect(403, forbidden);
    server.ask(&handshake(&format!("{PATH}websocket&sid={}", polled.sid), "")).expect(403, forbidden);
    polled.poll().expect(403, forbidden);
    polled.post("4hello").expect(403, forbidden);
    assert_eq!(server.house.heard.load(Ordering::Relaxed), 0);
    server.house.forbids.store(false, Ordering::Relaxed);
    polled.say("4hello");
    polled.poll().expect(200, "4hello");
}

#[test]
fn a_host_that_takes_no_more_says_when_to_come_back() {
    let server = Server::start();
    for (refused, status, code) in
        [(Refused::Forbidden, 403, 4), (Refused::TooMany, 429, 3), (Refused::Restarting, 503, 3)]
    {
        *server.house.refuses.lock().unwrap() = Some(refused);
        for request in [get(&format!("{PATH}polling")), handshake(&format!("{PATH}websocket"), "")] {
            let answer = server.ask(&request);
            assert_eq!(answer.status, status);
            assert!(answer.body.starts_with(&format!(r#"{{"code":{code},"#)), "{}", answer.body);
            assert_eq!(
                answer.head.contains("\r\nretry-after: 5\r\n"),
                refused != Refused::Forbidden,
                "{}",
                answer.head
            );
        }
    }
    assert_eq!(server.engine.listed(), 0);
}

#[test]
fn browsers_of_other_origins_are_told_that_they_may_ask() {
    let server = Server::start();
    let preflight = format!(
        "OPTIONS {PATH}polling HTTP/1.1\r\nHost: localhost\r\nOrigin: https://a.example\r\n\
         Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n\r\n"
    );
    let answer = server.ask(&preflight);
    answer.expect(204, "");
    for line in [
        "access-control-allow-origin: *",
        "access-control-allow-methods: get, post",
        "access-control-allow-headers: content-type",
    ] {
        assert!(answer.head.contains(&format!("\r\n{line}\r\n")), "{}", answer.head);
    }
    let answer = server.ask(&get("/engine.io/?EIO=4"));
    assert!(answer.status == 400 && answer.head.contains("\r\naccess-control-allow-origin: *\r\n"), "{}", answer.head);
}

/// Some proxies say so on every request. Whether the connection can be used again is told, and true.
#[test]
fn a_request_that_speaks_of_upgrading_to_nothing_is_an_ordinary_one() {
    let server = Server::start();
    let polled = Polled::open(&server);
    for header in ["Connection: upgrade", "Connection: keep-alive, Upgrade", "Connection: upgrade\r\nUpgrade: "] {
        let with = |request: String| request.replace("\r\nHost:", &format!("\r\n{header}\r\nHost:"));
        let mut client = Client::dial(server.address);
        for _ in 0..3 {
            for (request, body) in [(post(&polled.target(), "4hello"), "ok"), (get(&polled.target()), "4hello")] {
                client.send(with(request).as_bytes());
                let answer = Answer::of(&mut client);
                answer.expect(200, body);
                if answer.head.contains("\r\nconnection: close\r\n") {
                    client.expect_end();
                    client = Client::dial(server.address);
                }
            }
        }
    }
}

#[test]
fn long_answers_are_compressed_for_those_who_can_read_them() {
    let server = Server::start();
    let polled = Polled::open(&server);
    polled.say(&format!("4{}", "x".repeat(50_000)));
    let request = get(&polled.target()).replace("\r\nHost:", "\r\nAccept-Encoding: gzip\r\nHost:");
    let mut client = Client::dial(server.address);
    client.send(request.as_bytes());
    let (head, _) = client.response();
    assert!(head.to_lowercase().contains("\r\ncontent-encoding: gzip\r\n"), "{head}");
}
