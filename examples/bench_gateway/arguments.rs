//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::usual::{Usual, UsualTask, chosen};
use super::ways::Way;
use super::workloads::Workload;

/// Measures what the gateway adds between clients and an upstream, beside nginx, and beside no proxy at all.
///
/// One upstream sends back what it is told. In every round it is reached in each way under each workload; proxies are started
/// for it anew. What is measured is added to `target/bench_gateway/results.jsonl`, and written as tables.
#[derive(Parser, Debug)]
#[command(subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub task: Option<Task>,
    #[command(flatten)]
    pub usual: Usual,
    /// Only these workloads: steady, closed, bursts, large, huge (together: frames), latency, memory, connects.
    #[arg(long, value_delimiter = ',', value_name = "WORKLOAD,…")]
    pub only: Vec<String>,
    /// Only these ways to the upstream: direct, gateway, nginx, nginx-large, haproxy.
    #[arg(long, value_delimiter = ',', value_name = "WAY,…")]
    pub ways: Vec<Way>,
    /// How long frames are counted in each visit. A profiler wants more.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.5, value_parser = seconds)]
    pub seconds: f64,
    /// The program with the gateway in it. Without it, the repository's own is built.
    #[arg(long, value_name = "PATH", env = "TERTULIA_BIN")]
    pub hub: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub enum Task {
    #[command(flatten)]
    Usual(UsualTask),
    /// The upstream: sends back every message that it gets.
    Echo {
        #[arg(long)]
        listen: SocketAddr,
    },
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|it| (0.1..=600.0).contains(it));
    seconds.ok_or_else(|| "a number of seconds from 0.1 to 600".to_owned())
}

impl Arguments {
    /// The workloads that are asked for.
    pub fn workloads(&self) -> Result<Vec<Workload>, String> {
        chosen(&self.only, &Workload::ALL, ("frames", &Workload::FRAMES))
    }

    pub fn wants(&self, way: Way) -> bool {
        self.ways.is_empty() || self.ways.contains(&way)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_can_be_chosen() {
        let parse = |line: &[&str]| Arguments::try_parse_from([&["bench_gateway"], line].concat());
        let all = parse(&[]).unwrap();
        assert_eq!((all.workloads().unwrap(), all.usual.rounds), (Workload::ALL.to_vec(), 5));
        assert!(all.wants(Way::Nginx));
        let some = parse(&["--only", "memory,frames", "--ways", "direct,gateway"]).unwrap();
        assert_eq!(some.workloads().unwrap(), [&Workload::FRAMES[..], &[Workload::Memory]].concat());
        assert!(some.wants(Way::Gateway) && !some.wants(Way::Nginx));
        assert!(parse(&["--only", "sleep"]).unwrap().workloads().unwrap_err().contains("connects"));
        assert!(parse(&["--ways", "around"]).unwrap_err().to_string().contains("haproxy"));
        assert!(parse(&["--seconds", "NaN"]).is_err() && parse(&["--seconds", "4"]).is_ok());
    }
}
