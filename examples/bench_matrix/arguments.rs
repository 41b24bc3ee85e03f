//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::servers::Server;
use super::usual::{Usual, UsualTask, chosen};
use super::workloads::Workload;

/// Measures the hub, the floor under it and its peers under the same load, in turn.
///
/// In every round each server runs each workload, in a process of its own. What is measured is added to
/// `target/bench_matrix/results.jsonl`, and written as tables.
#[derive(Parser, Debug)]
#[command(subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub task: Option<Task>,
    #[command(flatten)]
    pub usual: Usual,
    /// Only these workloads: wide, small, middle (together: fanout), idle, storm, durable, growth, drain.
    #[arg(long, value_delimiter = ',', value_name = "WORKLOAD,…")]
    pub only: Vec<String>,
    /// Only these servers: hub, hub-stored, hub-postgres, hub-socketio, hub-socketio-stored, floor, writer, writer-postgres,
    /// bun, socketio, socketioxide, centrifuge.
    #[arg(long, value_delimiter = ',', value_name = "SERVER,…")]
    pub servers: Vec<Server>,
    /// The hub's program. Without it, the repository's own is built.
    #[arg(long, value_name = "PATH")]
    pub hub: Option<PathBuf>,
    /// Threads that serve connections, of the hub and of the floor. Without it, the hub's usual number.
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
    /// A database of its own in PostgreSQL, for durable sends. Tables are made in it, and stay.
    #[arg(long, value_name = "URL")]
    pub postgres: Option<String>,
    /// Install the peers into target/peers first: needs npm, cargo and Go, and a way to their registries.
    #[arg(long)]
    pub install_peers: bool,
}

#[derive(Subcommand, Debug)]
pub enum Task {
    #[command(flatten)]
    Usual(UsualTask),
    /// The floor: a server that does nothing but send.
    Floor {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long, default_value_t = 1)]
        threads: usize,
        /// A file with the payload of what it delivers, with a mark in it.
        #[arg(long)]
        delivery: PathBuf,
    },
}

impl Arguments {
    /// The workloads that are asked for.
    pub fn workloads(&self) -> Result<Vec<Workload>, String> {
        chosen(&self.only, &Workload::ALL, ("fanout", &Workload::FANOUT))
    }

    pub fn wants(&self, server: Server) -> bool {
        self.servers.is_empty() || self.servers.contains(&server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_can_be_chosen() {
        let parse = |line: &[&str]| Arguments::try_parse_from([&["bench_matrix"], line].concat());
        let all = parse(&[]).unwrap();
        assert_eq!((all.workloads().unwrap(), all.usual.rounds), (Workload::ALL.to_vec(), 5));
        assert!(all.wants(Server::Bun));
        let some = parse(&["--only", "idle,fanout", "--servers", "hub,floor"]).unwrap();
        assert_eq!(some.workloads().unwrap(), [&Workload::FANOUT[..], &[Workload::Idle]].concat());
        assert!(some.wants(Server::Floor) && !some.wants(Server::Bun));
        assert!(parse(&["--only", "sleep"]).unwrap().workloads().unwrap_err().contains("durable"));
        assert!(parse(&["--servers", "nginx"]).unwrap_err().to_string().contains("socketioxide"));
        assert!(parse(&["--rounds", "0"]).is_err());
    }
}
