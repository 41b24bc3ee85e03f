//! The upstream of every run: sends back each message that it gets, and says that it is well when it is asked.
//!
//! What comes in one read leaves in one write, each message in one frame.

use std::net::SocketAddr;
use std::sync::Arc;

use memchr::memmem;
use mio::net::TcpStream;
use tungstenite::handshake::derive_accept_key;

use super::Result;
use super::epoll::{self, Service, send};
use super::generator::frames;

/// Serves until it is killed.
pub fn serve(listen: SocketAddr) -> Result<()> {
    epoll::serve(epoll::bind(listen)?, Echo::default())
}

#[derive(Default)]
pub struct Echo {
    answer: Vec<u8>,
    payload: Vec<u8>,
}

impl Service for Echo {
    /// Whether the connection has become a WebSocket.
    type State = bool;

    fn consume(&mut self, stream: &Arc<TcpStream>, upgraded: &mut bool, bytes: &mut [u8]) -> Option<usize> {
        self.answer.clear();
        let mut used = 0;
        let mut stands = true;
        while stands {
            let next = if *upgraded { self.frame(&bytes[used..]) } else { self.request(&bytes[used..], upgraded) };
            let (count, goes_on) = next?;
            if count == 0 {
                break;
            }
            used += count;
            stands = goes_on;
        }
        send(stream, &self.answer);
        stands.then_some(used)
    }

    fn leave(&mut self, _: &Arc<TcpStream>, _: &bool) {}
}

/// How many bytes a step has dealt with (none: there have to be more), and whether the connection stands after it; `None`
/// for what is not understood.
type Step = Option<(usize, bool)>;

impl Echo {
    fn request(&mut self, bytes: &[u8], upgraded: &mut bool) -> Step {
        let Some(end) = memmem::find(bytes, b"\r\n\r\n") else { return Some((0, true)) };
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let named = |line: &str| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim().to_owned())
        };
        if let Some(key) = head.lines().find_map(named) {
            *upgraded = true;
            let accept = derive_accept_key(key.as_bytes());
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            self.answer.extend_from_slice(answer.as_bytes());
        } else {
            // A proxy wants to know how its upstream is.
            self.answer
                .extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok");
        }
        Some((end + 4, true))
    }

    fn frame(&mut self, bytes: &[u8]) -> Step {
        let Some(message) = frames::message(bytes).ok()? else { return Some((0, true)) };
        self.payload.clear();
        let mut at = 0;
        while at < message.end {
            let piece = frames::piece(&bytes[at..]).ok()??;
            let from = self.payload.len();
            self.payload.extend_from_slice(&bytes[at..][piece.payload.clone()]);
            let mask = piece.mask?;
            for (nth, byte) in self.payload[from..].iter_mut().enumerate() {
                *byte ^= mask[nth % 4];
            }
            at += piece.payload.end;
        }
        let opcode = match message.opcode {
            frames::PING => frames::PONG,
            frames::PONG => return Some((message.end, true)),
            other => other,
        };
        frames::append_from_server(&mut self.answer, opcode, &self.payload);
        Some((message.end, opcode != frames::CLOSE))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener};
    use std::thread;

    use tungstenite::{Bytes, Message};

    use super::*;

    fn served() -> SocketAddr {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let listener = epoll::bind(address).unwrap();
        thread::spawn(move || epoll::serve(listener, Echo::default()).map_err(|it| it.to_string()));
        address
    }

    #[test]
    fn what_is_said_comes_back() {
        let address = served();
        let stream = std::net::TcpStream::connect(address).unwrap();
        let (mut client, _) = tungstenite::client(format!("ws://{address}/any"), stream).unwrap();
        let large = Message::Binary(Bytes::from(vec![7; 100_000]));
        for message in [Message::text("a"), Message::text(""), large, Message::text("z")] {
            client.send(message.clone()).unwrap();
            assert_eq!(client.read().unwrap(), message);
        }
        client.send(Message::Ping(Bytes::from_static(b"there?"))).unwrap();
        assert_eq!(client.read().unwrap(), Message::Pong(Bytes::from_static(b"there?")));
        client.close(None).unwrap();
        while client.read().is_ok() {}
    }

    #[test]
    fn fragments_come_back_as_one_frame() {
        let mut stream = std::net::TcpStream::connect(served()).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").unwrap();
        stream.write_all(&[0x01, 0x82, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2]).unwrap();
        stream.write_all(&[0x80, 0x81, 9, 9, 9, 9, b'c' ^ 9]).unwrap();
        let mut came = Vec::new();
        while !came.ends_with(b"\x81\x03abc") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            came.push(byte[0]);
        }
        assert!(came.starts_with(b"HTTP/1.1 101 "));
        assert!(memmem::find(&came, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=").is_some(), "the accept key of RFC 6455");
    }

    #[test]
    fn it_says_that_it_is_well() {
        let mut stream = std::net::TcpStream::connect(served()).unwrap();
        for _ in 0..2 {
            stream.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            let mut came = Vec::new();
            while !came.ends_with(b"\r\n\r\nok") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                came.push(byte[0]);
            }
            assert!(came.starts_with(b"HTTP/1.1 200 "));
        }
    }
}
