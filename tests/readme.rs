//! The clients of the README, run as they stand there against a hub started as the README says.
//!
//! Where Python's `websockets` or a Node.js with WebSocket is missing, that client is left out and the test says so;
//! `tests/run` makes sure of Python.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// A process that is read line by line, and does not outlive the test.
struct Process {
    child: Child,
    lines: Receiver<String>,
    name: &'static str,
}

impl Process {
    fn start(name: &'static str, command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let (line, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|it| line.send(it)));
        Self { child, lines, name }
    }

    /// Waits for a line that contains `what`, and returns everything up to it.
    fn says(&self, what: &str) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            seen.push(line);
            if seen.last().is_some_and(|line| line.contains(what)) {
                return seen;
            }
        }
        panic!("{} did not say {what:?}, but:\n{}", self.name, seen.join("\n"));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first code block in this language, pointed at the hub of the test.
fn code(language: &str, address: &str) -> String {
    let readme = include_str!("../README.md");
    let start = readme.find(&format!("```{language}\n")).unwrap() + language.len() + 4;
    let block = &readme[start..][..readme[start..].find("```").unwrap()];
    assert!(block.contains("127.0.0.1:8080"));
    block.replace("127.0.0.1:8080", address)
}

/// An interpreter with which `probe` works.
fn interpreter<'a>(candidates: &[&'a [&'a str]], probe: &[&str]) -> Option<&'a [&'a str]> {
    candidates.iter().copied().find(|candidate| {
        let mut command = Command::new(candidate[0]);
        command.args(&candidate[1..]).args(probe).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    })
}

#[test]
fn the_clients_of_the_readme_hear_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tertulia"));
    command.args(["--dev", "--listen", "127.0.0.1:0"]).current_dir(dir.path()).env_clear();
    let hub = Process::start("the hub", &mut command);
    let listening = hub.says("listening").pop().unwrap();
    let address = listening.rsplit("http://").next().unwrap();

    let mut clients = Vec::new();
    match interpreter(&[&["python3"], &["/usr/bin/python3"]], &["-c", "import websockets"]) {
        Some(python) => clients.push(("the Python client", python, "client.py", code("python", address))),
        None => eprintln!("left out: no Python with the package websockets"),
    }
    let has_socket = ["-e", "process.exit(typeof WebSocket === 'function' ? 0 : 1)"];
    match interpreter(&[&["node"], &["node", "--experimental-websocket"]], &has_socket) {
        Some(node) => clients.push(("the JavaScript client", node, "client.mjs", code("js", address))),
        None => eprintln!("left out: no Node.js with WebSocket (22 or newer)"),
    }

    let mut here: Vec<(Process, String)> = Vec::new();
    for (name, interpreter, file, code) in clients {
        let file = dir.path().join(file);
        fs::write(&file, code).unwrap();
        let process = Process::start(name, Command::new(interpreter[0]).args(&interpreter[1..]).arg(file));
        let lines = process.says("message_sent");
        let said = lines.last().unwrap().rsplit("Hello").next().unwrap().to_owned();
        for (earlier, earlier_said) in &here {
            assert!(lines.iter().any(|line| line.contains(earlier_said)), "{name} was not told the past:\n{lines:?}");
            earlier.says(&said);
        }
        here.push((process, said));
    }
}
