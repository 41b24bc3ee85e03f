//! Echoes text and binary messages at `/echo` through Tertulia's own transport, for protocol test suites.
//!
//! `cargo run --release --example protocol_server -- --listen 127.0.0.1:9001`

use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::{App, HttpResponse, web};
use clap::Parser;
use tertulia::session::{Link, Opening, Peer, SessionLimits, Sessions};
use tertulia::transport::listener::Listeners;
use tertulia::transport::upgrade::{Refusal, UpgradeHandler, Verdict};

const MAX_MESSAGE: usize = 32 * 1024 * 1024;

/// Echoes text and binary messages at /echo, up to 32 MiB each.
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
    let handler: UpgradeHandler = Arc::new(move |request| {
        let verdict = if request.path() == "/echo" {
            Verdict::Accept(Opening { peer: Box::new(Echo), dialect: None, sessions: sessions.clone() })
        } else {
            Verdict::Refuse(Refusal::not_found())
        };
        Box::pin(std::future::ready(verdict))
    });
    let app = || {
        let hint =
            || HttpResponse::UpgradeRequired().insert_header(("upgrade", "websocket")).body("Expected a WebSocket");
        App::new().route("/echo", web::get().to(move || async move { hint() }))
    };
    let mut listeners = Listeners::new(arguments.workers);
    let address = listeners.bind(arguments.listen, None, app, handler)?;
    println!("ws://{address}/echo");
    listeners.run().await
}
