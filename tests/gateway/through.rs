//! An echo server that is reached through a gateway, for the tests of the protocol that the transport has.

use std::net::SocketAddr;

use tertulia::session::SessionLimits;

use crate::direct;
use crate::process::{Gateway, before};

pub struct EchoServer {
    /// The gateway's.
    pub address: SocketAddr,
    _gateway: Gateway,
    _server: direct::EchoServer,
}

impl EchoServer {
    pub fn start(limits: SessionLimits) -> Self {
        let server = direct::EchoServer::start(limits);
        let gateway = before(&[format!("http://{}", server.address)], &["limits.requests_per_ip=0"]);
        Self { address: gateway.address, _gateway: gateway, _server: server }
    }
}
