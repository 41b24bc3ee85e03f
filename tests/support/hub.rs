//! The real binary as a private process: a free port, a data directory of its own, ended with the test.
//!
//! With TERTULIA_TEST_GATEWAY in the environment every hub has a gateway of its own before it, and its address is the
//! gateway's: what is said about hubs is then said about hubs behind gateways.

#[path = "gateway.rs"]
#[allow(dead_code, reason = "not every test has hubs of its own behind one")]
pub mod gateway;

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tertulia::auth::{Grant, mint};
use tertulia::clock;
use tertulia::domain::{OrgId, Role, UserId};
use uuid::Uuid;

use gateway::Gateway;

pub const SECRET: &str = "a secret for tests, thirty-two bytes and more";

/// Much longer than anything takes; only a hang runs into it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A hub that was started by a test.
pub struct Hub {
    process: Option<Child>,
    /// Where its clients find it.
    pub address: SocketAddr,
    /// Where it listens.
    own_address: SocketAddr,
    gateway: Option<Gateway>,
    settings: Vec<String>,
    data: TempDir,
    printed: Printed,
}

/// What the process has printed so far.
type Printed = Arc<Mutex<Vec<String>>>;

/// Who shows a token.
#[derive(Clone, Copy)]
pub struct Person {
    pub id: UserId,
    pub organization: Option<OrgId>,
    pub role: Role,
    pub name: &'static str,
}

impl Hub {
    /// With `settings` as on the command line; rooms appear when they are named.
    pub fn start(settings: &[&str]) -> Self {
        let data = tempfile::tempdir().expect("a temporary directory");
        let mut all = vec!["--set".to_owned(), "rooms.auto_create=true".to_owned()];
        all.extend(settings.iter().map(|setting| (*setting).to_owned()));
        let is_behind = env::var_os("TERTULIA_TEST_GATEWAY").is_some();
        if is_behind {
            all.extend(["--trusted-proxy", "127.0.0.1"].map(str::to_owned));
        }
        let printed = Printed::default();
        let (process, own_address) = spawn(&data, &all, &printed);
        let gateway = is_behind.then(|| Gateway::before(own_address, settings));
        let address = gateway.as_ref().map_or(own_address, |gateway| gateway.address);
        Self { process: Some(process), address, own_address, gateway, settings: all, data, printed }
    }

    /// Kills the process without warning if it still runs, and starts another on the same data.
    pub fn restart(&mut self) {
        self.kill();
        self.printed = Printed::default();
        let (process, address) = spawn(&self.data, &self.settings, &self.printed);
        (self.process, self.own_address) = (Some(process), address);
        match &self.gateway {
            Some(gateway) => gateway.move_to(address),
            None => self.address = address,
        }
    }

    /// Asks the process to end; see [`Hub::ended`].
    pub fn terminate(&mut self) {
        let id = self.process.as_ref().expect("a running hub").id();
        signal(id, "TERM");
    }

    /// Sends the process a signal by its name.
    pub fn signal(&self, name: &str) {
        signal(self.process.as_ref().expect("a running hub").id(), name);
    }

    /// How the process ended by itself.
    pub fn ended(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("a running hub");
        let start = Instant::now();
        loop {
            if let Some(status) = process.try_wait().expect("a child") {
                return status;
            }
            if start.elapsed() > PATIENCE {
                self.process = Some(process);
                panic!("the hub does not end");
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.try_wait().is_ok_and(|status| status.is_none()))
    }

    /// The URL of an HTTP resource.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The file of the embedded database.
    pub fn database(&self) -> String {
        self.data.path().join("hub/tertulia.db").display().to_string()
    }

    /// The line of the banner that holds `word`, once the banner is complete.
    pub fn banner(&self, word: &str) -> Option<String> {
        let start = Instant::now();
        loop {
            let lines = self.printed.lock().expect("nobody panics").clone();
            if lines.iter().any(|line| line.contains("README.md")) {
                return lines.into_iter().find(|line| line.contains(word));
            }
            assert!(start.elapsed() < PATIENCE, "the banner is never complete");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Runs another command of the program on the same data.
    pub fn run(&self, args: &[&str]) -> std::process::Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tertulia"));
        command.env_clear().env("JWT_SECRET", SECRET).current_dir(self.data.path()).args(args);
        command.arg("--data-dir").arg(self.data.path().join("hub"));
        if let Some(url) = self.settings.iter().skip_while(|it| *it != "--database-url").nth(1) {
            command.args(["--database-url", url]);
        }
        command.stdin(Stdio::null()).output().expect("the binary")
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.data.path().join("log")).expect("a log file")
    }

    /// A counter of `/metrics`; one that has counted nothing is 0.
    pub fn metric(&self, name: &str) -> u64 {
        let url = format!("http://{}/metrics", self.own_address);
        let text = ureq::get(url).call().expect("metrics").body_mut().read_to_string().expect("text");
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0)
    }

