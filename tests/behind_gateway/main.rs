//! Hubs behind the gateway, all of them real processes: what people notice of it when hubs die or hang, when somebody does
//! not read, when there are many, and when the gateway itself is changed or ended. And RFC 6455, with the gateway and
//! without.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "../support/chat.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod chat;
#[path = "../support/client.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod client;
#[path = "../support/echo.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod echo;
#[path = "../support/hub.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod hub;
#[path = "../support/patience.rs"]
mod patience;
#[path = "../support/postgres.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod postgres;

mod changes;
mod deaths;
mod guest;
mod house;
mod many;
mod rfc6455;
mod rfc6455_cases;
mod slow;

use patience::eventually;
