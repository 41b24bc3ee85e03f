//! What the servers are put through, and the figures that come of it.
//!
//! Every visit starts a fresh process, and ends it. Times of the processor are the server's own, of all its threads.

use std::str::FromStr;
use std::time::{Duration, Instant};

use super::Result;
use super::child::Running;
use super::generator::{Counts, Load, Pace};
use super::procfs::{self, Sample, Usage};
use super::results::Figures;
use super::servers::{Place, Server};
use super::statistics::percentile;
use super::tables::{Named, named};
use super::{tokens, writer};

/// Deliveries a second in the open loops.
pub const STEADY: f64 = 20_000.0;
/// Members of a room where many clients do little.
const QUIET_ROOM: usize = 100;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Workload {
    /// One room of 1000, 4 publishes on their way.
    Wide,
    /// 250 rooms of 4, 1 each.
    Small,
    /// 10 rooms of 100, 2 each; and the latency at half of what that reached.
    Middle,
    Idle,
    Storm,
    Durable,
    Growth,
    Drain,
}

impl Workload {
    pub const ALL: [Self; 8] =
        [Self::Wide, Self::Small, Self::Middle, Self::Idle, Self::Storm, Self::Durable, Self::Growth, Self::Drain];
    pub const FANOUT: [Self; 3] = [Self::Wide, Self::Small, Self::Middle];

    /// Who is put through it, in this order.
    pub fn servers(self) -> Vec<Server> {
        use Server::{
            Bun, Centrifuge, Floor, Hub, HubPostgres, HubSocketIo, HubSocketIoStored, HubStored, SocketIo, Socketioxide,
        };
        match self {
            Self::Wide | Self::Small | Self::Middle => {
                vec![Hub, HubSocketIo, Floor, Bun, HubStored, HubSocketIoStored, SocketIo, Socketioxide, Centrifuge]
            }
            Self::Idle | Self::Storm => vec![Hub, HubSocketIo, Floor, Bun, SocketIo, Socketioxide, Centrifuge],
            Self::Growth => vec![Hub, Floor, Bun, SocketIo, Socketioxide, Centrifuge],
            Self::Durable => vec![HubStored, Server::Writer, HubPostgres, Server::WriterPostgres],
            Self::Drain => vec![Hub],
        }
    }

    /// Memory hardly differs from one time to the next, and these take long.
    pub fn most_rounds(self) -> usize {
        match self {
            Self::Idle | Self::Growth => 2,
            _ => usize::MAX,
        }
    }

    /// About how long a visit takes, in seconds, to tell how much time is left.
    pub fn seconds(self, quick: bool) -> f64 {
        match (self, quick) {
            (Self::Wide | Self::Small, false) => 7.0,
            (Self::Middle, false) => 9.5,
            (Self::Idle, false) => 30.0,
            (Self::Storm, false) => 3.0,
            (Self::Durable, false) => 5.0,
            (Self::Growth, false) => 22.0,
            (Self::Drain, false) => 10.0,
            (_, true) => 4.0,
        }
    }
}

impl Named for Workload {
    fn name(self) -> &'static str {
        match self {
            Self::Wide => "wide",
            Self::Small => "small",
            Self::Middle => "middle",
            Self::Idle => "idle",
            Self::Storm => "storm",
            Self::Durable => "durable",
            Self::Growth => "growth",
            Self::Drain => "drain",
        }
    }
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        named("workload", &Self::ALL, "fanout (for the first three), ", name)
    }
}

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    quick: bool,
}

impl Scale {
    pub fn new(quick: bool) -> Self {
        Self { quick }
    }

    fn pick<T>(self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    fn warmup(self) -> Duration {
        Duration::from_millis(self.pick(700, 200))
    }

    fn measured(self) -> Duration {
        Duration::from_millis(self.pick(1500, 500))
    }
}

/// Puts one server through one workload.
pub fn visit(place: &Place, scale: Scale, workload: Workload, server: Server) -> Result<Figures> {
    let visit = Visit { place, scale, server };
    match workload {
        Workload::Wide => visit.fan_out(1000, 1000, 4, false),
        Workload::Small => visit.fan_out(1000, 4, 1, false),
        Workload::Middle => visit.fan_out(1000, 100, 2, true),
        Workload::Idle => visit.idle(),
        Workload::Storm => visit.storm(),
        Workload::Durable => visit.durable(),
        Workload::Growth => visit.growth(),
        Workload::Drain => visit.drain(),
    }
}

/// What a hub delivers, byte for byte: the floor then writes the same. Ids in it grow a little as they are counted up, so
/// it is one of thousands.
pub fn sample_of_a_delivery(place: &Place) -> Result<Vec<u8>> {
    let visit = Visit { place, scale: Scale::new(true), server: Server::Hub };
    let running = place.start(Server::Hub)?;
    let mut load = visit.load(&running, 2, 2)?;
    load.connect(2, 2)?;
    load.keep_the_last_delivery();
    load.run(Duration::from_millis(500), Pace::Closed(8))?;
    load.settle()?;
    let delivery = load.last_delivery().map(<[u8]>::to_vec);
    delivery.ok_or_else(|| format!("the hub delivers nothing: {}", load.refusal().unwrap_or("no reason given")).into())
}

struct Visit<'a> {
    place: &'a Place,
    scale: Scale,
    server: Server,
}