    /// How much memory the process has, in MiB. `None`: the system does not say it this way.
    pub fn resident(&self) -> Option<u64> {
        Some(memory(self.process.as_ref()?.id(), "VmRSS")? / 1_024)
    }

    /// The most memory that the process ever had, in MiB.
    pub fn peak(&self) -> Option<u64> {
        Some(memory(self.process.as_ref()?.id(), "VmHWM")? / 1_024)
    }

    /// Ends the process without warning.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // An error means that it has ended already.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.data.path().join("log")).unwrap_or_default());
        }
    }
}

fn spawn(data: &TempDir, settings: &[String], printed: &Printed) -> (Child, SocketAddr) {
    let mut arguments =
        vec!["serve".to_owned(), "--data-dir".to_owned(), data.path().join("hub").display().to_string()];
    arguments.extend_from_slice(settings);
    launch(data.path(), &arguments, printed)
}

/// Starts the program in `folder`, where it finds its configuration file and its log is written, and waits until it
/// listens.
fn launch(folder: &Path, arguments: &[String], printed: &Printed) -> (Child, SocketAddr) {
    let log = File::options().create(true).append(true).open(folder.join("log")).expect("a log file");
    let mut process = Command::new(env!("CARGO_BIN_EXE_tertulia"))
        .env_clear()
        .env("JWT_SECRET", SECRET)
        .env("TERTULIA_WORKERS", "2")
        .current_dir(folder)
        .args(arguments)
        .args(["--listen", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .expect("the binary");
    let stdout = BufReader::new(process.stdout.take().expect("a pipe"));
    let (found, finding) = mpsc::channel();
    let printed = printed.clone();
    thread::spawn(move || {
        // Reads to the end, so that the hub never waits for somebody to take what it prints.
        for line in stdout.lines().map_while(Result::ok) {
            if let Some((_, address)) = line.split_once("listening").and_then(|(_, it)| it.split_once("://")) {
                let _ = found.send(address.trim().parse::<SocketAddr>());
            }
            printed.lock().expect("nobody panics").push(line);
        }
    });
    match finding.recv_timeout(PATIENCE) {
        Ok(Ok(address)) => (process, address),
        other => {
            let _ = process.kill();
            let _ = process.wait();
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            panic!("it does not start ({other:?}):\n{log}");
        }
    }
}

fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status();
    assert!(sent.expect("the command kill").success());
}

/// A size that the system tells of a process, in KiB. `None`: it does not say it this way.
fn memory(process: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let size = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    size.split_whitespace().next()?.parse().ok()
}

/// An id that nothing has yet.
pub fn fresh_id() -> Uuid {
    clock::message_id().0
}

impl Person {
    pub fn new(organization: OrgId, role: Role, name: &'static str) -> Self {
        Self { id: UserId(fresh_id()), organization: Some(organization), role, name }
    }

    pub fn token(&self) -> String {
        self.token_for(Duration::from_hours(1))
    }

    pub fn token_for(&self, lifetime: Duration) -> String {
        self.signed(clock::now(), lifetime)
    }

    /// A token whose time was over `ago`.
    pub fn token_of_past(&self, ago: Duration) -> String {
        self.signed(clock::now() - ago - Duration::from_mins(1), Duration::from_mins(1))
    }

    fn signed(&self, from: tertulia::domain::Timestamp, lifetime: Duration) -> String {
        let (user, organization, role, name) = (self.id, self.organization, self.role, Some(self.name));
        mint(SECRET.as_bytes(), &Grant { user, organization, role, name, audience: None, lifetime }, from)
            .expect("a token")
    }
}
