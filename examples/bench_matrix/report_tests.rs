//! The tables of made-up measurements.

use std::collections::BTreeMap;

use super::super::results::{Figures, Run, Visit};
use super::super::tables::Named;
use super::super::{plot, targets};
use super::*;

fn run(name: &str, quick: bool) -> Line {
    let absent = BTreeMap::from([("centrifuge".to_owned(), "not installed".to_owned())]);
    Line::Run(Run { id: name.to_owned(), workers: 2, quick, absent, ..Run::default() })
}

fn visit(run: &str, workload: Workload, server: Server, figures: &[(&str, f64)]) -> Line {
    Line::Visit(Visit {
        run: run.to_owned(),
        round: 1,
        workload: workload.name().to_owned(),
        server: server.name().to_owned(),
        failure: None,
        figures: figures.iter().map(|(name, figure)| ((*name).to_owned(), *figure)).collect::<Figures>(),
    })
}

fn wide(run: &str, server: Server, cpu: f64, lost: f64) -> Line {
    visit(run, Workload::Wide, server, &[("cpu_us", cpu), ("lost", lost), ("disorder", 0.0)])
}

fn row<'a>(page: &'a str, beginning: &str) -> &'a str {
    page.lines().find(|line| line.starts_with(beginning)).unwrap_or_else(|| panic!("no {beginning} in\n{page}"))
}

#[test]
fn a_row_has_the_median_the_spread_and_how_the_hub_compares() {
    let mut lines = vec![run("a", false)];
    lines.extend([3.0, 1.0, 2.0].map(|cpu| wide("a", Server::Hub, cpu, 0.0)));
    lines.extend([1.0, 2.5, 1.6].map(|cpu| wide("a", Server::Floor, cpu, 0.0)));
    let page = page(&newest(&lines).unwrap());
    assert!(row(&page, "| Tertulia |").contains("2.00 (1.00–3.00) | – |"), "{page}");
    let floor = row(&page, "| the floor");
    assert!(floor.contains("1.60 (1.00–2.50) | 1.25 |"), "{floor}");
    assert!(floor.ends_with("| 0 | 3 |"), "{floor}");
    assert!(page.contains("Left out: centrifuge (not installed)."));
}

#[test]
fn what_is_lost_stands_out() {
    let lines = [run("a", false), wide("a", Server::Hub, 1.0, 0.0), wide("a", Server::Hub, 1.0, 3.0)];
    let page = page(&newest(&lines).unwrap());
    assert!(row(&page, "| Tertulia |").contains("**3, 0**"), "{page}");
}

#[test]
fn what_failed_is_told_and_not_counted() {
    let mut failed = wide("a", Server::Bun, 1.0, 0.0);
    if let Line::Visit(visit) = &mut failed {
        visit.figures.clear();
        visit.failure = Some("it does not start".to_owned());
    }
    let lines = [run("a", false), wide("a", Server::Hub, 1.0, 0.0), failed];
    let page = page(&newest(&lines).unwrap());
    assert!(page.contains("- wide, bun, round 1: it does not start"), "{page}");
    assert!(row(&page, "| Bun").ends_with("| – | 0 |"), "{page}");
}

#[test]
fn targets_are_met_by_medians_of_one_run() {
    let mut lines = vec![run("old", false), wide("old", Server::Floor, 100.0, 0.0), run("a", false)];
    lines.extend([1.9, 2.0, 9.0].map(|cpu| wide("a", Server::Hub, cpu, 0.0)));
    lines.extend([1.6, 1.9, 1.7].map(|cpu| wide("a", Server::Bun, cpu, 0.0)));
    let page = page(&newest(&lines).unwrap());
    let bun = row(&page, "| CPU per delivery, 1 × 1000, closed loop | ≤ 1.20 × Bun");
    assert!(bun.ends_with("| 1.18 × | 1.19 × | met |"), "{bun}");
    let floor = row(&page, "| CPU per delivery, 1 × 1000, closed loop | ≤ 1.30 × the floor");
    assert!(floor.ends_with("| – | – | not measured |"), "the floor is of an older run: {floor}");
}

