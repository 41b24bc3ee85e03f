//! Bodies that are much larger than what a gateway may keep.

use std::io::{Read, Write};
use std::thread;

use crate::client::{Client, dial};
use crate::process::{Gateway, reply};
use crate::upstream::Upstream;

const SIZE: usize = 100 << 20;

/// What a gateway may grow by, in MiB: much less than a body.
const ROOM: u64 = 24;

#[test]
fn a_hundred_megabytes_up_take_no_room() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&[upstream.url()], &[]);
    assert_eq!(gateway.get("/").status, 200);
    let before = gateway.peak_mib();
    let mut client = Client::over(dial(gateway.address));
    client.send(format!("POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\n\r\n").as_bytes());
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..SIZE >> 20 {
        client.send(&piece);
    }
    let answer = reply(client.response());
    assert_eq!((answer.status, answer.body), (200, SIZE.to_string()));
    assert!(gateway.peak_mib() < before + ROOM, "{} MiB, then {} MiB", before, gateway.peak_mib());
}

#[test]
fn a_hundred_megabytes_down_take_no_room_and_wait_for_a_slow_reader() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&[upstream.url()], &[]);
    assert_eq!(gateway.get("/").status, 200);
    let before = gateway.peak_mib();
    let mut client = Client::over(dial(gateway.address));
    client.send(format!("GET /down/{SIZE} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
    thread::sleep(std::time::Duration::from_secs(1));
    let stalled = gateway.peak_mib();
    assert!(stalled < before + ROOM, "{before} MiB, then {stalled} MiB with a reader that waits");
    let (mut seen, mut piece, mut head) = (0, vec![0; 1 << 20], None);
    while seen < SIZE {
        let read = client.stream.read(&mut piece).expect("a piece");
        assert!(read > 0, "the stream ended after {seen} bytes");
        let skipped =
            *head.get_or_insert_with(|| piece.windows(4).position(|it| it == b"\r\n\r\n").expect("a head") + 4);
        seen += read - if seen == 0 { skipped } else { 0 };
    }
    assert_eq!(seen, SIZE);
    assert!(gateway.peak_mib() < before + ROOM, "{} MiB, then {} MiB", before, gateway.peak_mib());
}

#[test]
fn both_directions_flow_at_once() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&[upstream.url()], &[]);
    let mut writer = dial(gateway.address);
    let mut reader = writer.try_clone().expect("a socket");
    let total = 64 << 20;
    let sending = thread::spawn(move || {
        writer.write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        let piece = vec![b'y'; 1 << 20];
        for _ in 0..total >> 20 {
            writer.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).unwrap();
            writer.write_all(&piece).unwrap();
            writer.write_all(b"\r\n").unwrap();
        }
        writer.write_all(b"0\r\n\r\n").unwrap();
        writer
    });
    let (mut count, mut last, mut piece) = (0, Vec::new(), vec![0; 1 << 20]);
    while !last.ends_with(b"\r\n0\r\n\r\n") {
        let read = reader.read(&mut piece).expect("a piece");
        assert!(read > 0, "the stream ended");
        count += memchr::memchr_iter(b'y', &piece[..read]).count();
        last.extend_from_slice(&piece[..read]);
        last.drain(..last.len().saturating_sub(16));
    }
    drop(sending.join().expect("all was sent"));
    assert_eq!(count, total);
}
