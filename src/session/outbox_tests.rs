//! The outbox on a real socket whose other end reads, or does not.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::domain::{RoomId, Typing, UserId};
use crate::hub::handle::WireForm;
use crate::session::dialect::{Dialect, Inbound, Misread};
use crate::transport::ws::Opcode;
use crate::transport::ws::writer::frame;

/// Tells an event by its name, typing notices at any length, and counts.
struct Names(AtomicUsize);

impl Names {
    fn registered() -> (&'static Registered, &'static Self) {
        let names: &'static Self = Box::leak(Box::new(Self(AtomicUsize::new(0))));
        (Box::leak(Box::new(Registered { dialect: names, form: WireForm(3) })), names)
    }
}

impl Dialect for Names {
    fn name(&self) -> &'static str {
        "names"
    }

    fn path(&self) -> &'static str {
        "/names"
    }

    fn decode(&self, _: &str) -> Result<Inbound, Misread> {
        unreachable!("nothing is decoded here")
    }

    fn encode(&self, event: &Event, _: Option<&str>, _: Timestamp, out: &mut Vec<u8>) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed);
        out.extend_from_slice(event.name().as_bytes());
        !matches!(event, Event::Left { .. })
    }
}

fn limits() -> SessionLimits {
    SessionLimits { queue_bytes: 4096, queue_frames: 100, ..SessionLimits::default() }
}

