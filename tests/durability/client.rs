//! A client of Socket.IO that notes where it stopped, and comes back from there.

#[path = "../support/patient.rs"]
mod patient;

use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use super::hub::{Hub, fresh_id};
use patient::Patient;

/// Much longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(15);

pub struct Client {
    pub socket: WebSocket<Patient>,
    pub token: String,
    pub pid: String,
    pub offset: Option<String>,
    pub asked: u64,
    /// The messages that it has heard: their rooms and texts.
    pub heard: Vec<(String, String)>,
}

impl Client {
    pub fn connect(hub: &Hub, token: &str) -> Self {
        Self::open(hub, &json!({ "token": token }))
    }

    /// Another connection, which goes on where this one stopped, if the hub will have it.
    pub fn again(&self, hub: &Hub) -> Self {
        Self::open(hub, &json!({ "token": self.token, "pid": self.pid, "offset": self.offset }))
    }

    /// A session that is nobody's yet.
    pub fn dial(hub: &Hub) -> WebSocket<Patient> {
        let stream = TcpStream::connect(hub.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket&recovery=1", hub.address);
        tungstenite::client(url, Patient(stream)).unwrap().0
    }

    pub fn open(hub: &Hub, auth: &Value) -> Self {
        let socket = Self::dial(hub);
        let token = auth["token"].as_str().unwrap().to_owned();
        let mut client = Self { socket, token, pid: String::new(), offset: None, asked: 0, heard: Vec::new() };
        client.offset = auth["offset"].as_str().map(str::to_owned);
        client.say(&format!("40{auth}"));
        let accepted = client.hear(|packet| packet.strip_prefix("40").map(str::to_owned)).expect("an answer");
        let accepted: Value = serde_json::from_str(&accepted).unwrap();
        accepted["pid"].as_str().unwrap().clone_into(&mut client.pid);
        client
    }

    pub fn say(&mut self, packet: &str) {
        self.socket.send(Message::text(packet)).unwrap();
    }

    /// Whatever the hub says until this is found in it. `None`: the connection has ended.
    pub fn hear<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        let begun = Instant::now();
        loop {
            // The hub's pings come all the time.
            assert!(begun.elapsed() < PATIENCE, "the hub does not say what is waited for");
            let Message::Text(packet) = self.socket.read().ok()? else { continue };
            if packet.as_str() == "2" {
                self.say("3");
            }
            if let Some(event) = packet.strip_prefix("42") {
                self.note(&serde_json::from_str(event).unwrap());
            }
            if let Some(found) = find(&packet) {
                return Some(found);
            }
        }
    }

    fn note(&mut self, event: &Value) {
        let last = event.as_array().and_then(|it| it.last());
        if let Some(offset) = last.and_then(Value::as_str) {
            self.offset = Some(offset.to_owned());
        }
        if event[0] == "message:new" {
            let field = |path: &str| event[1].pointer(path).and_then(Value::as_str).unwrap().to_owned();
            self.heard.push((field("/conversation_id"), field("/content/text")));
        }
    }

    /// The answer; `None` when the connection ended instead.
    pub fn ask(&mut self, event: &str, data: &Value) -> Option<Value> {
        self.asked += 1;
        let ack = format!("43{}", self.asked);
        self.say(&format!("42{}{}", self.asked, json!([event, data])));
        let answer = self.hear(|packet| packet.strip_prefix(&ack).map(str::to_owned))?;
        serde_json::from_str::<Value>(&answer).unwrap().get(0).cloned()
    }

    pub fn joins(&mut self, room: &str) -> bool {
        let answer = self.ask("join_conversation", &json!({ "conversation_id": room }));
        answer.is_some_and(|answer| answer["last_seq"].is_u64())
    }

    pub fn sends(&mut self, room: &str, text: &str) {
        let data = json!({ "conversation_id": room, "text": text, "client_message_id": fresh_id() });
        let answer = self.ask("send_message", &data).expect("an answer");
        assert!(answer["seq"].is_u64(), "{answer}");
    }

    /// It hears these messages, and nothing else.
    pub fn heard(&mut self, expected: &[(&str, &str)]) {
        while self.heard.len() < expected.len() {
            self.hear(|packet| packet.starts_with("42").then_some(())).expect("more messages");
        }
        self.ask("ping", &json!({})).expect("an answer");
        let heard: Vec<(&str, &str)> = self.heard.iter().map(|(room, text)| (&**room, &**text)).collect();
        assert_eq!(heard, expected);
        self.heard.clear();
    }

    /// Says nothing any more, until the hub has noticed.
    pub fn is_missed(&mut self) {
        while self.socket.read().is_ok() {}
    }
}
