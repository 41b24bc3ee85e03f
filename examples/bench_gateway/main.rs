//! Measures what the gateway adds between clients and an upstream, beside other proxies and beside no proxy at all.
//!
//! `cargo run --release --example bench_gateway -- --help`

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "figures for people; whatever is counted here is far from the limits of these types"
)]

mod arguments;
mod echo;
mod latency;
mod report;
mod run;
mod ways;
mod workloads;

/// What this program shares with the one that measures the hub.
macro_rules! shared {
    ($($path:literal $name:ident;)*) => { $(
        #[allow(dead_code, reason = "some of it is for the program beside which it stands")]
        #[path = $path]
        mod $name;
    )* };
}

shared! {
    "../bench_matrix/child.rs" child;
    "../bench_matrix/epoll.rs" epoll;
    "../bench_matrix/generator/mod.rs" generator;
    "../bench_matrix/procfs.rs" procfs;
    "../bench_matrix/program.rs" program;
    "../bench_matrix/progress.rs" progress;
    "../bench_matrix/results.rs" results;
    "../bench_matrix/statistics.rs" statistics;
    "../bench_matrix/tables.rs" tables;
    "../bench_matrix/tokens.rs" tokens;
    "../bench_matrix/usual.rs" usual;
}

use std::process::ExitCode;

use clap::Parser;

use self::arguments::{Arguments, Task};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.task {
        None => run::run(&arguments),
        Some(Task::Echo { listen }) => echo::serve(*listen),
        Some(Task::Usual(task)) => run::again(task),
    };
    usual::ended("bench_gateway", outcome)
}
