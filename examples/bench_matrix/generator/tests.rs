//! The load against a small server that makes mistakes on purpose: each of them has to be seen.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;

use super::*;

/// What happens to the third of ten publishes on its way to the second client.
#[derive(Clone, Copy)]
enum Mistake {
    None,
    Lost,
    Repeated,
    Swapped,
    Misled,
    Closed,
}

/// Takes two clients into a room, the first of which publishes, and returns where it listens.
fn server(mistake: Mistake) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut clients: Vec<TcpStream> = (0..2).map(|_| welcome(listener.accept().unwrap().0)).collect();
        let (publisher, other) = clients.split_at_mut(1);
        let mut kept = Vec::new();
        for nth in 0.. {
            let Some(said) = hear(&mut publisher[0]) else { return };
            let frame = frames::from_server(frames::TEXT, &said);
            let sent = match (mistake, nth) {
                (Mistake::Lost, 2) => Vec::new(),
                (Mistake::Repeated, 2) => [frame.clone(), frame].concat(),
                (Mistake::Swapped, 2) => {
                    kept = frame;
                    Vec::new()
                }
                (Mistake::Swapped, 3) => [frame, std::mem::take(&mut kept)].concat(),
                (Mistake::Misled, 2) => frames::from_server(frames::TEXT, &mark::mark(9, 2)),
                (Mistake::Closed, 2) => frames::from_server(frames::CLOSE, b"\x03\xe8"),
                _ => frame,
            };
            // It may have gone, as it was told.
            let _ = other[0].write_all(&sent);
        }
    });
    address
}

fn welcome(mut client: TcpStream) -> TcpStream {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        request.push(byte[0]);
    }
    client.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").unwrap();
    client.write_all(&frames::from_server(frames::TEXT, b"joined")).unwrap();
    client
}

/// What a client says in its next frame, all of which are short or have a length of two bytes here.
fn hear(client: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(frame) = frames::first(&bytes).unwrap() {
            let mask = frame.mask.unwrap();
            return Some(bytes[frame.payload].iter().enumerate().map(|(nth, byte)| byte ^ mask[nth % 4]).collect());
        }
        let mut byte = [0];
        client.read_exact(&mut byte).ok()?;
        bytes.push(byte[0]);
    }
}

/// Ten publishes, at a pace at which each has arrived long before the next.
fn counts_with(mistake: Mistake) -> (u64, Counts) {
    let tokens = vec!["token".to_owned(); 2];
    let mut load = Load::new(Wire::Raw, server(mistake), 2, "room".to_owned(), tokens).unwrap();
    // One after the other, so that the server knows who publishes.
    load.connect(1, 1).unwrap();
    load.connect(2, 1).unwrap();
    let mut rounds = 0;
    while load.counts().published < 10 {
        load.run(Duration::from_millis(20), Pace::Open(200.0)).unwrap();
        rounds += 1;
        assert!(rounds < 1000, "nothing is published");
    }
    load.settle().unwrap();
    (load.missing(), load.counts())
}

#[test]
fn all_is_well_without_mistakes() {
    let (missing, counts) = counts_with(Mistake::None);
    assert_eq!((missing, counts.disorder, counts.closed, counts.joined), (0, 0, 0, 2));
    assert_eq!((counts.expected, counts.received), (counts.published, counts.published));
}

#[test]
fn a_loss_is_seen() {
    let (missing, counts) = counts_with(Mistake::Lost);
    assert_eq!((missing, counts.disorder), (1, 1), "it is missing, and the next one is not the one that was due");
}

#[test]
fn a_repeat_is_seen() {
    assert_eq!(counts_with(Mistake::Repeated).1.disorder, 1);
}

#[test]
fn a_swap_is_seen() {
    let (missing, counts) = counts_with(Mistake::Swapped);
    assert_eq!((missing, counts.disorder), (0, 3));
}

#[test]
fn what_belongs_to_another_room_is_seen() {
    let (missing, counts) = counts_with(Mistake::Misled);
    assert_eq!((missing, counts.disorder), (1, 2));
}

#[test]
fn a_connection_that_the_server_ends_is_seen() {
    let (missing, counts) = counts_with(Mistake::Closed);
    assert_eq!((counts.closed, missing), (1, counts.published - 2));
}

#[test]
fn latency_counts_from_when_a_publish_was_due() {
    let tokens = vec!["token".to_owned(); 2];
    let mut load = Load::new(Wire::Raw, server(Mistake::Swapped), 2, "room".to_owned(), tokens).unwrap();
    load.connect(1, 1).unwrap();
    load.connect(2, 1).unwrap();
    load.record_latencies();
    // The third waits for the fourth, which is due 50 ms later.
    load.run(Duration::from_millis(240), Pace::Open(20.0)).unwrap();
    load.settle().unwrap();
    let latencies = load.take_latencies();
    assert!(latencies.last().is_some_and(|us| (45_000..1_000_000).contains(us)), "{latencies:?}");
    assert!(latencies.is_sorted());
}

#[test]
fn a_burst_is_heard_to_its_end() {
    let tokens = vec!["token".to_owned(); 2];
    let mut load = Load::new(Wire::Raw, server(Mistake::None), 2, "room".to_owned(), tokens).unwrap();
    load.connect(1, 1).unwrap();
    load.connect(2, 1).unwrap();
    load.run(Duration::from_millis(100), Pace::Bursts(50.0, 4)).unwrap();
    load.settle().unwrap();
    let counts = load.counts();
    assert!(counts.published >= 8 && counts.published.is_multiple_of(4), "{counts:?}");
    assert_eq!((counts.received, counts.disorder, load.missing()), (counts.published, 0, 0));
}
