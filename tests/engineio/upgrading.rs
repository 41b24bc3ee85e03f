//! From polls to a socket: nothing is lost or told twice on the way, and what fails leaves the session where it was.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tertulia::domain::CloseReason;
use tertulia::session::SessionLimits;
use tertulia::socketio::Settings;

use crate::client::{BINARY, CLOSE, Client, FIN, PING, PONG, close_payload, frame, handshake, text};
use crate::server::{Answer, PATH, Polled, Server, calm, expect_text, post};

/// Asks over an offered socket whether it works.
fn probe(client: &mut Client) {
    client.send(&text("2probe"));
    expect_text(client, "3probe");
}

#[track_caller]
fn expect_bare_close(client: &mut Client) {
    assert_eq!(client.frame().unwrap(), Some((FIN | CLOSE, Vec::new())));
    client.expect_end();
}

#[test]
fn a_session_moves_with_all_that_it_was_told() {
    let server = Server::with(calm(), SessionLimits::default(), 4);
    for _ in 0..20 {
        let polled = Polled::open(&server);
        let mut waiting = polled.wait();
        let mut socket = polled.offer();
        probe(&mut socket);
        Answer::of(&mut waiting).expect(200, "6");
        // Polls go on to be answered until the client moves.
        polled.say("4one");
        polled.poll().expect(200, "4one");
        polled.say("4two\u{1e}bAQI=");
        socket.send(&[text("5"), text("4three")].concat());
        expect_text(&mut socket, "4two");
        socket.expect(FIN | BINARY, &[1, 2]);
        expect_text(&mut socket, "4three");
        polled.poll().expect_bad();
        polled.post("4four").expect_bad();
        socket.send(&frame(FIN | BINARY, &[3]));
        socket.expect(FIN | BINARY, &[3]);
        socket.send(&[text("1"), frame(FIN | CLOSE, &close_payload(1000, b""))].concat());
        socket.expect_close(1000);
    }
    server.expect_empty();
}

#[test]
fn a_post_is_answered_while_its_client_moves_however_much_there_is_to_do() {
    let server = Server::start();
    let polled = Polled::open(&server);
    let mut socket = polled.offer();
    probe(&mut socket);
    // It polls no more before it has its answer, so nothing will be better before that.
    server.house.is_congested.store(true, Ordering::Relaxed);
    polled.say("4one\u{1e}4two");
    server.house.is_congested.store(false, Ordering::Relaxed);
    socket.send(&[text("5"), text("4three")].concat());
    for echo in ["4one", "4two", "4three"] {
        expect_text(&mut socket, echo);
    }
}

#[test]
fn all_of_it_may_come_with_the_handshake() {
    let server = Server::start();
    let polled = Polled::open(&server);
    let mut socket = Client::dial(server.address);
    let handshake = handshake(&format!("{PATH}websocket&sid={}", polled.sid), "");
    let frames = [text("2probe"), text("5"), text("4hello"), text("4half")].concat();
    socket.send(&[handshake.as_bytes(), &frames[..frames.len() - 2]].concat());
    assert!(socket.response().0.starts_with("HTTP/1.1 101 "));
    expect_text(&mut socket, "3probe");
    expect_text(&mut socket, "4hello");
    socket.send(&frames[frames.len() - 2..]);
    expect_text(&mut socket, "4half");
}

#[test]
fn a_second_socket_is_closed_before_and_after_the_first_is_taken() {
    let server = Server::start();
    let polled = Polled::open(&server);
    let mut socket = polled.offer();
    expect_bare_close(&mut polled.offer());
    probe(&mut socket);
    expect_bare_close(&mut polled.offer());
    socket.send(&text("5"));
    socket.send(&text("4hello"));
    expect_text(&mut socket, "4hello");
    expect_bare_close(&mut polled.offer());
    socket.send(&text("4still here"));
    expect_text(&mut socket, "4still here");
}

#[test]
fn a_socket_that_says_anything_else_is_closed_and_polling_goes_on() {
    let server = Server::start();
    let polled = Polled::open(&server);
    let tries: [&[u8]; 8] = [
        &text("6"),
        &text("4hello"),
        &text("2"),
        &text("2probe2"),
        &frame(FIN | BINARY, b"2probe"),
        &[text("2probe"), text("2probe2")].concat(),
        // Unmasked, and longer than anything may be.
        b"\x81\x06",
        b"\x81\xff\x00\x00\x00\x00\xff\xff\xff\xff\0\0\0\0",
    ];
    for said in tries {
        let mut socket = polled.offer();
        socket.send(said);
        let last = std::iter::from_fn(|| socket.frame().unwrap()).last();
        assert_eq!(last, Some((FIN | CLOSE, Vec::new())), "{said:?}");
        polled.say("4hello");
        polled.poll().expect(200, "4hello");
    }
    // One that is only gone.
    drop(polled.offer());
    let mut socket = polled.offer();
    probe(&mut socket);
    drop(socket);
    polled.say("4hello");
    polled.poll().expect(200, "4hello");
    // And the next one is taken as if nothing had been.
    let mut socket = polled.offer();
    socket.send(&frame(FIN | PING, b"?"));
    socket.expect(FIN | PONG, b"?");
    probe(&mut socket);
    socket.send(&[text("5"), text("4hello")].concat());
    expect_text(&mut socket, "4hello");
}

