//! The page of made-up measurements.

use super::super::results::{Figures, Line, Run, Visit};
use super::super::tables::Named;
use super::*;

fn visit(workload: Workload, way: Way, figures: &[(&str, f64)]) -> Line {
    Line::Visit(Visit {
        run: "a".to_owned(),
        round: 1,
        workload: workload.name().to_owned(),
        server: way.name().to_owned(),
        failure: None,
        figures: figures.iter().map(|(name, figure)| ((*name).to_owned(), *figure)).collect::<Figures>(),
    })
}

fn written(mut visits: Vec<Line>) -> String {
    visits.insert(0, Line::Run(Run { id: "a".to_owned(), ..Run::default() }));
    page(&Measured::newest(&visits, &Workload::ALL).unwrap())
}

fn row<'a>(page: &'a str, beginning: &str) -> &'a str {
    page.lines().find(|line| line.starts_with(beginning)).unwrap_or_else(|| panic!("no {beginning} in\n{page}"))
}

#[test]
fn the_gateway_is_held_against_nginx() {
    let frames = |way, cpu| visit(Workload::Large, way, &[("cpu_us", cpu), ("lost", 0.0), ("disorder", 0.0)]);
    let page = written(vec![frames(Way::Gateway, 9.0), frames(Way::Nginx, 12.0), frames(Way::NginxLarge, 6.0)]);
    assert!(row(&page, "| CPU per frame, 16 KiB |").ends_with("| 0.75 × | 0.75 × | met |"), "{page}");
    assert!(row(&page, "| nginx | 12.0 | 0.75 |").ends_with("| 0 | 1 |"), "{page}");
    assert!(row(&page, "| nginx, buffers").contains("| 6.00 | 1.50 |"), "{page}");
    assert!(row(&page, "| CPU per frame, 64 KiB |").ends_with("| not measured |"), "{page}");
}

#[test]
fn what_is_added_is_told_in_milliseconds() {
    let gateway = [("added_p50_us", 80.0), ("added_p99_us", 1200.0), ("p50_us", 150.0), ("p99_us", 1900.0)];
    let direct = [("added_p50_us", 0.0), ("added_p99_us", 0.0), ("p50_us", 70.0), ("p99_us", 700.0)];
    let latency = |way, figures: &[(&str, f64)]| visit(Workload::Latency, way, figures);
    let page = written(vec![latency(Way::Gateway, &gateway), latency(Way::Direct, &direct)]);
    assert!(row(&page, "| direct |").contains("| 0.07 | 0.70 | 0.00 | – | 0.00 | – |"), "nothing to divide by: {page}");
    assert!(row(&page, "| added to a round trip, p50 |").contains("| 0.08 ms | 0.08 ms | met |"), "{page}");
    assert!(row(&page, "| added to a round trip, p99 |").contains("| 1.20 ms | 1.20 ms | **not met** |"), "{page}");
    assert!(row(&page, "| Tertulia's gateway |").contains("| 0.15 | 1.90 | 80.0 | – | 1,200 | – |"), "{page}");
}

#[test]
fn without_nginx_there_is_nothing_to_hold_it_against() {
    let page = written(vec![visit(Workload::Steady, Way::Gateway, &[("cpu_us", 9.0)])]);
    assert!(row(&page, "| CPU per frame, 128 bytes, 1,000").ends_with("| – | – | not measured |"), "{page}");
}
