//! Clients that flood, stall and lie: memory stays bounded, only their own session ends, and others do not notice.

use std::io::Write as _;
use std::time::{Duration, Instant};

use tertulia::domain::CloseReason;
use tertulia::session::SessionLimits;
use tertulia::socketio::Settings;

use crate::client::{CLOSE, Client, FIN, TEXT, frame, text};
use crate::eventually;
use crate::server::{Answer, Polled, Server, calm, expect_text, get, post};

const MIB: usize = 1024 * 1024;

/// What the process occupies, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4 * 1024
}

/// Somebody else's session, which must not notice.
fn expect_prompt(polled: &Polled<'_>) {
    let start = Instant::now();
    polled.say("4hello");
    polled.poll().expect(200, "4hello");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[test]
fn a_payload_beyond_the_limit_is_refused_before_it_is_read() {
    let server = Server::with(Settings { max_payload: 64 * 1024, ..calm() }, SessionLimits::default(), 2);
    let other = Polled::open(&server);
    let before = resident();
    for _ in 0..20 {
        let polled = Polled::open(&server);
        let mut client = Client::dial(server.address);
        let head = post(&polled.target(), "").replace("Content-Length: 0", &format!("Content-Length: {}", 10 * MIB));
        let _ = client.stream.write_all(head.as_bytes());
        let piece = vec![b'4'; 64 * 1024];
        for _ in 0..160 {
            if client.stream.write_all(&piece).is_err() {
                break;
            }
        }
    }
    // In pieces, its length unknown until it ends.
    let polled = Polled::open(&server);
    let mut waiting = polled.wait();
    let mut client = Client::dial(server.address);
    let head = post(&polled.target(), "").replace("Content-Length: 0", "Transfer-Encoding: chunked");
    client.send(head.as_bytes());
    let chunk = [b"4000\r\n".as_slice(), &vec![b'4'; 0x4000], b"\r\n"].concat();
    for _ in 0..6 {
        let _ = client.stream.write_all(&chunk);
    }
    assert_eq!(Answer::of(&mut client).status, 413);
    // Its session ends, as one with a socket does.
    Answer::of(&mut waiting).expect(200, "1");
    polled.poll().expect_unknown();
    let polled = Polled::open(&server);
    let mut client = Client::dial(server.address);
    client.send(post(&polled.target(), "").replace("Content-Length: 0", "Content-Length: 65537").as_bytes());
    assert_eq!(Answer::of(&mut client).status, 413);
    polled.poll().expect_unknown();
    let grown = resident().saturating_sub(before);
    assert!(grown < 32 * MIB, "{grown} bytes of 200 MiB");
    eventually("their sessions are gone", || server.sessions.live() == 1 && server.engine.listed() == 1);
    let endings = server.house.endings.lock().unwrap().clone();
    assert!(endings.iter().all(|it| it.ours == Some(CloseReason::TooBig)), "{endings:?}");
    // What is just within the limit is taken.
    let longest = format!("4{}", "x".repeat(64 * 1024 - 1));
    other.say(&longest);
    other.poll().expect(200, &longest);
}

#[test]
fn a_million_separators_are_not_even_one_packet() {
    let server = Server::start();
    let other = Polled::open(&server);
    let polled = Polled::open(&server);
    polled.post(&"\u{1e}".repeat(1_000_000)).expect_bad();
    polled.poll().expect_unknown();
    expect_prompt(&other);
}

#[test]
fn a_payload_of_very_many_packets_leaves_others_their_turn() {
    let server = Server::with(calm(), SessionLimits::default(), 1);
    let other = Polled::open(&server);
    let polled = Polled::open(&server);
    // Answered, they are more than may wait.
    polled.post(&vec!["4"; 500_000].join("\u{1e}")).expect(200, "ok");
    assert_eq!(server.ending().ours, Some(CloseReason::SlowConsumer));
    expect_prompt(&other);
    // Not answered, they are only work.
    let polled = Polled::open(&server);
    let mut client = Client::dial(server.address);
    client.send(post(&polled.target(), &vec!["6"; 500_000].join("\u{1e}")).as_bytes());
    expect_prompt(&other);
    Answer::of(&mut client).expect(200, "ok");
    polled.say("4hello");
    polled.poll().expect(200, "4hello");
}

#[test]
fn a_payload_that_never_ends_holds_up_its_own_session_only() {
    let server = Server::start();
    let other = Polled::open(&server);
    let before = resident();
    let polled: Vec<_> = (0..50).map(|_| Polled::open(&server)).collect();
    let mut stalled = Vec::new();
    for polled in &polled {
        let mut client = Client::dial(server.address);
        let head = post(&polled.target(), "").replace("Content-Length: 0", "Content-Length: 900000");
        client.send(&[head.as_bytes(), b"4hello"].concat());
        stalled.push(client);
    }
    expect_prompt(&other);
    let grown = resident().saturating_sub(before);
    assert!(grown < 24 * MIB, "{grown} bytes for what was announced");
    drop(stalled);
    eventually("their sessions are gone", || server.sessions.live() == 1 && server.engine.listed() == 1);
}

#[test]
fn a_payload_whose_session_has_ended_is_not_waited_for() {
    let settings =
        Settings { ping_interval: Duration::from_millis(100), ping_timeout: Duration::from_millis(100), ..calm() };
    let server = Server::with(settings, SessionLimits::default(), 2);
    let polled = Polled::open(&server);
    let mut client = Client::dial(server.address);
    let head = post(&polled.target(), "").replace("Content-Length: 0", "Content-Length: 900000");
    client.send(&[head.as_bytes(), &vec![b'4'; 800_000]].concat());
    // Long before the HTTP stack would lose its patience.
    let start = Instant::now();
    Answer::of(&mut client).expect_unknown();
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    server.expect_empty();
}

#[test]
fn polls_that_are_opened_and_dropped_by_the_thousand_leave_nothing_behind() {
    let settings =
        Settings { ping_interval: Duration::from_millis(500), ping_timeout: Duration::from_millis(500), ..calm() };
    let server = Server::with(settings, SessionLimits::default(), 2);
    for _ in 0..1_000 {
        // The first poll may be dropped before it is answered, the next one while it waits.
        let mut client = Client::dial(server.address);
        client.send(get("/engine.io/?EIO=4&transport=polling").as_bytes());
        let answer = Answer::of(&mut client);
        client.send(get(&format!("/engine.io/?EIO=4&transport=polling&sid={}", &answer.body[9..29])).as_bytes());
    }
    for _ in 0..1_000 {
        Client::dial(server.address).send(get("/engine.io/?EIO=4&transport=polling").as_bytes());
    }
    // Of those whose answer was never read nobody can tell that nobody will come back, until their Ping is not answered.
    server.expect_empty();
    let ended = server.house.endings.lock().unwrap().len();
    assert!(ended > 1_000, "of {ended} sessions");
    Polled::open(&server);
}

#[test]
fn sessions_that_nobody_polls_take_little() {
    let server = Server::start();
    let before = resident();
    let polled: Vec<_> = (0..3_000).map(|_| Polled::open(&server)).collect();
    let grown = resident().saturating_sub(before);
    println!("{} bytes for each session", grown / polled.len());
    // Other tests run beside this one.
    assert!(grown < polled.len() * 8 * 1024, "{grown} bytes");
    for polled in &polled[..10] {
        expect_prompt(polled);
    }
}

#[test]
fn sockets_that_are_offered_and_say_nothing_take_one_place() {
    let settings = Settings { upgrade_timeout: Duration::from_secs(1), ..calm() };
    let server = Server::with(settings, SessionLimits::default(), 2);
    let polled = Polled::open(&server);
    let mut first = polled.offer();
    for _ in 0..200 {
        let mut socket = polled.offer();
        assert_eq!(socket.frame().unwrap(), Some((FIN | CLOSE, Vec::new())));
    }
    expect_prompt(&polled);
    assert_eq!(first.frame().unwrap(), Some((FIN | CLOSE, Vec::new())));
    let mut socket = polled.offer();
    socket.send(&[text("2probe"), text("5"), text("4hello")].concat());
    expect_text(&mut socket, "3probe");
    expect_text(&mut socket, "4hello");
}

#[test]
fn requests_for_a_session_by_the_hundred_at_once_only_end_it() {
    let server = Server::start();
    let other = Polled::open(&server);
    let polled = Polled::open(&server);
    let mut clients: Vec<_> = (0..300).map(|_| Client::dial(server.address)).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        let request = if n % 2 == 0 { get(&polled.target()) } else { post(&polled.target(), "4hello") };
        client.send(request.as_bytes());
    }
    for client in &mut clients {
        let answer = Answer::of(client);
        assert!(matches!(answer.status, 200 | 400), "{}", answer.head);
    }
    polled.poll().expect_unknown();
    expect_prompt(&other);
}

#[test]
fn a_socket_that_is_flooded_with_tiny_fragments_or_nothing_is_closed() {
    let server = Server::with(Settings { max_payload: 10_000, ..calm() }, SessionLimits::default(), 2);
    let other = Polled::open(&server);
    // Ten thousand bytes in fragments of one, and one more.
    let mut socket = server.socket("");
    socket.frame().unwrap();
    socket.send(&frame(TEXT, b"4"));
    let _ = socket.stream.write_all(&frame(0, b"x").repeat(10_000));
    expect_prompt(&other);
    socket.expect_close(1009);
    let mut socket = server.socket("");
    socket.frame().unwrap();
    socket.send(&frame(TEXT, b"4"));
    let _ = socket.stream.write_all(&frame(0, b"").repeat(1_025));
    socket.expect_close(1009);
    // A message without a type is none.
    let mut socket = server.socket("");
    socket.frame().unwrap();
    let _ = socket.stream.write_all(&text("").repeat(1_000));
    socket.expect_close(1002);
    expect_prompt(&other);
}