#[test]
fn a_socket_that_is_not_taken_in_time_is_closed() {
    let settings = Settings { upgrade_timeout: Duration::from_millis(500), ..calm() };
    let server = Server::with(settings, SessionLimits::default(), 2);
    let polled = Polled::open(&server);
    for tried in [false, true] {
        let start = Instant::now();
        let mut socket = polled.offer();
        if tried {
            probe(&mut socket);
        }
        expect_bare_close(&mut socket);
        assert!(start.elapsed() >= Duration::from_millis(500), "{:?}", start.elapsed());
        polled.say("4hello");
        polled.poll().expect(200, "4hello");
    }
}

#[test]
fn polls_are_sent_back_while_a_socket_waits_to_be_taken_but_not_without_pause() {
    let server = Server::start();
    let polled = Polled::open(&server);
    let mut socket = polled.offer();
    probe(&mut socket);
    let start = Instant::now();
    for _ in 0..4 {
        polled.poll().expect(200, "6");
    }
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
}

#[test]
fn a_session_that_ends_takes_its_socket_with_it() {
    let server = Server::start();
    let polled = Polled::open(&server);
    let mut socket = polled.offer();
    probe(&mut socket);
    polled.say("4kick me");
    polled.poll().expect(200, "4kicked");
    polled.poll().expect(200, "1");
    expect_bare_close(&mut socket);
    assert_eq!(server.ending().ours, Some(CloseReason::Kicked));
    server.expect_empty();
}

#[test]
fn a_session_that_began_with_a_socket_is_none_for_requests() {
    let server = Server::start();
    let mut socket = server.socket("");
    let (_, packet) = socket.frame().unwrap().unwrap();
    let packet: serde_json::Value = serde_json::from_slice(&packet[1..]).unwrap();
    let polled = Polled { server: &server, sid: packet["sid"].as_str().unwrap().to_owned() };
    polled.poll().expect_bad();
    server.ask(&post(&polled.target(), "4hello")).expect_bad();
    server.ask(&handshake(&format!("{PATH}websocket&sid={}", polled.sid), "")).expect_bad();
    socket.send(&text("4hello"));
    expect_text(&mut socket, "4hello");
    // What is not the protocol ends it, and nothing of it stays.
    socket.send(&text("abc"));
    socket.expect_close(1002);
    server.expect_empty();
    polled.poll().expect_unknown();
}

#[test]
fn a_client_may_ask_again_whether_the_socket_works_but_not_for_ever() {
    let server = Server::start();
    let polled = Polled::open(&server);
    let mut socket = polled.offer();
    (0..16).for_each(|_| probe(&mut socket));
    socket.send(&text("2probe"));
    expect_bare_close(&mut socket);
    let mut socket = polled.offer();
    (0..2).for_each(|_| probe(&mut socket));
    socket.send(&[text("5"), text("4hello")].concat());
    expect_text(&mut socket, "4hello");
}

#[test]
fn a_client_may_move_without_having_asked() {
    let server = Server::start();
    let polled = Polled::open(&server);
    polled.say("4told before");
    let mut socket = polled.offer();
    socket.send(&[text("5"), text("4hello")].concat());
    expect_text(&mut socket, "4told before");
    expect_text(&mut socket, "4hello");
    polled.poll().expect_bad();
}

/// Browsers fail a connection whose answer names none of the subprotocols that they asked for.
#[test]
fn the_first_subprotocol_that_is_asked_for_is_agreed_to() {
    let server = Server::start();
    let polled = Polled::open(&server);
    for session in [String::new(), format!("&sid={}", polled.sid)] {
        let mut client = Client::dial(server.address);
        let asked = "Sec-WebSocket-Protocol: chat.v2, chat.v1\r\n";
        client.send(handshake(&format!("{PATH}websocket{session}"), asked).as_bytes());
        let (head, _) = client.response();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains("\r\nsec-websocket-protocol: chat.v2\r\n"), "{head}");
    }
}

#[test]
fn a_session_that_moved_is_pinged_over_its_socket_and_ends_without_an_answer() {
    let (ping_interval, ping_timeout) = (Duration::from_millis(400), Duration::from_millis(300));
    let server = Server::with(Settings { ping_interval, ping_timeout, ..calm() }, SessionLimits::default(), 2);
    let polled = Polled::open(&server);
    let mut socket = polled.offer();
    probe(&mut socket);
    socket.send(&text("5"));
    for _ in 0..3 {
        expect_text(&mut socket, "2");
        socket.send(&text("3"));
    }
    expect_text(&mut socket, "2");
    let start = Instant::now();
    socket.expect_close(4408);
    assert!(start.elapsed() >= Duration::from_millis(290), "{:?}", start.elapsed());
    assert_eq!(server.ending().ours, Some(CloseReason::HeartbeatTimeout));
    server.expect_empty();
}
