//! What processes and the whole machine have used, as Linux tells it in /proc.

use std::fs;
use std::path::Path;
use std::process;
use std::time::Instant;

use super::Result;

/// How much of all that was used until now, and when that was.
#[derive(Clone, Copy)]
pub struct Sample {
    at: Instant,
    server: u64,
    generator: u64,
    /// All cores together, at work for anyone; and taken away by whoever runs the virtual machine.
    machine: u64,
    stolen: u64,
}

/// What was used between two samples.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub seconds: f64,
    /// Microseconds of processor time that the server took, in all its threads.
    pub server_us: f64,
    /// In percent of one core.
    pub generator_percent: f64,
    /// By anything else on the machine, and by its host.
    pub others_percent: f64,
}

impl Sample {
    pub fn take(server: u32) -> Result<Self> {
        let (machine, stolen) = machine()?;
        Ok(Self { at: Instant::now(), server: cpu(server)?, generator: cpu(process::id())?, machine, stolen })
    }

    pub fn until(self, later: Self) -> Usage {
        let us = |from: u64, to: u64| to.saturating_sub(from) as f64 / 1000.0;
        let seconds = later.at.duration_since(self.at).as_secs_f64();
        let percent = |us: f64| us / seconds / 10_000.0;
        let (server, generator) = (us(self.server, later.server), us(self.generator, later.generator));
        let others = (us(self.machine, later.machine) - server - generator).max(0.0) + us(self.stolen, later.stolen);
        Usage { seconds, server_us: server, generator_percent: percent(generator), others_percent: percent(others) }
    }
}

/// Nanoseconds of processor time that a process took. Its scheduler statistics are exact where `stat` counts hundredths
/// of a second; not every kernel has them.
fn cpu(process: u32) -> Result<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task")).map_err(|_| format!("no process {process}"))? {
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else {
            return cpu_in_ticks(process);
        };
        sum += text.split_whitespace().next().and_then(|it| it.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(sum)
}

fn cpu_in_ticks(process: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name of the program, in parentheses, may hold anything. After it comes field 3; 14 and 15 are wanted.
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|it| it.parse::<u64>().ok()).sum();
    Ok(ticks * tick())
}

/// Nanoseconds.
fn tick() -> u64 {
    1_000_000_000 / rustix::param::clock_ticks_per_second().max(1)
}

fn machine() -> Result<(u64, u64)> {
    let text = fs::read_to_string("/proc/stat")?;
    let first = text.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = first.split_whitespace().skip(1).filter_map(|it| it.parse().ok()).collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = ticks[..] else {
        return Err("/proc/stat has no line for all processors".into());
    };
    Ok(((user + nice + system + irq + softirq) * tick(), steal * tick()))
}

/// Kilobytes of memory that a process holds: resident, and of that its proportional share.
pub fn memory(process: u32) -> Result<(f64, f64)> {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    Ok((field(&rollup, "Rss:").unwrap_or(0.0), field(&rollup, "Pss:").unwrap_or(0.0)))
}

/// The number after `key` at the beginning of a line.
fn field(text: &str, key: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse().ok())
}

/// The machine in a few words.
pub fn description() -> String {
    let read = |path: &str| fs::read_to_string(Path::new(path)).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let after_colon = |line: &str| line.split_once(':').map(|(_, model)| model.trim().to_owned());
    let model = cpuinfo.lines().find(|line| line.starts_with("model name")).and_then(after_colon);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let gigabytes = field(&read("/proc/meminfo"), "MemTotal:").unwrap_or(0.0) / 1024.0 / 1024.0;
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "{cores} cores ({}), {gigabytes:.0} GiB of memory, Linux {}",
        model.unwrap_or_else(|| "of an unnamed processor".to_owned()),
        kernel.trim()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_seen_to_work() {
        let before = Sample::take(process::id()).unwrap();
        let start = Instant::now();
        let mut sum = 0u64;
        while start.elapsed().as_millis() < 60 {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(7));
        }
        let usage = before.until(Sample::take(process::id()).unwrap());
        assert!(usage.seconds >= 0.06 && usage.server_us > 1000.0, "{usage:?}");
        let (resident, proportional) = memory(process::id()).unwrap();
        assert!(resident > 500.0 && proportional > 0.0 && proportional <= resident);
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        assert!(Sample::take(u32::MAX).is_err());
    }
}
