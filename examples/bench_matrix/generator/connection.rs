//! One client: its socket, what it has not read to the end yet, and how far it has come on its way into its room.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use memchr::memmem;
use mio::net::TcpStream;
use socket2::{Domain, Socket, Type};

use super::super::Result;
use super::frames::{self, Message};
use super::wire::Wire;

/// Everyone asks with the same key; nobody here checks the answer to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A head of a response longer than this is none.
const MOST_HEAD: usize = 8192;

/// How far a client has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    Connecting,
    Upgrading,
    /// What it waits for in this step of [`Wire::step`].
    Joining(usize, &'static str),
    Joined,
}

pub struct Connection {
    stream: TcpStream,
    pub stage: Stage,
    pub room: usize,
    /// The number that the next publish of its room has.
    pub due: u64,
    /// What came of a frame, or of the head of the response, that is not complete.
    pub rest: Vec<u8>,
    unsent: Vec<u8>,
}

/// What one read gave.
pub enum Received {
    Bytes { count: usize, more: bool },
    Nothing,
    End,
}

impl Connection {
    /// Begins to connect, from the `nth` of several addresses: one has too few ports for everyone.
    pub fn open(server: SocketAddr, nth: usize, room: usize) -> Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        let source = Ipv4Addr::new(127, 0, 1, 1 + (nth % 16) as u8);
        socket.bind(&SocketAddr::from((source, 0)).into())?;
        match socket.connect(&server.into()) {
            Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {
                return Err(error.into());
            }
            _ => {}
        }
        Ok(Self {
            stream: TcpStream::from_std(socket.into()),
            stage: Stage::Connecting,
            room,
            due: 0,
            rest: Vec::new(),
            unsent: Vec::new(),
        })
    }

    pub fn source(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// The request for an upgrade, once the connection stands.
    pub fn ask(&mut self, server: SocketAddr, path: &str) -> Result<()> {
        if let Some(error) = self.stream.take_error()? {
            return Err(format!("cannot connect: {error}").into());
        }
        self.stage = Stage::Upgrading;
        self.send(request(server, path).as_bytes())
    }

    /// Sends at once what the socket takes and keeps the rest for [`Connection::flush`].
    pub fn send(&mut self, mut bytes: &[u8]) -> Result<()> {
        if self.unsent.is_empty() {
            match self.stream.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.unsent.extend_from_slice(bytes);
        Ok(())
    }

    pub fn flush(&mut self) -> Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    pub fn say(&mut self, text: &str) -> Result<()> {
        self.send(&frames::from_client(frames::TEXT, text.as_bytes()))
    }

    /// Reads once. Less than there was room for means that the socket is empty, so nobody has to ask again.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Result<Received> {
        loop {
            return match self.stream.read(buffer) {
                Ok(0) => Ok(Received::End),
                Ok(count) => Ok(Received::Bytes { count, more: count == buffer.len() }),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Received::Nothing),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(Received::End),
                Err(error) => Err(error.into()),
            };
        }
    }

    /// Goes to a step of the way in, or into the room.
    pub fn proceed(&mut self, wire: Wire, step: usize, room: &str, token: &str) -> Result<()> {
        let Some(next) = wire.step(step, room, token) else {
            self.stage = Stage::Joined;
            return Ok(());
        };
        self.stage = Stage::Joining(step, next.expect);
        next.say.map_or(Ok(()), |text| self.say(&text))
    }
}

/// A request for an upgrade.
pub fn request(server: SocketAddr, path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    )
}

/// The length of the head of a response that agrees to the upgrade; `None` while it is not complete.
pub fn upgraded(bytes: &[u8]) -> Result<Option<usize>> {
    let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
        return if bytes.len() < MOST_HEAD { Ok(None) } else { Err("the head of the response never ends".into()) };
    };
    if !bytes.starts_with(b"HTTP/1.1 101") {
        return Err(format!("no upgrade: {}", String::from_utf8_lossy(bytes)).into());
    }
    Ok(Some(end + 4))
}

/// The first message of what a server sent, and the payload of its first frame. Servers do not mask.
pub fn from_server(bytes: &[u8]) -> Result<Option<(Message, &[u8])>> {
    Ok(frames::message(bytes)?.map(|message| {
        let payload = &bytes[message.payload.clone()];
        (message, payload)
    }))
}
