//! A run: round after round, every workload, every way.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tertulia::clock;

use super::arguments::Arguments;
use super::program::{commit, hub_program};
use super::progress::Progress;
use super::results::{Figures, Record, Results, Run};
use super::tables::{Measured, Named};
use super::usual::UsualTask;
use super::ways::{Place, Way};
use super::workloads::{self, Scale, Workload};
use super::{Result, procfs, report};

const PROGRAM: &str = "bench_gateway";

pub fn run(arguments: &Arguments) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workloads = arguments.workloads()?;
    let out = arguments.usual.out(root, PROGRAM);
    fs::create_dir_all(&out)?;
    let place = Place {
        hub: hub_program(root, arguments.hub.clone())?,
        out: out.canonicalize()?,
        secret: format!("{}{}", clock::fresh_id(), clock::fresh_id()),
    };
    // The proxies inherit it; each needs two for every client.
    let files = rlimit::increase_nofile_limit(u64::MAX)?;
    if files < 20_000 {
        eprintln!("only {files} files may be open at a time: workloads with many connections will fail");
    }
    let run = circumstances(arguments, &place, root);
    for (way, reason) in &run.absent {
        eprintln!("{way} is left out: {reason}");
    }
    if run.absent.contains_key(Way::Nginx.name()) {
        eprintln!("without nginx there is nothing to compare the gateway with but the direct way");
    }
    let mut record = Record::begin(&place.out, &run)?;
    let visits = plan(arguments, &workloads, &run);
    let seconds = |workload: Workload, ways: &[Way]| workload.seconds(arguments.usual.quick) * ways.len() as f64;
    let mut progress = Progress::new(visits.iter().map(|(_, workload, ways)| seconds(*workload, ways)).sum());
    let measured = Duration::from_secs_f64(if arguments.usual.quick { 0.5 } else { arguments.seconds });
    let scale = Scale { quick: arguments.usual.quick, measured };
    for (round, workload, ways) in visits {
        let outcome = workloads::visit(&place, scale, workload, &ways).map_err(|error| error.to_string());
        let each = seconds(workload, &ways[..1.min(ways.len())]);
        for way in ways {
            let figures = outcome.as_ref().map(|all| of(way, all)).map_err(|error| error.as_str().into());
            progress.report(each, &format!("round {round}, {}, {}", workload.name(), way.name()), &figures);
            record.visit(round, workload.name(), way.name(), &figures)?;
        }
    }
    let to = arguments.usual.to(root, &place.out);
    write_table(&place.out, &to, arguments.usual.quick.then_some(run.id.as_str()))?;
    record.verdict()
}

fn of(way: Way, all: &[(Way, Figures)]) -> Figures {
    all.iter().find(|(it, _)| *it == way).map(|(_, figures)| figures.clone()).unwrap_or_default()
}

/// Does what there is to do beside runs.
pub fn again(task: &UsualTask) -> Result<()> {
    task.run(Path::new(env!("CARGO_MANIFEST_DIR")), PROGRAM, write_table)
}

fn write_table(out: &Path, to: &Path, run: Option<&str>) -> Result<()> {
    let mut lines = Results::within(out).read()?;
    lines.retain(|line| run.is_none_or(|run| line.run() == run));
    let measured = Measured::newest(&lines, &Workload::ALL)?;
    fs::create_dir_all(to)?;
    let page = to.join("gateway.md");
    fs::write(&page, report::page(&measured))?;
    eprintln!("written: {}", page.display());
    Ok(())
}

fn circumstances(arguments: &Arguments, place: &Place, root: &Path) -> Run {
    let wanted = || Way::ALL.into_iter().filter(|way| arguments.wants(*way));
    let absent = wanted().filter_map(|it| Some((it.name().to_owned(), place.missing(it)?))).collect();
    let present = wanted().filter(|it| place.missing(*it).is_none());
    Run {
        id: clock::fresh_id().to_string(),
        at: clock::now().to_string(),
        commit: commit(root).unwrap_or_else(|| "unknown".to_owned()),
        machine: procfs::description(),
        workers: 1,
        quick: arguments.usual.quick,
        versions: present.filter_map(|it| place.version(it)).collect(),
        absent,
    }
}

/// The ways take turns within each round, so that whatever else the machine does meets all of them, and another one is the
/// first in each.
fn plan(arguments: &Arguments, workloads: &[Workload], run: &Run) -> Vec<(usize, Workload, Vec<Way>)> {
    let mut visits = Vec::new();
    for round in 1..=arguments.usual.rounds() {
        for workload in workloads.iter().copied().filter(|it| round <= it.most_rounds()) {
            let is_there = |it: &Way| arguments.wants(*it) && !run.absent.contains_key(it.name());
            let mut ways: Vec<_> = workload.ways().into_iter().filter(is_there).collect();
            let first = (round - 1) % ways.len().max(1);
            ways.rotate_left(first);
            if workload == Workload::Latency {
                visits.push((round, workload, ways));
            } else {
                visits.extend(ways.into_iter().map(|way| (round, workload, vec![way])));
            }
        }
    }
    visits
}
