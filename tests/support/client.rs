//! A WebSocket client that checks what it is told, and can say anything.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Long enough for the slowest machine, short enough to fail.
const PATIENCE: Duration = Duration::from_secs(20);

pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xA;
/// The bit that ends a message.
pub const FIN: u8 = 0x80;

/// A request that opens a socket at `path`, with any further header lines.
pub fn handshake(path: &str, headers: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
}

/// A client's frame, masked. `first`: FIN, reserved bits and opcode.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, payload.len() as u64);
    let mask = [0xA1, 0x5B, 0x00, 0xFF];
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The header of a client's frame, up to its mask.
pub fn header(first: u8, len: u64) -> Vec<u8> {
    let mut header = vec![first];
    match len {
        0..126 => header.push(0x80 | u8::try_from(len).unwrap()),
        126..65_536 => {
            header.push(0x80 | 0x7E);
            header.extend_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
        }
        _ => {
            header.push(0x80 | 0x7F);
            header.extend_from_slice(&len.to_be_bytes());
        }
    }
    header
}

pub fn text(text: &str) -> Vec<u8> {
    frame(FIN | TEXT, text.as_bytes())
}

/// A Close frame's payload.
pub fn close_payload(code: u16, reason: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes(), reason].concat()
}

/// The client's end of a connection, over any stream.
pub struct Client<S = TcpStream> {
    pub stream: S,
    /// Read, and not taken yet.
    pending: Vec<u8>,
}

pub fn dial(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a server that listens");
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

impl Client {
    pub fn dial(address: SocketAddr) -> Self {
        Self::over(dial(address))
    }

    /// A socket at `/echo`.
    pub fn open(address: SocketAddr) -> Self {
        let mut client = Self::dial(address);
        client.shake_hands();
        client
    }
}

impl<S: Read + Write> Client<S> {
    pub fn over(stream: S) -> Self {
        Self { stream, pending: Vec::new() }
    }

    pub fn shake_hands(&mut self) {
        self.send(handshake("/echo", "").as_bytes());
        let (head, _) = self.response();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("a server that reads");
    }

    /// The head of an HTTP response and the body that its content-length announces.
    pub fn response(&mut self) -> (String, String) {
        let end = loop {
            if let Some(end) = self.pending.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(self.fill().unwrap() > 0, "the connection ended instead of a response");
        };
        let head = String::from_utf8(self.take(end)).unwrap();
        let len = head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let len = len.unwrap_or(0);
        while self.pending.len() < len {
            assert!(self.fill().unwrap() > 0, "the connection ended within a response");
        }
        (head, String::from_utf8(self.take(len)).unwrap())
    }

    /// The next frame: its first byte and payload. `None` at the end of the stream.
    pub fn frame(&mut self) -> io::Result<Option<(u8, Vec<u8>)>> {
        while self.pending.len() < 10 {
            let enough = match self.pending.get(1) {
                Some(126) => 4,
                Some(127) => 10,
                Some(_) => 2,
                None => usize::MAX,
            };
            if self.pending.len() >= enough {
                break;
            }
            if self.fill()? == 0 {
                assert!(self.pending.is_empty(), "the stream ended within a frame");
                return Ok(None);
            }
        }
        let (len, header) = match self.pending[1] {
            126 => (u64::from(u16::from_be_bytes(self.pending[2..4].try_into().unwrap())), 4),
            127 => (u64::from_be_bytes(self.pending[2..10].try_into().unwrap()), 10),
            len => (u64::from(len), 2),
        };
        assert!(self.pending[1] & 0x80 == 0, "a server's frame is not masked");
        let len = usize::try_from(len).unwrap();
        while self.pending.len() < header + len {
            assert!(self.fill()? > 0, "the stream ended within a frame");
        }
        let first = self.take(header)[0];
        Ok(Some((first, self.take(len))))
    }

    /// The next message, put together if it comes in fragments, or the next control frame.
    pub fn message(&mut self) -> io::Result<Option<(u8, Vec<u8>)>> {
        let Some((first, mut payload)) = self.frame()? else { return Ok(None) };
        let mut is_whole = first & FIN != 0;
        while !is_whole {
            let (next, more) = self.frame()?.expect("the rest of a message, not the end of the stream");
            assert_eq!(next & !FIN, 0, "a fragment");
            payload.extend(more);
            is_whole = next & FIN != 0;
        }
        Ok(Some((first | FIN, payload)))
    }

    /// The next message or control frame is this one.
    #[track_caller]
    pub fn expect(&mut self, first: u8, payload: &[u8]) {
        let (got, got_payload) = self.message().unwrap().expect("a frame, not the end of the stream");
        assert_eq!(got, first);
        assert!(got_payload == payload, "payload of {} instead of {} bytes", got_payload.len(), payload.len());
    }

    /// The connection is closed with this code, next, and then ends.
    #[track_caller]
    pub fn expect_close(&mut self, code: u16) {
        let (first, payload) = self.frame().unwrap().expect("a Close frame, not the end of the stream");
        assert_eq!(first, FIN | CLOSE, "{}", String::from_utf8_lossy(&payload));
        assert_eq!(payload.get(..2), Some(&code.to_be_bytes()[..]));
        self.expect_end();
    }

    #[track_caller]
    pub fn expect_end(&mut self) {
        assert_eq!(self.frame().expect("an orderly end"), None);
    }

    /// What is said comes back.
    #[track_caller]
    pub fn expect_echo(&mut self, said: &str) {
        self.send(&text(said));
        self.expect(FIN | TEXT, said.as_bytes());
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 16 * 1024];
        let read = self.stream.read(&mut buffer)?;
        self.pending.extend_from_slice(&buffer[..read]);
        Ok(read)
    }

    fn take(&mut self, len: usize) -> Vec<u8> {
        let rest = self.pending.split_off(len);
        std::mem::replace(&mut self.pending, rest)
    }
}
