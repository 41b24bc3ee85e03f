//! The gateway as a private process: a free port, ended with the test.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub const SECRET: &str = "a secret for tests, thirty-two bytes and more";

/// Much longer than anything takes; only a hang runs into it.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Gateway {
    process: Child,
    pub address: SocketAddr,
    data: TempDir,
}

impl Gateway {
    /// In front of these upstreams. Its sockets at `/echo` need no token: it takes that for Socket.IO's path.
    pub fn start(upstreams: &[String], settings: &[&str]) -> Self {
        let data = tempfile::tempdir().expect("a temporary directory");
        let log = File::create(data.path().join("log")).expect("a log file");
        let mut process = Command::new(env!("CARGO_BIN_EXE_tertulia"))
            .env_clear()
            .env("JWT_SECRET", SECRET)
            .env("TERTULIA_WORKERS", "2")
            .current_dir(data.path())
            .args(["gateway", "--listen", "127.0.0.1:0", "--set", "socketio.path=/echo"])
            .args(upstreams.iter().flat_map(|upstream| ["--upstream", upstream]))
            .args(settings.iter().flat_map(|setting| ["--set", setting]))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the binary");
        let stdout = BufReader::new(process.stdout.take().expect("a pipe"));
        let (found, finding) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok).filter(|line| line.contains("listening")) {
                let address = line.split_once("http://").and_then(|(_, address)| address.trim().parse().ok());
                let _ = found.send(address);
            }
        });
        let address = finding.recv_timeout(PATIENCE).ok().flatten();
        let address = address.unwrap_or_else(|| {
            let _ = process.kill();
            panic!("the gateway does not start:\n{}", fs::read_to_string(data.path().join("log")).unwrap_or_default())
        });
        Self { process, address, data }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.data.path().join("log")).expect("a log")
    }

    /// A counter of `/metrics`.
    pub fn metric(&self, name: &str) -> u64 {
        let url = format!("http://{}/metrics", self.address);
        let text = ureq::get(url).call().expect("metrics").body_mut().read_to_string().expect("text");
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("no {name} in\n{text}"))
    }

    /// How much memory the process has, in KiB. `None`: the system does not say it this way.
    pub fn resident(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let size = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        size.split_whitespace().next()?.parse().ok()
    }

    /// Asks the process to end, and waits for that: how it ended, and how long it took.
    pub fn terminate(&mut self) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        let killed = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        assert!(killed.expect("the command kill").success());
        loop {
            if let Some(status) = self.process.try_wait().expect("a child") {
                return (status, begun.elapsed());
            }
            assert!(begun.elapsed() < PATIENCE, "the gateway does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}
