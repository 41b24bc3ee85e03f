//! Accounts as people and programs meet them: the built binary, over HTTP, over sockets and on the command line.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "../support/chat.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod chat;
#[path = "../support/hub.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod hub;
#[path = "../support/postgres.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod postgres;

mod api;
mod command_line;
mod first;
mod floods;
mod keys;
mod logins;
mod nodes;
mod people;
mod requests;
