//! What a batch of messages costs until it is durable, on both databases: so many senders hand in one message each,
//! and wait for all the acknowledgements.
//!
//! SQLite writes to a file in a temporary directory, PostgreSQL is a private server there. `benches/throughput.rs`
//! measures a database of your choice with senders that do not wait for each other.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a bench that cannot go on may as well stop")]

#[path = "../tests/support/postgres.rs"]
#[allow(dead_code, reason = "tests use more of it")]
mod postgres;
mod support;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use postgres::Postgres;
use tertulia::clock;
use tertulia::domain::{Author, Content, Direction, Draft, MessageType, RoomId, RoomKind, SenderType};
use tertulia::hub::ports::{Change, NewMessage, NewRoom, Outcomes, Store, Ticket, Write, Written};
use tertulia::metrics::Metrics;
use tertulia::store::{Options, SqlStore};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const BATCHES: [u64; 3] = [1, 16, 256];

/// As many rooms as there are senders at most, so that each writes in its own.
const ROOMS: u64 = 256;

struct Desk(UnboundedSender<Vec<Written>>);

impl Outcomes for Desk {
    fn written(&self, batch: Vec<Written>) {
        // Whoever measured may be gone.
        let _ = self.0.send(batch);
    }

    fn recovered(&self) {}
}

struct Bench {
    store: Arc<SqlStore>,
    outcomes: RefCell<UnboundedReceiver<Vec<Written>>>,
    rooms: Vec<RoomId>,
    tickets: Cell<u64>,
}

impl Bench {
    /// Needs a running actix system.
    async fn new(url: &str) -> Self {
        let store = SqlStore::open(&Options::new(url), Arc::new(Metrics::new())).unwrap();
        let (sender, outcomes) = unbounded_channel();
        store.attach(Box::new(Desk(sender)));
        let mut bench = Self { store, outcomes: RefCell::new(outcomes), rooms: Vec::new(), tickets: Cell::default() };
        for _ in 0..ROOMS {
            let id = RoomId(clock::fresh_id());
            bench.hand_in(Change::Room(NewRoom { id, kind: RoomKind::Public, owner: support::user(1) }));
            bench.rooms.push(id);
        }
        bench.hear(ROOMS).await;
        bench
    }

    fn hand_in(&self, change: Change) {
        let ticket = Ticket(self.tickets.replace(self.tickets.get() + 1));
        self.store.write(Write { ticket, organization: support::organization(), change }).unwrap();
    }

    /// Waits for so many outcomes, which must be good.
    async fn hear(&self, mut count: u64) {
        while count > 0 {
            for written in poll_fn(|cx| self.outcomes.borrow_mut().poll_recv(cx)).await.unwrap() {
                written.outcome.unwrap();
                count -= 1;
            }
        }
    }

    async fn batch(&self, size: u64) {
        for (nth, room) in (0..size).zip(&self.rooms) {
            self.hand_in(Change::Message(Box::new(message(*room, nth))));
        }
        self.hear(size).await;
    }
}

fn message(room: RoomId, sender: u64) -> NewMessage {
    let id = clock::message_id();
    NewMessage {
        draft: Draft {
            id,
            room,
            contact: None,
            message_type: MessageType::Text,
            content: Content { text: support::WORDS.into(), ..Content::default() },
            reply_to: None,
            client_message_id: Some(id.to_string().into()),
            author: Author::Caller,
            external_id: None,
            idempotency: None,
            create_as: RoomKind::Public,
        },
        sender_type: SenderType::Agent,
        direction: Direction::Outbound,
        user: support::user(sender),
        user_name: "Ada".into(),
    }
}

fn batches(c: &mut Criterion, database: &str, url: &str) {
    let system = actix::System::new();
    let bench = system.block_on(Bench::new(url));
    let mut group = c.benchmark_group(database);
    for size in BATCHES {
        group.throughput(Throughput::Elements(size));
        group.bench_function(BenchmarkId::new("durable messages", size), |b| {
            b.iter_custom(|rounds| {
                system.block_on(async {
                    let begun = Instant::now();
                    for _ in 0..rounds {
                        bench.batch(size).await;
                    }
                    begun.elapsed()
                })
            });
        });
    }
}

fn on_sqlite(c: &mut Criterion) {
    let directory = tempfile::tempdir().unwrap();
    batches(c, "sqlite", &format!("sqlite:{}", directory.path().join("bench.db").display()));
}

/// Where Debian keeps the server's programs, or wherever programs are.
fn is_installed() -> bool {
    let asked = Command::new("initdb").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    Path::new("/usr/lib/postgresql").exists() || asked.is_ok()
}

fn on_postgres(c: &mut Criterion) {
    if !is_installed() {
        println!("postgres: not installed here, not measured");
        return;
    }
    let server = Postgres::start();
    batches(c, "postgres", &server.database());
}

criterion_group! {
    name = benches;
    config = support::config();
    targets = on_sqlite, on_postgres
}
criterion_main!(benches);
