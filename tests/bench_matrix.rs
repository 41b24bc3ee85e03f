//! `examples/bench_matrix`: what is true of its parts, and a short run of it against the hub.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "the parts are compiled here once more, without the program around them")]

#[path = "../examples/bench_matrix/main.rs"]
mod matrix;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// `cargo test` builds the examples; `cargo test --test bench_matrix` alone does not.
fn program() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let path = this.parent().and_then(Path::parent).unwrap().join("examples/bench_matrix");
    assert!(path.exists(), "build it first: cargo build --example bench_matrix");
    path
}

/// Nothing is said about speed: the hub is a debug build, and other tests run beside it.
#[test]
fn a_short_run_loses_nothing_and_makes_its_tables() {
    let out = tempfile::tempdir().unwrap();
    let mut run = Command::new(program());
    run.args(["--quick", "--only", "wide,storm", "--servers", "hub,hub-stored,hub-socketio,hub-socketio-stored,floor"]);
    run.arg("--hub").arg(env!("CARGO_BIN_EXE_tertulia")).arg("--out").arg(out.path()).arg("--to").arg(out.path());
    let output = run.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");

    let results = fs::read_to_string(out.path().join("results.jsonl")).unwrap();
    let visits: Vec<serde_json::Value> =
        results.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    let visited: Vec<_> =
        visits.iter().map(|it| (it["workload"].as_str().unwrap(), it["server"].as_str().unwrap())).collect();
    let wide = ["hub", "hub-socketio", "floor", "hub-stored", "hub-socketio-stored"].map(|it| ("wide", it));
    let storm = ["hub", "hub-socketio", "floor"].map(|it| ("storm", it));
    assert_eq!(visited, [&wide[..], &storm[..]].concat());
    for visit in &visits {
        let figure = |name: &str| visit["figures"][name].as_f64();
        assert_eq!((figure("lost"), figure("disorder")), (Some(0.0), Some(0.0)), "{visit}");
        let cost = figure("cpu_us").or_else(|| figure("connect_us"));
        assert!(cost.is_some_and(|us| us > 0.0), "{visit}");
    }
    // The floor writes what the hub writes, but for counters in it that grow.
    let bytes = |server: &str| {
        let visit = visits.iter().find(|it| it["workload"] == "wide" && it["server"] == server).unwrap();
        visit["figures"]["bytes"].as_f64().unwrap()
    };
    assert!((bytes("hub") - bytes("floor")).abs() < 5.0, "{} and {}", bytes("hub"), bytes("floor"));
    let page = fs::read_to_string(out.path().join("results.md")).unwrap();
    for row in ["| Tertulia |", "| Tertulia over Socket.IO |", "| Tertulia over Socket.IO, stored", "| the floor"] {
        assert!(page.contains(row), "no {row} in\n{page}");
    }
}

#[test]
fn a_run_that_is_killed_leaves_nothing_running() {
    let out = tempfile::tempdir().unwrap();
    let mut run = Command::new(program());
    run.args(["--rounds", "1", "--only", "wide", "--servers", "hub"]).stderr(Stdio::null());
    run.arg("--hub").arg(env!("CARGO_BIN_EXE_tertulia")).arg("--out").arg(out.path());
    let mut run = run.spawn().unwrap();
    let servers = format!("/proc/{0}/task/{0}/children", run.id());
    let server = wait_for(|| {
        let server = fs::read_to_string(&servers).ok()?.split_whitespace().next()?.to_owned();
        // Before it is the hub, it is this program's way to become one.
        fs::read_link(format!("/proc/{server}/exe")).ok()?.ends_with("tertulia").then_some(server)
    });
    run.kill().unwrap();
    run.wait().unwrap();
    wait_for(|| {
        let status = fs::read_to_string(format!("/proc/{server}/status")).unwrap_or_default();
        (status.is_empty() || status.contains("State:\tZ")).then_some(())
    });
}

fn wait_for<T>(mut what: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = what() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "it does not come");
        thread::sleep(Duration::from_millis(5));
    }
}
