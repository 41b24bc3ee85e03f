//! The gateway as its clients and its upstreams meet it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "../support/client.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod client;
#[path = "../support/echo.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod direct;
#[path = "../support/hub.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod hub;
#[path = "../support/patience.rs"]
mod patience;

mod ends;
mod process;
mod sockets;
mod through;
mod upstream;

use patience::eventually;

/// The tests of RFC 6455 that the transport has, through a gateway.
#[path = "../transport/protocol.rs"]
mod protocol;

/// As those tests name what they stand on.
mod support {
    pub(crate) use crate::client;
    pub mod echo {
        pub(crate) use crate::through::EchoServer;
    }
}
