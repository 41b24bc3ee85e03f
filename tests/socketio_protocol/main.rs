//! The Socket.IO layer from outside: packets over a WebSocket, as clients send them, and as those do who mean no good.
//!
//! Nothing waits for a time to pass to see that something did not happen: each absence is proved by the next packet
//! being another one.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "../support/client.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod client;
mod server;
#[path = "../../examples/protocol_server/sockets.rs"]
mod sockets;

mod attacks;
mod ending;
mod exchanges;
mod polls;

use std::io::Write as _;
use std::time::{Duration, Instant};

use client::{BINARY, Client, FIN, TEXT, frame, text};
use server::Server;

/// Waits until `done`, for as long as a slow machine may need.
#[track_caller]
fn eventually(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "it never came true");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A client of one session.
struct Visitor(Client);

impl Visitor {
    fn open(server: &Server) -> Self {
        Self(Client::open(server.address))
    }

    /// One that is connected to `/`.
    fn connected(server: &Server) -> Self {
        let mut visitor = Self::open(server);
        visitor.connect("/", "");
        visitor
    }

    fn send(&mut self, packet: &str) {
        self.0.send(&text(packet));
    }

    fn send_binary(&mut self, data: &[u8]) {
        self.0.send(&frame(FIN | BINARY, data));
    }

    /// Connects to a namespace. Returns the socket's id.
    #[track_caller]
    fn connect(&mut self, namespace: &str, auth: &str) -> String {
        let prefix = if namespace == "/" { String::new() } else { format!("{namespace},") };
        self.send(&format!("0{prefix}{auth}"));
        let packet = self.packet();
        let answer = packet.strip_prefix(&format!("40{prefix}")).expect("a CONNECT packet");
        let answer: serde_json::Value = serde_json::from_str(answer).unwrap();
        assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
        answer["sid"].as_str().unwrap().to_owned()
    }

    /// The next message, which is text.
    #[track_caller]
    fn packet(&mut self) -> String {
        let (first, payload) = self.0.frame().unwrap().expect("a frame, not the end of the stream");
        let payload = String::from_utf8_lossy(&payload).into_owned();
        assert_eq!(first, FIN | TEXT, "{payload:?}");
        payload
    }

    #[track_caller]
    fn expect(&mut self, packet: &str) {
        assert_eq!(self.packet(), packet);
    }

    #[track_caller]
    fn expect_binary(&mut self, data: &[u8]) {
        self.0.expect(FIN | BINARY, data);
    }

    #[track_caller]
    fn expect_close(&mut self, code: u16) {
        assert_eq!(self.read_to_close(), (code, 0));
    }

    /// Reads on until the session is closed. Returns the Close frame's code and how many frames came before it.
    #[track_caller]
    fn read_to_close(&mut self) -> (u16, usize) {
        for before in 0.. {
            let (first, payload) = self.0.frame().unwrap().expect("a Close frame, not the end of the stream");
            if first == FIN | client::CLOSE {
                let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                // Where the client was the first, the server may be gone.
                let _ = self.0.stream.write_all(&frame(FIN | client::CLOSE, &payload[..payload.len().min(2)]));
                self.0.expect_end();
                return (code, before);
            }
        }
        unreachable!("there are not that many frames")
    }
}
