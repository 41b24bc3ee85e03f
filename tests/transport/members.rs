//! Clients of the hub and what they may do: limits, tokens, idleness, and how they end.

use std::io::Write;
use std::num::NonZeroU32;
use std::time::Duration;

use tertulia::domain::Rate;
use tertulia::domain::audit::AuditAction;
use tertulia::session::SessionLimits;
use tertulia::session::member::Club;

use crate::support::client::{BINARY, CLOSE, Client, FIN, TEXT, close_payload, frame, handshake, text};
use crate::support::eventually;
use crate::support::words::WordsServer;

fn server_with(change: impl FnOnce(&mut Club) + Send + 'static) -> WordsServer {
    WordsServer::start(SessionLimits::default(), change)
}

fn server() -> WordsServer {
    server_with(|_| ())
}

fn an_hour(events: u32) -> Rate {
    let events = NonZeroU32::new(events).unwrap();
    Rate { events, period: Duration::from_hours(1), burst: events }
}

/// A client that has been told `connected`.
fn open(server: &WordsServer, query: &str) -> Client {
    let mut client = Client::dial(server.address);
    client.send(handshake(&format!("/words?{query}"), "Origin: https://example.org\r\n").as_bytes());
    assert!(client.response().0.starts_with("HTTP/1.1 101 "));
    client.hears("connected 25");
    client
}

impl Client {
    fn says(&mut self, words: &str) {
        self.send(&text(words));
    }

    #[track_caller]
    fn hears(&mut self, words: &str) {
        let (first, payload) = self.frame().unwrap().expect("a frame, not the end of the stream");
        assert_eq!((first, String::from_utf8(payload).unwrap()), (FIN | TEXT, words.to_owned()));
    }

    #[track_caller]
    fn closed_for(&mut self, code: u16, reason: &str) {
        let (first, payload) = self.frame().unwrap().expect("a Close frame, not the end of the stream");
        assert_eq!((first, String::from_utf8_lossy(&payload[2..]).as_ref()), (FIN | CLOSE, reason));
        assert_eq!(payload[..2], code.to_be_bytes());
    }
}

#[test]
fn members_of_a_room_hear_each_other() {
    let server = server();
    let (mut ana, mut bea) = (open(&server, "user=1"), open(&server, "user=2"));
    for client in [&mut ana, &mut bea] {
        client.says("join 5");
        client.hears("joined");
    }
    ana.says("typing 5");
    bea.hears("typing");
    bea.says("leave 5");
    bea.hears("left");
    ana.says("ping");
    ana.hears("pong");
}

#[test]
fn a_client_that_reads_is_not_slow_however_much_it_asks_for_at_once() {
    let server = server();
    let mut client = open(&server, "user=1");
    let mut writer = client.stream.try_clone().unwrap();
    let asking = std::thread::spawn(move || writer.write_all(&text("join 5").repeat(20_000)).unwrap());
    for _ in 0..20_000 {
        client.hears("joined");
    }
    asking.join().unwrap();
}

#[test]
fn going_too_fast_is_refused_and_going_on_with_it_ends() {
    let server = server_with(|club| club.events = Some(an_hour(5)));
    let mut client = open(&server, "user=1");
    client.send(&text("ping").repeat(5 + 100));
    for _ in 0..5 {
        client.hears("pong");
    }
    for _ in 0..100 {
        client.hears("error rate_limited");
    }
    client.closed_for(4429, "rate_limited");
}

#[test]
fn typing_has_a_limit_of_its_own() {
    let server = server_with(|club| club.typing = Some(an_hour(2)));
    let mut client = open(&server, "user=1");
    client.says("join 5");
    client.hears("joined");
    client.send(&text("typing 5").repeat(3));
    client.hears("error rate_limited");
    client.says("ping");
    client.hears("pong");
}

#[test]
fn twenty_frames_that_cannot_be_read_end_a_connection_and_wrong_ones_do_not() {
    let server = server();
    let mut client = open(&server, "user=1");
    client.send(&text("?").repeat(50));
    for _ in 0..50 {
        client.hears("error invalid_payload");
    }
    client.send(&text("strange").repeat(20));
    for _ in 0..20 {
        client.hears("error unknown_type");
    }
    client.closed_for(4400, "too_many_errors");
}

