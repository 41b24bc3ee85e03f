//! What it costs to tell an event to many: the fan-out, the outboxes of real sessions and the kernel, over TCP on
//! loopback. Beside it the floor, which is the kernel alone: the same bytes, one `send` for each socket.
//!
//! Then the same through a whole hub, from a command to the sockets, in each dialect with the connections that clients
//! have: there a dialect may have an outlet of its own around the session's outbox.
//!
//! The clients read between the measurements, in the same thread, so that nothing else runs meanwhile.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on may as well stop")]

#[path = "../tests/support/store.rs"]
#[allow(dead_code, clippy::expect_used, reason = "tests use more of it")]
mod store;
mod support;

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_http::header::HeaderMap;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use smallvec::SmallVec;
use store::EasyStore;
use tertulia::clock;
use tertulia::dialects::socketio::{Arrival, Desk, Guest, Token};
use tertulia::dialects::{Options, registry};
use tertulia::domain::{Command, ConnId, Event, Identity, Reject, Resume, Timestamp};
use tertulia::hub::effect::{Audience, Delivery, Join, Op};
use tertulia::hub::fanout::{Fanout, Outlets};
use tertulia::hub::handle::{self, Broadcast, Outlet};
use tertulia::metrics::Metrics;
use tertulia::session::dialect::{Carrier, Gatekeeper, Registered};
use tertulia::session::member::{Club, Lobby, Member, Provenance};
use tertulia::session::{Link, Opening, Peer, SessionLimits, Sessions, start};
use tertulia::socketio::{Client, ClientSettings};
use tertulia::transport::io::Io;

const OUTLETS: [usize; 3] = [1, 100, 1_000];

/// How many deliveries a client may have unread. Its socket takes them all.
const UNREAD: u64 = 16;

/// The deliveries that go out together where several wait.
const TOGETHER: u64 = 16;

/// How long an event may be on its way.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client that says nothing: it only hands its sending side over.
struct Listener(Rc<RefCell<Vec<Rc<dyn Outlet>>>>);

impl Peer for Listener {
    fn opened(&mut self, link: &mut Link<'_>) {
        self.0.borrow_mut().push(link.outlet());
    }

    fn text(&mut self, _: &str, _: &mut Link<'_>) {}
}

fn pair(listener: &TcpListener, address: SocketAddr) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(address).unwrap();
    let (server, _) = listener.accept().unwrap();
    for socket in [&client, &server] {
        socket.set_nonblocking(true).unwrap();
        socket.set_nodelay(true).unwrap();
    }
    (client, server)
}

fn pairs(count: usize) -> (Vec<TcpStream>, Vec<TcpStream>) {
    // Both ends of each, and what the process has open besides.
    let files = 2 * count as u64 + 256;
    let limit = rlimit::increase_nofile_limit(files).unwrap();
    assert!(limit >= files, "{count} connections need {files} open files: raise `ulimit -Hn`, which is {limit}");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (0..count).map(|_| pair(&listener, address)).unzip()
}

/// Reads whatever there is, and tells how much that was.
fn read_all(clients: &mut [TcpStream]) -> usize {
    let (mut buffer, mut total) = ([0; 8 * 1024], 0);
    for client in clients {
        loop {
            match client.read(&mut buffer) {
                Ok(0) => panic!("a connection has ended"),
                Ok(len) => total += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("a client cannot read: {error}"),
            }
        }
    }
    total
}

/// The time that `rounds` calls of `tell` take, the reading between them not counted.
fn timed(rounds: u64, clients: &mut [TcpStream], mut tell: impl FnMut()) -> Duration {
    let (mut spent, mut left) = (Duration::ZERO, rounds);
    while left > 0 {
        let now = left.min(UNREAD);
        let begun = Instant::now();
        (0..now).for_each(|_| tell());
        spent += begun.elapsed();
        left -= now;
        assert!(read_all(clients) > 0, "nobody was told anything");
    }
    spent
}

