//! A gateway as a private process, ended with the test.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::client::{Client, dial};
use crate::hub::SECRET;

const PATIENCE: Duration = Duration::from_secs(30);

pub struct Gateway {
    process: Child,
    pub address: SocketAddr,
    dir: TempDir,
}

/// What an upstream or the gateway answered.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &'_ str| line.split_once(':').is_some_and(|(it, _)| it.eq_ignore_ascii_case(name));
        self.head.lines().find(|line| named(line))?.split_once(':').map(|(_, value)| value.trim())
    }
}

impl Gateway {
    /// In front of these, with fast checks and further `settings` as on the command line.
    pub fn start(upstreams: &[String], settings: &[&str]) -> Self {
        let upstreams = upstreams.iter().flat_map(|url| ["--upstream".to_owned(), url.clone()]);
        let usual = ["--set", "gateway.health_interval=200ms", "--set", "limits.requests_per_ip=0"];
        let settings = usual.iter().chain(settings).map(|it| (*it).to_owned());
        Self::launch(tempfile::tempdir().expect("a directory"), upstreams.chain(settings).collect())
    }

    /// With the settings of this file alone.
    pub fn with_file(text: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("tertulia.toml"), text).expect("a file");
        Self::launch(dir, Vec::new())
    }

    fn launch(dir: TempDir, settings: Vec<String>) -> Self {
        let log = File::options().create(true).append(true).open(dir.path().join("log")).expect("a log file");
        let mut process = Command::new(env!("CARGO_BIN_EXE_tertulia"))
            .env_clear()
            .env("JWT_SECRET", SECRET)
            .env("TERTULIA_WORKERS", "2")
            .current_dir(dir.path())
            .args(["gateway", "--listen", "127.0.0.1:0"])
            .args(settings)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the binary");
        let stdout = BufReader::new(process.stdout.take().expect("a pipe"));
        let (found, finding) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("listening").and_then(|(_, it)| it.split_once("://")) {
                    let _ = found.send(address.trim().parse::<SocketAddr>());
                }
            }
        });
        match finding.recv_timeout(PATIENCE) {
            Ok(Ok(address)) => Self { process, address, dir },
            other => {
                let _ = process.kill();
                let _ = process.wait();
                panic!("the gateway does not start ({other:?}):\n{}", read(dir.path().join("log")));
            }
        }
    }

    pub fn rewrite(&self, text: &str) {
        fs::write(self.dir.path().join("tertulia.toml"), text).expect("a file");
        self.signal("HUP");
    }

    pub fn signal(&self, name: &str) {
        signal(self.process.id(), name);
    }

    /// How it ended by itself.
    pub fn ended(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().expect("a child") {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "the gateway does not end");
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn log(&self) -> String {
        read(self.dir.path().join("log"))
    }

    /// Asks on a connection of its own.
    pub fn ask(&self, method: &str, path: &str, headers: &str) -> Reply {
        self.send(&format!("{method} {path} HTTP/1.1\r\nHost: chat.example.com\r\n{headers}\r\n"))
    }

    /// Asks for the head of an answer alone.
    pub fn head(&self, path: &str) -> Reply {
        let mut stream = dial(self.address);
        let request = format!("HEAD {path} HTTP/1.1\r\nHost: chat.example.com\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("a gateway that reads");
        let mut head = String::new();
        stream.read_to_string(&mut head).expect("a gateway that answers");
        let (head, body) = head.split_once("\r\n\r\n").expect("a whole head");
        reply((head.to_owned(), body.to_owned()))
    }

    pub fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, "")
    }

    /// Says exactly this.
    pub fn send(&self, request: &str) -> Reply {
        let mut client = Client::over(dial(self.address));
        client.send(request.as_bytes());
        reply(client.response())
    }

    /// The most memory that it ever had, in MiB.
    pub fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
        line.split_whitespace().next().and_then(|it| it.parse::<u64>().ok()).expect("a number") / 1_024
    }

    pub fn metric(&self, name: &str) -> Option<f64> {
        let text = self.get("/metrics").body;
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }
}

pub fn reply((head, body): (String, String)) -> Reply {
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a status");
    Reply { status, head, body }
}

pub fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status();
    assert!(sent.expect("the command kill").success());
}

fn read(path: PathBuf) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}
