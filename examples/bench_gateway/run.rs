//! A run: round after round, every workload, every way.

use std::fs;
use std::path::Path;

use tertulia::clock;

use super::arguments::Arguments;
use super::program::{commit, hub_program};
use super::progress::Progress;
use super::results::{Figures, Line, Results, Run, Visit};
use super::tables::{Measured, Named};
use super::ways::{Place, Way};
use super::workloads::{self, Workload};
use super::{Result, procfs, report};

/// Within the repository.
const RESULTS: &str = "target/bench_gateway";
const TABLES: &str = "docs/performance";

pub fn run(arguments: &Arguments) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workloads = arguments.workloads()?;
    let out = arguments.out.clone().unwrap_or_else(|| root.join(RESULTS));
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
    let results = Results::within(&place.out);
    results.append(&Line::Run(run.clone()))?;
    let visits = plan(arguments, &workloads, &run);
    let seconds = |workload: Workload, ways: &[Way]| workload.seconds(arguments.quick) * ways.len() as f64;
    let mut progress = Progress::new(visits.iter().map(|(_, workload, ways)| seconds(*workload, ways)).sum());
    let (mut failed, mut at_fault) = (0, 0);
    for (round, workload, ways) in visits {
        let outcome = workloads::visit(&place, arguments.quick, workload, &ways).map_err(|error| error.to_string());
        let each = seconds(workload, &ways[..1.min(ways.len())]);
        for way in ways {
            let figures = outcome.as_ref().map(|all| of(way, all)).map_err(Clone::clone);
            let what = format!("round {round}, {}, {}", workload.name(), way.name());
            progress.report(each, &what, &figures.clone().map_err(Into::into));
            failed += usize::from(figures.is_err());
            let has_fault =
                |figures: &Figures| ["lost", "disorder"].iter().any(|it| figures.get(*it).is_some_and(|it| *it > 0.0));
            at_fault += usize::from(figures.as_ref().is_ok_and(has_fault));
            results.append(&Line::Visit(Visit {
                run: run.id.clone(),
                round,
                workload: workload.name().to_owned(),
                server: way.name().to_owned(),
                failure: figures.as_ref().err().cloned(),
                figures: figures.unwrap_or_default(),
            }))?;
        }
    }
    let to = match &arguments.to {
        Some(to) => to.clone(),
        None if arguments.quick || arguments.out.is_some() => place.out.clone(),
        None => root.join(TABLES),
    };
    write_table(&place.out, &to, arguments.quick.then_some(run.id.as_str()))?;
    if failed + at_fault > 0 {
        return Err(format!("{failed} visits failed, and in {at_fault} messages were lost or out of order").into());
    }
    Ok(())
}

fn of(way: Way, all: &[(Way, Figures)]) -> Figures {
    all.iter().find(|(it, _)| *it == way).map(|(_, figures)| figures.clone()).unwrap_or_default()
}

/// Writes the tables of what was measured before, in any run or in one.
pub fn report(out: Option<&Path>, to: Option<&Path>, run: Option<&str>) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = out.map_or_else(|| root.join(RESULTS), Path::to_path_buf);
    write_table(&out, &to.map_or_else(|| root.join(TABLES), Path::to_path_buf), run)
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
        quick: arguments.quick,
        versions: present.filter_map(|it| place.version(it)).collect(),
        absent,
    }
}

/// The ways take turns within each round, so that whatever else the machine does meets all of them, and another one is the
/// first in each.
fn plan(arguments: &Arguments, workloads: &[Workload], run: &Run) -> Vec<(usize, Workload, Vec<Way>)> {
    let rounds = if arguments.quick { 1 } else { usize::from(arguments.rounds) };
    let mut visits = Vec::new();
    for round in 1..=rounds {
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
