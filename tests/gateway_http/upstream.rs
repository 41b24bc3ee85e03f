//! An upstream that does what the path of a request tells it to, and remembers what it was asked.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

pub struct Upstream {
    pub address: SocketAddr,
    pub state: Arc<State>,
}

#[derive(Default)]
pub struct State {
    /// Heads of requests, health checks aside.
    pub heads: Mutex<Vec<String>>,
    pub connections: AtomicUsize,
    pub checks: AtomicUsize,
    /// Clients that left while they were made to wait.
    pub left: AtomicUsize,
    /// Health checks get a 503.
    pub is_unwell: AtomicBool,
}

impl Upstream {
    pub fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("a port"))
    }

    fn on(listener: TcpListener) -> Self {
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State::default());
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = shared.clone();
                thread::spawn(move || {
                    let _ = serve(stream, &state);
                });
            }
        });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn asked(&self) -> usize {
        self.state.heads.lock().unwrap().len()
    }

    pub fn last(&self) -> String {
        self.state.heads.lock().unwrap().last().cloned().expect("a request")
    }
}

/// An address where nobody listens.
pub fn nobody() -> String {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
    format!("http://{address}")
}

pub fn serve(mut stream: impl Read + Write, state: &State) -> io::Result<()> {
    state.connections.fetch_add(1, Ordering::Relaxed);
    let mut buffer = Vec::new();
    loop {
        let Some(head) = read_head(&mut stream, &mut buffer)? else { return Ok(()) };
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        if path == "/health" {
            state.checks.fetch_add(1, Ordering::Relaxed);
            let status = if state.is_unwell.load(Ordering::Relaxed) { 503 } else { 200 };
            answer(&mut stream, status, "", b"")?;
        } else {
            state.heads.lock().unwrap().push(head.clone());
            act(&mut stream, &mut buffer, &head, &path, state)?;
        }
        if head.to_lowercase().contains("connection: close") {
            return Ok(());
        }
    }
}

fn read_head(stream: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<Option<String>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|it| it == b"\r\n\r\n") {
            let rest = buffer.split_off(end + 4);
            let head = std::mem::replace(buffer, rest);
            return Ok(Some(String::from_utf8_lossy(&head).into_owned()));
        }
        if fill(stream, buffer)? == 0 {
            return Ok(None);
        }
    }
}

fn fill(stream: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let mut piece = vec![0; 64 * 1024];
    let read = stream.read(&mut piece)?;
    buffer.extend_from_slice(&piece[..read]);
    Ok(read)
}

fn answer(stream: &mut impl Write, status: u16, headers: &str, body: &[u8]) -> io::Result<()> {
    let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat())
}

fn act(
    stream: &mut (impl Read + Write),
    buffer: &mut Vec<u8>,
    head: &str,
    path: &str,
    state: &State,
) -> io::Result<()> {
    let (path, number) = match path.rsplit_once('/') {
        Some((path, number)) if number.parse::<usize>().is_ok() => (path, number.parse().unwrap_or(0)),
        _ => (path, 0),
    };
    match path {
        "/echo" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            body(stream, buffer, head, |stream, piece| {
                stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes())?;
                stream.write_all(piece)?;
                stream.write_all(b"\r\n")
            })?;
            stream.write_all(b"0\r\n\r\n")
        }
        "/count" => {
            let mut count = 0;
            body(stream, buffer, head, |_, piece| {
                count += piece.len();
                Ok(())
            })?;
            answer(stream, 200, "", count.to_string().as_bytes())
        }
        "/down" => {
            stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {number}\r\n\r\n").as_bytes())?;
            let piece = vec![b'x'; 64 * 1024];
            let mut left = number;
            while left > 0 {
                let now = left.min(piece.len());
                stream.write_all(&piece[..now])?;
                left -= now;
            }
            Ok(())
        }
        "/cut" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")?;
            Err(io::ErrorKind::Other.into())
        }
        "/cut-length" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello")?;
            Err(io::ErrorKind::Other.into())
        }
        "/until-end" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nall of it")?;
            Err(io::ErrorKind::Other.into())
        }
        "/vanish" => Err(io::ErrorKind::Other.into()),
        "/garbage" => stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        "/identity" => stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\nhello"),
        "/interim-body" => {
            stream.write_all(b"HTTP/1.1 103 Early Hints\r\ncontent-length: 5\r\n\r\nhello")?;
            answer(stream, 200, "", b"late")
        }
        "/early" => {
            answer(stream, 413, "connection: close\r\n", b"too large")?;
            thread::sleep(Duration::from_millis(300));
            Err(io::ErrorKind::Other.into())
        }
        "/hang" | "/events" => {
            if path == "/events" {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
                stream.write_all(format!("{head}8\r\ndata: 1\n\r\n").as_bytes())?;
            }
            if matches!(stream.read(&mut [0; 64]), Ok(0) | Err(_)) {
                state.left.fetch_add(1, Ordering::Relaxed);
            }
            Err(io::ErrorKind::Other.into())
        }
        "/hop" => {
            let headers = "connection: x-private\r\nx-private: 1\r\nx-public: 2\r\nkeep-alive: timeout=5\r\n\
                           proxy-authenticate: Basic\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n";
            answer(stream, 200, headers, b"done")
        }
        "/not-modified" => stream.write_all(b"HTTP/1.1 304 Not Modified\r\ncontent-length: 42\r\netag: \"a\"\r\n\r\n"),
        "/empty" => stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n"),
        "/empty-chunked" => {
            let lie = "HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(format!("{lie}5\r\nhello\r\n0\r\n\r\n").as_bytes())
        }
        "/empty-length" => stream.write_all(b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello"),
        "/interim" => {
            // Without a number: for as long as they are taken.
            for _ in 0..if number == 0 { usize::MAX } else { number } {
                stream.write_all(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")?;
            }
            answer(stream, 200, "", b"late")
        }
        "/head" => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 42\r\n\r\n"),
        "/status" => answer(stream, u16::try_from(number).unwrap_or(500), "location: /elsewhere\r\n", b""),
        _ => answer(stream, 200, "", head.as_bytes()),
    }
}

/// Reads a request's body to its end.
fn body<S: Read + Write>(
    stream: &mut S,
    buffer: &mut Vec<u8>,
    head: &str,
    mut each: impl FnMut(&mut S, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let head = head.to_lowercase();
    let announced = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    if let Some(mut left) = announced {
        while left > 0 {
            if buffer.is_empty() && fill(stream, buffer)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let now = left.min(buffer.len());
            let piece: Vec<u8> = buffer.drain(..now).collect();
            each(stream, &piece)?;
            left -= now;
        }
        return Ok(());
    }
    if !head.contains("transfer-encoding: chunked") {
        return Ok(());
    }
    loop {
        let line = loop {
            if let Some(end) = buffer.windows(2).position(|it| it == b"\r\n") {
                let line: Vec<u8> = buffer.drain(..end + 2).collect();
                break String::from_utf8_lossy(&line[..end]).into_owned();
            }
            if fill(stream, buffer)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let len = usize::from_str_radix(&line, 16).map_err(io::Error::other)?;
        while buffer.len() < len + 2 {
            if fill(stream, buffer)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let piece: Vec<u8> = buffer.drain(..len + 2).collect();
        if len == 0 {
            return Ok(());
        }
        each(stream, &piece[..len])?;
    }
}

/// For those who need a socket of their own.
pub fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().expect("a connection").0
}
