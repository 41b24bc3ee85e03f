//! How many messages per second the store acknowledges, with as many senders as given, each waiting for its
//! acknowledgement before it sends the next.
//!
//! `cargo bench --bench throughput -- URL [SENDERS [ROOMS [SECONDS]]]`, for instance `sqlite:target/bench.db 256 10 3`.
//! Prints one line; to compare with something else, run both in turn.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on may as well stop")]

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tertulia::clock;
use tertulia::domain::{Author, Content, Direction, Draft, MessageType, OrgId, RoomId, RoomKind, SenderType, UserId};
use tertulia::hub::ports::{Change, NewMessage, NewRoom, Outcomes, Store, Ticket, Write, Written};
use tertulia::metrics::Metrics;
use tertulia::store::{Options, SqlStore};
use tokio::sync::oneshot;
use uuid::Uuid;

/// Hands each outcome to the sender that waits for it.
#[derive(Clone, Default)]
struct Desk(Arc<Mutex<HashMap<Ticket, oneshot::Sender<Written>>>>, Arc<AtomicU64>);

impl Outcomes for Desk {
    fn written(&self, batch: Vec<Written>) {
        self.1.fetch_add(1, Ordering::Relaxed);
        let mut waiting = self.0.lock().unwrap();
        for written in batch {
            if let Some(sender) = waiting.remove(&written.ticket) {
                let _ = sender.send(written);
            }
        }
    }

    fn recovered(&self) {}
}

struct Bench {
    store: Arc<SqlStore>,
    desk: Desk,
    organization: OrgId,
    tickets: Cell<u64>,
}

impl Bench {
    async fn write(&self, change: Change) -> Written {
        let ticket = Ticket(self.tickets.replace(self.tickets.get() + 1));
        let (sender, outcome) = oneshot::channel();
        self.desk.0.lock().unwrap().insert(ticket, sender);
        self.store.write(Write { ticket, organization: self.organization, change }).unwrap();
        outcome.await.unwrap()
    }

    async fn room(&self) -> RoomId {
        let id = RoomId(clock::message_id().0);
        let room = NewRoom { id, kind: RoomKind::Public, owner: UserId(Uuid::from_u128(1)) };
        self.write(Change::Room(room)).await.outcome.unwrap();
        id
    }

    async fn send(&self, room: RoomId, user: u128, nth: u64) {
        let content = Content { text: "x".repeat(128).into(), ..Content::default() };
        let message = NewMessage {
            draft: Draft {
                id: clock::message_id(),
                room,
                contact: None,
                message_type: MessageType::Text,
                content,
                reply_to: None,
                client_message_id: Some(format!("client-{user}-{nth}").into()),
                author: Author::Caller,
                external_id: None,
                idempotency: None,
                create_as: RoomKind::Public,
            },
            sender_type: SenderType::Agent,
            direction: Direction::Outbound,
            user: UserId(Uuid::from_u128(user)),
            user_name: "Ana".into(),
        };
        self.write(Change::Message(Box::new(message))).await.outcome.unwrap();
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with("--")).collect();
    let Some(url) = arguments.first().cloned() else {
        println!("throughput: no database URL given, nothing measured (see benches/throughput.rs)");
        return;
    };
    let number = |at: usize, default: u64| arguments.get(at).map_or(default, |it| it.parse().unwrap());
    let (senders, seconds) = (number(1, 256), number(3, 3));
    let rooms = number(2, senders);
    let system = actix::System::new();
    system.block_on(async move {
        let store = SqlStore::open(&Options::new(&url), Arc::new(Metrics::new())).unwrap();
        let desk = Desk::default();
        store.attach(Box::new(desk.clone()));
        let organization = OrgId(clock::message_id().0);
        let bench = Rc::new(Bench { store, desk, organization, tickets: Cell::default() });
        let mut ids = Vec::new();
        for _ in 0..rooms {
            ids.push(bench.room().await);
        }
        let (done, latencies) = (Rc::new(Cell::new(0u64)), Rc::new(RefCell::new(Vec::new())));
        for (sender, room) in (0..senders).zip(ids.into_iter().cycle()) {
            let (bench, done, latencies) = (Rc::clone(&bench), Rc::clone(&done), Rc::clone(&latencies));
            actix::spawn(async move {
                for nth in 0.. {
                    let begun = Instant::now();
                    bench.send(room, u128::from(sender), nth).await;
                    done.set(done.get() + 1);
                    latencies.borrow_mut().push(begun.elapsed());
                }
            });
        }
        actix::clock::sleep(Duration::from_millis(500)).await;
        latencies.borrow_mut().clear();
        let batches = Arc::clone(&bench.desk.1);
        let (before, begun) = (done.get(), Instant::now());
        let (batches_before, busy_before) = (batches.load(Ordering::Relaxed), busy());
        actix::clock::sleep(Duration::from_secs(seconds)).await;
        let (sent, took) = (done.get() - before, begun.elapsed());
        let (batches, busy) = (batches.load(Ordering::Relaxed) - batches_before, busy().saturating_sub(busy_before));
        let mut latencies = latencies.take();
        latencies.sort_unstable();
        let quantile = |percent: usize| latencies.get(latencies.len() * percent / 100).copied().unwrap_or_default();
        println!(
            "{}: {} messages/s, p50 {:?}, p99 {:?}, {} µs of this process's CPU per message, {} messages per batch \
             ({senders} senders, {rooms} rooms)",
            bench.store.target(),
            u128::from(sent) * 1_000 / took.as_millis(),
            quantile(50),
            quantile(99),
            busy.as_micros() / u128::from(sent.max(1)),
            sent / batches.max(1),
        );
    });
}

/// The processor time that this process has used: user and system, in hundredths of a second (`proc(5)`).
fn busy() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|it| it.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
