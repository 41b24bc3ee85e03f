//! How tunnels end, and what they hold while one side does not read: upstreams that die or hang, clients that vanish or
//! stall, a gateway that is told to stop.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::client::{BINARY, CLOSE, Client, FIN, TEXT, close_payload, frame, header, text};
use crate::process::{Gateway, before};
use crate::upstream::{Socket, Upstream};

/// How much more memory a gateway may have when much has gone through it, in KiB.
const SLACK: u64 = 6 * 1024;

fn behind(upstream: &Upstream) -> Gateway {
    before(&[upstream.url()], &["limits.requests_per_ip=0", "gateway.health_interval=100ms"])
}

fn pair(gateway: &Gateway, upstream: &Upstream) -> (Client, Socket) {
    let client = Client::open(gateway.address);
    (client, upstream.socket())
}

/// The header of an upstream's frame.
fn unmasked(first: u8, len: u64) -> Vec<u8> {
    let mut bytes = header(first, len);
    bytes[1] &= 0x7F;
    bytes
}

#[track_caller]
fn expect_restart(client: &mut Client) {
    client.expect(FIN | CLOSE, &close_payload(1012, b"restarting"));
    client.expect_end();
}

#[test]
fn an_upstream_that_dies_is_a_restart_wherever_it_stopped() {
    let upstream = Upstream::start();
    let gateway = behind(&upstream);
    for (sent, got) in [
        (Vec::new(), Vec::new()),
        (unmasked(FIN | TEXT, 3), Vec::new()),
        ([unmasked(FIN | TEXT, 1), vec![b'a'], unmasked(FIN | TEXT, 9_000), vec![b'x'; 5_000]].concat(), vec![b'a']),
        (vec![FIN | BINARY, 127, 0, 0], Vec::new()),
    ] {
        let (mut client, mut socket) = pair(&gateway, &upstream);
        socket.send(&sent);
        drop(socket);
        if !got.is_empty() {
            client.expect(FIN | TEXT, &got);
        }
        expect_restart(&mut client);
    }
    let (mut client, mut socket) = pair(&gateway, &upstream);
    socket.send(&[unmasked(FIN | BINARY, 1 << 20), vec![b'x'; 300_000]].concat());
    drop(socket);
    let mut came = 0;
    loop {
        let (first, payload) = client.frame().unwrap().expect("a goodbye");
        if first == FIN | CLOSE {
            assert_eq!(payload, close_payload(1012, b"restarting"));
            break;
        }
        assert_eq!(first, if came == 0 { BINARY } else { 0 }, "a fragment of a message that never ends");
        came += payload.len();
    }
    assert_eq!(came, 300_000);
    client.expect_end();
    assert_eq!(gateway.metric("websocket_proxy_errors_total{reason=\"upstream_lost\"}"), 5);
}

#[test]
fn a_client_that_has_taken_its_leave_gets_its_own_code_back_from_a_dead_upstream() {
    let upstream = Upstream::start();
    let gateway = behind(&upstream);
    let (mut client, mut socket) = pair(&gateway, &upstream);
    client.send(&frame(FIN | CLOSE, &close_payload(4001, b"bye")));
    socket.expect(&frame(FIN | CLOSE, &close_payload(4001, b"bye")));
    drop(socket);
    client.expect_close(4001);
}

#[test]
fn a_client_that_vanishes_is_an_end_without_a_goodbye() {
    let upstream = Upstream::start();
    let gateway = behind(&upstream);
    for partial in [&text("whole")[..], &text("cut off")[..9]] {
        let (mut client, mut socket) = pair(&gateway, &upstream);
        client.send(partial);
        drop(client);
        socket.expect(partial);
        socket.expect_end();
    }
    // One that only reads on still gets its answer.
    let (mut client, mut socket) = pair(&gateway, &upstream);
    client.send(&frame(FIN | CLOSE, b""));
    client.stream.shutdown(Shutdown::Write).unwrap();
    socket.expect(&frame(FIN | CLOSE, b""));
    socket.expect_end();
    socket.send(&[FIN | CLOSE, 0]);
    drop(socket);
    client.expect(FIN | CLOSE, b"");
    client.expect_end();
    assert_eq!(gateway.metric("websocket_proxy_errors_total{reason=\"client_lost\"}"), 2);
}

