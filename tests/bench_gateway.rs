//! `examples/bench_gateway`: what is true of its parts, and a short run of it through the gateway and around it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "the parts are compiled here once more, without the program around them")]

#[path = "../examples/bench_gateway/main.rs"]
mod gateway;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Nothing is said about speed: the gateway is a debug build, and other tests run beside it.
#[test]
fn a_short_run_loses_nothing_and_makes_its_tables() {
    let out = tempfile::tempdir().unwrap();
    // `cargo test` builds the examples; `cargo test --test bench_gateway` alone does not.
    let this = std::env::current_exe().unwrap();
    let program = this.parent().and_then(Path::parent).unwrap().join("examples/bench_gateway");
    assert!(program.exists(), "build it first: cargo build --example bench_gateway");
    let mut run = Command::new(program);
    run.args(["--quick", "--only", "steady,bursts,huge,latency,connects", "--ways", "direct,gateway"]);
    run.arg("--hub").arg(env!("CARGO_BIN_EXE_tertulia")).arg("--out").arg(out.path());
    let output = run.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");

    let results = fs::read_to_string(out.path().join("results.jsonl")).unwrap();
    let visits: BTreeMap<_, _> = results
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|it| {
            let name = format!("{} {}", it["workload"].as_str().unwrap(), it["server"].as_str().unwrap());
            (name, it["figures"].clone())
        })
        .collect();
    assert_eq!(visits.len(), 10, "{said}");
    for (name, figures) in &visits {
        let figure = |name: &str| figures[name].as_f64();
        if name.starts_with("latency") {
            assert!(figure("p50_us").unwrap() > 0.0 && figure("p50_us") <= figure("p99_us"), "{name}: {figures}");
            continue;
        }
        assert_eq!((figure("lost"), figure("disorder")), (Some(0.0), Some(0.0)), "{name}");
        let cost = figure("cpu_us").or_else(|| figure("connect_us"));
        assert!(cost.is_some_and(|us| us > 0.0), "{name}: {figures}");
    }
    let added = |way: &str| visits[&format!("latency {way}")]["added_p50_us"].as_f64().unwrap();
    assert!(added("gateway") > 0.0, "what goes through the gateway takes longer than what does not");
    assert!(added("direct").abs() < f64::EPSILON);
    let page = fs::read_to_string(out.path().join("gateway.md")).unwrap();
    for row in ["| direct |", "| Tertulia's gateway |", "| added to a round trip, p50 | ≤ 0.3 ms |"] {
        assert!(page.contains(row), "no {row} in\n{page}");
    }
}
