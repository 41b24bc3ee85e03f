//! The real hub as a process that can be killed and started again.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

pub const SECRET: &str = "a secret for tests, of more than 32 bytes";

/// Where the hub is now, and whether the senders should stop making messages.
#[derive(Default)]
pub struct Address {
    at: Mutex<String>,
    over: AtomicBool,
}

impl Address {
    pub fn get(&self) -> String {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set(&self, address: &str) {
        address.clone_into(&mut self.at.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

pub struct Hub {
    child: Child,
    pub address: String,
}

impl Hub {
    pub fn start(data_dir: &Path, database: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tertulia"))
            .args(["serve", "--listen", "127.0.0.1:0", "--database-url", database, "--data-dir"])
            .arg(data_dir)
            .args(["--set", "rooms.auto_create=true", "--set", "limits.max_connections_per_user=0"])
            .args(["--set", "limits.events_per_connection=0"])
            .env("JWT_SECRET", SECRET)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the hub starts");
        let out = child.stdout.take().expect("it was piped");
        let mut lines = BufReader::new(out).lines().map_while(Result::ok);
        let address = lines
            .find_map(|line| line.split_once("http://").map(|(_, rest)| rest.trim().trim_end_matches('/').to_owned()))
            .expect("the banner names the address");
        let address = address.split_whitespace().next().unwrap_or_default().to_owned();
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it ends");
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A token of one of the senders.
pub fn token(sub: u128) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_tertulia"))
        .args(["token", "--org", "22222222-2222-4222-8222-222222222222", "--role", "agent", "--sub"])
        .arg(uuid::Uuid::from_u128(0x1111_1111_1111_4111_8111_0000_0000_0000 + sub).to_string())
        .env("JWT_SECRET", SECRET)
        .output()
        .expect("the command runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("a token is text").trim().to_owned()
}
