//! The load: one thread with many WebSocket clients that publish, count what they hear, and check that nothing is lost
//! and that every publisher is heard in its order.
//!
//! It has to be much cheaper than what it measures: one buffer for all, one read for each socket that has something, no
//! allocation for a delivery.

pub mod connection;
pub mod frames;
pub mod mark;
mod room;
pub mod wire;

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

use self::connection::{Connection, Received, Stage};
use self::room::Room;
use self::wire::Wire;
use super::Result;

const TIMER: Token = Token(usize::MAX);
/// How long may pass without any progress before a server is given up.
const PATIENCE: Duration = Duration::from_secs(15);

/// How the publishers, one in each room, go about it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Pace {
    Quiet,
    /// Each publishes as soon as fewer than so many of its publishes are short of full delivery.
    Closed(usize),
    /// All together so many times a second, in turn, however long it takes to be heard.
    Open(f64),
    /// The same, and each says so many things at a time, in one write.
    #[allow(dead_code, reason = "what measures the gateway uses it")]
    Bursts(f64, usize),
}

/// What has happened to all connections so far.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counts {
    pub joined: usize,
    pub published: u64,
    /// What the publishes should bring, and what they brought.
    pub expected: u64,
    pub received: u64,
    /// Bytes of the frames that brought it.
    pub bytes: u64,
    /// Repeated, swapped, missed or misled.
    pub disorder: u64,
    pub acknowledged: u64,
    /// Refusals after joining.
    pub errors: u64,
    /// Ended by the server.
    pub closed: usize,
}

pub struct Load {
    poll: Poll,
    events: Events,
    timer: OwnedFd,
    wire: Wire,
    server: SocketAddr,
    start: Instant,
    connections: Vec<Option<Connection>>,
    /// One for each connection.
    tokens: Vec<String>,
    rooms: Vec<Room>,
    members: usize,
    /// Before the room's number in its name.
    prefix: String,
    pace: Pace,
    counts: Counts,
    /// Microseconds from publish to delivery, of everything that was heard while it was asked for.
    latencies: Option<Vec<u32>>,
    /// The last delivery as it came, if someone wants it.
    kept: Option<Vec<u8>>,
    refusal: Option<String>,
    finder: Rc<mark::Finder>,
    /// Publishers whose window may have opened.
    ready: Vec<usize>,
    scratch: Vec<u8>,
    /// What leaves in one write.
    burst: Vec<u8>,
}

