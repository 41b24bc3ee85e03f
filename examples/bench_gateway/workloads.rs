//! What the ways are put through, and the figures that come of it.
//!
//! Every visit starts a fresh upstream and a fresh proxy, and ends them. Times of the processor are the proxy's own, of all its
//! threads; where there is no proxy, they are the upstream's.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use super::Result;
use super::child::Running;
use super::generator::wire::Wire;
use super::generator::{Counts, Load, Pace};
use super::latency::{self, Line};
use super::procfs::{self, Sample};
use super::results::Figures;
use super::statistics::percentile;
use super::tables::{Named, named};
use super::tokens;
use super::ways::{Place, Way};

const SMALL: usize = 128;
const LARGE: usize = 16 * 1024;
const HUGE: usize = 64 * 1024;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Workload {
    /// Many connections, on each of which now and then something small is said.
    Steady,
    /// A few connections, on each of which something small is said as soon as the echo of the last has come.
    Closed,
    /// 16 small messages in each write.
    Bursts,
    /// Messages of 16 KiB, one on its way on each of a few connections.
    Large,
    /// The same with 64 KiB.
    Huge,
    /// One small message at a time, over all ways in turn.
    Latency,
    Memory,
    Connects,
}

impl Workload {
    pub const ALL: [Self; 8] = [
        Self::Steady,
        Self::Closed,
        Self::Bursts,
        Self::Large,
        Self::Huge,
        Self::Latency,
        Self::Memory,
        Self::Connects,
    ];
    /// Those whose figure is the processor time of a frame.
    pub const FRAMES: [Self; 5] = [Self::Steady, Self::Closed, Self::Bursts, Self::Large, Self::Huge];

    /// Who is put through it, in this order.
    pub fn ways(self) -> Vec<Way> {
        match self {
            Self::Memory => vec![Way::Gateway, Way::Nginx, Way::NginxLarge, Way::Haproxy],
            Self::Latency | Self::Connects => vec![Way::Gateway, Way::Nginx, Way::Haproxy, Way::Direct],
            _ => vec![Way::Gateway, Way::Nginx, Way::NginxLarge, Way::Haproxy, Way::Direct],
        }
    }

    /// Memory hardly differs from one time to the next, and takes long.
    pub fn most_rounds(self) -> usize {
        if self == Self::Memory { 2 } else { usize::MAX }
    }

    /// About how long it takes for one way, in seconds, to tell how much time is left.
    pub fn seconds(self, quick: bool) -> f64 {
        match (self, quick) {
            (Self::Memory, false) => 14.0,
            (Self::Latency, false) => 3.0,
            (_, false) => 4.0,
            (_, true) => 2.0,
        }
    }
}

impl Named for Workload {
    fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Closed => "closed",
            Self::Bursts => "bursts",
            Self::Large => "large",
            Self::Huge => "huge",
            Self::Latency => "latency",
            Self::Memory => "memory",
            Self::Connects => "connects",
        }
    }
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        named("workload", &Self::ALL, "frames (for the first five), ", name)
    }
}

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    pub quick: bool,
    /// In which frames are counted.
    pub measured: Duration,
}

impl Scale {
    fn pick<T>(self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// Puts some ways through one workload: all together where they take turns within it, otherwise only the first.
pub fn visit(place: &Place, scale: Scale, workload: Workload, ways: &[Way]) -> Result<Vec<(Way, Figures)>> {
    if workload == Workload::Latency {
        return latency(place, scale, ways);
    }
    let way = *ways.first().ok_or("no way to measure")?;
    let upstream = place.start_upstream()?;
    let proxy = place.start(way, upstream.address)?;
    let mut visit = Visit { place, scale, upstream, proxy };
    let figures = match workload {
        Workload::Steady => visit.frames(1000, SMALL, Pace::Open(4000.0)),
        Workload::Closed => visit.frames(10, SMALL, Pace::Closed(1)),
        Workload::Bursts => visit.frames(100, SMALL, Pace::Bursts(400.0, 16)),
        Workload::Large => visit.frames(8, LARGE, Pace::Closed(1)),
        Workload::Huge => visit.frames(8, HUGE, Pace::Closed(1)),
        Workload::Memory => visit.memory(),
        Workload::Latency | Workload::Connects => visit.connects(),
    };
    Ok(vec![(way, figures?)])
}

struct Visit<'a> {
    place: &'a Place,
    scale: Scale,
    upstream: Running,
    proxy: Option<Running>,
}

impl Visit<'_> {
    /// What is measured.
    fn measured(&self) -> &Running {
        self.proxy.as_ref().unwrap_or(&self.upstream)
    }

    fn load(&self, connections: usize, length: usize) -> Result<Load> {
        let (prefix, tokens) = tokens::for_a_visit(&self.place.secret, connections)?;
        Load::new(Wire::Echo(length), self.measured().address, 1, prefix, tokens)
    }