#[test]
fn binary_is_not_spoken_here() {
    let server = server();
    let mut client = open(&server, "user=1");
    client.send(&frame(FIN | BINARY, b"x"));
    client.closed_for(1003, "unsupported_data");
}

#[test]
fn a_connection_ends_with_its_token_and_is_told_before() {
    let server = server();
    let mut client = open(&server, "user=1&ttl=-29");
    client.hears("token_expiring");
    client.closed_for(4401, "token_expired");
    let mut client = open(&server, "user=1&ttl=61");
    client.hears("token_expiring");
    client.says("ping");
    client.hears("pong");
}

#[test]
fn a_fresh_token_of_the_same_user_keeps_a_connection() {
    let server = server();
    let mut client = open(&server, "user=1&ttl=-28");
    client.hears("token_expiring");
    client.says("token nonsense");
    client.hears("error invalid_token");
    client.says("token 2,3600");
    client.hears("error invalid_token");
    client.says("token 1,3600");
    client.hears("token_refreshed");
    // One that is about to end is announced again.
    client.says("token 1,30");
    client.hears("token_refreshed");
    client.hears("token_expiring");
}

#[test]
fn a_connection_in_no_room_that_says_nothing_is_idle() {
    let server = server_with(|club| club.idle_timeout = Some(Duration::from_millis(600)));
    let (mut idle, mut member) = (open(&server, "user=1"), open(&server, "user=2"));
    member.says("join 5");
    member.hears("joined");
    // Joining twice and leaving once is having left.
    let mut gone = open(&server, "user=3");
    for (said, heard) in [("join 5", "joined"), ("join 5", "joined"), ("leave 5", "left")] {
        gone.says(said);
        gone.hears(heard);
    }
    idle.closed_for(4408, "idle");
    gone.closed_for(4408, "idle");
    member.says("ping");
    member.hears("pong");
}

#[test]
fn the_eleventh_connection_of_a_user_replaces_the_first() {
    let server = server();
    let mut clients: Vec<_> = (0..10).map(|_| open(&server, "user=1")).collect();
    let _eleventh = open(&server, "user=1");
    clients[0].closed_for(4409, "replaced");
}

#[test]
fn a_drain_tells_everyone_and_closes_with_1012() {
    let server = server();
    let mut clients: Vec<_> = (1..20).map(|user| open(&server, &format!("user={user}"))).collect();
    let hub = server.hub.clone();
    let drained = std::thread::spawn(move || actix::System::new().block_on(hub.drain()));
    let mut delays = Vec::new();
    for client in &mut clients {
        let (_, payload) = client.frame().unwrap().expect("a frame");
        let told = String::from_utf8(payload).unwrap();
        delays.push(told.strip_prefix("server_restarting ").unwrap().parse::<u64>().unwrap());
        client.closed_for(1012, "restarting");
        client.send(&frame(FIN | CLOSE, &close_payload(1012, b"")));
        client.expect_end();
    }
    drained.join().unwrap();
    delays.sort_unstable();
    delays.dedup();
    assert!(delays.len() > 15 && delays.iter().all(|delay| *delay < 5_000), "{delays:?}");
    eventually("no session is left", || server.sessions.live() == 0);
}

#[test]
fn what_opened_and_closed_is_audited_and_counted() {
    let server = server();
    let mut client = open(&server, "user=1");
    client.send(&frame(FIN | CLOSE, &close_payload(1001, b"")));
    client.expect_close(1001);
    let lost = open(&server, "user=2");
    drop(lost);
    eventually("both are closed", || server.store.audited().len() == 4);
    let entries = server.store.audited();
    assert!(entries.iter().all(|entry| entry.dialect == "words" && entry.address.is_loopback()));
    assert!(entries.iter().all(|entry| entry.origin.as_deref() == Some("https://example.org")));
    let closed: Vec<_> = entries
        .iter()
        .filter_map(|entry| match entry.action {
            AuditAction::Closed { code, reason, .. } => Some((code, reason)),
            _ => None,
        })
        .collect();
    assert_eq!(closed, [(1001, "left"), (1006, "lost")]);
    let metrics = server.metrics.render().unwrap();
    for line in [
        r#"websocket_connections{dialect="words"} 0"#,
        r#"websocket_closes_total{reason="left"} 1"#,
        r#"websocket_closes_total{reason="lost"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }
}
