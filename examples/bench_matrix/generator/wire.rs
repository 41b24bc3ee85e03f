//! What each server wants to hear: how to come in, how to join a room, how to say something there.

/// What is spoken with a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wire {
    /// The hub's `messages` dialect; what is published is "someone is typing", which is never stored.
    Typing,
    /// The same dialect with messages, which are stored before anyone gets them.
    Messages,
    /// Plain text: the room is in the query, the server says `joined`, then passes on whatever it is sent.
    Raw,
    /// Socket.IO 5 over Engine.IO 4 on a WebSocket, as the peers speak it: whoever says something does not hear it.
    SocketIo,
    /// The hub's `socketio` dialect, where someone types.
    SocketIoTyping,
    /// The same dialect with messages, which are stored before anyone gets them; then their publisher does, too.
    SocketIoMessages,
    /// The JSON protocol of centrifuge.
    Centrifuge,
    /// Plain text of so many bytes, at least as long as a mark, to a server that sends back what it is told.
    #[allow(dead_code, reason = "what measures the gateway uses it")]
    Echo(usize),
}

/// One turn of the talk before a client is in its room: what it says, if anything, and what it then waits for.
pub struct Step {
    pub say: Option<String>,
    pub expect: &'static str,
}

impl Wire {
    #[cfg(test)]
    pub const ALL: [Self; 8] = [
        Self::Typing,
        Self::Messages,
        Self::Raw,
        Self::SocketIo,
        Self::SocketIoTyping,
        Self::SocketIoMessages,
        Self::Centrifuge,
        Self::Echo(70_000),
    ];

    fn is_socket_io(self) -> bool {
        matches!(self, Self::SocketIo | Self::SocketIoTyping | Self::SocketIoMessages)
    }

    pub fn path(self, room: &str, token: &str) -> String {
        match self {
            Self::Typing | Self::Messages | Self::Echo(_) => format!("/api/v1/ws/messages?token={token}"),
            Self::Raw => format!("/?room={room}&token={token}"),
            Self::SocketIo | Self::SocketIoTyping | Self::SocketIoMessages => {
                // As a browser's or Node's, that the hub can take up again after a drop.
                "/socket.io/?EIO=4&transport=websocket&recovery=1".to_owned()
            }
            Self::Centrifuge => "/connection/websocket".to_owned(),
        }
    }

    /// The `nth` step after the upgrade; `None` when the client is in its room.
    pub fn step(self, nth: usize, room: &str, token: &str) -> Option<Step> {
        let step = |say: Option<String>, expect| Some(Step { say, expect });
        match (self, nth) {
            (Self::Typing | Self::Messages, 0) => step(None, "\"connected\""),
            (Self::Typing | Self::Messages, 1) => {
                let join = format!(r#"{{"type":"join_session","payload":{{"session_id":"{room}"}}}}"#);
                step(Some(join), "\"session_joined\"")
            }
            (Self::Raw, 0) => step(None, "joined"),
            (wire, 0) if wire.is_socket_io() => step(None, "0{"),
            (wire, 1) if wire.is_socket_io() => step(Some(format!(r#"40{{"token":"{token}"}}"#)), "40{"),
            (wire, 2) if wire.is_socket_io() => {
                let join = format!(r#"42["join_conversation",{{"conversation_id":"{room}"}}]"#);
                step(Some(join), "joined_conversation")
            }
            (Self::Centrifuge, 0) => {
                step(Some(format!(r#"{{"id":1,"connect":{{"token":"{token}"}}}}"#)), "\"connect\"")
            }
            (Self::Centrifuge, 1) => {
                step(Some(format!(r#"{{"id":2,"subscribe":{{"channel":"{room}"}}}}"#)), "\"subscribe\"")
            }
            _ => None,
        }
    }

    /// Says `text`, or that someone types, with `mark` in it. The text is 128 bytes long, where there is one.
    pub fn publish(self, room: &str, mark: &str) -> String {
        let text = format!("{mark:x<128}");
        match self {
            Self::Typing => format!(
                r#"{{"type":"typing","payload":{{"session_id":"{room}","contact_id":"{mark}","is_typing":true}}}}"#
            ),
            Self::Messages => {
                format!(r#"{{"type":"send_message","payload":{{"session_id":"{room}","text":"{text}"}}}}"#)
            }
            Self::Raw => text,
            Self::Echo(length) => mark.to_owned() + &"x".repeat(length.saturating_sub(mark.len())),
            Self::SocketIoTyping => {
                format!(r#"42["typing_start",{{"conversation_id":"{room}","contact_id":"{mark}"}}]"#)
            }
            Self::SocketIo | Self::SocketIoMessages => {
                format!(r#"42["send_message",{{"conversation_id":"{room}","text":"{text}"}}]"#)
            }
            Self::Centrifuge => {
                format!(r#"{{"id":3,"publish":{{"channel":"{room}","data":{{"text":"{text}"}}}}}}"#)
            }
        }
    }

    /// The answer that a heartbeat of the application gets.
    pub fn pong(self, message: &[u8]) -> Option<&'static [u8]> {
        match (self, message) {
            (wire, b"2") if wire.is_socket_io() => Some(b"3"),
            (Self::Centrifuge, b"{}") => Some(b"{}"),
            _ => None,
        }
    }

    /// Whether a publisher hears itself as everyone else does.
    pub fn echoes(self) -> bool {
        matches!(self, Self::Centrifuge | Self::SocketIoMessages | Self::Echo(_))
    }

    /// Whether a publisher is told, with its mark, that what it said is stored.
    pub fn acknowledges(self) -> bool {
        self == Self::Messages
    }

    /// Whether a message says that something was refused.
    pub fn is_refusal(self, message: &[u8]) -> bool {
        memchr::memmem::find(message, b"\"error\"").is_some() || self.is_socket_io() && message.starts_with(b"44")
    }
}
