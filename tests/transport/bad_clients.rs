//! Clients that stall, flood and lie: memory stays bounded, the close code is right, and others do not notice.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use tertulia::session::SessionLimits;

use crate::support::client::{BINARY, CLOSE, Client, FIN, PING, PONG, TEXT, dial, frame, handshake, header, text};
use crate::support::echo::EchoServer;
use crate::support::eventually;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Limits of a connection of the hub.
fn server() -> EchoServer {
    EchoServer::start(SessionLimits::default())
}

/// What the process occupies, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4 * KIB
}

#[test]
fn a_frame_that_declares_a_gigabyte_is_refused_from_its_header() {
    let server = server();
    let mut other = Client::open(server.address);
    let mut client = Client::open(server.address);
    client.send(&header(FIN | BINARY, 1 << 30));
    client.expect_close(1009);
    // One that goes on to send it sees the same.
    let mut client = Client::open(server.address);
    client.send(&header(FIN | TEXT, 1 << 30));
    for _ in 0..100 {
        let _ = client.stream.write_all(&vec![0; 64 * KIB]);
    }
    client.expect_close(1009);
    other.expect_echo("unmoved");
}

#[test]
fn fragments_without_end_are_refused_at_the_limit() {
    let server = server();
    let mut client = Client::open(server.address);
    client.send(&frame(BINARY, &[0; 1000]));
    for _ in 0..100 {
        let _ = client.stream.write_all(&frame(0, &[0; 1000]));
    }
    client.expect_close(1009);
    // A fragment with nothing in it takes no memory, but time.
    let mut client = Client::open(server.address);
    for _ in 0..2 {
        client.send(&frame(TEXT, b"a"));
        client.send(&frame(0, b"").repeat(1_024));
        client.send(&frame(FIN, b"b"));
        client.expect(FIN | TEXT, b"ab");
    }
    client.send(&frame(TEXT, b"a"));
    client.send(&frame(0, b"").repeat(1_025));
    client.expect_close(1009);
}

#[test]
fn a_flood_of_pings_ends_a_connection_and_a_thousand_do_not() {
    let server = server();
    let mut client = Client::open(server.address);
    client.send(&frame(FIN | PING, b"").repeat(1_000));
    for _ in 0..1_000 {
        client.expect(FIN | PONG, b"");
    }
    // Nobody is granted ten thousand in less than a minute and a half.
    client.send(&frame(FIN | PING, b"").repeat(10_000));
    let last = loop {
        match client.frame().unwrap().expect("a Close frame, not the end of the stream") {
            (first, _) if first == FIN | PONG => {}
            last => break last,
        }
    };
    assert_eq!(last, (FIN | CLOSE, [&4429u16.to_be_bytes()[..], b"rate_limited"].concat()));
}

#[test]
fn unmasked_frames_and_text_that_is_not_utf8_are_refused() {
    let server = server();
    let mut client = Client::open(server.address);
    client.send(&[FIN | TEXT, 2, b'h', b'i']);
    client.expect_close(1002);
    let mut client = Client::open(server.address);
    client.send(&frame(FIN | TEXT, &[0xC3, 0x28]));
    client.expect_close(1007);
}

#[test]
fn a_reader_that_stops_is_closed_and_told_why() {
    let server =
        EchoServer::start(SessionLimits { queue_bytes: 256 * KIB, queue_frames: 64, ..SessionLimits::default() });
    let mut other = Client::open(server.address);
    let mut client = with_small_window(&server);
    let message = frame(FIN | BINARY, &vec![1; 60 * KIB]);
    let mut sent = 0;
    // The kernel holds some megabytes for the client before the queue fills.
    while sent < 10 * MIB && client.stream.write_all(&message).is_ok() {
        sent += message.len();
    }
    other.expect_echo("unmoved");
    let mut last = None;
    while let Ok(Some(frame)) = client.frame() {
        last = Some(frame);
    }
    let (_, payload) = last.expect("frames");
    assert_eq!(payload, [&4430u16.to_be_bytes()[..], b"slow_consumer"].concat());
    eventually("the session has ended", || server.sessions.live() == 1);
}

#[test]
fn a_reader_that_goes_on_late_is_still_told_why() {
    let server =
        EchoServer::start(SessionLimits { queue_bytes: 256 * KIB, queue_frames: 64, ..SessionLimits::default() });
    let mut client = with_small_window(&server);
    client.stream.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    let message = frame(FIN | BINARY, &vec![1; 60 * KIB]);
    let mut sent = 0;
    while sent < 10 * MIB && client.stream.write_all(&message).is_ok() {
        sent += message.len();
    }
    // Longer than a closing handshake may take, and again when the kernel has everything, the Close frame too.
    std::thread::sleep(Duration::from_millis(1_500));
    for _ in 0..3 {
        client.frame().unwrap().expect("a frame");
    }
    std::thread::sleep(Duration::from_millis(1_500));
    // What is written to a socket that is closed by now would be answered with a reset.
    client.stream.write_all(&frame(FIN | PONG, &[])).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let mut last = None;
    while let Ok(Some(frame)) = client.frame() {
        last = Some(frame);
    }
    let (_, payload) = last.expect("frames");
    assert_eq!(payload, [&4430u16.to_be_bytes()[..], b"slow_consumer"].concat());
    eventually("the session has ended", || server.sessions.live() == 0);
}

