//! What the frames themselves cost: reading what clients send, in whatever pieces it comes, and writing; and the packets of
//! Socket.IO, in frames as well as in the answers to polls.
//!
//! The reader unmasks in place. The masks here are zero, so that a piece is the same after it was read and need not be
//! made anew; the work is that of any mask.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on may as well stop")]

mod support;

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tertulia::session::{Link, Opening, Outbox, Peer, Portion, SessionLimits, Sessions, start_polled};
use tertulia::socketio::{message_frame, packet};
use tertulia::transport::ws::Opcode;
use tertulia::transport::ws::reader::{Frame, Reader};
use tertulia::transport::ws::writer::{frame, frame_with};

const MAX_MESSAGE: usize = 64 * 1024;

/// What a session reads from its socket at a time.
const PIECE: usize = 16 * 1024;

const SIZES: [(&str, usize); 3] = [("16 B", 16), ("128 B", 128), ("64 KiB", MAX_MESSAGE)];

/// A frame as a client sends it.
fn masked(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first_byte];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len), _) if len < 126 => frame.push(0x80 | len),
        (_, Ok(len)) => {
            frame.push(0x80 | 0x7E);
            frame.extend(len.to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 0x7F);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

const TEXT: u8 = 0x81;
const TEXT_BEGUN: u8 = 0x01;
const CONTINUED: u8 = 0x00;
const LAST: u8 = 0x80;

/// Reads a stream in these pieces, and tells how many bytes of text it had.
fn read(reader: &mut Reader, stream: &mut [u8], piece: usize) -> usize {
    let mut text = 0;
    for piece in stream.chunks_mut(piece) {
        let read = reader.feed(piece, MAX_MESSAGE, |frame| {
            if let Frame::Text(it) = frame {
                text += black_box(it).len();
            }
        });
        assert!(read.is_ok(), "a frame was refused");
    }
    text
}

fn fragmented(text: &[u8], fragment: usize) -> Vec<u8> {
    let count = text.len().div_ceil(fragment);
    let frames = text.chunks(fragment).enumerate().map(|(nth, part)| {
        let begun = if nth == 0 { TEXT_BEGUN } else { CONTINUED };
        masked(if nth + 1 == count { begun | LAST } else { begun }, part)
    });
    frames.collect::<Vec<_>>().concat()
}

fn reading(c: &mut Criterion) {
    let mut group = c.benchmark_group("read");
    let letters = |len: usize| "a".repeat(len).into_bytes();
    let accented =
        |len: usize| support::WORDS.bytes().filter(|it| !it.is_ascii()).cycle().take(len).collect::<Vec<u8>>();
    let mut streams: Vec<(String, Vec<u8>, usize)> = Vec::new();
    for (size, len) in SIZES {
        streams.push((format!("{size} in one piece"), masked(TEXT, &letters(len)), usize::MAX));
    }
    streams.push(("64 KiB as a socket gives it".into(), masked(TEXT, &letters(MAX_MESSAGE)), PIECE));
    streams.push(("64 KiB that is not ASCII".into(), masked(TEXT, &accented(MAX_MESSAGE)), usize::MAX));
    streams.push(("64 KiB in fragments of 1 KiB".into(), fragmented(&letters(MAX_MESSAGE), 1024), PIECE));
    streams.push(("64 KiB in fragments of 16 B".into(), fragmented(&letters(MAX_MESSAGE), 16), PIECE));
    streams.push(("64 messages of 128 B in one piece".into(), masked(TEXT, &letters(128)).repeat(64), usize::MAX));
    streams.push(("128 B, byte by byte".into(), masked(TEXT, &letters(128)), 1));
    for (name, mut stream, piece) in streams {
        let mut reader = Reader::default();
        let text = read(&mut reader, &mut stream, piece);
        assert!(text > 0, "{name}: nothing was read");
        group.throughput(Throughput::Bytes(text as u64));
        group.bench_function(name, |b| b.iter(|| read(&mut reader, black_box(&mut stream), piece)));
    }
}

fn writing(c: &mut Criterion) {
    let mut group = c.benchmark_group("write");
    for (size, len) in SIZES {
        let payload = vec![b'a'; len];
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::new("around a copy", size), |b| {
            b.iter(|| frame(Opcode::Text, black_box(&payload)));
        });
        group.bench_function(BenchmarkId::new("in place", size), |b| {
            b.iter(|| {
                frame_with(Opcode::Text, len, |out| {
                    out.extend_from_slice(black_box(&payload));
                    true
                })
            });
        });
    }
}

