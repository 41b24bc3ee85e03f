//! One Engine.IO session: its open packet, its heartbeat, and the type of each packet, around whoever serves the client.

use std::sync::Arc;
use std::time::Duration;

use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, Engine as _};
use bytes::Bytes;
use tokio::time::Instant;

use super::engine::Engine;
use super::sid::Sid;
use crate::domain::{CloseReason, ConnId};
use crate::session::{Ending, Link, Peer};
use crate::transport::ws::Opcode;
use crate::transport::ws::writer::{frame, frame_with};

/// With or without padding: clients differ.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Reads base64 as clients write it: that of Java breaks it into lines, each with its end.
fn from_base64(text: &str) -> Result<Vec<u8>, DecodeError> {
    let is_break = |byte: u8| matches!(byte, b'\r' | b'\n');
    if text.bytes().any(is_break) {
        BASE64.decode(text.bytes().filter(|&byte| !is_break(byte)).collect::<Vec<_>>())
    } else {
        BASE64.decode(text)
    }
}

/// The frame of a message, as whoever serves a client posts it: text with its type before it.
pub fn message_frame(text: &str) -> Bytes {
    frame(Opcode::Text, &[b"4", text.as_bytes()].concat())
}

/// As [`message_frame`], its text appended by `write` to the buffer that it is given.
pub fn message_frame_with(hint: usize, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let frame = frame_with(Opcode::Text, 1 + hint, |out| {
        out.push(b'4');
        write(out);
        true
    });
    frame.unwrap_or_default()
}

/// Who ends a session when the process ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Keeper {
    /// It is about to open.
    Nobody,
    /// The hub does not know of it.
    Engine,
    Hub,
}

/// What a session does with what its client says, below the messages themselves.
pub(super) struct Connection {
    engine: Arc<Engine>,
    peer: Box<dyn Peer>,
    sid: Sid,
    /// It began without a socket, so requests with its sid may come.
    listed: bool,
    keeper: Keeper,
    /// A Ping was sent and waits for its Pong.
    pinged: bool,
    /// The time for the Pong was lengthened, as the client said something else meanwhile.
    lengthened: bool,
    /// By how many milliseconds the last Ping was late: a session's clock is coarse. The next makes up for it.
    late: u8,
    /// When the next Ping is due, or the Pong was.
    due: Instant,
}

impl Connection {
    pub(super) fn new(engine: Arc<Engine>, peer: Box<dyn Peer>, sid: Sid, listed: bool) -> Self {
        let due = Instant::now() + engine.settings().ping_interval;
        Self { engine, peer, sid, listed, keeper: Keeper::Nobody, pinged: false, lengthened: false, late: 0, due }
    }

    fn open_packet(&self) -> String {
        let settings = self.engine.settings();
        let upgrades = if self.listed { r#"["websocket"]"# } else { "[]" };
        format!(
            r#"0{{"sid":"{}","upgrades":{upgrades},"pingInterval":{},"pingTimeout":{},"maxPayload":{}}}"#,
            self.sid.as_str(),
            settings.ping_interval.as_millis(),
            settings.ping_timeout.as_millis(),
            settings.max_payload,
        )
    }

    /// Sees to it that somebody ends it when the process does: the hub, if that knows of it.
    fn find_keeper(&mut self, link: &mut Link<'_>) {
        let keeper = if self.peer.is_known_to_hub() { Keeper::Hub } else { Keeper::Engine };
        if keeper == self.keeper || link.is_closing() {
            return;
        }
        if self.keeper == Keeper::Engine {
            self.engine.strangers.remove(&self.sid);
        }
        self.keeper = keeper;
        if keeper == Keeper::Engine && !self.engine.strangers.add(self.sid, link.drainer()) {
            link.close(CloseReason::Restarting);
        }
    }

    /// The client has said something, whatever it is: its line may only be slow.
    fn note_life(&mut self) {
        if self.pinged && !self.lengthened {
            self.lengthened = true;
            self.due = Instant::now() + self.engine.settings().ping_timeout;
        }
    }

    fn take_pong(&mut self, link: &mut Link<'_>) {
        if self.pinged {
            self.pinged = false;
            let interval = self.engine.settings().ping_interval;
            self.due = Instant::now() + interval.saturating_sub(Duration::from_millis(self.late.into()));
            link.tick_soon();
        }
    }

    /// Sends a Ping, or ends a connection whose Pong did not come.
    fn look_at_heartbeat(&mut self, now: Instant, link: &mut Link<'_>) {
        let timeout = self.engine.settings().ping_timeout;
        if !self.pinged && now >= self.due {
            (self.pinged, self.lengthened) = (true, false);
            self.late = u8::try_from(now.duration_since(self.due).as_millis()).unwrap_or(u8::MAX);
            // One that is not there to hear it now would not have heard it earlier.
            self.due = if link.is_listening() { now } else { self.due } + timeout;
            link.text("2");
        }
        if self.pinged && now >= self.due {
            if self.peer.is_congested() {
                // Nothing is read, so nothing can have been heard.
                self.due = now + timeout;
            } else {
                link.close(CloseReason::HeartbeatTimeout);
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.listed {
            self.engine.forget(&self.sid);
        }
        if self.keeper == Keeper::Engine {
            self.engine.strangers.remove(&self.sid);
        }
    }
}

impl Peer for Connection {
    fn opened(&mut self, link: &mut Link<'_>) {
        link.text(&self.open_packet());
        self.peer.opened(link);
        self.find_keeper(link);
    }

    fn text(&mut self, text: &str, link: &mut Link<'_>) {
        let Some((&kind, _)) = text.as_bytes().split_first() else { return link.close(CloseReason::ProtocolError) };
        if kind != b'3' {
            self.note_life();
        }
        match kind {
            b'4' => {
                self.peer.text(&text[1..], link);
                self.find_keeper(link);
            }
            b'3' => self.take_pong(link),
            b'b' => match from_base64(&text[1..]) {
                Ok(data) => self.peer.binary(&data, link),
                Err(_) => link.close(CloseReason::ProtocolError),
            },
            b'1' => link.let_go(),
            // They mean something elsewhere, or nothing.
            b'0' | b'5' | b'6' => {}
            // Pings are the server's to send.
            _ => link.close(CloseReason::ProtocolError),
        }
    }

    fn binary(&mut self, data: &[u8], link: &mut Link<'_>) {
        self.note_life();
        self.peer.binary(data, link);
        self.find_keeper(link);
    }

    fn tick(&mut self, link: &mut Link<'_>) -> Option<Duration> {
        let now = Instant::now();
        self.look_at_heartbeat(now, link);
        let heartbeat = self.due.saturating_duration_since(now);
        let after = self.peer.tick(link);
        self.find_keeper(link);
        Some(after.map_or(heartbeat, |after| after.min(heartbeat)))
    }

    fn is_congested(&self) -> bool {
        self.peer.is_congested()
    }

    fn dismiss(&mut self, conn: ConnId, reason: CloseReason, link: &mut Link<'_>) {
        self.peer.dismiss(conn, reason, link);
        self.find_keeper(link);
    }

    fn drain(&mut self, link: &mut Link<'_>) {
        self.peer.drain(link);
        if !self.peer.is_known_to_hub() {
            link.close(CloseReason::Restarting);
        }
    }

    fn ended(&mut self, ending: Ending) {
        self.peer.ended(ending);
    }
}
