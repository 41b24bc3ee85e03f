//! An echo server on a port of its own, with the transport and sessions of the real one.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use actix_server::ServerHandle;
use actix_web::{App, HttpResponse, web};
use rustls::ServerConfig;
use tertulia::session::{Link, Opening, Peer, SessionLimits, Sessions};
use tertulia::transport::listener::Listeners;
use tertulia::transport::upgrade::{Refusal, UpgradeHandler, Verdict};

/// Ends with the test.
pub struct EchoServer {
    pub address: SocketAddr,
    pub sessions: Arc<Sessions>,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl EchoServer {
    pub fn start(limits: SessionLimits) -> Self {
        Self::start_with(limits, None)
    }

    pub fn start_with(limits: SessionLimits, tls: Option<Arc<ServerConfig>>) -> Self {
        let sessions = Sessions::new(limits);
        let (ready, started) = mpsc::channel();
        let for_server = sessions.clone();
        let thread = std::thread::spawn(move || {
            actix::System::new().block_on(async move {
                let any_port = ([127, 0, 0, 1], 0).into();
                let app = || {
                    App::new()
                        .route("/health", web::get().to(|| async { HttpResponse::Ok().body("fine") }))
                        .route("/echo", web::get().to(|| async { HttpResponse::UpgradeRequired().finish() }))
                };
                let mut listeners = Listeners::new(2);
                let address = listeners.bind(any_port, tls.as_ref(), app, handler(for_server)).expect("a free port");
                let server = listeners.run();
                ready.send((address, server.handle())).expect("the test waits");
                server.await.expect("a server that runs");
            });
        });
        let (address, handle) = started.recv().expect("a server that starts");
        Self { address, sessions, handle, thread: Some(thread) }
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the server panicked");
        }
    }
}

fn handler(sessions: Arc<Sessions>) -> UpgradeHandler {
    Arc::new(move |request| {
        let sessions = sessions.clone();
        Box::pin(async move {
            match request.path() {
                "/echo" => Verdict::Accept(Opening { peer: Box::new(Echo), dialect: None, sessions }),
                _ => Verdict::Refuse(Refusal::not_found()),
            }
        })
    })
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
