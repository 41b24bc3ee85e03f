//! An upstream that does what a test tells it: it answers health checks, and hands each socket to the test.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use tungstenite::handshake::derive_accept_key;

const PATIENCE: Duration = Duration::from_secs(20);

/// Accepts until the test's process ends.
pub struct Upstream {
    pub address: SocketAddr,
    sockets: mpsc::Receiver<Socket>,
    /// It answers nobody any more.
    pub is_hung: Arc<AtomicBool>,
    answer: Arc<Mutex<Option<String>>>,
}

/// The upstream's end of a tunnel.
pub struct Socket {
    /// The request that opened it.
    pub head: String,
    pub stream: TcpStream,
}

impl Upstream {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (opened, sockets) = mpsc::channel();
        let (is_hung, answer) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(None)));
        let (hung, answers) = (is_hung.clone(), answer.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (opened, hung, answers) = (opened.clone(), hung.clone(), answers.clone());
                thread::spawn(move || serve(stream, &opened, &hung, &answers));
            }
        });
        Self { address, sockets, is_hung, answer }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on all requests but health checks get this answer. `{accept}` stands for what belongs to the key.
    pub fn answer(&self, text: &str) {
        *self.answer.lock().unwrap() = Some(text.to_owned());
    }

    /// The next socket that was opened.
    #[track_caller]
    pub fn socket(&self) -> Socket {
        self.sockets.recv_timeout(PATIENCE).expect("a socket")
    }

    pub fn has_socket(&self) -> bool {
        self.sockets.try_recv().is_ok()
    }
}

fn serve(mut stream: TcpStream, opened: &mpsc::Sender<Socket>, hung: &AtomicBool, answer: &Mutex<Option<String>>) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    if hung.load(Ordering::Relaxed) {
        thread::sleep(PATIENCE);
        return;
    }
    let Some(key) = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")) else {
        let usual = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned();
        let is_check = head.starts_with("GET /health ");
        let answer = answer.lock().unwrap().clone().filter(|_| !is_check).unwrap_or(usual);
        let _ = stream.write_all(answer.as_bytes());
        return;
    };
    let usual = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
                 sec-websocket-accept: {accept}\r\n\r\n";
    let answer = answer.lock().unwrap().clone().unwrap_or_else(|| usual.to_owned());
    let _ = stream.write_all(answer.replace("{accept}", &derive_accept_key(key.as_bytes())).as_bytes());
    let _ = opened.send(Socket { head, stream });
}

impl Socket {
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("a gateway that reads");
    }

    /// The next bytes are these.
    #[track_caller]
    pub fn expect(&mut self, bytes: &[u8]) {
        let mut got = vec![0; bytes.len()];
        self.stream.read_exact(&mut got).expect("as many bytes");
        assert!(got == bytes, "{got:?} instead of {bytes:?}");
    }

    /// Nothing more comes.
    #[track_caller]
    pub fn expect_end(&mut self) {
        let mut rest = Vec::new();
        // A reset is an end, too.
        let _ = self.stream.read_to_end(&mut rest);
        assert!(rest.is_empty(), "{rest:?}");
    }

    /// The value of a header of the request.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}