#[test]
fn an_upstream_that_breaks_the_rules_is_cut_off_and_its_client_told() {
    let upstream = Upstream::start();
    let gateway = behind(&upstream);
    let goodbyes = [&[FIN | CLOSE, 1, 3][..], &[FIN | CLOSE, 2, 0x03, 0xED], &[FIN | CLOSE, 3, 0x03, 0xE8, 0xFF]];
    let frames = [&text("masked")[..], &[0xC1, 0], &[FIN, 0], &[0x83, 0], &[0x09, 0]];
    for wrong in frames.into_iter().chain(goodbyes) {
        let (mut client, mut socket) = pair(&gateway, &upstream);
        socket.send(&[&[FIN | TEXT, 1, b'a'], wrong].concat());
        client.expect(FIN | TEXT, b"a");
        client.expect(FIN | CLOSE, &close_payload(1011, b"internal"));
        let mut goodbye = [0; 6];
        socket.stream.read_exact(&mut goodbye).unwrap();
        assert_eq!(goodbye[0], FIN | CLOSE);
        assert_eq!([goodbye[1] & 0x80], [0x80], "masked");
    }
}

#[test]
fn an_upstream_that_goes_on_after_its_goodbye_is_not_listened_to() {
    let upstream = Upstream::start();
    let gateway = behind(&upstream);
    let (mut client, mut socket) = pair(&gateway, &upstream);
    let goodbye = close_payload(1000, b"");
    socket.send(&[&[FIN | CLOSE, 2][..], &goodbye].concat());
    client.expect(FIN | CLOSE, &goodbye);
    let mut sent = 0;
    while socket.stream.write_all(&[0; 8 * 1024]).is_ok() {
        sent += 8 * 1024;
        assert!(sent < 64 << 20, "it is still read");
    }
    client.send(&frame(FIN | CLOSE, &goodbye));
    client.expect_end();
}

#[test]
fn a_hung_upstream_is_a_restart_when_health_checks_find_it() {
    let upstream = Upstream::start();
    let gateway = behind(&upstream);
    let (mut client, _socket) = pair(&gateway, &upstream);
    upstream.is_hung.store(true, Ordering::Relaxed);
    expect_restart(&mut client);
    let gone = "WebSocket proxy [Backend->Client]: Connection closed\n";
    crate::eventually("the end is in the log", || gateway.log().contains(gone));
}

#[test]
fn a_gateway_that_stops_tells_clients_to_come_back_and_upstreams_nothing() {
    let upstream = Upstream::start();
    let mut gateway = behind(&upstream);
    let (mut client, mut socket) = pair(&gateway, &upstream);
    let (stalled, stalled_socket) = pair(&gateway, &upstream);
    let (within, mut within_socket) = pair(&gateway, &upstream);
    client.send(&text("last"));
    socket.expect(&text("last"));
    within_socket.send(&[unmasked(FIN | BINARY, 1 << 20), vec![1; 200_000]].concat());
    let reading = std::thread::spawn(move || {
        expect_restart(&mut client);
        socket.expect_end();
    });
    let begun = Instant::now();
    gateway.terminate();
    let (status, took) = (gateway.ended(), begun.elapsed());
    assert!(status.success());
    assert!(took < Duration::from_secs(5), "{took:?}");
    reading.join().unwrap();
    drop((stalled, stalled_socket, within));
}