#[test]
fn nothing_is_read_from_a_client_that_does_not_read_where_that_is_the_rule() {
    let limits = SessionLimits {
        queue_bytes: usize::MAX,
        queue_frames: usize::MAX,
        pause_at: 256 * KIB,
        ..SessionLimits::default()
    };
    let server = EchoServer::start(limits);
    let mut client = with_small_window(&server);
    client.stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let before = resident();
    let message = frame(FIN | BINARY, &vec![1; 60 * KIB]);
    let (mut sent, most) = (0, 200 * MIB);
    // A write that is cut short leaves half a message behind, which the rest must follow.
    let mut cut = 0;
    while sent < most {
        match client.stream.write(&message[cut..]) {
            Ok(written) => {
                sent += written;
                cut = (cut + written) % message.len();
            }
            Err(_) => break,
        }
    }
    assert!(sent < most, "the server took {sent} bytes from a client that does not read");
    assert!(resident() < before + 64 * MIB);
    let whole = (sent - cut) / message.len();
    for _ in 0..whole {
        client.expect(FIN | BINARY, &vec![1; 60 * KIB]);
    }
    client.send(&message[cut..]);
    client.expect(FIN | BINARY, &vec![1; 60 * KIB]);
}

#[test]
fn half_open_upgrades_take_little_and_leave_others_alone() {
    let server = server();
    let mut other = Client::open(server.address);
    let before = resident();
    let half = &handshake("/echo", "")[..100];
    let halves: Vec<_> = (0..2_000)
        .map(|_| {
            let mut stream = dial(server.address);
            stream.write_all(half.as_bytes()).unwrap();
            stream
        })
        .collect();
    other.expect_echo("unmoved");
    Client::open(server.address).expect_echo("neither is a new one");
    let grown = resident().saturating_sub(before);
    println!("{} bytes for each half-open upgrade", grown / halves.len());
    assert!(grown < halves.len() * 6 * KIB);
    // And they do not stay.
    for mut half in halves {
        let mut answer = Vec::new();
        let _ = half.read_to_end(&mut answer);
        assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
    }
}

#[test]
fn what_is_not_http_is_refused_at_once() {
    let server = server();
    // The beginning of a TLS handshake, and something that is nothing.
    for garbage in [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"\0\0\0\0", b"{}"] {
        let mut client = Client::dial(server.address);
        // The time in which a head must come is longer.
        client.stream.set_read_timeout(Some(Duration::from_secs(4))).unwrap();
        client.send(garbage);
        let (head, body) = client.response();
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
        assert_eq!(body, r#"{"error":"bad_request","message":"Expected an HTTP request, without TLS"}"#);
        client.expect_end();
    }
}

#[test]
fn clients_that_vanish_are_let_go() {
    let server = server();
    let clients: Vec<_> = (0..100).map(|_| Client::open(server.address)).collect();
    assert_eq!(server.sessions.live(), 100);
    drop(clients);
    eventually("all sessions have ended", || server.sessions.live() == 0);
}

#[test]
fn silence_ends_a_connection_and_a_pong_is_no_silence() {
    let server = EchoServer::start(SessionLimits {
        heartbeat_interval: Some(Duration::from_millis(200)),
        heartbeat_timeout: Some(Duration::from_secs(1)),
        ..SessionLimits::default()
    });
    let mut silent = Client::open(server.address);
    let mut alive = Client::open(server.address);
    let end = Instant::now() + Duration::from_millis(2_500);
    while Instant::now() < end {
        alive.expect(0x89, b"");
        alive.send(&frame(0x8A, b""));
    }
    loop {
        match silent.frame().unwrap().expect("a frame") {
            (0x89, _) => {}
            (first, payload) => {
                assert_eq!((first, payload), (0x88, [&4408u16.to_be_bytes()[..], b"heartbeat_timeout"].concat()));
                break;
            }
        }
    }
    alive.send(&text("here"));
    while alive.frame().unwrap().expect("a frame").0 != FIN | TEXT {}
}

/// A client whose kernel buffers little, so that a server notices early that it does not read.
fn with_small_window(server: &EchoServer) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(16 * KIB).unwrap();
    socket.connect(&server.address.into()).unwrap();
    let mut client = Client::over(std::net::TcpStream::from(socket));
    client.stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client.shake_hands();
    client
}
