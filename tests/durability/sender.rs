//! A client that sends as fast as it gets answers, and sends again what was not acknowledged.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

/// Messages under way at once.
const WINDOW: usize = 8;

/// How long a sender may need to get its last acknowledgements.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the hub is now, and whether the senders should stop making messages.
#[derive(Default)]
pub struct Address {
    at: Mutex<Option<SocketAddr>>,
    over: AtomicBool,
}

impl Address {
    fn get(&self) -> Option<SocketAddr> {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set(&self, address: SocketAddr) {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
    }

    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// What an acknowledgement said: the message's id and its number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ack {
    pub id: String,
    pub seq: u64,
}

/// What a sender has to show in the end.
#[derive(Default, Debug)]
pub struct Report {
    /// By `client_message_id`.
    pub acked: BTreeMap<String, Ack>,
    /// Times that something was sent again.
    pub resent: usize,
    /// `send_failed` and `unavailable` answers.
    pub failures: usize,
    pub reconnects: usize,
}

pub type Socket = WebSocket<TcpStream>;

pub fn connect(address: SocketAddr, token: &str) -> Option<Socket> {
    let stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(15))).ok()?;
    stream.set_nodelay(true).ok()?;
    let url = format!("ws://{address}/api/v1/ws/messages?token={token}");
    tungstenite::client(url, stream).ok().map(|(socket, _)| socket)
}

pub fn say(socket: &mut Socket, kind: &str, payload: Value) -> Option<()> {
    let frame = json!({ "type": kind, "payload": payload });
    socket.send(Message::text(frame.to_string())).ok()
}

/// The next frame; `None` when the connection is gone.
pub fn hear(socket: &mut Socket) -> Option<Value> {
    loop {
        match socket.read().ok()? {
            Message::Text(text) => return serde_json::from_str(&text).ok(),
            Message::Close(_) => return None,
            _ => {}
        }
    }
}

/// Starts a sender. It makes new messages while `address` says so, and ends when all it sent is acknowledged.
pub fn start(name: String, room: String, token: String, address: Arc<Address>) -> JoinHandle<Report> {
    thread::spawn(move || Sender { name, room, token, address, ..Sender::default() }.run())
}

#[derive(Default)]
struct Sender {
    name: String,
    room: String,
    token: String,
    address: Arc<Address>,
    made: usize,
    unacked: Vec<String>,
    report: Report,
}

impl Sender {
    fn run(mut self) -> Report {
        let mut deadline = None;
        loop {
            if self.address.is_over() {
                let until = *deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
                assert!(Instant::now() < until, "{}: no acknowledgement for {:?}", self.name, self.unacked);
                if self.unacked.is_empty() {
                    return self.report;
                }
            }
            if self.talk().is_none() {
                self.report.reconnects += 1;
                thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Talks over one connection until it breaks (`None`) or everything is done.
    fn talk(&mut self) -> Option<()> {
        let mut socket = connect(self.address.get()?, &self.token)?;
        say(&mut socket, "join_session", json!({ "session_id": self.room }))?;
        for id in self.unacked.clone() {
            self.report.resent += 1;
            self.send(&mut socket, &id)?;
        }
        loop {
            while self.unacked.len() < WINDOW && !self.address.is_over() {
                self.made += 1;
                let id = format!("{}-{}", self.name, self.made);
                self.unacked.push(id.clone());
                self.send(&mut socket, &id)?;
            }
            if self.unacked.is_empty() {
                return Some(());
            }
            let frame = hear(&mut socket)?;
            match frame["type"].as_str() {
                Some("message_sent") => self.acked(&frame["payload"]),
                Some("error") => {
                    let code = frame["error"].as_str().unwrap_or_default().to_owned();
                    assert!(["send_failed", "unavailable"].contains(&&*code), "{}: {frame}", self.name);
                    self.report.failures += 1;
                    let failed = frame["in_reply_to"].as_str().unwrap_or_default().to_owned();
                    thread::sleep(Duration::from_millis(50));
                    if self.unacked.contains(&failed) {
                        self.report.resent += 1;
                        self.send(&mut socket, &failed)?;
                    } else {
                        // The join was refused while the database was away; the messages do not depend on it.
                        say(&mut socket, "join_session", json!({ "session_id": self.room }))?;
                    }
                }
                _ => {}
            }
        }
    }

    fn send(&self, socket: &mut Socket, id: &str) -> Option<()> {
        let payload = json!({ "session_id": self.room, "text": format!("text of {id}"), "client_message_id": id });
        let frame = json!({ "type": "send_message", "payload": payload, "message_id": id });
        socket.send(Message::text(frame.to_string())).ok()
    }

    fn acked(&mut self, payload: &Value) {
        let id = payload["client_message_id"].as_str().expect("an acknowledgement names the message").to_owned();
        let ack = Ack {
            id: payload["message_id"].as_str().expect("a message has an id").to_owned(),
            seq: payload["seq"].as_u64().expect("a message has a number"),
        };
        if let Some(first) = self.report.acked.insert(id.clone(), ack.clone()) {
            assert_eq!(first, ack, "{id} was acknowledged twice, differently");
        }
        self.unacked.retain(|it| *it != id);
    }
}