/// A client's packets, behind Engine.IO's type. Their JSON is looked through, but nothing is made of it yet.
fn packets(c: &mut Criterion) {
    let event = |text: &str| format!(r#"["send_message",{{"conversation_id":"{}","text":"{text}"}}]"#, support::room());
    let placeholders = (0..10).map(|num| format!(r#"{{"_placeholder":true,"num":{num}}}"#)).collect::<Vec<_>>();
    let packets: Vec<(&str, String)> = vec![
        ("an event", format!("2{}", event(support::WORDS))),
        ("an event with an id, in a namespace", format!("2/somewhere,17{}", event(support::WORDS))),
        ("an event of 10 KiB", format!("2{}", event(&"x".repeat(10 * 1024)))),
        ("10 attachments", format!(r#"510-["files",{}]"#, placeholders.join(","))),
        ("an acknowledgement", "317[]".into()),
        ("a connect", r#"0{"token":"a","pid":"b","offset":"c"}"#.into()),
        ("arrays in arrays, 10 KiB", format!("2[\"a\",{}{}]", "[".repeat(5 * 1024), "]".repeat(5 * 1024))),
    ];
    let mut group = c.benchmark_group("packets");
    for (name, text) in packets {
        assert!(packet::read(&text, 10).is_ok(), "{name} is refused");
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(BenchmarkId::new("read", name), |b| {
            b.iter(|| packet::read(black_box(&text), 10).is_ok());
        });
    }
    let args = event(support::WORDS);
    group.throughput(Throughput::Bytes(args.len() as u64));
    group.bench_function(BenchmarkId::new("write", "an event"), |b| {
        b.iter(|| packet::event(packet::MAIN, black_box(&args), None, 0));
    });
}

/// Whoever serves a client: hands over what it writes through.
struct Silent(Rc<RefCell<Option<Rc<Outbox>>>>);

impl Peer for Silent {
    fn opened(&mut self, link: &mut Link<'_>) {
        *self.0.borrow_mut() = Some(link.outbox().clone());
    }

    fn text(&mut self, _: &str, _: &mut Link<'_>) {}
}

/// A broadcast's frames wait in a session without a socket, and a poll takes them away: what that costs beside the HTTP.
fn polls(c: &mut Criterion) {
    let broadcast = message_frame(&format!(r#"2["message:new",{{"text":"{}"}}]"#, support::WORDS));
    let system = actix::System::new();
    let mut group = c.benchmark_group("polls");
    for waiting in [1, 16, 256] {
        let handed = Rc::new(RefCell::new(None));
        let limits = SessionLimits { heartbeat_interval: None, heartbeat_timeout: None, ..SessionLimits::default() };
        let polled = system.block_on(async {
            let peer = Box::new(Silent(handed.clone()));
            let (polled, first) =
                start_polled(Opening { peer, dialect: None, sessions: Sessions::new(limits) }, Portion::All);
            while handed.borrow().is_none() {
                tokio::task::yield_now().await;
            }
            handed.borrow().as_ref().unwrap().post(&broadcast, false);
            assert!(first.await.unwrap().is_ok(), "the first poll was not answered");
            polled
        });
        let outbox = handed.take().unwrap();
        group.throughput(Throughput::Elements(waiting));
        group.bench_function(BenchmarkId::new("packets taken by a poll", waiting), |b| {
            b.iter(|| {
                for _ in 0..waiting {
                    outbox.post(&broadcast, false);
                }
                let payload = system.block_on(polled.poll(None)).unwrap();
                // Each but the last has a separator behind it, and none the header that it has as a frame.
                assert!(payload.len() as u64 >= waiting * (broadcast.len() as u64 - 4), "not all of it came");
                payload
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = support::config();
    targets = reading, writing, packets, polls
}
criterion_main!(benches);
