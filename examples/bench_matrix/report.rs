//! Makes tables of what was measured: medians, the least and the most, and how the hub compares.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Result;
use super::results::{Line, Run, Visit};
use super::servers::Server;
use super::statistics::Summary;
use super::targets;
use super::workloads::{Workload, growth_stages};

/// The newest measurements of each workload. All servers of a workload are from one run: only then they compare.
pub struct Measured<'a> {
    runs: BTreeMap<&'static str, &'a Run>,
    visits: Vec<&'a Visit>,
}

impl<'a> Measured<'a> {
    /// Full runs hide quick ones.
    pub fn newest(lines: &'a [Line]) -> Result<Self> {
        let runs: Vec<&Run> =
            lines.iter().filter_map(|line| if let Line::Run(run) = line { Some(run) } else { None }).collect();
        let visits: Vec<&Visit> =
            lines.iter().filter_map(|line| if let Line::Visit(visit) = line { Some(visit) } else { None }).collect();
        let any_full = visits.iter().any(|visit| runs.iter().any(|run| run.id == visit.run && !run.quick));
        let mut newest = BTreeMap::new();
        for workload in Workload::ALL {
            let has = |run: &&&Run| visits.iter().any(|it| it.run == run.id && it.workload == workload.name());
            if let Some(run) = runs.iter().rev().filter(|run| !(any_full && run.quick)).find(has) {
                newest.insert(workload.name(), *run);
            }
        }
        if newest.is_empty() {
            return Err("nothing was measured yet".into());
        }
        let is_newest = |visit: &&Visit| newest.get(visit.workload.as_str()).is_some_and(|run| run.id == visit.run);
        Ok(Self { visits: visits.into_iter().filter(is_newest).collect(), runs: newest })
    }

    fn visits(&self, workload: Workload, server: Server) -> impl Iterator<Item = &Visit> {
        let wanted = move |it: &&&Visit| it.workload == workload.name() && it.server == server.name();
        self.visits.iter().filter(wanted).copied()
    }

    pub fn summary(&self, workload: Workload, server: Server, figure: &str) -> Option<Summary> {
        Summary::of(self.visits(workload, server).filter_map(|visit| visit.figures.get(figure).copied()))
    }

    pub fn is_quick(&self) -> bool {
        self.runs.values().all(|run| run.quick)
    }

    /// The servers of a workload that were measured, in the order in which they are shown.
    pub fn servers(&self, workload: Workload) -> Vec<Server> {
        let mut servers = workload.servers();
        servers.retain(|server| self.visits(workload, *server).next().is_some());
        servers
    }

    fn failures(&self) -> impl Iterator<Item = (&Visit, &str)> {
        self.visits.iter().filter_map(|visit| Some((*visit, visit.failure.as_deref()?)))
    }
}

/// The whole page.
pub fn page(measured: &Measured<'_>) -> String {
    let mut page =
        "<!-- Written by `cargo run --release --example bench_matrix`; what is changed by hand is lost. -->\n\n\
                    # Results\n\n"
            .to_owned();
    circumstances(&mut page, measured);
    page.push_str(&target_table(measured));
    for workload in Workload::ALL {
        if let Some(table) = table(measured, workload) {
            page.push_str(&table);
        }
    }
    let failures: Vec<_> = measured.failures().collect();
    if !failures.is_empty() {
        page.push_str("\n## What failed\n\n");
        for (visit, failure) in failures {
            let _ = writeln!(page, "- {}, {}, round {}: {failure}", visit.workload, visit.server, visit.round);
        }
    }
    page
}

/// Where and when; workloads that were measured in the same run share a line.
fn circumstances(page: &mut String, measured: &Measured<'_>) {
    let mut by_run: Vec<(&Run, Vec<&str>)> = Vec::new();
    for workload in Workload::ALL {
        let Some(run) = measured.runs.get(workload.name()) else { continue };
        match by_run.iter_mut().find(|(it, _)| it.id == run.id) {
            Some((_, workloads)) => workloads.push(workload.name()),
            None => by_run.push((run, vec![workload.name()])),
        }
    }
    for (run, workloads) in by_run {
        let quick = if run.quick { " **A quick run: these figures mean little.**" } else { "" };
        let _ = writeln!(
            page,
            "{} at commit {}, workers: {}, on {} ({}). {}.{quick}",
            run.at,
            run.commit,
            run.workers,
            run.machine,
            workloads.join(", "),
            run.versions.join(", ")
        );
        for (server, reason) in &run.absent {
            let _ = writeln!(page, "Left out: {server} ({reason}).");
        }
        page.push('\n');
    }
}

