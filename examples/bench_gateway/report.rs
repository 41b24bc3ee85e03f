//! Makes tables of what was measured: medians, the least and the most, and how the gateway compares.

use super::tables::{Column, Measured, Reached, Target, column, compared, milliseconds, rows, verdicts};
use super::ways::Way;
use super::workloads::Workload;

/// The whole page.
pub fn page(measured: &Measured<'_>) -> String {
    let mut page =
        "<!-- Written by `cargo run --release --example bench_gateway`; what is changed by hand is lost. -->\n\n\
         # What the gateway adds\n\n"
            .to_owned();
    page.push_str(&measured.circumstances());
    page.push_str(HOW);
    page.push_str(&verdicts(&targets(measured)));
    for workload in Workload::ALL {
        page.push_str(&table(measured, workload));
    }
    page.push_str(&measured.failures());
    page
}

const HOW: &str = "\
Clients reach one upstream, which sends back every message, directly and through each proxy, in turn within each round; every
visit has fresh processes. Each proxy has one thread for its connections: the gateway `--workers 1`, nginx one process with
`proxy_buffering off` and without an access log, HAProxy `nbthread 1`. The gateway checks a token for each connection and counts
what it carries; the others do not. A frame counts each time it is carried: a message and its echo are two. Processor time is the
proxy's own, user and system, as the kernel accounts it; in the row of the direct way it is the upstream's, an `epoll` loop that
unmasks what it reads. Every echo is checked for its number and its length.

To run it again, with nginx installed (HAProxy, too, if it is to be compared; what is missing is left out and named above):

```sh
cargo run --release --example bench_gateway
```

It takes about ten minutes; `--quick`, `--only frames,latency` and `--ways gateway,nginx` choose parts. `TERTULIA_BIN` names a
program that is built already.

";

fn targets(measured: &Measured<'_>) -> Vec<Target> {
    let mut targets = Vec::new();
    for (workload, shape) in [
        (Workload::Steady, "128 bytes, 1,000 connections"),
        (Workload::Closed, "128 bytes, 10 busy connections"),
        (Workload::Bursts, "128 bytes, 16 in a write"),
        (Workload::Large, "16 KiB"),
        (Workload::Huge, "64 KiB"),
    ] {
        let reached = measured.ratio(workload, "cpu_us", (Way::Gateway, Way::Nginx));
        let what = format!("CPU per frame, {shape}");
        targets.push(Target::at_most(1.0, "×", reached, &what, "≤ 1.00 × nginx".to_owned()));
    }
    for (figure, what, limit) in
        [("added_p50_us", "added to a round trip, p50", 0.3), ("added_p99_us", "added to a round trip, p99", 1.0)]
    {
        let reached = measured.reached(Workload::Latency, Way::Gateway, figure, 1000.0);
        targets.push(Target::at_most(limit, "ms", reached, what, format!("≤ {limit} ms")));
    }
    for (figure, what) in
        [("idle_kb", "memory per idle connection"), ("used_kb", "memory per connection after traffic")]
    {
        let reached: Reached = measured.reached(Workload::Memory, Way::Gateway, figure, 1.0);
        targets.push(Target::at_most(40.0, "KB", reached, what, "≤ 40 KB".to_owned()));
    }
    targets
}

fn heading(workload: Workload) -> (&'static str, &'static str) {
    match workload {
        Workload::Steady => (
            "Small frames on many connections",
            "1,000 connections that together say 4,000 messages of 128 bytes a second (open loop).",
        ),
        Workload::Closed => (
            "Small frames on busy connections",
            "10 connections, each of which says the next 128 bytes when the last have come back (closed loop).",
        ),
        Workload::Bursts => (
            "Bursts",
            "100 connections that together write 400 times a second 16 messages of 128 bytes each (open loop).",
        ),
        Workload::Large => ("Frames of 16 KiB", "8 connections, each with one message on its way (closed loop)."),
        Workload::Huge => ("Frames of 64 KiB", "8 connections, each with one message on its way (closed loop)."),
        Workload::Latency => (
            "Added latency",
            "One client sends 128 bytes and waits for them, over each way in turn, on four connections each, with a pause of \
             1 ms after each round trip. Added is the percentile less the same of the direct way in the same round; a round \
             trip goes through the proxy twice.",
        ),
        Workload::Memory => (
            "Memory",
            "5,000 connections, resident memory of the proxy less what it had at its start: idle, and after each connection \
             has carried two messages of 16 KiB and their echoes.",
        ),
        Workload::Connects => (
            "Connects",
            "5,000 clients connect and upgrade, 256 at a time; each then carries a message. For the gateway, each shows a token.",
        ),
    }
}

fn columns(workload: Workload) -> Vec<Column> {
    match workload {
        Workload::Latency => vec![
            milliseconds("p50 ms", "p50_us"),
            milliseconds("p99 ms", "p99_us"),
            compared("added p50 µs", "added_p50_us"),
            compared("added p99 µs", "added_p99_us"),
        ],
        Workload::Memory => vec![
            compared("KB per idle connection", "idle_kb"),
            compared("after traffic", "used_kb"),
            column("KB at the start", "start_kb"),
            column("own MB (PSS) with 5,000", "own_mb"),
        ],
        Workload::Connects => {
            vec![compared("CPU µs per connect", "connect_us"), column("connects/s", "connects_per_s")]
        }
        _ => vec![
            compared("CPU µs per frame", "cpu_us"),
            column("frames/s", "frames_per_s"),
            column("CPU % of a core", "cpu_percent"),
            column("others' CPU %", "others_percent"),
        ],
    }
}

fn table(measured: &Measured<'_>, workload: Workload) -> String {
    let ways = workload.ways().into_iter().filter(|way| measured.has(workload, *way));
    let titled: Vec<_> = ways.map(|way| (way, way.title())).collect();
    if titled.is_empty() {
        return String::new();
    }
    let (title, text) = heading(workload);
    let rows = rows(measured, workload, &titled, Way::Gateway, &columns(workload));
    format!("\n## {title}\n\n{text}\n\n{rows}")
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
