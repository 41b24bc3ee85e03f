//! An engine on a port of its own, a host that tells what became of its guests, and what clients do.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_server::ServerHandle;
use actix_web::App;
use actix_web::middleware::Compress;
use rustls::ServerConfig;
use tertulia::domain::CloseReason;
use tertulia::session::{Ending, Link, Peer, SessionLimits, Sessions};
use tertulia::socketio::{Cors, Engine, Host, Refused, Settings, Visit, message_frame};
use tertulia::transport::listener::Listeners;
use tertulia::transport::upgrade::{Refusal, Verdict};

use crate::client::{Client, FIN, TEXT, handshake};

pub const PATH: &str = "/engine.io/?EIO=4&transport=";

/// Nobody is pinged within the time of a test.
pub fn calm() -> Settings {
    Settings { path: "/engine.io/".into(), cors: Cors::Any, ..Settings::default() }
}

/// Ends with the test.
pub struct Server {
    pub address: SocketAddr,
    pub engine: Arc<Engine>,
    pub sessions: Arc<Sessions>,
    pub house: Arc<House>,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

/// What the guests of a server share.
#[derive(Default)]
pub struct House {
    pub forbids: AtomicBool,
    pub is_congested: AtomicBool,
    pub refuses: Mutex<Option<Refused>>,
    pub heard: AtomicUsize,
    pub endings: Mutex<Vec<Ending>>,
}

impl Server {
    pub fn start() -> Self {
        Self::with(calm(), SessionLimits::default(), 2)
    }

    pub fn with(settings: Settings, limits: SessionLimits, workers: usize) -> Self {
        Self::over(None, settings, limits, workers)
    }

    pub fn over(tls: Option<Arc<ServerConfig>>, settings: Settings, limits: SessionLimits, workers: usize) -> Self {
        let sessions = Sessions::new(settings.limits(limits));
        let house = Arc::new(House::default());
        let engine = Engine::new(settings, sessions.clone(), Arc::new(Front(house.clone())));
        let (ready, started) = mpsc::channel();
        let mounted = engine.clone();
        let thread = std::thread::spawn(move || {
            actix::System::new().block_on(async move {
                let upgrading = mounted.clone();
                let app = move || App::new().configure(|routes| mounted.routes(routes)).wrap(Compress::default());
                let mut listeners = Listeners::new(workers);
                let handler = move |request: tertulia::transport::upgrade::UpgradeRequest| {
                    let verdict = if upgrading.serves(request.path()) {
                        upgrading.upgrade(&request)
                    } else {
                        Verdict::Refuse(Refusal::not_found())
                    };
                    Box::pin(std::future::ready(verdict)) as _
                };
                let any_port = ([127, 0, 0, 1], 0).into();
                let address = listeners.bind(any_port, tls.as_ref(), app, Arc::new(handler)).expect("a free port");
                let server = listeners.run();
                ready.send((address, server.handle())).expect("the test waits");
                server.await.expect("a server that runs");
            });
        });
        let (address, handle) = started.recv().expect("a server that starts");
        Self { address, engine, sessions, house, handle, thread: Some(thread) }
    }

    /// The one ending that there has been, which may yet have to come.
    #[track_caller]
    pub fn ending(&self) -> Ending {
        crate::eventually("a session has ended", || !self.house.endings.lock().unwrap().is_empty());
        let endings = self.house.endings.lock().unwrap();
        assert_eq!(endings.len(), 1);
        endings[0]
    }

    /// Nothing is left of any session.
    #[track_caller]
    pub fn expect_empty(&self) {
        crate::eventually("all sessions are gone", || self.sessions.live() == 0 && self.engine.listed() == 0);
    }

    /// The answer to one request, on a connection of its own.
    pub fn ask(&self, request: &str) -> Answer {
        let mut client = Client::dial(self.address);
        client.send(request.as_bytes());
        Answer::of(&mut client)
    }

    /// A WebSocket with what follows the transport in the query, its handshake done.
    pub fn socket(&self, query: &str) -> Client {
        let mut client = Client::dial(self.address);
        client.send(handshake(&format!("{PATH}websocket{query}"), "").as_bytes());
        let (head, _) = client.response();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the server panicked");
        }
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn of<S: Read + Write>(client: &mut Client<S>) -> Self {
        let (head, body) = client.response();
        let status = head[9..12].parse().unwrap();
        Self { status, head: head.to_lowercase(), body }
    }

    #[track_caller]
    pub fn expect(&self, status: u16, body: &str) {
        assert_eq!((self.status, &*self.body), (status, body), "{}", self.head);
    }

