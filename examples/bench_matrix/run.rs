//! A run: round after round, every workload, every server.

use std::fs;
use std::path::Path;

use tertulia::clock;
use tertulia::config::usual_workers;

use super::Result;
use super::arguments::Arguments;
use super::program::{commit, hub_program, said};
use super::progress::Progress;
use super::report;
use super::results::{Record, Results, Run};
use super::servers::{Place, Server};
use super::tables::Named;
use super::usual::UsualTask;
use super::workloads::{self, Scale, Workload};
use super::{peers, plot, procfs};

const PROGRAM: &str = "bench_matrix";

pub fn run(arguments: &Arguments) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf();
    let workloads = arguments.workloads()?;
    let out = arguments.usual.out(&root, PROGRAM);
    fs::create_dir_all(&out)?;
    let place = Place {
        hub: hub_program(&root, arguments.hub.clone())?,
        out: out.canonicalize()?,
        root,
        workers: arguments.workers.unwrap_or_else(usual_workers),
        postgres: arguments.postgres.clone(),
        secret: format!("{}{}", clock::fresh_id(), clock::fresh_id()),
    };
    if arguments.install_peers {
        peers::install(&place, Server::PEERS.into_iter().filter(|it| arguments.wants(*it)));
    }
    // The servers inherit it.
    let files = rlimit::increase_nofile_limit(u64::MAX)?;
    fs::write(place.delivery(), workloads::sample_of_a_delivery(&place)?)?;

    let run = circumstances(arguments, &place);
    for (server, reason) in &run.absent {
        eprintln!("{server} is left out: {reason}");
    }
    if files < 20_000 {
        eprintln!("only {files} files may be open at a time: workloads with many connections will fail");
    }
    let mut record = Record::begin(&place.out, &run)?;
    let visits = plan(arguments, &workloads, &run);
    let seconds = |workload: Workload| workload.seconds(arguments.usual.quick);
    let mut progress = Progress::new(visits.iter().map(|(_, workload, _)| seconds(*workload)).sum());
    for (round, workload, server) in visits {
        let outcome = workloads::visit(&place, Scale::new(arguments.usual.quick), workload, server);
        let what = format!("round {round}, {}, {}", workload.name(), server.name());
        progress.report(seconds(workload), &what, &outcome);
        record.visit(round, workload.name(), server.name(), &outcome)?;
    }
    let to = arguments.usual.to(&place.root, &place.out);
    write_tables(&place.out, &to, arguments.usual.quick.then_some(run.id.as_str()))?;
    record.verdict()
}

/// Does what there is to do beside runs.
pub fn again(task: &UsualTask) -> Result<()> {
    task.run(Path::new(env!("CARGO_MANIFEST_DIR")), PROGRAM, write_tables)
}

fn write_tables(out: &Path, to: &Path, run: Option<&str>) -> Result<()> {
    let mut lines = Results::within(out).read()?;
    lines.retain(|line| run.is_none_or(|run| line.run() == run));
    let measured = report::newest(&lines)?;
    fs::create_dir_all(to)?;
    fs::write(to.join("results.md"), report::page(&measured))?;
    if let Some(svg) = plot::growth(&measured) {
        fs::write(to.join("growth.svg"), svg)?;
    }
    eprintln!("written: {}", to.join("results.md").display());
    Ok(())
}

fn circumstances(arguments: &Arguments, place: &Place) -> Run {
    let wanted = || Server::ALL.into_iter().filter(|server| arguments.wants(*server));
    let absent = wanted().filter_map(|it| Some((it.name().to_owned(), place.missing(it)?))).collect();
    let present = wanted().filter(|it| place.missing(*it).is_none());
    let hub = said(&place.hub.to_string_lossy(), "--version");
    let versions = hub.into_iter().chain(present.filter_map(|it| peers::version(place, it))).collect();
    let now = clock::now();
    Run {
        id: clock::fresh_id().to_string(),
        at: now.to_string(),
        commit: commit(&place.root).unwrap_or_else(|| "unknown".to_owned()),
        machine: procfs::description(),
        workers: place.workers,
        quick: arguments.usual.quick,
        versions,
        absent,
    }
}

/// The servers take turns within each round, so that whatever else the machine does meets all of them, and another one is the
/// first in each.
fn plan(arguments: &Arguments, workloads: &[Workload], run: &Run) -> Vec<(usize, Workload, Server)> {
    let mut visits = Vec::new();
    for round in 1..=arguments.usual.rounds() {
        for workload in workloads.iter().filter(|it| round <= it.most_rounds()) {
            let is_there = |it: &Server| arguments.wants(*it) && !run.absent.contains_key(it.name());
            let mut servers: Vec<_> = workload.servers().into_iter().filter(is_there).collect();
            let first = (round - 1) % servers.len().max(1);
            servers.rotate_left(first);
            visits.extend(servers.into_iter().map(|server| (round, *workload, server)));
        }
    }
    visits
}