fn target_table(measured: &Measured<'_>) -> String {
    let mut table =
        "## Targets\n\nMeasured: the ratio of the medians, or the median; of the minima: the same of the least of each.\n\n\
                     | what | target | measured | of the minima | |\n|---|---|---|---|---|\n"
            .to_owned();
    for target in targets::all(measured) {
        let verdict = match target.is_met() {
            None => "not measured",
            Some(true) => "met",
            Some(false) => "**not met**",
        };
        let (median, least) = (target.median(), target.of_the_minima());
        let _ = writeln!(table, "| {} | {} | {median} | {least} | {verdict} |", target.what, target.goal);
    }
    table
}

/// A column: its heading, the figure in it, what that is divided by, and whether the hub is compared by it.
struct Column {
    heading: &'static str,
    figure: &'static str,
    over: f64,
    compared: bool,
}

const fn column(heading: &'static str, figure: &'static str) -> Column {
    Column { heading, figure, over: 1.0, compared: false }
}

const fn compared(heading: &'static str, figure: &'static str) -> Column {
    Column { heading, figure, over: 1.0, compared: true }
}

const fn milliseconds(heading: &'static str, figure: &'static str) -> Column {
    Column { heading, figure, over: 1000.0, compared: false }
}

fn heading(workload: Workload) -> (&'static str, &'static str) {
    match workload {
        Workload::Wide => (
            "One room of 1000",
            "One publisher, 4 publishes on their way (closed loop), then 20,000 deliveries a second (open loop).",
        ),
        Workload::Small => (
            "250 rooms of 4",
            "A publisher in each, one publish on its way (closed loop), then 20,000 deliveries a second (open loop).",
        ),
        Workload::Middle => (
            "10 rooms of 100",
            "A publisher in each, 2 publishes on their way (closed loop), then 20,000 deliveries a second (open loop), then \
             half of the deliveries that the closed loop reached, for the latency from the moment at which a publish is due.",
        ),
        Workload::Idle => (
            "Idle connections",
            "10,000 of them, each authenticated and in a room, without traffic but for heartbeats, for 25 s, in which most \
             servers send one to each.",
        ),
        Workload::Storm => {
            ("A storm of connects", "5,000 clients connect, show a token and join a room, 256 at a time.")
        }
        Workload::Durable => (
            "Durable sends",
            "256 senders in rooms of their own, one listener in each; a sender goes on when its message was heard. The bare \
             writer has 256 senders in its own process, no sockets, and does nothing but commit.",
        ),
        Workload::Growth => (
            "Growth",
            "More and more connections in rooms of 100, in each stage 20,000 deliveries a second to all rooms in turn. \
             Medians of CPU time per delivery (µs) and of memory per connection (KB).",
        ),
        Workload::Drain => ("A stop", "From SIGTERM until the process is gone, with 15,000 connections."),
    }
}

fn columns(workload: Workload) -> Vec<Column> {
    match workload {
        Workload::Wide | Workload::Small | Workload::Middle => {
            let mut columns = vec![
                compared("CPU µs per delivery", "cpu_us"),
                compared("open loop", "open_cpu_us"),
                column("deliveries/s", "deliveries_per_s"),
                column("bytes", "bytes"),
            ];
            if workload == Workload::Middle {
                columns.push(milliseconds("p50 ms", "half_p50_us"));
                columns.push(milliseconds("p99 ms", "half_p99_us"));
            }
            columns.push(column("others' CPU %", "others_percent"));
            columns
        }
        Workload::Idle => vec![
            compared("KB per connection", "kb"),
            column("of which its own (PSS)", "pss_kb"),
            column("CPU % of a core", "cpu_percent"),
            column("KB at the start", "start_kb"),
        ],
        Workload::Storm => {
            vec![compared("CPU µs per connect", "connect_us"), column("connects/s", "connects_per_s")]
        }
        Workload::Durable => vec![
            column("stored/s", "stored_per_s"),
            column("CPU µs per message", "stored_cpu_us"),
            milliseconds("p50 ms", "stored_p50_us"),
            milliseconds("p99 ms", "stored_p99_us"),
        ],
        Workload::Growth => Vec::new(),
        Workload::Drain => vec![column("seconds", "drain_s")],
    }
}