    /// The session is unknown, or no more.
    #[track_caller]
    pub fn expect_unknown(&self) {
        self.expect(400, r#"{"code":1,"message":"Session ID unknown"}"#);
    }

    #[track_caller]
    pub fn expect_bad(&self) {
        self.expect(400, r#"{"code":3,"message":"Bad request"}"#);
    }
}

pub fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

pub fn post(target: &str, body: &str) -> String {
    let len = body.len();
    format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: {len}\r\n\r\n{body}"
    )
}

/// A session that is polled, each request on a connection of its own, so that any worker may serve it.
pub struct Polled<'a> {
    pub server: &'a Server,
    pub sid: String,
}

impl<'a> Polled<'a> {
    pub fn open(server: &'a Server) -> Self {
        Self::of(server, &server.ask(&get(&format!("{PATH}polling"))))
    }

    /// The session that a first poll has opened.
    pub fn of(server: &'a Server, answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.body);
        let packet: serde_json::Value = serde_json::from_str(&answer.body[1..]).unwrap();
        Self { server, sid: packet["sid"].as_str().unwrap().to_owned() }
    }

    pub fn target(&self) -> String {
        format!("{PATH}polling&sid={}", self.sid)
    }

    pub fn poll(&self) -> Answer {
        self.server.ask(&get(&self.target()))
    }

    /// A poll that has a name, by which the same is known when it comes again.
    pub fn poll_as(&self, name: &str) -> Answer {
        self.server.ask(&get(&format!("{}&t={name}", self.target())))
    }

    /// A poll whose answer is not waited for yet. It has reached the session when this returns.
    pub fn wait(&self) -> Client {
        self.wait_for(&self.target())
    }

    /// The same, with a name.
    pub fn wait_as(&self, name: &str) -> Client {
        self.wait_for(&format!("{}&t={name}", self.target()))
    }

    fn wait_for(&self, target: &str) -> Client {
        let mut client = Client::dial(self.server.address);
        client.send(get(target).as_bytes());
        // There is no other sign of it than what the session does with the next request.
        std::thread::sleep(Duration::from_millis(100));
        client
    }

    pub fn post(&self, body: &str) -> Answer {
        self.server.ask(&post(&self.target(), body))
    }

    #[track_caller]
    pub fn say(&self, body: &str) {
        self.post(body).expect(200, "ok");
    }

    /// A socket that is offered to the session.
    pub fn offer(&self) -> Client {
        self.server.socket(&format!("&sid={}", self.sid))
    }
}

#[track_caller]
pub fn expect_text<S: Read + Write>(client: &mut Client<S>, text: &str) {
    client.expect(FIN | TEXT, text.as_bytes());
}

/// Lets guests in, and says how.
struct Front(Arc<House>);

impl Host for Front {
    fn permits(&self, _: &Visit<'_>) -> bool {
        !self.0.forbids.load(Ordering::Relaxed)
    }

    fn open(&self, visit: &Visit<'_>) -> Result<Box<dyn Peer>, Refused> {
        assert!(visit.headers.contains_key("host") && visit.peer.ip().is_loopback());
        match *self.0.refuses.lock().unwrap() {
            Some(refused) => Err(refused),
            None => Ok(Box::new(Guest(self.0.clone()))),
        }
    }
}

/// Echoes, and does what some words ask for.
struct Guest(Arc<House>);

impl Peer for Guest {
    fn opened(&mut self, _: &mut Link<'_>) {}

    fn text(&mut self, text: &str, link: &mut Link<'_>) {
        self.0.heard.fetch_add(1, Ordering::Relaxed);
        match text {
            "kick me" => {
                link.outbox().post(&message_frame("kicked"), false);
                link.close(CloseReason::Kicked);
            }
            "restart me" => {
                link.outbox().post(&message_frame("restarting"), false);
                link.close(CloseReason::Restarting);
            }
            "flood me" => {
                let message = message_frame(&"x".repeat(1_000));
                (0..2_000).for_each(|_| link.outbox().post(&message, false));
            }
            _ => link.outbox().post(&message_frame(text), false),
        }
    }

    fn binary(&mut self, data: &[u8], link: &mut Link<'_>) {
        link.binary(data);
    }

    fn is_congested(&self) -> bool {
        self.0.is_congested.load(Ordering::Relaxed)
    }

    fn ended(&mut self, ending: Ending) {
        self.0.endings.lock().unwrap().push(ending);
    }
}
