//! A private Postgres for tests: its own cluster in a temporary directory, on a socket that nobody else sees.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use std::{fs, thread};

use tempfile::TempDir;

/// How long a server may take to start, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server. It ends with the value.
pub(crate) struct Postgres {
    directory: TempDir,
    programs: PathBuf,
    /// Whom it runs as where the tests are run by root, whom Postgres refuses: user and group id.
    servant: Option<(u32, u32)>,
    server: Mutex<Option<Child>>,
    databases: AtomicU32,
}

impl Postgres {
    /// The server that the tests of this process share while any of them holds it.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let fresh = Arc::new(Self::start());
            *shared = Arc::downgrade(&fresh);
            fresh
        })
    }

    pub(crate) fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("hub-pg-").tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let servant = (id("-u", None) == 0).then(|| (id("-u", Some("postgres")), id("-g", Some("postgres"))));
        if let Some((user, group)) = servant {
            std::os::unix::fs::chown(directory.path(), Some(user), Some(group)).unwrap();
        }
        let postgres =
            Self { directory, programs: programs(), servant, server: Mutex::default(), databases: AtomicU32::new(0) };
        let done = postgres
            .command("initdb")
            .args(["--auth=trust", "--username=hub", "--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata"])
            .arg(postgres.data())
            .status()
            .unwrap();
        assert!(done.success(), "initdb: {done}");
        postgres.restart();
        postgres
    }

    /// A fresh, empty database.
    pub(crate) fn database(&self) -> String {
        let name = format!("hub_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        let socket = self.directory.path().display().to_string().replace('/', "%2F");
        format!("postgres://hub@/{name}?host={socket}")
    }

    /// Runs a statement as the administrator, and returns what it prints.
    pub(crate) fn sql(&self, database: &str, statement: &str) -> String {
        let output = self
            .command("psql")
            .stdout(Stdio::piped())
            .arg("--host")
            .arg(self.directory.path())
            .args(["--username=hub", "--no-psqlrc", "--tuples-only", "--no-align", "--dbname", database])
            .args(["--command", statement])
            .output()
            .unwrap();
        assert!(output.status.success(), "{statement}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts the server, after the last one is gone, and waits until it answers.
    pub(crate) fn restart(&self) {
        let begun = Instant::now();
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        while begun.elapsed() < PATIENCE {
            // A killed server's children may hold its shared memory for a moment; then the new one ends at once.
            let mut child = self
                .command("postgres")
                .arg("-D")
                .arg(self.data())
                .arg("-k")
                .arg(self.directory.path())
                .args(["-c", "listen_addresses=", "-c", "max_connections=50"])
                .spawn()
                .unwrap();
            while child.try_wait().unwrap().is_none() {
                if self.answers() {
                    *server = Some(child);
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        panic!("Postgres does not start");
    }

    /// Ends the server the hard way (`kill -9`), with the processes of its connections: those would notice by themselves,
    /// and might do one more thing before.
    pub(crate) fn kill(&self) {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut child) = server.take() {
            let connections = children(child.id());
            child.kill().unwrap();
            child.wait().unwrap();
            for process in &connections {
                signal("-KILL", process);
            }
            while connections.iter().any(|process| is_running(process)) {
                thread::sleep(Duration::from_millis(2));
            }
        }
    }

    /// Ends one connection's process the hard way, upon which the server drops all others and recovers.
    pub(crate) fn kill_a_connection(&self, database: &str) {
        let pid =
            self.sql("postgres", &format!("SELECT pid FROM pg_stat_activity WHERE datname = '{database}' LIMIT 1"));
        signal("-KILL", pid.trim());
    }

    /// Stops the server's processes in their tracks, or lets them go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pid) = server.as_ref().map(Child::id) else { return };
        for process in children(pid).iter().chain([&pid.to_string()]) {
            signal(if frozen { "-STOP" } else { "-CONT" }, process);
        }
    }

    fn answers(&self) -> bool {
        self.command("psql")
            .arg("--host")
            .arg(self.directory.path())
            .args(["--username=hub", "--no-psqlrc", "--dbname=postgres", "--command=SELECT 1"])
            .status()
            .is_ok_and(|status| status.success())
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        if let Some((user, group)) = self.servant {
            command.uid(user).gid(group);
        }
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.freeze(false);
        self.kill();
    }
}

/// The processes that a process has started.
fn children(pid: u32) -> Vec<String> {
    let children = Command::new("ps").args(["-o", "pid=", "--ppid", &pid.to_string()]).output().unwrap();
    String::from_utf8(children.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
}

/// Whether a process is there and has not ended.
fn is_running(pid: &str) -> bool {
    let state = Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap();
    let state = String::from_utf8(state.stdout).unwrap();
    !state.trim().is_empty() && !state.starts_with('Z')
}

fn signal(name: &str, pid: &str) {
    // It may have ended by itself.
    let _ = Command::new("kill").args([name, pid]).stderr(Stdio::null()).status();
}

fn id(what: &str, user: Option<&str>) -> u32 {
    let output = Command::new("id").arg(what).args(user).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().parse().unwrap_or_else(|_| panic!("`id {what}` says {text:?}: is Postgres installed?"))
}

/// Where the server's programs are: Debian keeps them out of the search path, a directory per release.
fn programs() -> PathBuf {
    let mut releases: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    releases.sort();
    let newest = releases.into_iter().rev().find(|path| path.join("initdb").exists());
    newest.unwrap_or_else(|| Path::new("").to_owned())
}