/// A span of a run: what was used, and what happened.
struct Span {
    usage: Usage,
    delivered: f64,
    bytes: f64,
    acknowledged: f64,
}

impl Span {
    fn us_per_delivery(&self) -> f64 {
        self.usage.server_us / self.delivered
    }
}

impl Visit<'_> {
    fn load(&self, running: &Running, connections: usize, members: usize) -> Result<Load> {
        let (prefix, tokens) = tokens::for_a_visit(&self.place.secret, connections)?;
        Load::new(self.server.wire(), running.address, members, prefix, tokens)
    }

    fn fan_out(&self, connections: usize, members: usize, window: usize, half: bool) -> Result<Figures> {
        let mut running = self.place.start(self.server)?;
        let mut load = self.load(&running, connections, members)?;
        load.connect(connections, 128)?;
        let mut figures = Figures::new();

        load.run(self.scale.warmup(), Pace::Closed(window))?;
        let closed = measure(&mut load, &running, self.scale.measured(), Pace::Closed(window))?;
        load.settle()?;
        figures.insert("cpu_us".to_owned(), closed.us_per_delivery());
        let rate = closed.delivered / closed.usage.seconds;
        figures.insert("deliveries_per_s".to_owned(), rate);
        figures.insert("bytes".to_owned(), closed.bytes / closed.delivered);
        figures.insert("generator_percent".to_owned(), closed.usage.generator_percent);
        figures.insert("others_percent".to_owned(), closed.usage.others_percent);

        let listeners = (members - usize::from(!self.server.wire().echoes())) as f64;
        let pace = Pace::Open(STEADY / listeners);
        load.run(self.scale.warmup() / 2, pace)?;
        let open = measure(&mut load, &running, self.scale.measured(), pace)?;
        load.settle()?;
        figures.insert("open_cpu_us".to_owned(), open.us_per_delivery());

        if half {
            let pace = Pace::Open(rate / 2.0 / listeners);
            load.run(self.scale.warmup() / 2, pace)?;
            load.record_latencies();
            let span = measure(&mut load, &running, self.scale.measured(), pace)?;
            latencies(&mut figures, "half", &load.take_latencies());
            load.settle()?;
            figures.insert("half_deliveries_per_s".to_owned(), span.delivered / span.usage.seconds);
        }
        check(&mut running, &load, &mut figures)?;
        Ok(figures)
    }

    fn idle(&self) -> Result<Figures> {
        let connections = self.scale.pick(10_000, 1_000);
        let mut running = self.place.start(self.server)?;
        let (resident, proportional) = procfs::memory(running.id())?;
        let mut load = self.load(&running, connections, QUIET_ROOM)?;
        load.connect(connections, 256)?;
        load.run(Duration::from_secs(2), Pace::Quiet)?;
        // In this time most servers send one heartbeat to each connection.
        let seconds = self.scale.pick(25, 1);
        let span = measure(&mut load, &running, Duration::from_secs(seconds), Pace::Quiet)?;
        let (resident_then, proportional_then) = procfs::memory(running.id())?;
        let mut figures = Figures::new();
        figures.insert("kb".to_owned(), (resident_then - resident) / connections as f64);
        figures.insert("pss_kb".to_owned(), (proportional_then - proportional) / connections as f64);
        figures.insert("start_kb".to_owned(), resident);
        figures.insert("cpu_percent".to_owned(), span.usage.server_us / span.usage.seconds / 10_000.0);
        check(&mut running, &load, &mut figures)?;
        Ok(figures)
    }

    fn storm(&self) -> Result<Figures> {
        let connections = self.scale.pick(5_000, 1_000);
        let mut running = self.place.start(self.server)?;
        let mut load = self.load(&running, connections, QUIET_ROOM)?;
        let before = Sample::take(running.id())?;
        load.connect(connections, 256)?;
        let usage = before.until(Sample::take(running.id())?);
        let mut figures = Figures::new();
        figures.insert("connect_us".to_owned(), usage.server_us / connections as f64);
        figures.insert("connects_per_s".to_owned(), connections as f64 / usage.seconds);
        check(&mut running, &load, &mut figures)?;
        Ok(figures)
    }

    /// 256 senders, each with one listener, each waiting until what it said was heard before it says more.
    fn durable(&self) -> Result<Figures> {
        let mut figures = Figures::new();
        if let Server::Writer | Server::WriterPostgres = self.server {
            let url = match (self.server, &self.place.postgres) {
                (Server::WriterPostgres, Some(url)) => url.clone(),
                _ => format!("sqlite:{}", self.place.out.join("writer.db").display()),
            };
            let rate = writer::messages_per_second(&url, self.scale.warmup(), self.scale.measured())?;
            figures.insert("stored_per_s".to_owned(), rate);
            return Ok(figures);
        }
        let mut running = self.place.start(self.server)?;
        let senders = writer::SENDERS;
        let mut load = self.load(&running, senders * 2, 2)?;
        load.connect(senders * 2, 128)?;
        load.run(self.scale.warmup(), Pace::Closed(1))?;
        load.record_latencies();
        let span = measure(&mut load, &running, self.scale.measured(), Pace::Closed(1))?;
        latencies(&mut figures, "stored", &load.take_latencies());
        load.settle()?;
        figures.insert("stored_per_s".to_owned(), span.acknowledged / span.usage.seconds);
        figures.insert("stored_cpu_us".to_owned(), span.usage.server_us / span.acknowledged);
        check(&mut running, &load, &mut figures)?;
        Ok(figures)
    }

    /// More and more connections; in each stage all rooms in turn hear the same few messages a second in total.
    fn growth(&self) -> Result<Figures> {
        let mut running = self.place.start(self.server)?;
        let (resident, _) = procfs::memory(running.id())?;
        let stages = growth_stages(self.scale.quick);
        let most = stages.last().copied().unwrap_or_default();
        let mut load = self.load(&running, most, QUIET_ROOM)?;
        let listeners = (QUIET_ROOM - usize::from(!self.server.wire().echoes())) as f64;
        let pace = Pace::Open(STEADY / listeners);
        let mut figures = Figures::new();
        for &connections in stages {
            load.connect(connections, 256)?;
            load.run(self.scale.warmup() / 2, Pace::Quiet)?;
            load.run(self.scale.warmup() / 2, pace)?;
            let span = measure(&mut load, &running, self.scale.measured(), pace)?;
            load.settle()?;
            let (then, _) = procfs::memory(running.id())?;
            figures.insert(format!("cpu_us_{connections}"), span.us_per_delivery());
            figures.insert(format!("kb_{connections}"), (then - resident) / connections as f64);
        }
        check(&mut running, &load, &mut figures)?;
        Ok(figures)
    }

    /// From SIGTERM until the process is gone.
    fn drain(&self) -> Result<Figures> {
        let connections = self.scale.pick(15_000, 1_000);
        let mut running = self.place.start(self.server)?;
        let mut load = self.load(&running, connections, QUIET_ROOM)?;
        load.connect(connections, 256)?;
        load.run(self.scale.warmup(), Pace::Quiet)?;
        let start = Instant::now();
        running.terminate()?;
        let status = loop {
            load.run(Duration::from_millis(5), Pace::Quiet)?;
            if let Some(status) = running.ended()? {
                break status;
            }
            if start.elapsed() > Duration::from_secs(30) {
                return Err("it does not end within 30 s of SIGTERM".into());
            }
        };
        let mut figures = Figures::new();
        figures.insert("drain_s".to_owned(), start.elapsed().as_secs_f64());
        load.run(Duration::from_millis(200), Pace::Quiet)?;
        if !status.success() {
            return Err(format!("it ended with {status}: {}", running.last_words()).into());
        }
        if load.counts().closed != connections {
            return Err(format!("{} of {connections} connections were closed", load.counts().closed).into());
        }
        Ok(figures)
    }
}

