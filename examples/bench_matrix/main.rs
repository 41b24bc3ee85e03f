//! Measures the hub, the floor under it and its peers under the same load, in turn, and writes what came of it as tables.
//!
//! `cargo run --release --example bench_matrix -- --help`

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "figures for people; whatever is counted here is far from the limits of these types"
)]

mod arguments;
mod child;
mod epoll;
mod floor;
mod generator;
mod peers;
mod plot;
mod procfs;
mod program;
mod progress;
mod report;
mod results;
mod run;
mod servers;
mod statistics;
mod tables;
mod targets;
mod tokens;
mod usual;
mod workloads;
mod writer;

use std::process::ExitCode;

use clap::Parser;

use self::arguments::{Arguments, Task};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.task {
        None => run::run(&arguments),
        Some(Task::Floor { listen, threads, delivery }) => floor::serve(*listen, *threads, delivery),
        Some(Task::Usual(task)) => run::again(task),
    };
    usual::ended("bench_matrix", outcome)
}