    fn frames(&mut self, connections: usize, length: usize, pace: Pace) -> Result<Figures> {
        let mut load = self.load(connections, length)?;
        load.connect(connections, 128)?;
        load.run(Duration::from_millis(self.scale.pick(700, 200)), pace)?;
        let (id, upstream) = (self.measured().id(), self.upstream.id());
        let (before, behind, counts) = (Sample::take(id)?, Sample::take(upstream)?, load.counts());
        load.run(self.scale.measured, pace)?;
        let (after, behind_after, later) = (Sample::take(id)?, Sample::take(upstream)?, load.counts());
        load.settle()?;
        let (usage, behind) = (before.until(after), behind.until(behind_after));

        let received = (later.received - counts.received) as f64;
        let frames = (later.published - counts.published) as f64 + received;
        let whole = (later.bytes - counts.bytes) as f64;
        if (whole / received - length as f64).abs() > 0.01 {
            return Err(format!("messages of {length} bytes came back with {:.1}", whole / received).into());
        }
        let mut figures = Figures::new();
        figures.insert("cpu_us".to_owned(), usage.server_us / frames);
        figures.insert("frames_per_s".to_owned(), frames / usage.seconds);
        figures.insert("cpu_percent".to_owned(), usage.server_us / usage.seconds / 10_000.0);
        let upstream = if self.proxy.is_some() { behind.server_us / behind.seconds / 10_000.0 } else { 0.0 };
        figures.insert("others_percent".to_owned(), (usage.others_percent - upstream).max(0.0));
        self.check(&load, &mut figures)?;
        Ok(figures)
    }

    /// With many idle connections, and again when each of them has carried something large both ways.
    fn memory(&mut self) -> Result<Figures> {
        let connections = self.scale.pick(5000, 500);
        let id = self.measured().id();
        let (start, _) = procfs::memory(id)?;
        let mut load = self.load(connections, LARGE)?;
        load.connect(connections, 128)?;
        load.run(Duration::from_secs(self.scale.pick(2, 1)), Pace::Quiet)?;
        let (idle, own) = procfs::memory(id)?;
        let rate = 1000.0;
        let twice = Duration::from_secs_f64(2.0 * connections as f64 / rate);
        load.run(twice, Pace::Open(rate))?;
        load.settle()?;
        let (used, _) = procfs::memory(id)?;
        let each = |from: f64, to: f64| (to - from) / connections as f64;
        let mut figures = Figures::new();
        figures.insert("start_kb".to_owned(), start);
        figures.insert("idle_kb".to_owned(), each(start, idle));
        figures.insert("own_mb".to_owned(), own / 1024.0);
        figures.insert("used_kb".to_owned(), each(start, used));
        self.check(&load, &mut figures)?;
        Ok(figures)
    }

    fn connects(&mut self) -> Result<Figures> {
        let connections = self.scale.pick(5000, 500);
        let mut load = self.load(connections, SMALL)?;
        let before = Sample::take(self.measured().id())?;
        load.connect(connections, 256)?;
        let usage = before.until(Sample::take(self.measured().id())?);
        // Each of them carries frames.
        load.run(Duration::from_millis(self.scale.pick(1000, 300)), Pace::Open(self.scale.pick(5000.0, 1700.0)))?;
        load.settle()?;
        let mut figures = Figures::new();
        figures.insert("connect_us".to_owned(), usage.server_us / connections as f64);
        figures.insert("connects_per_s".to_owned(), connections as f64 / usage.seconds);
        self.check(&load, &mut figures)?;
        Ok(figures)
    }

    /// Nothing may be lost, out of order or closed.
    fn check(&mut self, load: &Load, figures: &mut Figures) -> Result<()> {
        for running in self.proxy.iter_mut().chain([&mut self.upstream]) {
            if let Some(status) = running.ended()? {
                return Err(format!("it ended by itself ({status}): {}", running.last_words()).into());
            }
        }
        let Counts { disorder, closed, received, .. } = load.counts();
        figures.insert("lost".to_owned(), load.missing() as f64);
        figures.insert("disorder".to_owned(), disorder as f64);
        if closed > 0 {
            let reason = load.refusal().unwrap_or("no reason given");
            return Err(format!("{closed} connections closed: {reason}").into());
        }
        if received == 0 {
            return Err("nothing came back".into());
        }
        Ok(())
    }
}

/// Connections over each way; they take turns.
const LINES: usize = 4;

fn latency(place: &Place, scale: Scale, ways: &[Way]) -> Result<Vec<(Way, Figures)>> {
    let upstream = place.start_upstream()?;
    let proxies: Vec<Option<Running>> =
        ways.iter().map(|way| place.start(*way, upstream.address)).collect::<Result<_>>()?;
    let (_, tokens) = tokens::for_a_visit(&place.secret, LINES)?;
    let open = |address: SocketAddr| tokens.iter().map(|token| Line::open(address, token)).collect::<Result<Vec<_>>>();
    let addresses = proxies.iter().map(|proxy| proxy.as_ref().map_or(upstream.address, |it| it.address));
    let mut lines: Vec<Vec<Line>> = addresses.map(open).collect::<Result<_>>()?;
    let times = latency::in_turn(&mut lines, scale.pick(2000, 100))?;

    let tenths = |way: &Vec<u32>, share| percentile(way, share).map_or(f64::NAN, |it| f64::from(it) / 10.0);
    let direct = ways.iter().position(|way| *way == Way::Direct).and_then(|nth| times.get(nth));
    let figures = |way: &Vec<u32>| {
        let mut figures = Figures::new();
        for (name, share) in [("p50_us", 0.5), ("p99_us", 0.99)] {
            let taken = tenths(way, share);
            figures.insert(name.to_owned(), taken);
            if let Some(direct) = direct {
                figures.insert(format!("added_{name}"), taken - tenths(direct, share));
            }
        }
        figures
    };
    Ok(ways.iter().copied().zip(times.iter().map(figures)).collect())
}