/// A worker's fan-out with a session for each of these sockets, all in one room.
async fn worker(registered: &'static Registered, servers: Vec<TcpStream>) -> Fanout {
    let handed = Rc::new(RefCell::new(Vec::new()));
    let limits = SessionLimits { heartbeat_interval: None, heartbeat_timeout: None, ..SessionLimits::default() };
    let sessions = Sessions::new(limits);
    let count = servers.len();
    for server in servers {
        let io = Io::from(tokio::net::TcpStream::from_std(server).unwrap());
        let opening =
            Opening { peer: Box::new(Listener(handed.clone())), dialect: Some(registered), sessions: sessions.clone() };
        start(io, b"HTTP/1.1 101 Switching Protocols\r\n\r\n".to_vec(), &[], opening);
    }
    // The sessions begin, and the runtime sees of every socket that it can be written to.
    while handed.borrow().len() < count {
        actix::clock::sleep(Duration::from_millis(50)).await;
    }
    actix::clock::sleep(Duration::from_millis(50)).await;
    let outlets = Outlets::default();
    let mut fanout = Fanout::new(outlets.clone());
    for outlet in handed.take() {
        let slot = u32::try_from(outlets.borrow_mut().insert(outlet)).unwrap();
        let (room, resume) = (support::room(), Resume::Live);
        let join =
            Join { room, slot, resume, watch: false, last_seq: 0, last_pos: 0, changed_pos: 0, members: 1, tag: None };
        fanout.push(clock::now(), Op::Join(join));
    }
    finish(&mut fanout);
    fanout
}

fn deliver(fanout: &mut Fanout) {
    let broadcast = Broadcast::new(Event::Typing(support::typing()), None, clock::now());
    let delivery = Delivery { room: support::room(), stored: None, audience: Audience::Everyone, broadcast };
    fanout.push(clock::now(), Op::Deliver { delivery, skip: SmallVec::new() });
}

fn finish(fanout: &mut Fanout) {
    while fanout.step() {}
}

fn options() -> Options {
    Options { max_text_bytes: 10_240, message_ids: clock::message_id, socketio_path: "/socket.io/" }
}

fn fanout(c: &mut Criterion) {
    let registered = &registry(&options())[0];
    let mut text = Vec::new();
    registered.dialect.encode(&Event::Typing(support::typing()), None, clock::now(), &mut text);
    let mut group = c.benchmark_group("tell");
    for count in OUTLETS {
        group.throughput(Throughput::Elements(count as u64));
        let (mut clients, mut servers) = pairs(count);
        // A frame of so few bytes has a header of two, or of four.
        let frame = vec![b'x'; text.len() + if text.len() < 126 { 2 } else { 4 }];
        group.bench_function(BenchmarkId::new("the kernel alone", count), |b| {
            b.iter_custom(|rounds| {
                timed(rounds, &mut clients, || {
                    for server in &mut servers {
                        assert_eq!(server.write(&frame).unwrap(), frame.len());
                    }
                })
            });
        });

        let system = actix::System::new();
        let mut fanout = system.block_on(worker(registered, servers));
        read_all(&mut clients);
        group.bench_function(BenchmarkId::new("one event", count), |b| {
            b.iter_custom(|rounds| {
                timed(rounds, &mut clients, || {
                    deliver(&mut fanout);
                    finish(&mut fanout);
                })
            });
        });
        group.throughput(Throughput::Elements(count as u64 * TOGETHER));
        group.bench_function(BenchmarkId::new(format!("{TOGETHER} events that wait together"), count), |b| {
            b.iter_custom(|rounds| {
                timed(rounds, &mut clients, || {
                    (0..TOGETHER).for_each(|_| deliver(&mut fanout));
                    finish(&mut fanout);
                })
            });
        });
    }
}

/// Knows everyone by a number.
struct Numbers;

impl Gatekeeper for Numbers {
    fn verify(&self, token: Option<&str>, _: Timestamp) -> Result<Arc<Identity>, Reject> {
        Ok(support::identity(token.unwrap().parse().unwrap()))
    }
}

/// Lets everyone in.
struct Open;

impl Lobby for Open {
    fn left(&self, _: IpAddr) {}
}

/// A client that says all that it has to say as soon as it may.
struct Hasty<P>(P, Vec<String>);

impl<P: Peer> Peer for Hasty<P> {
    fn opened(&mut self, link: &mut Link<'_>) {
        self.0.opened(link);
        for said in &self.1 {
            self.0.text(said, link);
        }
    }

    fn text(&mut self, text: &str, link: &mut Link<'_>) {
        self.0.text(text, link);
    }
}

/// A hub on this thread, with one worker, and those who listen in one room of it.
struct Whole {
    club: Arc<Club>,
    publisher: ConnId,
}

