//! What an Engine.IO path asks of whoever serves its clients.

use std::net::SocketAddr;

use actix_http::header::HeaderMap;

use crate::session::Peer;

/// What a client's HTTP request shows: the one that opens its session, or any later one.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    pub headers: &'a HeaderMap,
    /// As it stands in the URL, without `?`.
    pub query: &'a str,
    pub peer: SocketAddr,
}

/// Serves the clients of one Engine.IO path.
pub trait Host: Send + Sync + 'static {
    /// Whether the page that asks, if a page does, may ask at all. Every request is asked about, on both transports.
    fn permits(&self, visit: &Visit<'_>) -> bool;

    /// A client opens a session: who listens to it. What it is told are Engine.IO messages, without their type.
    fn open(&self, visit: &Visit<'_>) -> Result<Box<dyn Peer>, Refused>;
}

/// Why no session is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// 403, code 4.
    Forbidden,
    /// 429, with `Retry-After`: there are too many sessions.
    TooMany,
    /// 503, with `Retry-After`: the process is ending.
    Restarting,
}
