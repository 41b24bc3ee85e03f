//! Clients' sessions over plain WebSocket, without Engine.IO around them, or at an Engine.IO path as they should be;
//! and an application that does as it is told.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use actix::WeakRecipient;
use actix_server::ServerHandle;
use actix_web::App;
use serde_json::json;
use serde_json::value::RawValue;
use tertulia::domain::{CloseReason, ConnId};
use tertulia::hub::handle::End;
use tertulia::session::{Ending, Opening, Peer, SessionLimits, Sessions};
use tertulia::socketio::packet;
use tertulia::socketio::{
    Client, ClientSettings, ConnectError, Engine, Host, Line, Packet, Refused, Settings, Socket, Visit, Visitor,
};
use tertulia::transport::listener::Listeners;
use tertulia::transport::upgrade::{UpgradeHandler, Verdict};

/// Ends with the test.
pub struct Server {
    pub address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Every WebSocket is one that `peer` serves.
    pub fn start(peer: impl Fn() -> Box<dyn Peer> + Send + Sync + 'static) -> Self {
        let sessions = Sessions::new(SessionLimits { max_message: 1_000_000, pings: None, ..SessionLimits::default() });
        let handler: UpgradeHandler = Arc::new(move |_| {
            let verdict = Verdict::Accept(Opening { peer: peer(), dialect: None, sessions: sessions.clone() });
            Box::pin(std::future::ready(verdict))
        });
        Self::serve(handler, None)
    }

    /// `host` serves the clients of Engine.IO at `/socket.io/`.
    pub fn engine(host: Arc<dyn Host>) -> Self {
        let settings = Settings::default();
        let sessions = Sessions::new(settings.limits(SessionLimits::default()));
        let engine = Engine::new(settings, sessions, host);
        let upgrading = engine.clone();
        let handler: UpgradeHandler =
            Arc::new(move |request| Box::pin(std::future::ready(upgrading.upgrade(&request))));
        Self::serve(handler, Some(engine))
    }

    fn serve(handler: UpgradeHandler, engine: Option<Arc<Engine>>) -> Self {
        let (ready, started) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix::System::new().block_on(async move {
                let mut listeners = Listeners::new(1);
                let app = move || {
                    App::new().configure(|routes| {
                        if let Some(engine) = &engine {
                            engine.routes(routes);
                        }
                    })
                };
                let address = listeners.bind(([127, 0, 0, 1], 0).into(), None, app, handler).expect("a free port");
                let server = listeners.run();
                ready.send((address, server.handle())).expect("the test waits");
                server.await.expect("a server that runs");
            });
        });
        let (address, handle) = started.recv().expect("a server that starts");
        Self { address, handle, thread: Some(thread) }
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

/// What all clients' sockets tell the test, and it them.
#[derive(Default)]
pub struct Notes {
    ended: Mutex<Vec<(String, Ending)>>,
    sessions: Mutex<Vec<WeakRecipient<End>>>,
    next_conn: AtomicU64,
    /// Sockets that have to wait may answer.
    pub open: AtomicBool,
}

impl Notes {
    /// The endings of sockets so far, with their namespaces.
    pub fn endings(&self) -> Vec<(String, Ending)> {
        self.ended.lock().unwrap().clone()
    }

    /// How many sockets were asked for so far.
    pub fn asked(&self) -> usize {
        self.sessions.lock().unwrap().len()
    }

    /// Has the hub end something of the session that connected last.
    pub fn end(&self, end: End) {
        let session = self.sessions.lock().unwrap().last().and_then(WeakRecipient::upgrade);
        session.expect("a session that is open").do_send(end);
    }
}

/// A server with the namespaces `/` and `/a` to `/c`, whose sockets do what events tell them.
pub fn obedient(change: impl FnOnce(&mut ClientSettings)) -> (Server, Arc<Notes>) {
    let host = ObedientHost::new(change);
    let notes = host.notes.clone();
    (Server::start(move || host.client()), notes)
}

/// The same, at an Engine.IO path.
pub fn obedient_engine() -> (Server, Arc<Notes>) {
    let host = ObedientHost::new(|_| {});
    let notes = host.notes.clone();
    (Server::engine(Arc::new(host)), notes)
}

struct ObedientHost {
    settings: Arc<ClientSettings>,
    notes: Arc<Notes>,
}

impl ObedientHost {
    fn new(change: impl FnOnce(&mut ClientSettings)) -> Self {
        let mut settings =
            ClientSettings { namespaces: ["/a", "/b", "/c"].map(Box::from).into(), ..ClientSettings::default() };
        change(&mut settings);
        Self { settings: Arc::new(settings), notes: Arc::default() }
    }

