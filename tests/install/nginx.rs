//! A private nginx that runs `docs/install/nginx.conf` as it stands, but for addresses and paths, and clients of it.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use socket2::{Domain, SockAddr, Socket, Type};
use tempfile::TempDir;

use crate::client::{CLOSE, Client, FIN, PING, PONG, TEXT, frame, text};
use crate::hub::Person;

/// The name in the example.
pub const NAME: &str = "chat.example.com";

const CONFIGURATION: &str = include_str!("../../docs/install/nginx.conf");
const SOCKET: &str = "/api/v1/ws/messages";
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Nginx {
    process: Child,
    directory: TempDir,
    pub plain: SocketAddr,
    pub secure: SocketAddr,
    trust: Arc<ClientConfig>,
}

impl Nginx {
    pub fn before(hub: SocketAddr) -> Self {
        Self::with(hub, &[])
    }

    /// In front of the hub at this address. `changes` are made to the example besides: what stands there, and what
    /// shall.
    pub fn with(hub: SocketAddr, changes: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        let certificate = certificate(dir);
        let (plain, secure) = (free_address(), free_address());
        let here = dir.display().to_string();
        let mut example = CONFIGURATION.to_owned();
        for (there, shall) in [
            ("server 127.0.0.1:8080;", &*format!("server {hub};")),
            ("listen 80;", &format!("listen {plain};")),
            ("listen [::]:80;", ""),
            ("listen 443 ssl http2;", &format!("listen {secure} ssl http2;")),
            ("listen [::]:443 ssl http2;", ""),
            ("/etc/letsencrypt/live/chat.example.com", &here),
            ("/var/log/nginx", &here),
        ]
        .iter()
        .chain(changes)
        {
            assert!(example.contains(there), "docs/install/nginx.conf has no `{there}`");
            example = example.replace(there, shall);
        }
        fs::write(dir.join("tertulia.conf"), example).unwrap();
        fs::write(dir.join("nginx.conf"), around(&here)).unwrap();
        let process = Command::new("nginx")
            .arg("-e")
            .arg(dir.join("error.log"))
            .arg("-c")
            .arg(dir.join("nginx.conf"))
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/bin")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx (Debian, Ubuntu: apt-get install nginx-light)");
        let mut nginx = Self { process, directory, plain, secure, trust: trust(certificate) };
        nginx.wait();
        nginx
    }

    fn wait(&mut self) {
        let start = Instant::now();
        while [self.plain, self.secure].iter().any(|address| TcpStream::connect(address).is_err()) {
            let has_ended = self.process.try_wait().unwrap().is_some();
            assert!(!has_ended && start.elapsed() < PATIENCE, "nginx does not start:\n{}", self.log("error.log"));
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Has nginx read its configuration and certificates anew, as after a renewal.
    pub fn reload(&self) {
        self.signal("-HUP");
    }

    pub fn log(&self, name: &str) -> String {
        fs::read_to_string(self.directory.path().join(name)).unwrap_or_default()
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.process.id().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "nginx has ended by itself");
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Killed, it would leave its workers behind.
        let _ = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
        if thread::panicking() {
            eprintln!("{}{}", self.log("error.log"), self.log("tertulia.access.log"));
        }
    }
}

/// What a distribution's own nginx.conf has around the example: compression is on, as in many of them.
fn around(dir: &str) -> String {
    let places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let places = places.map(|it| format!("    {it}_temp_path {dir}/{it};\n")).concat();
    format!(
        "daemon off;\nuser root;\nworker_processes 1;\npid {dir}/nginx.pid;\nevents {{ worker_connections 512; }}\n\
         http {{\n{places}    gzip on;\n    gzip_proxied any;\n    gzip_min_length 1;\n    gzip_types application/json;\n\
         \x20   include {dir}/tertulia.conf;\n}}\n"
    )
}

fn certificate(dir: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([NAME.to_owned()]).unwrap();
    fs::write(dir.join("fullchain.pem"), cert.pem()).unwrap();
    fs::write(dir.join("privkey.pem"), signing_key.serialize_pem()).unwrap();
    cert.der().clone()
}

fn trust(certificate: CertificateDer<'static>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// Where nobody listens, and nobody else will: a loopback address of its own. On 127.0.0.1 the next client that connects
/// to anything could be given the port.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [high, low] = u16::try_from(std::process::id() & 0xFFFF).unwrap().to_be_bytes();
    let own = Ipv4Addr::new(127, 64 | (high & 0x3F), low, NEXT.fetch_add(1, Ordering::Relaxed));
    TcpListener::bind((own, 0)).unwrap().local_addr().unwrap()
}

/// A connection that comes from `from`; all of 127.0.0.0/8 is this machine.
pub fn connect(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SockAddr::from(SocketAddr::from((from, 0)))).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.set_tcp_nodelay(true).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.into()
}

