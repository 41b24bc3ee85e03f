//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

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
    /// How often each way is measured under each workload; memory at most twice.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub rounds: u16,
    /// One short round, to see whether everything works. Its figures mean little.
    #[arg(long)]
    pub quick: bool,
    /// Only these workloads: steady, closed, bursts, large, huge (together: frames), latency, memory, connects.
    #[arg(long, value_delimiter = ',', value_name = "WORKLOAD,…")]
    pub only: Vec<String>,
    /// Only these ways to the upstream: direct, gateway, nginx, nginx-large, haproxy.
    #[arg(long, value_delimiter = ',', value_name = "WAY,…")]
    pub ways: Vec<Way>,
    /// The program with the gateway in it. Without it, the repository's own is built.
    #[arg(long, value_name = "PATH", env = "TERTULIA_BIN")]
    pub hub: Option<PathBuf>,
    /// For results, logs and configurations. Without it, target/bench_gateway.
    #[arg(long, value_name = "DIRECTORY")]
    pub out: Option<PathBuf>,
    /// Where the tables go. Without it, docs/performance; beside the results after a quick run or with --out.
    #[arg(long, value_name = "DIRECTORY")]
    pub to: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub enum Task {
    /// Writes the tables again from what was measured.
    Report {
        /// Where the results are. Without it, target/bench_gateway.
        #[arg(long, value_name = "DIRECTORY")]
        out: Option<PathBuf>,
        /// Where the tables go. Without it, docs/performance.
        #[arg(long, value_name = "DIRECTORY")]
        to: Option<PathBuf>,
        /// Of this run alone, as the results name it. Without it, the newest run of each workload.
        #[arg(long, value_name = "ID")]
        run: Option<String>,
    },
    /// The upstream: sends back every message that it gets.
    Echo {
        #[arg(long)]
        listen: SocketAddr,
    },
    /// Becomes another program, which is killed when the one that started it ends.
    #[command(hide = true)]
    Start {
        parent: i32,
        #[arg(last = true)]
        program: Vec<String>,
    },
}

impl Arguments {
    /// The workloads that are asked for.
    pub fn workloads(&self) -> Result<Vec<Workload>, String> {
        let mut asked = Vec::new();
        for name in &self.only {
            match name.as_str() {
                "frames" => asked.extend(Workload::FRAMES),
                name => asked.push(name.parse()?),
            }
        }
        Ok(Workload::ALL.into_iter().filter(|it| asked.is_empty() || asked.contains(it)).collect())
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
        assert_eq!((all.workloads().unwrap(), all.rounds), (Workload::ALL.to_vec(), 5));
        assert!(all.wants(Way::Nginx));
        let some = parse(&["--only", "memory,frames", "--ways", "direct,gateway"]).unwrap();
        assert_eq!(some.workloads().unwrap(), [&Workload::FRAMES[..], &[Workload::Memory]].concat());
        assert!(some.wants(Way::Gateway) && !some.wants(Way::Nginx));
        assert!(parse(&["--only", "sleep"]).unwrap().workloads().unwrap_err().contains("connects"));
        assert!(parse(&["--ways", "around"]).unwrap_err().to_string().contains("haproxy"));
    }
}
