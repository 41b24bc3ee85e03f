//! Makes tables of what was measured: medians, the least and the most, and how the hub compares.

use std::fmt::Write;

use super::Result;
use super::results::Line;
use super::servers::Server;
use super::tables::{Column, Measured, column, compared, milliseconds, number, rows, verdicts};
use super::targets;
use super::workloads::{Workload, growth_stages};

pub fn newest(lines: &[Line]) -> Result<Measured<'_>> {
    Measured::newest(lines, &Workload::ALL)
}

/// The servers of a workload that were measured, in the order in which they are shown.
pub fn servers(measured: &Measured<'_>, workload: Workload) -> Vec<Server> {
    let mut servers = workload.servers();
    servers.retain(|server| measured.has(workload, *server));
    servers
}

/// The whole page.
pub fn page(measured: &Measured<'_>) -> String {
    let mut page =
        "<!-- Written by `cargo run --release --example bench_matrix`; what is changed by hand is lost. -->\n\n\
                    # Results\n\n"
            .to_owned();
    page.push_str(&measured.circumstances());
    page.push_str(&verdicts(&targets::all(measured)));
    for workload in Workload::ALL {
        if let Some(table) = table(measured, workload) {
            page.push_str(&table);
        }
    }
    page.push_str(&measured.failures());
    page
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
    let servers = servers(measured, workload);
    if servers.is_empty() {
        return None;
    }
    let (title, text) = heading(workload);
    let mut table = format!("\n## {title}\n\n{text}\n\n");
    if workload == Workload::Growth {
        growth_table(&mut table, measured, &servers);
        return Some(table);
    }
    let titled: Vec<_> = servers.into_iter().map(|server| (server, server.title())).collect();
    table.push_str(&rows(measured, workload, &titled, Server::Hub, &columns(workload)));
    Some(table)
}

fn growth_table(table: &mut String, measured: &Measured<'_>, servers: &[Server]) {
    let stages = growth_stages(measured.run(Workload::Growth).is_some_and(|run| run.quick));
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

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
