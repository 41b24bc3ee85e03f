//! A client of the `messages` dialect: says frames, and checks the ones it is told.

#[path = "patient.rs"]
mod patient;

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use patient::Patient;
use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::handshake::HandshakeError;
use tungstenite::handshake::client::Response;
use tungstenite::http::HeaderName;
use tungstenite::{Error, Message, WebSocket, client};
use uuid::Uuid;

use crate::hub::{Hub, Person};

pub const PATH: &str = "/api/v1/ws/messages";

/// Much longer than anything takes; only a hang runs into it.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection.
pub struct Chat {
    socket: WebSocket<Patient>,
    /// Read while something else was awaited.
    passed: VecDeque<Value>,
    named: u32,
    /// The first frame's payload.
    pub connected: Value,
}

/// An upgrade that was answered with something else.
#[derive(Debug)]
pub struct Refused {
    pub status: u16,
    pub body: Value,
}

impl Chat {
    pub fn open(hub: &Hub, person: &Person) -> Self {
        Self::knock(hub, &format!("?token={}", person.token()), &[]).expect("let in").0
    }

    /// Opens with any query and headers.
    pub fn knock(hub: &Hub, query: &str, headers: &[(&str, &str)]) -> Result<(Self, Response), Refused> {
        Self::knock_at(hub.address, query, headers)
    }

    /// The same where there is something else than a hub of one's own.
    pub fn knock_at(at: SocketAddr, query: &str, headers: &[(&str, &str)]) -> Result<(Self, Response), Refused> {
        let mut request = format!("ws://{at}{PATH}{query}").into_client_request().expect("a request");
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a header's name");
            request.headers_mut().insert(name, value.parse().expect("a header's value"));
        }
        let stream = TcpStream::connect(at).expect("a server that listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        match client(request, Patient(stream)) {
            Ok((socket, response)) => {
                let mut chat = Self { socket, passed: VecDeque::new(), named: 0, connected: Value::Null };
                chat.connected = chat.expect("connected")["payload"].take();
                Ok((chat, response))
            }
            Err(HandshakeError::Failure(Error::Http(response))) => {
                let status = response.status().as_u16();
                let body = response.into_body().unwrap_or_default();
                Err(Refused { status, body: serde_json::from_slice(&body).unwrap_or_default() })
            }
            Err(error) => panic!("no answer: {error}"),
        }
    }

    /// Opens, and joins `room`.
    pub fn join(hub: &Hub, person: &Person, room: Uuid) -> Self {
        let mut chat = Self::open(hub, person);
        assert_eq!(chat.ask("join_session", json!({"session_id": room}))["type"], "session_joined");
        chat
    }

    pub fn say(&mut self, kind: &str, payload: Value) {
        self.text(&json!({"type": kind, "payload": payload}).to_string());
    }

    /// Says a frame with a name and awaits the frame that answers it; what comes before that is kept for later.
    pub fn ask(&mut self, kind: &str, payload: Value) -> Value {
        self.named += 1;
        let name = format!("ask-{}", self.named);
        self.text(&json!({"type": kind, "payload": payload, "message_id": name}).to_string());
        loop {
            let frame = self.read();
            if frame["in_reply_to"] == name.as_str() {
                return frame;
            }
            self.passed.push_back(frame);
        }
    }

    /// Sends a text to a room and awaits its acknowledgement's payload.
    pub fn send(&mut self, room: Uuid, text: &str) -> Value {
        let mut answer = self.ask("send_message", json!({"session_id": room, "text": text}));
        assert_eq!(answer["type"], "message_sent", "{answer}");
        answer["payload"].take()
    }

    /// The code of the error that answers a frame.
    pub fn fails(&mut self, kind: &str, payload: Value) -> String {
        let answer = self.ask(kind, payload);
        assert_eq!(answer["type"], "error", "{answer}");
        assert_eq!(answer["error"], answer["payload"]["code"], "{answer}");
        assert!(answer["payload"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
        answer["error"].as_str().expect("a code").to_owned()
    }

    /// The next frame, which is of this type.
    #[track_caller]
    pub fn expect(&mut self, kind: &str) -> Value {
        let frame = self.next();
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    /// The next frame.
    #[track_caller]
    pub fn next(&mut self) -> Value {
        self.passed.pop_front().unwrap_or_else(|| self.read())
    }

    #[track_caller]
    fn read(&mut self) -> Value {
        loop {
            match self.socket.read().expect("a frame") {
                Message::Text(text) => return envelope(&text),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("no frame of the dialect: {other:?}"),
            }
        }
    }

    /// The next frame, or the code and the reason that the connection is closed with.
    #[track_caller]
    pub fn hear(&mut self) -> Result<Value, (u16, String)> {
        if let Some(frame) = self.passed.pop_front() {
            return Ok(frame);
        }
        loop {
            match self.socket.read().expect("a frame") {
                Message::Text(text) => return Ok(envelope(&text)),
                Message::Close(close) => {
                    let close = close.expect("a code");
                    return Err((close.code.into(), close.reason.to_string()));
                }
                _ => {}
            }
        }
    }

    /// Says a frame to a connection that may have ended.
    pub fn try_text(&mut self, text: &str) {
        // What it is told when it listens next says why.
        let _ = self.socket.send(Message::text(text));
    }

    /// Reads until the connection is closed: the code, and the frames that came before.
    pub fn closed(&mut self) -> (u16, String, Vec<Value>) {
        let mut frames: Vec<_> = self.passed.drain(..).collect();
        loop {
            match self.socket.read().expect("a Close frame") {
                Message::Text(text) => frames.push(envelope(&text)),
                Message::Close(close) => {
                    let close = close.expect("a code");
                    return (close.code.into(), close.reason.to_string(), frames);
                }
                _ => {}
            }
        }
    }

    pub fn text(&mut self, text: &str) {
        self.message(Message::text(text));
    }

    pub fn message(&mut self, message: Message) {
        self.socket.send(message).expect("a hub that reads");
    }

    /// Bytes as they are, past the WebSocket.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.socket.get_mut().write_all(bytes).expect("a hub that reads");
    }

    /// Ends the connection in an orderly way.
    pub fn leave(mut self) {
        self.socket.close(None).expect("an open connection");
        while self.socket.read().is_ok() {}
    }
}

/// Checks what every frame has.
#[track_caller]
fn envelope(text: &str) -> Value {
    let frame: Value = serde_json::from_str(text).expect("JSON");
    let known = ["type", "payload", "timestamp", "message_id", "in_reply_to", "error"];
    let object = frame.as_object().expect("an object");
    assert!(object.keys().all(|key| known.contains(&key.as_str())), "{frame}");
    assert!(frame["message_id"].as_str().is_some_and(|id| !id.is_empty()), "{frame}");
    assert_time(&frame["timestamp"]);
    assert_eq!(frame["type"] == "error", object.contains_key("error"), "{frame}");
    frame
}

/// `2025-10-10T15:30:00.000Z`
#[track_caller]
pub fn assert_time(time: &Value) {
    let text = time.as_str().unwrap_or_default();
    let shape: String = text.chars().map(|it| if it.is_ascii_digit() { '0' } else { it }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{time}");
}
