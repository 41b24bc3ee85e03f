//! The hub's own end: everyone is told, nothing acknowledged is lost, and the next one goes on.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::chat::Chat;
use crate::client::{CLOSE, Client, FIN, TEXT, close_payload, frame, handshake, text};
use crate::colleagues;
use crate::hub::{Hub, fresh_id};
use crate::patience::eventually;

const ENGINE: &str = "/socket.io/?EIO=4&transport=";

#[test]
fn before_a_restart_everyone_is_told_when_to_come_back() {
    let mut hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let (mut sender, mut other) = (Chat::join(&hub, &ada, room), Chat::open(&hub, &bo));
    sender.say("send_message", json!({"session_id": room, "text": "last words"}));
    let sent = sender.expect("message_sent");
    hub.terminate();
    for chat in [&mut sender, &mut other] {
        let (code, reason, frames) = chat.closed();
        assert_eq!((code, &*reason), (1012, "restarting"));
        let told = frames.iter().find(|frame| frame["type"] == "server_restarting").expect("a word before the end");
        assert!(told["payload"]["reconnect_after_ms"].as_u64().is_some_and(|ms| ms <= 5_000), "{told}");
    }
    assert_eq!(hub.ended().code(), Some(0));
    hub.restart();
    let mut back = Chat::open(&hub, &bo);
    back.ask("join_session", json!({"session_id": room, "after_seq": 0}));
    assert_eq!(back.expect("new_message")["payload"], sent["payload"]);
}

#[test]
fn a_client_that_does_not_close_does_not_hold_the_end_up() {
    let mut hub = Hub::start(&[]);
    let _silent = Chat::open(&hub, &colleagues().0);
    hub.terminate();
    assert_eq!(hub.ended().code(), Some(0));
}

/// Clients of Socket.IO that have said nothing yet, on both transports: the hub itself knows nothing of them.
#[test]
fn a_session_of_nobody_hears_of_the_end_and_does_not_hold_it_up() {
    for workers in ["1", "2"] {
        let mut hub = Hub::start(&["--workers", workers]);
        let request = |target: &str| format!("GET {ENGINE}{target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let mut polled = Client::dial(hub.address);
        polled.send(request("polling").as_bytes());
        let packet: Value = serde_json::from_str(&polled.response().1[1..]).unwrap();
        let sid = packet["sid"].as_str().unwrap();
        polled.send(request(&format!("polling&sid={sid}&t=a")).as_bytes());
        let open = || {
            let mut socket = Client::dial(hub.address);
            socket.send(handshake(&format!("{ENGINE}websocket"), "").as_bytes());
            assert!(socket.response().0.starts_with("HTTP/1.1 101 "));
            assert_eq!(socket.frame().unwrap().expect("the open packet").0, FIN | TEXT);
            socket
        };
        let (mut silent, mut gone) = (open(), open());
        // One that the hub knew, and that left its only namespace.
        let connect = json!({"token": colleagues().0.token()});
        gone.send(&[text(&format!("40{connect}")), text("41")].concat());
        gone.send(&text("40{}"));
        let told =
            std::iter::from_fn(|| gone.frame().unwrap()).map(|(_, it)| String::from_utf8_lossy(&it).into_owned());
        assert!(told.take_while(|it| !it.starts_with("44")).count() > 0);
        let start = Instant::now();
        hub.terminate();
        let (head, body) = polled.response();
        // Polled clients come back to a session that is not there any more.
        assert!(head.starts_with("HTTP/1.1 400 ") && body.contains("Session ID unknown"), "{head}{body}");
        drop(polled);
        for socket in [&mut silent, &mut gone] {
            let (first, payload) = socket.frame().unwrap().expect("a Close frame");
            assert_eq!((first, &payload[..2]), (FIN | CLOSE, &1012_u16.to_be_bytes()[..]));
            socket.send(&frame(FIN | CLOSE, &close_payload(1012, b"")));
            socket.expect_end();
        }
        assert_eq!(hub.ended().code(), Some(0));
        // Those that are waited for have two seconds.
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    }
}

/// It does not poll while it moves, so it hears of the end on the socket or, much later, by the silence.
#[test]
fn a_client_that_is_moving_to_a_socket_hears_of_the_end_there() {
    let mut hub = Hub::start(&[]);
    let mut polled = Client::dial(hub.address);
    polled.send(format!("GET {ENGINE}polling HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
    let packet: Value = serde_json::from_str(&polled.response().1[1..]).unwrap();
    let sid = packet["sid"].as_str().unwrap();
    let mut socket = Client::dial(hub.address);
    socket.send(handshake(&format!("{ENGINE}websocket&sid={sid}"), "").as_bytes());
    assert!(socket.response().0.starts_with("HTTP/1.1 101 "));
    socket.send(&text("2probe"));
    assert_eq!(socket.frame().unwrap().expect("an answer").1, b"3probe");
    hub.terminate();
    eventually("the end begins", || hub.log().contains("SIGTERM: stopping"));
    socket.send(&text("5"));
    let (first, payload) = socket.frame().unwrap().expect("a Close frame");
    assert_eq!((first, &payload[..2]), (FIN | CLOSE, &1012_u16.to_be_bytes()[..]));
    socket.send(&frame(FIN | CLOSE, &close_payload(1012, b"")));
    socket.expect_end();
    assert_eq!(hub.ended().code(), Some(0));
}