fn table(measured: &Measured<'_>, workload: Workload) -> Option<String> {
    let servers = measured.servers(workload);
    if servers.is_empty() {
        return None;
    }
    let (title, text) = heading(workload);
    let mut table = format!("\n## {title}\n\n{text}\n\n");
    if workload == Workload::Growth {
        growth_table(&mut table, measured, &servers);
        return Some(table);
    }
    let columns = columns(workload);
    table.push_str("| |");
    for column in &columns {
        let _ = write!(table, " {} |", column.heading);
        if column.compared {
            table.push_str(" Tertulia ÷ this |");
        }
    }
    table.push_str(" lost, disordered | rounds |\n|---|");
    let count = columns.len() + columns.iter().filter(|it| it.compared).count() + 2;
    table.push_str(&"---|".repeat(count));
    table.push('\n');
    for server in servers {
        let _ = write!(table, "| {} |", server.title());
        for column in &columns {
            let summary = measured.summary(workload, server, column.figure);
            let _ = write!(table, " {} |", spread(summary, column.over));
            if column.compared {
                let hub = measured.summary(workload, Server::Hub, column.figure);
                let ratio = hub.zip(summary).filter(|_| server != Server::Hub);
                let ratio = ratio.map_or_else(|| "–".to_owned(), |(hub, it)| format!("{:.2}", hub.median / it.median));
                let _ = write!(table, " {ratio} |");
            }
        }
        let bad = |figure| measured.summary(workload, server, figure).map(|it| it.most);
        let lost = match (bad("lost"), bad("disorder")) {
            (Some(lost), Some(disorder)) if lost == 0.0 && disorder == 0.0 => "0".to_owned(),
            (Some(lost), Some(disorder)) => format!("**{lost}, {disorder}**"),
            _ => "–".to_owned(),
        };
        let rounds = measured.visits(workload, server).filter(|it| it.failure.is_none()).count();
        let _ = writeln!(table, " {lost} | {rounds} |");
    }
    Some(table)
}

fn growth_table(table: &mut String, measured: &Measured<'_>, servers: &[Server]) {
    let stages = growth_stages(measured.runs.get(Workload::Growth.name()).is_some_and(|run| run.quick));
    table.push_str("![CPU time per delivery and memory per connection as the connections grow](growth.svg)\n\n| |");
    for stage in stages {
        let _ = write!(table, " {} |", number(*stage as f64));
    }
    let _ = writeln!(table, "\n|---|{}", "---|".repeat(stages.len()));
    for (figure, unit) in [("cpu_us", "µs"), ("kb", "KB")] {
        for server in servers {
            let _ = write!(table, "| {}, {unit} |", server.title());
            for stage in stages {
                let summary = measured.summary(Workload::Growth, *server, &format!("{figure}_{stage}"));
                let _ = write!(table, " {} |", summary.map_or_else(|| "–".to_owned(), |it| number(it.median)));
            }
            table.push('\n');
        }
    }
}

/// The median, and the least and the most where there are several.
fn spread(summary: Option<Summary>, over: f64) -> String {
    match summary {
        None => "–".to_owned(),
        Some(it) if it.count == 1 => number(it.median / over),
        Some(it) => {
            format!("{} ({}–{})", number(it.median / over), number(it.least / over), number(it.most / over))
        }
    }
}

/// As many digits as mean something, with a comma between thousands.
pub fn number(figure: f64) -> String {
    if figure.abs() < 10.0 {
        return format!("{figure:.2}");
    }
    if figure.abs() < 100.0 {
        return format!("{figure:.1}");
    }
    let digits = format!("{figure:.0}");
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |digits| ("-", digits));
    let mut written = sign.to_owned();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            written.push(',');
        }
        written.push(digit);
    }
    written
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