impl Load {
    /// Clients of `server`, `members` in each room, as many as there are tokens.
    pub fn new(wire: Wire, server: SocketAddr, members: usize, prefix: String, tokens: Vec<String>) -> Result<Self> {
        let poll = Poll::new()?;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
        poll.registry().register(&mut SourceFd(&timer.as_raw_fd()), TIMER, Interest::READABLE)?;
        Ok(Self {
            poll,
            events: Events::with_capacity(512),
            timer,
            wire,
            server,
            start: Instant::now(),
            connections: Vec::with_capacity(tokens.len()),
            tokens,
            rooms: Vec::new(),
            members,
            prefix,
            pace: Pace::Quiet,
            counts: Counts::default(),
            latencies: None,
            kept: None,
            refusal: None,
            finder: Rc::new(mark::Finder::new()),
            ready: Vec::new(),
            scratch: vec![0; 256 * 1024],
            burst: Vec::new(),
        })
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    pub fn keep_the_last_delivery(&mut self) {
        self.kept = Some(Vec::new());
    }

    /// The payload of the last frame that brought something.
    pub fn last_delivery(&self) -> Option<&[u8]> {
        self.kept.as_deref().filter(|it| !it.is_empty())
    }

    pub fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    /// Connects until there are `count` clients, each in its room; `at_once` of them are on their way at any moment.
    pub fn connect(&mut self, count: usize, at_once: usize) -> Result<()> {
        let count = count.min(self.tokens.len());
        let (mut last, mut progress) = (self.counts.joined, Instant::now());
        while self.counts.joined < count {
            while self.connections.len() < count && self.connections.len() - self.counts.joined < at_once {
                self.open()?;
            }
            self.turn(Instant::now() + Duration::from_millis(100))?;
            if self.counts.closed > 0 {
                return Err("the server closed a connection while others joined".into());
            }
            if self.counts.joined != last {
                (last, progress) = (self.counts.joined, Instant::now());
            } else if progress.elapsed() > PATIENCE {
                return Err(format!("{last} of {count} clients have joined, and no more do").into());
            }
        }
        Ok(())
    }

    fn open(&mut self) -> Result<()> {
        let nth = self.connections.len();
        let room = nth / self.members;
        if room == self.rooms.len() {
            self.rooms.push(Room::new(format!("{}{room:012x}", self.prefix), nth, self.wire));
        }
        let mut connection = Connection::open(self.server, nth, room)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(connection.source(), Token(nth), interest)?;
        self.connections.push(Some(connection));
        Ok(())
    }

    /// Lets the clients do what they do, for `duration`.
    pub fn run(&mut self, duration: Duration, pace: Pace) -> Result<()> {
        let end = Instant::now() + duration;
        self.pace = pace;
        match pace {
            Pace::Quiet => {
                while Instant::now() < end {
                    self.turn(end)?;
                }
            }
            Pace::Closed(_) => {
                self.ready.extend(0..self.rooms.len());
                self.publish_ready()?;
                while Instant::now() < end {
                    self.turn(end)?;
                }
            }
            Pace::Open(per_second) => self.run_open(end, per_second, 1)?,
            Pace::Bursts(per_second, size) => self.run_open(end, per_second, size)?,
        }
        self.pace = Pace::Quiet;
        Ok(())
    }

    fn run_open(&mut self, end: Instant, per_second: f64, size: usize) -> Result<()> {
        let begin = self.now();
        let mut nth = 0u64;
        let mut set = 0;
        while Instant::now() < end {
            let mut due = begin + (nth as f64 / per_second * 1e9) as u64;
            while due <= self.now() {
                // Late or not, it counts from when it was due: a server that stalls cannot hide that.
                self.publish((nth % self.rooms.len() as u64) as usize, size, due)?;
                nth += 1;
                due = begin + (nth as f64 / per_second * 1e9) as u64;
            }
            if set != due {
                self.wake_at(due)?;
                set = due;
            }
            self.turn(end)?;
        }
        Ok(())
    }

    /// Deliveries and acknowledgements that have not come yet.
    pub fn missing(&self) -> u64 {
        let Counts { published, expected, received, acknowledged, .. } = self.counts;
        let unacknowledged = if self.wire.acknowledges() { published.saturating_sub(acknowledged) } else { 0 };
        expected.saturating_sub(received) + unacknowledged
    }

    /// Waits until everything that was published has arrived, or nothing more comes, and a moment more for repeats.
    pub fn settle(&mut self) -> Result<()> {
        let (mut last, mut progress) = (self.missing(), Instant::now());
        while self.missing() > 0 && progress.elapsed() < Duration::from_secs(3) {
            self.turn(Instant::now() + Duration::from_millis(20))?;
            if self.missing() != last {
                (last, progress) = (self.missing(), Instant::now());
            }
        }
        self.run(Duration::from_millis(100), Pace::Quiet)?;
        self.rooms.iter_mut().for_each(Room::forget);
        Ok(())
    }

    pub fn record_latencies(&mut self) {
        self.latencies = Some(Vec::with_capacity(1 << 20));
    }

    /// What was recorded, in order of size.
    pub fn take_latencies(&mut self) -> Vec<u32> {
        let mut latencies = self.latencies.take().unwrap_or_default();
        latencies.sort_unstable();
        latencies
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    /// The poll alone would round to milliseconds.
    fn wake_at(&self, due: u64) -> Result<()> {
        let wait = Duration::from_nanos(due.saturating_sub(self.now()).max(1));
        let once = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) },
        };
        rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }

    /// Waits for something to happen, at most until `deadline`, and sees to it.
    fn turn(&mut self, deadline: Instant) -> Result<()> {
        let mut events = mem::replace(&mut self.events, Events::with_capacity(0));
        let outcome = self.attend_all(&mut events, deadline);
        self.events = events;
        outcome
    }

    fn attend_all(&mut self, events: &mut Events, deadline: Instant) -> Result<()> {
        match self.poll.poll(events, Some(deadline.saturating_duration_since(Instant::now()))) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        for event in events.iter() {
            if event.token() == TIMER {
                let _ = rustix::io::read(&self.timer, &mut [0u8; 8]);
            } else {
                self.attend(event.token().0, event.is_writable())?;
            }
        }
        Ok(())
    }

    fn attend(&mut self, nth: usize, writable: bool) -> Result<()> {
        let Some(mut connection) = self.connections.get_mut(nth).and_then(Option::take) else { return Ok(()) };
        let was_joined = connection.stage == Stage::Joined;
        match self.converse(&mut connection, nth, writable) {
            Ok(true) => {
                if connection.stage == Stage::Joined && !was_joined {
                    self.counts.joined += 1;
                    self.rooms[connection.room].members += 1;
                }
                self.connections[nth] = Some(connection);
            }
            Ok(false) if was_joined => self.counts.closed += 1,
            Ok(false) => return Err(format!("a client was turned away at the stage {:?}", connection.stage).into()),
            Err(error) if was_joined => {
                self.counts.closed += 1;
                self.refusal.get_or_insert_with(|| error.to_string());
            }
            Err(error) => return Err(error),
        }
        self.publish_ready()
    }

    /// Whether the connection still stands afterwards.
    fn converse(&mut self, connection: &mut Connection, nth: usize, writable: bool) -> Result<bool> {
        if connection.stage == Stage::Connecting {
            if !writable {
                return Ok(true);
            }
            let path = self.wire.path(&self.rooms[connection.room].name, &self.tokens[nth]);
            connection.ask(self.server, &path)?;
        }
        if writable {
            connection.flush()?;
        }
        let mut scratch = mem::take(&mut self.scratch);
        let stands = self.read(connection, nth, &mut scratch);
        self.scratch = scratch;
        stands
    }

    fn read(&mut self, connection: &mut Connection, nth: usize, scratch: &mut [u8]) -> Result<bool> {
        loop {
            let (count, more) = match connection.receive(scratch)? {
                Received::Bytes { count, more } => (count, more),
                Received::Nothing => return Ok(true),
                Received::End => return Ok(false),
            };
            let stands = if connection.rest.is_empty() {
                let used = self.consume(connection, nth, &scratch[..count])?;
                connection.rest.extend_from_slice(&scratch[used.unwrap_or(count)..count]);
                used.is_some()
            } else {
                let mut whole = mem::take(&mut connection.rest);
                whole.extend_from_slice(&scratch[..count]);
                let used = self.consume(connection, nth, &whole)?;
                whole.drain(..used.unwrap_or(whole.len()));
                // An empty rest gives its memory back: many clients have one now and then.
                connection.rest = if whole.is_empty() { Vec::new() } else { whole };
                used.is_some()
            };
            if !stands || !more {
                return Ok(stands);
            }
        }
    }

    /// How many of the bytes are dealt with; `None` after the server's Close.
    fn consume(&mut self, connection: &mut Connection, nth: usize, bytes: &[u8]) -> Result<Option<usize>> {
        let mut used = 0;
        if connection.stage == Stage::Upgrading {
            let Some(head) = connection::upgraded(bytes)? else { return Ok(Some(0)) };
            used = head;
            self.proceed(connection, nth, 0)?;
        }
        while let Some((message, payload)) = connection::from_server(&bytes[used..])? {
            match message.opcode {
                frames::TEXT => self.hear(connection, nth, payload, message.length)?,
                frames::PING => connection.send(&frames::from_client(frames::PONG, payload))?,
                frames::CLOSE => {
                    if connection.stage != Stage::Joined {
                        let reason = String::from_utf8_lossy(payload.get(2..).unwrap_or_default());
                        return Err(format!("closed while joining: {reason}").into());
                    }
                    // It is ending anyway; whether the answer arrives does not matter.
                    let _ = connection.send(&frames::from_client(frames::CLOSE, payload));
                    return Ok(None);
                }
                _ => {}
            }
            used += message.end;
        }
        Ok(Some(used))
    }

    fn proceed(&self, connection: &mut Connection, nth: usize, step: usize) -> Result<()> {
        connection.proceed(self.wire, step, &self.rooms[connection.room].name, &self.tokens[nth])
    }

    /// `message` is what its first frame brought of it, all of which is in the first but where messages are large.
    fn hear(&mut self, connection: &mut Connection, nth: usize, message: &[u8], length: usize) -> Result<()> {
        // Some ask even before they have let anyone in.
        if let Some(pong) = self.wire.pong(message) {
            return connection.send(&frames::from_client(frames::TEXT, pong));
        }
        if let Stage::Joining(step, expected) = connection.stage {
            if memchr::memmem::find(message, expected.as_bytes()).is_some() {
                return self.proceed(connection, nth, step + 1);
            }
            if self.wire.is_refusal(message) {
                return Err(format!("refused while joining: {}", String::from_utf8_lossy(message)).into());
            }
            return Ok(());
        }
        let finder = Rc::clone(&self.finder);
        let before = self.counts.received;
        let mut marked = false;
        for (_, room, number) in finder.all(message) {
            marked = true;
            self.heard(connection, nth, room as usize, number);
        }
        if self.counts.received > before {
            self.counts.bytes += length as u64;
            if let Some(kept) = &mut self.kept {
                kept.clear();
                kept.extend_from_slice(message);
            }
        }
        if !marked && self.wire.is_refusal(message) {
            self.counts.errors += 1;
            self.refusal.get_or_insert_with(|| String::from_utf8_lossy(message).into_owned());
        }
        Ok(())
    }

    fn heard(&mut self, connection: &mut Connection, nth: usize, room: usize, number: u64) {
        let (wire, start) = (self.wire, self.start);
        let Some(place) = self.rooms.get_mut(room).filter(|_| room == connection.room) else {
            self.counts.disorder += 1;
            return;
        };
        if place.publisher == nth && !wire.echoes() {
            if wire.acknowledges() {
                self.counts.acknowledged += 1;
            } else {
                self.counts.disorder += 1;
            }
            return;
        }
        self.counts.received += 1;
        if connection.due != number {
            self.counts.disorder += 1;
        }
        connection.due = number + 1;
        if let (Some(latencies), Some(sent)) = (&mut self.latencies, place.sent(number)) {
            let waited = (start.elapsed().as_nanos() as u64).saturating_sub(sent);
            latencies.push(u32::try_from(waited / 1000).unwrap_or(u32::MAX));
        }
        if let Pace::Closed(window) = self.pace
            && place.heard(number, window)
        {
            self.ready.push(room);
        }
    }

    fn publish_ready(&mut self) -> Result<()> {
        while let Some(room) = self.ready.pop() {
            let Pace::Closed(window) = self.pace else { continue };
            while self.rooms[room].may_publish(window) {
                let now = self.now();
                self.publish(room, 1, now)?;
            }
        }
        Ok(())
    }

    /// Publishes `size` times in one write.
    fn publish(&mut self, nth: usize, size: usize, now: u64) -> Result<()> {
        let window = if let Pace::Closed(window) = self.pace { window } else { room::MOST_WINDOW };
        let room = &mut self.rooms[nth];
        let listeners = if self.wire.echoes() { room.members } else { room.members.saturating_sub(1) };
        let Some(publisher) = self.connections.get_mut(room.publisher).and_then(Option::as_mut) else {
            return Err("the server closed the connection of a publisher".into());
        };
        if size == 1 {
            publisher.send(room.publish(nth as u32, window, listeners, now))?;
        } else {
            self.burst.clear();
            for _ in 0..size {
                self.burst.extend_from_slice(room.publish(nth as u32, window, listeners, now));
            }
            publisher.send(&self.burst)?;
        }
        self.counts.published += size as u64;
        self.counts.expected += size as u64 * u64::from(listeners);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
