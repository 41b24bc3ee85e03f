//! Serves protocol test suites through Tertulia's own transport: an echo of text and binary messages over WebSocket at
//! `/echo`, the same over Engine.IO at `/engine.io/`, and Socket.IO at `/socket.io/`.
//!
//! `cargo run --release --example protocol_server -- --listen 127.0.0.1:9001`

#[path = "protocol_server/sockets.rs"]
mod sockets;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{App, HttpResponse, web};
use clap::Parser;
use tertulia::session::{Link, Opening, Peer, SessionLimits, Sessions};
use tertulia::socketio::{Cors, Engine, Host, Refused, Settings, Visit, message_frame};
use tertulia::transport::listener::Listeners;
use tertulia::transport::upgrade::{Refusal, UpgradeHandler, Verdict};

use sockets::Talkers;

/// The program's own, which gives back what a flood took.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const MAX_MESSAGE: usize = 32 * 1024 * 1024;

/// Echoes text and binary messages: at /echo over WebSocket, up to 32 MiB each, at /engine.io/ over Engine.IO. Has sockets
/// at /socket.io/ that send back what they are told.
#[derive(Parser)]
struct Arguments {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:9001")]
    listen: SocketAddr,
    #[arg(long, default_value_t = 2)]
    workers: usize,
}

struct Echo;

impl Peer for Echo {
    fn opened(&mut self, _: &mut Link<'_>) {}

    fn text(&mut self, text: &str, link: &mut Link<'_>) {
        link.text(text);
    }

    fn binary(&mut self, data: &[u8], link: &mut Link<'_>) {
        link.binary(data);
    }
}

/// Takes every client of Engine.IO in.
struct EngineEcho;

impl Host for EngineEcho {
    fn permits(&self, _: &Visit<'_>) -> bool {
        true
    }

    fn open(&self, _: &Visit<'_>) -> Result<Box<dyn Peer>, Refused> {
        Ok(Box::new(Messages))
    }
}

/// Echoes messages, which are told with their type before them.
struct Messages;

impl Peer for Messages {
    fn opened(&mut self, _: &mut Link<'_>) {}

    fn text(&mut self, text: &str, link: &mut Link<'_>) {
        link.outbox().post(&message_frame(text), false);
    }

    fn binary(&mut self, data: &[u8], link: &mut Link<'_>) {
        link.binary(data);
    }
}

/// An engine with the timings that the published suites expect.
fn engine(path: &str, host: Arc<dyn Host>) -> Arc<Engine> {
    let settings = Settings {
        path: path.into(),
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        max_payload: 1_000_000,
        cors: Cors::Any,
        ..Settings::default()
    };
    let sessions = Sessions::new(settings.limits(SessionLimits::default()));
    Engine::new(settings, sessions, host)
}

#[actix::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let sessions = Sessions::new(SessionLimits {
        max_message: MAX_MESSAGE,
        // Reading stops long before: what is let through is one message and the piece that it ended in.
        queue_bytes: 2 * MAX_MESSAGE,
        queue_frames: usize::MAX,
        pause_at: 1024 * 1024,
        pings: None,
        ..SessionLimits::default()
    });
    // One for each path of the protocol.
    let engines = [engine("/engine.io/", Arc::new(EngineEcho)), engine("/socket.io/", Arc::new(Talkers::new()))];
    let upgrading = engines.clone();
    let handler: UpgradeHandler = Arc::new(move |request| {
        let verdict = if request.path() == "/echo" {
            Verdict::Accept(Opening { peer: Box::new(Echo), dialect: None, sessions: sessions.clone() })
        } else if let Some(engine) = upgrading.iter().find(|engine| engine.serves(request.path())) {
            engine.upgrade(&request)
        } else {
            Verdict::Refuse(Refusal::not_found())
        };
        Box::pin(std::future::ready(verdict))
    });
    let app = move || {
        let hint =
            || HttpResponse::UpgradeRequired().insert_header(("upgrade", "websocket")).body("Expected a WebSocket");
        App::new()
            .route("/echo", web::get().to(move || async move { hint() }))
            .configure(|routes| engines.iter().for_each(|engine| engine.routes(routes)))
    };
    let mut listeners = Listeners::new(arguments.workers);
    let address = listeners.bind(arguments.listen, None, app, handler)?;
    println!("ws://{address}/echo, http://{address}/engine.io/, http://{address}/socket.io/");
    listeners.run().await
}