#[test]
fn a_frame_of_a_hundred_megabytes_takes_no_memory_either_way() {
    const LEN: u64 = 100 << 20;
    let upstream = Upstream::start();
    let gateway = behind(&upstream);
    let (client, socket) = pair(&gateway, &upstream);
    let before = gateway.resident();
    let flat = |when: &str| {
        if let (Some(before), Some(now)) = (before, gateway.resident()) {
            assert!(now < before + SLACK, "{when}: {now} KiB, {before} before");
        }
    };
    let piece = vec![0x55; 1 << 20];
    let read = |mut from: std::net::TcpStream, len: u64| {
        let (mut buffer, mut total) = (vec![0; 1 << 16], 0);
        while total < len {
            match from.read(&mut buffer).unwrap() {
                0 => break,
                n => total += n as u64,
            }
        }
        total
    };
    let (mut up, at_upstream) = (client.stream.try_clone().unwrap(), socket.stream.try_clone().unwrap());
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || read(at_upstream, LEN + 14));
        up.write_all(&[&header(FIN | BINARY, LEN)[..], &[1, 2, 3, 4]].concat()).unwrap();
        for _ in 0..LEN >> 20 {
            up.write_all(&piece).unwrap();
        }
        flat("towards the upstream");
        assert_eq!(reader.join().unwrap(), LEN + 14);
    });
    let (mut down, mut client) = (socket.stream.try_clone().unwrap(), client);
    std::thread::scope(|scope| {
        let piece = &piece;
        scope.spawn(move || {
            down.write_all(&unmasked(FIN | BINARY, LEN)).unwrap();
            for _ in 0..LEN >> 20 {
                down.write_all(piece).unwrap();
            }
            down.write_all(&[FIN | TEXT, 1, b'.']).unwrap();
        });
        let mut came = 0;
        while came < LEN {
            let (_, payload) = client.frame().unwrap().expect("the rest");
            came += payload.len() as u64;
        }
        flat("towards the client");
        client.expect(FIN | TEXT, b".");
    });
}

#[test]
fn a_client_that_stalls_costs_little_and_harms_nobody() {
    let upstream = Upstream::start();
    let gateway = behind(&upstream);
    let (mut client, mut socket) = pair(&gateway, &upstream);
    let (mut other, mut other_socket) = pair(&gateway, &upstream);
    let before = gateway.resident();
    socket.stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let flood = [&[FIN | BINARY, 126, 0x10, 0][..], &[9; 0x1000]].concat().repeat(64);
    let mut taken = 0;
    // A write that times out may have taken a part, so how much was written is counted here.
    while taken < 200 << 20 {
        match socket.stream.write(&flood[taken % flood.len()..]) {
            Ok(written) => taken += written,
            Err(_) => break,
        }
    }
    assert!(taken < 32 << 20, "{taken} bytes were taken from an upstream whose client does not read");
    other.send(&text("still"));
    other_socket.expect(&text("still"));
    other_socket.send(&[FIN | TEXT, 4, b'h', b'e', b'r', b'e']);
    other.expect(FIN | TEXT, b"here");
    if let (Some(before), Some(now)) = (before, gateway.resident()) {
        assert!(now < before + 2 * 1024, "{now} KiB, {before} before");
    }
    // Now the client reads: all of it comes, and what the upstream says to end it.
    let frames = taken.div_ceil(0x1004);
    let (cut, rest) = (taken % flood.len(), frames * 0x1004 - taken);
    let mut writer = socket.stream.try_clone().unwrap();
    writer.set_write_timeout(None).unwrap();
    let ending = std::thread::spawn(move || {
        let end = [&flood[cut..cut + rest], &[FIN | CLOSE, 2, 0x11, 0x4e]].concat();
        writer.write_all(&end).unwrap();
    });
    for _ in 0..frames {
        client.expect(FIN | BINARY, &[9; 0x1000]);
    }
    client.expect(FIN | CLOSE, &close_payload(4430, b""));
    ending.join().unwrap();
}