fn measure(load: &mut Load, running: &Running, duration: Duration, pace: Pace) -> Result<Span> {
    let (before, counts) = (Sample::take(running.id())?, load.counts());
    load.run(duration, pace)?;
    let (after, later) = (Sample::take(running.id())?, load.counts());
    let usage = before.until(after);
    Ok(Span {
        usage,
        delivered: (later.received - counts.received) as f64,
        bytes: (later.bytes - counts.bytes) as f64,
        acknowledged: (later.acknowledged - counts.acknowledged) as f64,
    })
}

/// Nothing may be lost, out of order, refused or closed.
fn check(running: &mut Running, load: &Load, figures: &mut Figures) -> Result<()> {
    if let Some(status) = running.ended()? {
        return Err(format!("it ended by itself ({status}): {}", running.last_words()).into());
    }
    let Counts { disorder, errors, closed, .. } = load.counts();
    figures.insert("lost".to_owned(), load.missing() as f64);
    figures.insert("disorder".to_owned(), disorder as f64);
    if errors > 0 || closed > 0 {
        let reason = load.refusal().unwrap_or("no reason given");
        return Err(format!("{errors} refusals, {closed} connections closed: {reason}").into());
    }
    Ok(())
}

/// Numbers of connections.
pub fn growth_stages(quick: bool) -> &'static [usize] {
    if quick { &[200, 500, 1_000] } else { &[1_000, 2_000, 5_000, 10_000, 18_000] }
}

fn latencies(figures: &mut Figures, name: &str, sorted: &[u32]) {
    for (suffix, share) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
        if let Some(us) = percentile(sorted, share) {
            figures.insert(format!("{name}_{suffix}_us"), f64::from(us));
        }
    }
}
