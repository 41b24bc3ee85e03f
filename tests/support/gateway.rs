//! The real binary as a gateway: a private process before hubs or other servers, ended with the test.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, ExitStatus};
use std::str::FromStr;
use std::thread;
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use super::{PATIENCE, Printed, launch, memory, signal};

/// Checks often, but patiently enough for a busy machine, and limits nothing by itself.
const USUAL: &str = "gateway.health_interval=1s gateway.connect_timeout=10s limits.requests_per_ip=0 \
                     limits.max_connections_per_user=0";

pub struct Gateway {
    process: Child,
    pub address: SocketAddr,
    data: TempDir,
}

impl Gateway {
    /// In front of these addresses, with `settings` as on the command line.
    pub fn start(upstreams: &[SocketAddr], settings: &[&str]) -> Self {
        let usual = USUAL.split_whitespace().flat_map(|it| ["--set", it]);
        Self::with_file(&file(upstreams), usual.chain(settings.iter().copied()))
    }

    /// With these arguments alone.
    pub fn with_arguments<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Self {
        Self::launch(tempfile::tempdir().expect("a temporary directory"), arguments)
    }

    /// With this as its configuration file, and these arguments.
    pub fn with_file<'a>(text: &str, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let data = tempfile::tempdir().expect("a temporary directory");
        fs::write(data.path().join("tertulia.toml"), text).expect("a file");
        Self::launch(data, arguments)
    }

    fn launch<'a>(data: TempDir, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let arguments: Vec<_> = ["gateway"].into_iter().chain(arguments).map(str::to_owned).collect();
        let (process, address) = launch(data.path(), &arguments, &Printed::default());
        Self { process, address, data }
    }

    /// In front of a hub with these settings, of which it shares what both have to know: who may come in, and from where.
    pub(super) fn before(hub: SocketAddr, settings: &[&str]) -> Self {
        let is_shared = |name: &str, value: &str| match name {
            "--allowed-origin" | "--trusted-proxy" | "--jwt-secret" => true,
            "--set" => value.starts_with("auth."),
            _ => false,
        };
        let mut shared: Vec<_> = settings.iter().copied().filter(|it| *it == "--dev").collect();
        shared.extend(settings.windows(2).filter(|it| is_shared(it[0], it[1])).flatten());
        Self::start(&[hub], &shared)
    }

    /// From now on these upstreams.
    pub fn change(&self, upstreams: &[SocketAddr]) {
        let told = |log: &str| log.matches("SIGHUP:").count();
        let before = told(&self.log());
        self.rewrite(&file(upstreams));
        let start = Instant::now();
        while told(&self.log()) == before {
            assert!(start.elapsed() < PATIENCE, "the gateway does not read its file again");
            thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// Gives it another configuration file to read.
    pub fn rewrite(&self, text: &str) {
        fs::write(self.data.path().join("tertulia.toml"), text).expect("a file");
        self.signal("HUP");
    }

    /// The hub has another address.
    pub(super) fn move_to(&self, hub: SocketAddr) {
        self.change(&[hub]);
    }

    /// What it says of its upstreams, in their order.
    pub fn upstreams(&self) -> Vec<Value> {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = agent.get(format!("http://{}/health", self.address)).call().expect("an answer");
        let health: Value = answer.body_mut().read_json().expect("JSON");
        health["upstreams"].as_array().expect("a list").clone()
    }

    /// A counter of `/metrics`.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.metrics();
        value(&text, name).unwrap_or_else(|| panic!("no {name} in\n{text}"))
    }

    /// A gauge or a counter of `/metrics`, if there is one.
    pub fn gauge(&self, name: &str) -> Option<f64> {
        value(&self.metrics(), name)
    }

    fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.address);
        ureq::get(url).call().expect("metrics").body_mut().read_to_string().expect("text")
    }

    /// How much memory it has, in KiB. `None`: the system does not say it this way.
    pub fn resident(&self) -> Option<u64> {
        memory(self.process.id(), "VmRSS")
    }

    /// The most memory that it ever had, in KiB.
    pub fn peak(&self) -> Option<u64> {
        memory(self.process.id(), "VmHWM")
    }

    /// Asks the process to end; see [`Gateway::ended`].
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends the process a signal by its name.
    pub fn signal(&self, name: &str) {
        signal(self.process.id(), name);
    }

    /// How the process ended by itself.
    pub fn ended(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().expect("a child") {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "the gateway does not end");
            thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.data.path().join("log")).expect("a log file")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            eprintln!("the gateway:\n{}", self.log());
        }
    }
}

fn value<T: FromStr>(metrics: &str, name: &str) -> Option<T> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

fn file(upstreams: &[SocketAddr]) -> String {
    let urls: Vec<_> = upstreams.iter().map(|it| format!("\"http://{it}\"")).collect();
    format!("[gateway]\nupstreams = [{}]\n", urls.join(", "))
}