impl Whole {
    /// One who types, whose dialect is `plain`, and a listener for each of the other sockets.
    async fn new(registered: &'static Registered, plain: &'static Registered, mut servers: Vec<TcpStream>) -> Self {
        let metrics = Arc::new(Metrics::new());
        let rules = handle::Rules { auto_create: true, ..handle::Rules::default() };
        let hub = handle::start(rules, Arc::new(EasyStore::default()), metrics.clone(), handle::Place::WithTheWorker);
        hub.start_here();
        let (gatekeeper, events) = (Arc::new(Numbers), None);
        let club = Arc::new(Club { hub, gatekeeper, metrics, events, typing: None, idle_timeout: None });
        let limits = SessionLimits { heartbeat_interval: None, heartbeat_timeout: None, ..SessionLimits::default() };
        let sessions = Sessions::new(limits);
        let settings = Arc::new(ClientSettings::default());
        let desk = Desk::new(club.clone(), registered, &options(), true);
        let provenance = Rc::new(Provenance::new(Ipv4Addr::LOCALHOST.into(), None, Arc::new(Open)));
        let begin = |io: TcpStream, peer: Box<dyn Peer>, dialect| {
            let io = Io::from(tokio::net::TcpStream::from_std(io).unwrap());
            start(io, Vec::new(), &[], Opening { peer, dialect, sessions: sessions.clone() });
        };

        let join = format!(r#"{{"type":"join_session","payload":{{"session_id":"{}"}}}}"#, support::room());
        let member = |registered, n| Member::new(club.clone(), registered, support::identity(n), provenance.clone());
        let publisher = member(plain, 0);
        let conn = publisher.conn();
        begin(servers.pop().unwrap(), Box::new(Hasty(publisher, vec![join.clone()])), Some(plain));
        let count = servers.len() as u64;
        for (n, io) in (1..).zip(servers) {
            match registered.dialect.carrier() {
                Carrier::WebSocket => {
                    begin(io, Box::new(Hasty(member(registered, n), vec![join.clone()])), Some(registered));
                }
                Carrier::EngineIo => {
                    let (token, headers) = (Some(Token::First(n.to_string().into())), &HeaderMap::new());
                    let arrival = Arrival { headers, query: "", token, provenance: provenance.clone() };
                    let client = Client::new(&settings, Box::new(Guest::new(desk.clone(), arrival)));
                    let join = format!(r#"2["join_conversation",{{"conversation_id":"{}"}}]"#, support::room());
                    begin(io, Box::new(Hasty(client, vec!["0".into(), join])), None);
                }
                Carrier::Answer => panic!("no dialect of the registry is told in answers alone"),
            }
        }
        while club.hub.snapshot().await.unwrap().connections as u64 <= count {
            actix::clock::sleep(Duration::from_millis(50)).await;
        }
        actix::clock::sleep(Duration::from_millis(50)).await;
        Self { club, publisher: conn }
    }

    /// Has one event told to so many, and waits until it was handed to all of them.
    async fn tell(&self, listeners: u64) {
        let (room, told) = (support::room(), &self.club.metrics.messages_out);
        let before = told.get();
        self.club.hub.command(self.publisher, Command::Typing { room, contact: None, is_typing: true }, None);
        let begun = Instant::now();
        while told.get() - before < listeners {
            assert!(begun.elapsed() < PATIENCE, "only {} of {listeners} were told", told.get() - before);
            tokio::task::yield_now().await;
        }
    }
}

fn whole(c: &mut Criterion) {
    let registry = registry(&options());
    let plain = registry.iter().find(|it| it.dialect.carrier() == Carrier::WebSocket).unwrap();
    let mut group = c.benchmark_group("tell, from the command on");
    for count in OUTLETS {
        group.throughput(Throughput::Elements(count as u64));
        // One that does not tell of typing has nothing to write here.
        for registered in registry.iter().filter(|it| it.dialect.name() != "status") {
            let (mut clients, servers) = pairs(count + 1);
            let system = actix::System::new();
            let whole = system.block_on(Whole::new(registered, plain, servers));
            read_all(&mut clients);
            group.bench_function(BenchmarkId::new(registered.dialect.name(), count), |b| {
                b.iter_custom(|rounds| timed(rounds, &mut clients, || system.block_on(whole.tell(count as u64))));
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = support::config();
    targets = fanout, whole
}
criterion_main!(benches);