    fn client(&self) -> Box<dyn Peer> {
        Box::new(Client::new(&self.settings, Box::new(Obedient(self.notes.clone()))))
    }
}

impl Host for ObedientHost {
    fn permits(&self, _: &Visit<'_>) -> bool {
        true
    }

    fn open(&self, _: &Visit<'_>) -> Result<Box<dyn Peer>, Refused> {
        Ok(self.client())
    }
}

struct Obedient(Arc<Notes>);

impl Visitor for Obedient {
    /// `{"refuse":"…"}` is refused, `{"wait":true}` answered later, `{"close":"…"}` closed. Connections are numbered from 1.
    fn connect(&mut self, auth: Option<&RawValue>, line: &mut Line<'_, '_>) -> Result<Box<dyn Socket>, ConnectError> {
        let auth: serde_json::Value = serde_json::from_str(auth.map_or("null", RawValue::get)).unwrap();
        if let Some(message) = auth["refuse"].as_str() {
            return Err(ConnectError { message: message.to_owned().into(), data: Some(json!({"why": "told to"})) });
        }
        let notes = self.0.clone();
        notes.sessions.lock().unwrap().push(line.link().session());
        let is_ready = auth["wait"] != true;
        if is_ready {
            line.accept(&[]);
        }
        if let Some(name) = auth["close"].as_str() {
            line.link().close(reason(name));
        }
        let conn = ConnId(notes.next_conn.fetch_add(1, Ordering::Relaxed) + 1);
        let namespace = line.namespace().to_owned();
        Ok(Box::new(Servant { notes, conn, namespace, is_ready, ticks: None, due: None }))
    }
}

struct Servant {
    notes: Arc<Notes>,
    conn: ConnId,
    namespace: String,
    is_ready: bool,
    /// How many more times it says that it was ticked.
    ticks: Option<u64>,
    /// What it asks to be closed for whenever it is ticked.
    due: Option<CloseReason>,
}

impl Socket for Servant {
    fn event(&mut self, packet: Packet<'_>, line: &mut Line<'_, '_>) {
        assert!(self.is_ready, "an event before the CONNECT was answered: {}", packet.args);
        let Ok(args) = serde_json::from_str::<Vec<serde_json::Value>>(packet.args) else { return };
        let word = args.get(1).and_then(|it| it.as_str()).unwrap_or_default();
        match args[0].as_str().unwrap_or_default() {
            "echo" => line.emit(packet.args, None, packet.attachments),
            "leave" => line.disconnect(),
            "close" => line.link().close(reason(word)),
            "close by the clock" => {
                self.due = Some(reason(word));
                line.link().tick_soon();
            }
            "both" => {
                line.disconnect();
                line.link().close(reason(word));
            }
            "tick" => {
                self.ticks = args[1].as_u64();
                line.link().tick_soon();
            }
            _ => {}
        }
    }

    fn ack(&mut self, packet: Packet<'_>, line: &mut Line<'_, '_>) {
        let id = packet.ack.map_or_else(|| "none".to_owned(), |id| id.to_string());
        line.emit(&format!(r#"["acked","{id}",{}]"#, packet.args), None, packet.attachments);
    }

    fn conn(&self) -> Option<ConnId> {
        Some(self.conn)
    }

    fn dismissed(&mut self, reason: CloseReason, line: &mut Line<'_, '_>) {
        line.emit(&format!(r#"["dismissed","{}"]"#, reason.as_str()), None, &[]);
    }

    fn tick(&mut self, line: &mut Line<'_, '_>) -> Option<Duration> {
        if !self.is_ready {
            if self.notes.open.load(Ordering::Relaxed) {
                self.is_ready = true;
                let frame = packet::connected(line.namespace(), line.sid(), &[("pid", "kept")]);
                line.link().outbox().post(&frame, false);
            }
            return Some(Duration::from_millis(10));
        }
        if let Some(reason) = self.due {
            line.link().close(reason);
        }
        let left = self.ticks?;
        line.emit(&format!(r#"["tick",{left}]"#), None, &[]);
        self.ticks = left.checked_sub(1);
        self.ticks.map(|_| Duration::from_millis(50))
    }

    fn is_congested(&self) -> bool {
        !self.is_ready
    }

    fn drain(&mut self, line: &mut Line<'_, '_>) {
        line.emit(r#"["draining"]"#, None, &[]);
    }

    fn ended(&mut self, ending: Ending) {
        self.notes.ended.lock().unwrap().push((self.namespace.clone(), ending));
    }
}

fn reason(name: &str) -> CloseReason {
    *CloseReason::ALL.iter().find(|it| it.as_str() == name).expect("a reason's name")
}
