//! Somebody in a room who comes back after every close, and who knows what was heard without a gap.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::chat::Chat;
use crate::hub::{Person, fresh_id};

const PATIENCE: Duration = Duration::from_secs(30);

pub struct Guest {
    pub person: Person,
    at: SocketAddr,
    room: Uuid,
    chat: Chat,
    /// The room from its beginning, message by message. What was said on another hub is told on coming back only, so a
    /// message that is not the next one is left for then.
    pub heard: Vec<Value>,
    /// What the hubs have acknowledged.
    pub acknowledged: Vec<Value>,
    /// How connections ended.
    pub closes: Vec<(u16, String)>,
}

impl Guest {
    pub fn enter(at: SocketAddr, person: Person, room: Uuid) -> Self {
        let chat = knock(at, &person);
        let mut guest =
            Self { person, at, room, chat, heard: Vec::new(), acknowledged: Vec::new(), closes: Vec::new() };
        guest.join().expect("a connection that stays");
        guest
    }

    /// Says something, as often as it takes to have it acknowledged.
    pub fn say(&mut self, text: &str) {
        let payload = json!({"session_id": self.room, "text": text, "client_message_id": fresh_id()});
        let begun = Instant::now();
        loop {
            match self.ask("send_message", &payload) {
                Ok(answer) => {
                    assert_eq!(answer["type"], "message_sent", "{answer}");
                    self.acknowledged.push(answer["payload"].clone());
                    return;
                }
                Err(close) => self.come_back(close),
            }
            assert!(begun.elapsed() < PATIENCE, "{text} is never acknowledged");
        }
    }

    /// Whether the connection is there, and its hub answers.
    pub fn is_answered(&mut self) -> bool {
        match self.ask("ping", &json!({})) {
            Ok(answer) => answer["type"] == "pong",
            Err(close) => {
                self.closes.push(close);
                false
            }
        }
    }

    /// Listens until the connection is closed.
    pub fn expect_close(&mut self) -> (u16, String) {
        loop {
            match self.chat.hear() {
                Ok(frame) => self.take(&frame),
                Err(close) => return close,
            }
        }
    }

    /// The next connection is to be opened there.
    pub fn move_to(&mut self, at: SocketAddr) {
        self.at = at;
    }

    /// Opens another connection after `close`, and is told what was missed.
    pub fn come_back(&mut self, close: (u16, String)) {
        self.closes.push(close);
        self.resume();
    }

    /// Opens another connection, and is told what was missed.
    pub fn resume(&mut self) {
        loop {
            self.chat = knock(self.at, &self.person);
            match self.join() {
                Ok(()) => return,
                Err(close) => self.closes.push(close),
            }
        }
    }

    fn join(&mut self) -> Result<(), (u16, String)> {
        let after = self.heard.len();
        let joined = self.ask("join_session", &json!({"session_id": self.room, "after_seq": after}))?;
        assert_eq!(joined["type"], "session_joined", "{joined}");
        let last = joined["payload"]["last_seq"].as_u64().expect("a number");
        while (self.heard.len() as u64) < last {
            let frame = self.chat.hear()?;
            if frame["type"] == "new_message" {
                assert_eq!(frame["payload"]["seq"], self.heard.len() + 1, "what was missed comes in order: {frame}");
                self.take(&frame);
            }
        }
        Ok(())
    }

    /// Says a frame, and hears what there is to hear until it is answered.
    fn ask(&mut self, kind: &str, payload: &Value) -> Result<Value, (u16, String)> {
        let name = fresh_id().to_string();
        self.chat.try_text(&json!({"type": kind, "payload": payload, "message_id": name}).to_string());
        loop {
            let frame = self.chat.hear()?;
            self.take(&frame);
            if frame["in_reply_to"] == name.as_str() {
                return Ok(frame);
            }
        }
    }

    fn take(&mut self, frame: &Value) {
        let is_message = matches!(frame["type"].as_str(), Some("new_message" | "message_sent"));
        if is_message && frame["payload"]["seq"] == self.heard.len() + 1 {
            self.heard.push(frame["payload"].clone());
        }
    }
}

/// A connection. A hub that dies while it is asked is no reason to give up.
fn knock(at: SocketAddr, person: &Person) -> Chat {
    let begun = Instant::now();
    loop {
        match Chat::knock_at(at, &format!("?token={}", person.token()), &[]) {
            Ok((chat, _)) => return chat,
            Err(refused) => assert!(matches!(refused.status, 502 | 503), "{refused:?}"),
        }
        assert!(begun.elapsed() < PATIENCE, "nobody is let in");
        thread::sleep(Duration::from_millis(50));
    }
}