async fn pair(limits: SessionLimits) -> (Rc<Outbox>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    let (registered, _) = Names::registered();
    (Outbox::new(Io::from(server), Sessions::new(limits), Some(registered)), client)
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

fn pong() -> Arc<Broadcast> {
    Broadcast::new(Event::Pong, None, Timestamp::default())
}

fn typing() -> Arc<Broadcast> {
    let (room, user) = (RoomId(uuid::Uuid::nil()), UserId(uuid::Uuid::nil()));
    let typing = Typing { room, contact: None, user, user_name: "Ana".into(), is_typing: true };
    Broadcast::new(Event::Typing(typing), None, Timestamp::default())
}

/// Fills the socket's buffers, so that nothing more is taken. Returns how many bytes the client must read to get past.
fn fill(outbox: &Outbox) -> usize {
    let filler = frame(Opcode::Binary, &[0; 1000]);
    let mut sent = 0;
    while !outbox.inner.borrow().blocked {
        outbox.post(&filler, false);
        sent += filler.len();
    }
    assert!(outbox.queued_bytes() > 0);
    sent
}

/// Lets the outbox write while the client reads `len` bytes and as much again as is there.
async fn read(outbox: &Outbox, client: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    while bytes.len() < len || outbox.queued_bytes() > 0 {
        let read = tokio::select! {
            read = client.read(&mut piece) => read.unwrap(),
            () = poll_fn(|cx| outbox.poll_flush(cx)), if outbox.queued_bytes() > 0 => continue,
        };
        bytes.extend_from_slice(&piece[..read]);
    }
    bytes
}

#[test]
fn that_there_are_polls_costs_a_socket_nothing() {
    assert_eq!(size_of::<Carrier>(), size_of::<Option<Io>>());
}

/// What is told to a session without a socket, and what its polls get of it.
#[test]
fn polls_fetch_what_was_told_and_a_socket_takes_over_in_the_middle() {
    run(async {
        let (registered, _) = Names::registered();
        let outbox = Outbox::polled(Sessions::new(limits()), Some(registered), Portion::Few);
        let flush = || poll_fn(|cx| Poll::Ready(outbox.poll_flush(cx).is_ready()));
        outbox.send(&pong());
        assert!(outbox.queue(&pong()) && !outbox.queue(&typing()), "one between two polls is not behind");
        outbox.flush();
        assert!(!flush().await, "no poll waits");
        let (answer, mut first) = tokio::sync::oneshot::channel();
        assert!(outbox.wait(Waiting { answer, name: None, late: false }).is_ok());
        assert!(flush().await);
        assert_eq!(first.try_recv().unwrap().unwrap()[..], b"pong\x1epong\x1etyping"[..]);
        assert!(outbox.inner.borrow().queue.is_none());
        // A poll that waits gets all that a turn brings.
        let (answer, mut second) = tokio::sync::oneshot::channel();
        assert!(outbox.wait(Waiting { answer, name: None, late: false }).is_ok());
        outbox.queue(&pong());
        outbox.queue(&pong());
        outbox.flush();
        assert_eq!(second.try_recv().unwrap().unwrap()[..], b"pong\x1epong"[..]);
        // What nobody fetched goes over the socket, behind what is said there first.
        outbox.send(&pong());
        let (other, mut client) = pair(limits()).await;
        let Carrier::Socket(io) = mem::replace(&mut other.inner.borrow_mut().carrier, Carrier::Gone) else { panic!() };
        outbox.move_to(io, b"first".to_vec(), "6");
        assert_eq!(read(&outbox, &mut client, 11).await, b"first\x81\x04pong");
        assert_eq!(outbox.take_fault(), None);
    });
}

#[test]
fn a_poll_that_is_gone_breaks_the_session_and_one_that_is_behind_misses_what_it_may() {
    run(async {
        let (registered, _) = Names::registered();
        let outbox = Outbox::polled(Sessions::new(limits()), Some(registered), Portion::Few);
        for _ in 0..25 {
            outbox.queue(&pong());
        }
        assert_eq!(outbox.backlog(), Backlog::Heavy);
        let before = outbox.queued_bytes();
        outbox.send(&typing());
        assert_eq!(outbox.queued_bytes(), before);
        // A few at a time, for some clients read no more, until it is far behind.
        let taken = |waiting: usize| {
            while outbox.queued_bytes() < waiting * 6 {
                outbox.queue(&pong());
            }
            let (answer, mut answered) = tokio::sync::oneshot::channel();
            assert!(outbox.wait(Waiting { answer, name: None, late: false }).is_ok());
            outbox.flush();
            answered.try_recv().unwrap().unwrap().split(|byte| *byte == b'\x1e').count()
        };
        assert_eq!((taken(74), taken(75)), (16, 75));
        for _ in 0..101 {
            outbox.queue(&pong());
        }
        assert_eq!((outbox.backlog(), outbox.take_fault()), (Backlog::Gone, Some(Fault::SlowConsumer)));
        let outbox = Outbox::polled(Sessions::new(limits()), Some(registered), Portion::Few);
        let (answer, gone) = tokio::sync::oneshot::channel();
        assert!(outbox.wait(Waiting { answer, name: None, late: false }).is_ok());
        drop(gone);
        poll_fn(|cx| outbox.poll_flush(cx)).await;
        assert_eq!(outbox.take_fault(), Some(Fault::Broken));
    });
}

#[test]
fn an_answer_is_kept_until_the_next_poll_comes_and_no_longer() {
    run(async {
        let (registered, _) = Names::registered();
        let outbox = Outbox::polled(Sessions::new(limits()), Some(registered), Portion::Few);
        let poll = |name: &str| {
            let (answer, answered) = tokio::sync::oneshot::channel();
            let poll = Waiting { answer, name: PollName::of(name), late: false };
            (outbox.wait(poll).map_err(|(_, why)| why), answered)
        };
        let told = |mut answered: tokio::sync::oneshot::Receiver<PollAnswer>| answered.try_recv().unwrap().unwrap();
        outbox.send(&pong());
        let (_, first) = poll("a");
        outbox.flush();
        let first = told(first);
        let (taken, again) = poll("a");
        assert_eq!((taken, told(again) == first), (Ok(()), true));
        assert!(!first.is_unique());
        let (taken, _waits) = poll("b");
        assert_eq!((taken, first.is_unique()), (Ok(()), true));
        assert_eq!(poll("a").0, Err(Unserved::Unexpected));
        // Without a name nothing is kept.
        let outbox = Outbox::polled(Sessions::new(limits()), Some(registered), Portion::Few);
        let (answer, unnamed) = tokio::sync::oneshot::channel();
        assert!(outbox.wait(Waiting { answer, name: None, late: false }).is_ok());
        outbox.send(&pong());
        outbox.flush();
        assert!(told(unnamed).is_unique());
    });
}

#[test]
fn what_the_socket_takes_is_written_at_once_and_nothing_is_kept() {
    run(async {
        let (outbox, mut client) = pair(limits()).await;
        outbox.send(&pong());
        assert_eq!(read(&outbox, &mut client, 6).await, b"\x81\x04pong");
        assert!(outbox.inner.borrow().queue.is_none());
    });
}

#[test]
fn what_it_does_not_take_waits_and_arrives_in_order() {
    run(async {
        let (outbox, mut client) = pair(limits()).await;
        let filler = fill(&outbox);
        for _ in 0..20 {
            outbox.send(&pong());
        }
        let bytes = read(&outbox, &mut client, filler + 20 * 6).await;
        assert_eq!(bytes.len(), filler + 20 * 6);
        assert_eq!(bytes[filler..], b"\x81\x04pong".repeat(20));
        let inner = outbox.inner.borrow();
        assert!(inner.queue.is_none() && !inner.blocked);
    });
}

#[test]
fn volatile_events_are_dropped_only_while_the_peer_is_behind() {
    run(async {
        let (outbox, mut client) = pair(limits()).await;
        assert!(outbox.queue(&pong()) && !outbox.queue(&typing()), "waiting for a flush is not being behind");
        outbox.flush();
        assert_eq!(read(&outbox, &mut client, 14).await, b"\x81\x04pong\x81\x06typing");
        let filler = fill(&outbox);
        let before = outbox.queued_bytes();
        outbox.send(&typing());
        assert!(!outbox.queue(&typing()));
        assert_eq!(outbox.queued_bytes(), before);
        read(&outbox, &mut client, filler).await;
        outbox.send(&typing());
        assert_eq!(read(&outbox, &mut client, 8).await, b"\x81\x06typing");
    });
}

#[test]
fn what_was_queued_leaves_with_one_flush() {
    run(async {
        let (outbox, mut client) = pair(SessionLimits { queue_frames: 1000, ..limits() }).await;
        assert!(outbox.answer(&Event::Pong, None, &None, Timestamp::default()), "the first for this flush");
        assert!(!outbox.answer(&Event::Left { room: RoomId(uuid::Uuid::nil()) }, None, &None, Timestamp::default()));
        for _ in 1..200 {
            assert!(!outbox.queue(&pong()));
        }
        outbox.flush();
        assert_eq!(read(&outbox, &mut client, 1200).await, b"\x81\x04pong".repeat(200));
        assert!(outbox.queue(&pong()), "the first for the next one");
    });
}

#[test]
fn what_a_turn_of_the_session_has_written_takes_no_flush_from_what_comes_next() {
    run(async {
        let (outbox, mut client) = pair(limits()).await;
        assert!(outbox.queue(&pong()), "whoever queues it first sees to a flush");
        poll_fn(|cx| outbox.poll_flush(cx)).await;
        assert!(outbox.queue(&pong()), "and so does whoever is the next");
        outbox.flush();
        assert_eq!(read(&outbox, &mut client, 12).await.len(), 12);
    });
}

#[test]
fn a_queue_that_overflows_is_replaced_by_a_close() {
    run(async {
        let (outbox, mut client) = pair(limits()).await;
        let filler = fill(&outbox);
        assert_eq!(outbox.backlog(), Backlog::Light);
        while outbox.backlog() != Backlog::Gone {
            outbox.post(&frame(Opcode::Binary, &[0; 1000]), false);
        }
        assert_eq!(outbox.take_fault(), Some(Fault::SlowConsumer));
        outbox.post(&frame(Opcode::Binary, &[0; 1000]), false);
        let mut bytes = read(&outbox, &mut client, filler - 1004).await;
        outbox.hang_up();
        client.read_to_end(&mut bytes).await.unwrap();
        let close = close_frame(CloseReason::SlowConsumer);
        // Whole frames, then the Close frame; at most the one that had not been begun is missing.
        assert!(bytes.ends_with(&close));
        assert_eq!((bytes.len() - close.len()) % 1004, 0);
    });
}

#[test]
fn the_number_of_frames_is_bounded_too() {
    run(async {
        let (outbox, _client) = pair(SessionLimits { queue_frames: 10, queue_bytes: usize::MAX, ..limits() }).await;
        fill(&outbox);
        assert_eq!(outbox.backlog(), Backlog::Light, "the rest of one frame waits");
        outbox.queue(&pong());
        assert_eq!(outbox.backlog(), Backlog::Heavy, "a quarter is in use");
        for _ in 2..10 {
            outbox.queue(&pong());
        }
        assert_eq!(outbox.take_fault(), None);
        outbox.queue(&pong());
        assert_eq!(outbox.take_fault(), Some(Fault::SlowConsumer));
    });
}

#[test]
fn more_than_a_queue_holds_may_come_before_a_flush() {
    run(async {
        let (outbox, client) = pair(limits()).await;
        let count = 20_000;
        let mut client = client.into_std().unwrap();
        client.set_nonblocking(false).unwrap();
        let reader = std::thread::spawn(move || {
            let mut bytes = vec![0; count * 6];
            std::io::Read::read_exact(&mut client, &mut bytes).unwrap();
            bytes
        });
        for _ in 0..count {
            outbox.queue(&pong());
            assert!(outbox.queued_bytes() <= limits().queue_bytes);
        }
        outbox.flush();
        assert_eq!(outbox.take_fault(), None);
        assert_eq!(reader.join().unwrap(), b"\x81\x04pong".repeat(count));
    });
}

#[test]
fn a_client_that_reads_on_within_a_turn_is_no_slow_one() {
    run(async {
        let (outbox, client) = pair(limits()).await;
        let filler = fill(&outbox);
        let waiting = outbox.queued_bytes();
        let client = std::thread::spawn(move || {
            let mut piece = vec![0; filler - waiting];
            let mut std = client.into_std().unwrap();
            std.set_nonblocking(false).unwrap();
            std::io::Read::read_exact(&mut std, &mut piece).unwrap();
            std
        });
        // The runtime has no occasion to learn that there is room again.
        let _client = client.join().unwrap();
        for _ in 0..1_000 {
            outbox.queue(&pong());
        }
        assert_eq!(outbox.take_fault(), None);
    });
}

#[test]
fn a_frame_beyond_the_limit_may_wait_alone() {
    run(async {
        let (outbox, mut client) = pair(limits()).await;
        let large = frame(Opcode::Binary, &vec![0; 8 << 20]);
        outbox.post(&large, false);
        assert!(outbox.queued_bytes() > limits().queue_bytes);
        assert_eq!(read(&outbox, &mut client, large.len()).await, large);
    });
}

#[test]
fn what_waits_is_still_written_before_an_orderly_close() {
    run(async {
        let (outbox, mut client) = pair(limits()).await;
        outbox.queue(&pong());
        outbox.close(close_frame(CloseReason::Restarting));
        outbox.queue(&pong());
        outbox.flush();
        let expected = [b"\x81\x04pong", &close_frame(CloseReason::Restarting)[..]].concat();
        assert_eq!(read(&outbox, &mut client, expected.len()).await, expected);
    });
}

#[test]
fn a_broadcast_is_encoded_once_for_all() {
    run(async {
        let (registered, names) = Names::registered();
        let voices = [Voice::new(registered), Voice::new(registered)];
        let broadcast = pong();
        for voice in &voices {
            assert_eq!(voice.shared(&broadcast)[..], b"\x81\x04pong"[..]);
        }
        assert_eq!(names.0.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn an_event_costs_no_allocation_for_each_that_hears_it() {
    run(async {
        let mut all = Vec::new();
        for _ in 0..20 {
            all.push(pair(limits()).await);
        }
        let tell = |outbox: &Outbox, events: &[Arc<Broadcast>]| match events {
            [alone] => outbox.send(alone),
            several => {
                for event in several {
                    outbox.queue(event);
                }
                outbox.flush();
            }
        };
        for count in [1, 3] {
            let events: Vec<_> = (0..count).map(|_| pong()).collect();
            // Encodes each, and leaves a queue for the others.
            tell(&all[0].0, &events);
            let allocated =
                allocation_counter::measure(|| all[1..].iter().for_each(|(outbox, _)| tell(outbox, &events)));
            assert_eq!(allocated.count_total, 0, "{count} events at a time");
        }
    });
}