/// What came back over HTTP.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    fn read(mut stream: impl std::io::Read) -> Self {
        let mut bytes = Vec::new();
        if let Err(error) = stream.read_to_end(&mut bytes) {
            // Over TLS an end without its goodbye, and a reset where not all was read of what was sent.
            assert!(matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset), "{error}");
        }
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    /// A header's value, in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.split_once(": ").filter(|(it, _)| *it == name).map(|(_, value)| value))
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }
}

type Secure = StreamOwned<ClientConnection, TcpStream>;

/// Somebody at an address.
#[derive(Clone, Copy)]
pub struct Visitor<'a> {
    pub nginx: &'a Nginx,
    pub address: Ipv4Addr,
}

impl<'a> Visitor<'a> {
    pub fn at(nginx: &'a Nginx, last: u8) -> Self {
        Self { nginx, address: Ipv4Addr::new(127, 0, 0, last) }
    }

    fn dial(self) -> Secure {
        let name = ServerName::try_from(NAME).unwrap();
        let connection = ClientConnection::new(self.nginx.trust.clone(), name).unwrap();
        StreamOwned::new(connection, connect(self.address, self.nginx.secure))
    }

    pub fn get(self, path: &str) -> Answer {
        self.ask("GET", path, NAME, "")
    }

    /// A request with any further header lines, each with its end.
    pub fn ask(self, method: &str, path: &str, host: &str, headers: &str) -> Answer {
        self.ask_with(method, path, host, headers, "")
    }

    pub fn post(self, path: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let headers = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        self.ask_with("POST", path, NAME, &headers, &body)
    }

    fn ask_with(self, method: &str, path: &str, host: &str, headers: &str, body: &str) -> Answer {
        let mut stream = self.dial();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}Connection: close\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).unwrap();
        Answer::read(stream)
    }

    /// Opens a socket, or hears why not.
    pub fn enter(self, person: &Person, headers: &str) -> Result<Guest, Answer> {
        enter(self.dial(), NAME, person, headers).map(Guest)
    }
}

/// Asks for a socket over any connection.
pub fn enter<S: std::io::Read + std::io::Write>(
    mut stream: S,
    host: &str,
    person: &Person,
    headers: &str,
) -> Result<Client<S>, Answer> {
    let request = format!(
        "GET {SOCKET}?token={} HTTP/1.1\r\nHost: {host}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n",
        person.token()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut client = Client::over(stream);
    let (head, body) = client.response();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    if status == 101 { Ok(client) } else { Err(Answer { status, head: head.to_ascii_lowercase(), body }) }
}

/// Somebody who was let in.
pub struct Guest(Client<Secure>);

impl Guest {
    pub fn say(&mut self, kind: &str, payload: &Value) {
        self.0.send(&text(&json!({"type": kind, "payload": payload}).to_string()));
    }

    /// The next frame of this type. Pings are answered on the way.
    pub fn hear(&mut self, kind: &str) -> Value {
        loop {
            let (first, payload) = self.0.frame().expect("an open connection").expect("a frame, not the end");
            match first & 0x0F {
                TEXT => {
                    let frame: Value = serde_json::from_slice(&payload).unwrap();
                    if frame["type"] == kind {
                        return frame;
                    }
                }
                PING => self.0.send(&frame(FIN | PONG, &payload)),
                _ => panic!("{first:#x} instead of {kind}: {}", String::from_utf8_lossy(&payload)),
            }
        }
    }

    /// Answers pings for this long.
    pub fn idle(&mut self, time: Duration) {
        let (start, mut pings) = (Instant::now(), 0);
        while start.elapsed() < time {
            let (first, payload) = self.0.frame().expect("an open connection").expect("a frame, not the end");
            if first == FIN | PING {
                self.0.send(&frame(FIN | PONG, &payload));
                pings += 1;
            }
        }
        assert!(pings > 0, "the hub did not ping");
    }

    /// Reads until the connection is closed: the code of the Close frame.
    pub fn closed(&mut self) -> u16 {
        loop {
            let (first, payload) = self.0.frame().expect("a Close frame").expect("a Close frame, not the end");
            if first == FIN | CLOSE {
                return u16::from_be_bytes([payload[0], payload[1]]);
            }
        }
    }

    pub fn leave(mut self) {
        self.0.send(&frame(FIN | CLOSE, &[]));
        while self.0.frame().is_ok_and(|frame| frame.is_some()) {}
    }
}

/// A request without TLS.
pub fn ask_plain(address: SocketAddr, request: &str) -> Answer {
    let mut stream = connect(Ipv4Addr::LOCALHOST, address);
    stream.write_all(request.as_bytes()).unwrap();
    Answer::read(stream.take(1 << 20))
}
