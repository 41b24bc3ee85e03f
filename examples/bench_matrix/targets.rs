//! What the hub is meant to reach, and whether it did.

use super::servers::Server;
use super::tables::{Measured, Reached, Target};
use super::workloads::{Workload, growth_stages};

/// Every target, in the order of the page.
pub fn all(measured: &Measured<'_>) -> Vec<Target> {
    let mut targets = Vec::new();
    for (workload, shape) in SHAPES {
        let what = format!("CPU per delivery, {shape}, closed loop");
        for (server, limit) in [(Server::Floor, 1.3), (Server::Bun, 1.2), (Server::Socketioxide, 0.8)] {
            let reached = measured.ratio(workload, "cpu_us", (Server::Hub, server));
            targets.push(Target::at_most(limit, "×", reached, &what, format!("≤ {limit:.2} × {}", server.title())));
        }
    }
    for (workload, shape) in SHAPES {
        let reached = measured.ratio(workload, "open_cpu_us", (Server::Hub, Server::Bun));
        let what = format!("CPU per delivery, {shape}, 20,000 deliveries/s");
        targets.push(Target::at_most(1.0, "×", reached, &what, format!("below {}", Server::Bun.title())));
    }
    for (workload, shape) in SHAPES {
        let what = format!("CPU per delivery over Socket.IO, {shape}, closed loop");
        let reached = measured.ratio(workload, "cpu_us", (Server::HubSocketIo, Server::SocketIo));
        let goal = format!("≤ 1/6 × {}", Server::SocketIo.title());
        targets.push(Target::at_most(1.0 / 6.0, "×", reached, &what, goal));
        for (server, limit) in [(Server::Socketioxide, 0.8), (Server::Hub, 1.1)] {
            let reached = measured.ratio(workload, "cpu_us", (Server::HubSocketIo, server));
            targets.push(Target::at_most(limit, "×", reached, &what, format!("≤ {limit:.2} × {}", server.title())));
        }
    }
    for (workload, shape) in SHAPES {
        let reached = measured.ratio(workload, "cpu_us", (Server::HubStored, Server::Hub));
        let what = format!("CPU per delivery of stored messages, {shape}");
        targets.push(Target::at_most(1.5, "×", reached, &what, "≤ 1.50 × the same without storing".to_owned()));
    }
    for (server, limit, over) in [(Server::Hub, 2.0, ""), (Server::HubSocketIo, 3.0, " over Socket.IO")] {
        let reached = measured.reached(Workload::Idle, server, "kb", 1.0);
        let what = format!("memory per idle connection{over}, 10,000 of them");
        targets.push(Target::at_most(limit, "KB", reached, &what, format!("≤ {limit} KB")));
    }
    let reached = measured.reached(Workload::Storm, Server::Hub, "connect_us", 1.0);
    targets.push(Target::at_most(60.0, "µs", reached, "CPU of connect, token and join", "≤ 60 µs".to_owned()));
    targets.push(durable(measured, (Server::HubStored, Server::Writer), "SQLite"));
    targets.push(durable(measured, (Server::HubPostgres, Server::WriterPostgres), "PostgreSQL"));
    for (server, name, what, limit) in [
        (Server::Hub, "half_p50_us", "latency at half of the maximum, ephemeral, p50", 1.0),
        (Server::Hub, "half_p99_us", "latency at half of the maximum, ephemeral, p99", 10.0),
        (Server::HubStored, "half_p99_us", "latency at half of the maximum, stored, p99", 30.0),
    ] {
        let reached = measured.reached(Workload::Middle, server, name, 1000.0);
        targets.push(Target::at_most(limit, "ms", reached, what, format!("≤ {limit} ms")));
    }
    // Sockets that are used less often are not in the processor's caches, whoever writes to them.
    let floor = growth(measured, Server::Floor, "cpu_us").median;
    let floor = floor.map_or_else(String::new, |it| format!("; the floor grows {it:.2} ×"));
    for (name, what, note) in [("cpu_us", "CPU per delivery", floor), ("kb", "memory per connection", String::new())] {
        let what = format!("{what}, last stage of growth over the first");
        let reached = growth(measured, Server::Hub, name);
        targets.push(Target::at_most(1.1, "×", reached, &what, format!("≤ 1.10 ×{note}")));
    }
    targets
}

const SHAPES: [(Workload, &str); 3] =
    [(Workload::Wide, "1 × 1000"), (Workload::Small, "250 × 4"), (Workload::Middle, "10 × 100")];

fn durable(measured: &Measured<'_>, (hub, writer): (Server, Server), database: &str) -> Target {
    let of = |server| measured.summary(Workload::Durable, server, "stored_per_s");
    let pair = of(hub).zip(of(writer));
    Target {
        what: format!("durable sends a second, 256 senders, {database}"),
        goal: "≥ 60 % of a bare writer, better 80 %".to_owned(),
        reached: Reached {
            median: pair.map(|(hub, writer)| hub.median / writer.median),
            least: pair.map(|(hub, writer)| hub.most / writer.most),
        },
        unit: "%",
        limit: 0.6,
        rising: true,
    }
}

/// The last stage over the first.
fn growth(measured: &Measured<'_>, server: Server, name: &str) -> Reached {
    let stages = growth_stages(measured.is_quick());
    let of = |stage: &usize| measured.summary(Workload::Growth, server, &format!("{name}_{stage}"));
    let pair = stages.first().and_then(of).zip(stages.last().and_then(of));
    Reached {
        median: pair.map(|(first, last)| last.median / first.median),
        least: pair.map(|(first, last)| last.least / first.least),
    }
}
