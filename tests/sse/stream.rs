//! A client of streams: reads an endless answer block by block, over a plain connection that can be cut anywhere.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use socket2::{Domain, Socket, Type};
use uuid::Uuid;

use crate::hub::{Hub, Person};

/// Much longer than anything takes; only a hang runs into it.
const PATIENCE: Duration = Duration::from_secs(30);

/// What stands between two empty lines.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Block {
    pub id: Option<String>,
    pub data: Option<Value>,
    pub comment: Option<String>,
    pub retry: Option<u64>,
}

pub struct Stream {
    reader: BufReader<TcpStream>,
    /// What was read of the body, and not taken yet.
    body: Vec<u8>,
    pub head: String,
    /// The last id that was heard.
    pub last: Option<String>,
}

/// An answer that is no stream.
#[derive(Debug)]
pub struct Refused {
    pub status: u16,
    pub head: String,
    pub body: Value,
}

impl Refused {
    #[track_caller]
    pub fn is(&self, status: u16, code: &str) -> &str {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{self:?}");
        assert!(self.head.contains("content-type: application/problem+json"), "{self:?}");
        self.body["detail"].as_str().expect("a sentence")
    }
}

pub fn rooms(rooms: &[Uuid]) -> String {
    let ids: Vec<_> = rooms.iter().map(Uuid::to_string).collect();
    format!("rooms={}", ids.join(","))
}

impl Stream {
    /// Opens, and reads what every stream begins with.
    #[track_caller]
    pub fn open(hub: &Hub, person: &Person, query: &str) -> Self {
        Self::resume(hub, person, query, None)
    }

    #[track_caller]
    pub fn resume(hub: &Hub, person: &Person, query: &str, last: Option<&str>) -> Self {
        let mut stream = Self::knock(hub, &person.token(), query, last).expect("a hub").expect("let in");
        assert_eq!(stream.begin(), "open");
        stream
    }

    /// The comment that a stream begins with.
    #[track_caller]
    pub fn begin(&mut self) -> String {
        assert_eq!(self.block().and_then(|block| block.retry), Some(3_000));
        self.block().and_then(|block| block.comment).expect("a comment")
    }

    pub fn knock(hub: &Hub, token: &str, query: &str, last: Option<&str>) -> io::Result<Result<Self, Refused>> {
        let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        Self::ask(hub, &format!("GET /api/v1/events?{query} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n{last}"))
    }

    /// Sends a request's head, but for its host, and reads the answer's.
    pub fn ask(hub: &Hub, head: &str) -> io::Result<Result<Self, Refused>> {
        Self::ask_on(TcpStream::connect(hub.address)?, hub, head)
    }

    /// As somebody for whom the system keeps little before they read it.
    #[track_caller]
    pub fn open_narrow(hub: &Hub, person: &Person, query: &str) -> Self {
        let socket = Socket::new(Domain::for_address(hub.address), Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(16 * 1024).expect("a socket");
        socket.connect(&hub.address.into()).expect("a hub that listens");
        let head = format!("GET /api/v1/events?{query} HTTP/1.1\r\nAuthorization: Bearer {}\r\n", person.token());
        let mut stream = Self::ask_on(socket.into(), hub, &head).expect("a hub").expect("let in");
        assert_eq!(stream.begin(), "open");
        stream
    }

    fn ask_on(mut stream: TcpStream, hub: &Hub, head: &str) -> io::Result<Result<Self, Refused>> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("{head}Host: {}\r\n\r\n", hub.address).as_bytes())?;
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let head = head.to_lowercase();
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a status");
        if status == 200 {
            return Ok(Ok(Self { reader, body: Vec::new(), head, last: None }));
        }
        let len = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        let mut body = vec![0; len];
        reader.read_exact(&mut body)?;
        Ok(Err(Refused { status, head, body: serde_json::from_slice(&body).unwrap_or_default() }))
    }

    /// The next block. `None`: the stream has ended in an orderly way.
    pub fn next(&mut self) -> io::Result<Option<Block>> {
        loop {
            if let Some(end) = self.body.windows(2).position(|it| it == b"\n\n") {
                let text: Vec<_> = self.body.drain(..end + 2).collect();
                let block = read(std::str::from_utf8(&text).expect("UTF-8"));
                if block.id.is_some() {
                    self.last.clone_from(&block.id);
                }
                return Ok(Some(block));
            }
            if !self.fill()? {
                assert!(self.body.is_empty(), "the stream ended within a block");
                return Ok(None);
            }
        }
    }

    #[track_caller]
    pub fn block(&mut self) -> Option<Block> {
        self.next().expect("a stream that is not cut")
    }

    /// The next block with data.
    #[track_caller]
    pub fn data(&mut self) -> Value {
        loop {
            let block = self.block().expect("a stream that goes on");
            if let Some(data) = block.data {
                return data;
            }
        }
    }

    /// The next block's data, which is of this type.
    #[track_caller]
    pub fn expect(&mut self, kind: &str) -> Value {
        let data = self.data();
        assert_eq!(data["type"], kind, "{data}");
        data
    }

    /// Reads to the orderly end: what was told, and the last comment.
    #[track_caller]
    pub fn end(&mut self) -> (Vec<Value>, String) {
        let (mut told, mut comment) = (Vec::new(), String::new());
        while let Some(block) = self.block() {
            told.extend(block.data);
            comment = block.comment.unwrap_or(comment);
        }
        (told, comment)
    }

    /// Reads a chunk of the body. False: it was the last.
    fn fill(&mut self) -> io::Result<bool> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let len = usize::from_str_radix(line.trim_end(), 16).expect("the length of a chunk");
        let mut chunk = vec![0; len + 2];
        self.reader.read_exact(&mut chunk)?;
        self.body.extend_from_slice(&chunk[..len]);
        Ok(len > 0)
    }
}

fn read(text: &str) -> Block {
    let mut block = Block::default();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match line.split_once(':').map(|(name, value)| (name, value.trim_start())) {
            Some(("", comment)) => block.comment = Some(comment.to_owned()),
            Some(("id", id)) => block.id = Some(id.to_owned()),
            Some(("retry", ms)) => block.retry = ms.parse().ok(),
            Some(("data", data)) => block.data = Some(serde_json::from_str(data).expect("JSON")),
            other => panic!("no field of a block: {other:?}"),
        }
    }
    block
}