#[test]
fn over_socket_io_the_hub_is_held_against_its_peers_and_against_itself() {
    let mut lines = vec![run("a", false)];
    let servers =
        [(Server::HubSocketIo, 2.1), (Server::SocketIo, 12.0), (Server::Socketioxide, 4.2), (Server::Hub, 1.75)];
    lines.extend(servers.map(|(server, cpu)| wide("a", server, cpu, 0.0)));
    lines.push(visit("a", Workload::Idle, Server::HubSocketIo, &[("kb", 3.5)]));
    let page = page(&newest(&lines).unwrap());
    let verdict =
        |goal: &str| row(&page, &format!("| CPU per delivery over Socket.IO, 1 × 1000, closed loop | {goal}"));
    assert!(verdict("≤ 1/6 × Socket.IO on Node.js").ends_with("| 0.18 × | 0.18 × | **not met** |"), "{page}");
    assert!(verdict("≤ 0.80 × socketioxide").ends_with("| 0.50 × | 0.50 × | met |"), "{page}");
    assert!(verdict("≤ 1.10 × Tertulia").ends_with("| 1.20 × | 1.20 × | **not met** |"), "{page}");
    assert!(row(&page, "| memory per idle connection over Socket.IO").ends_with("| 3.50 KB | **not met** |"), "{page}");
    assert!(row(&page, "| Tertulia over Socket.IO |").contains("| 2.10 | 0.83 |"), "{page}");
}

#[test]
fn targets_go_both_ways() {
    let durable = |server, rate| visit("a", Workload::Durable, server, &[("stored_per_s", rate)]);
    let verdict = |rate: f64| {
        let lines = [run("a", false), durable(Server::HubStored, rate), durable(Server::Writer, 20_000.0)];
        let measured = newest(&lines).unwrap();
        let targets = targets::all(&measured);
        targets.iter().find(|it| it.what.contains("SQLite")).unwrap().is_met()
    };
    assert_eq!((verdict(12_500.0), verdict(11_500.0)), (Some(true), Some(false)));
}

#[test]
fn a_quick_run_does_not_hide_a_full_one() {
    let lines =
        [run("full", false), wide("full", Server::Hub, 2.0, 0.0), run("q", true), wide("q", Server::Hub, 7.0, 0.0)];
    let full = page(&newest(&lines).unwrap());
    assert!(row(&full, "| Tertulia |").contains("| 2.00 |") && !full.contains("quick run"));
    let quick = page(&newest(&lines[2..]).unwrap());
    assert!(row(&quick, "| Tertulia |").contains("| 7.00 |") && quick.contains("quick run"));
    assert!(newest(&[]).is_err());
}

#[test]
fn growth_is_a_table_and_a_picture() {
    let figures = [("cpu_us_1000", 4.0), ("cpu_us_18000", 4.2), ("kb_1000", 1.9), ("kb_18000", 1.8)];
    let lines = [run("a", false), visit("a", Workload::Growth, Server::Hub, &figures)];
    let measured = newest(&lines).unwrap();
    let page = page(&measured);
    assert_eq!(row(&page, "| Tertulia, µs |"), "| Tertulia, µs | 4.00 | – | – | – | 4.20 |");
    assert!(row(&page, "| CPU per delivery, last stage").ends_with("| 1.05 × | 1.05 × | met |"), "{page}");
    assert!(plot::growth(&measured).unwrap().contains("18,000"));
}

#[test]
fn numbers_have_as_many_digits_as_mean_something() {
    let written = [0.0, 1.234, 12.34, 123.4, 1234.5, 1_234_567.0, -2500.0].map(number);
    assert_eq!(written, ["0.00", "1.23", "12.3", "123", "1,234", "1,234,567", "-2,500"]);
}
