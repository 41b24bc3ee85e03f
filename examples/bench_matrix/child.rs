//! A server as a process of its own, which never outlives the run, however that ends.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::Result;

/// Programs for other engines need a moment.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Running {
    child: Child,
    pub address: SocketAddr,
    log: PathBuf,
}

impl Running {
    /// Starts a server on a free port of loopback, by the command for that port, and waits until it accepts connections. What
    /// it prints goes into a file of its name in the directory `out`.
    pub fn start(out: &Path, name: &str, command: impl FnOnce(u16) -> Result<Command>) -> Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let log = out.join(format!("{name}.log"));
        let output = File::create(&log)?;
        let command = command(address.port())?;
        let child = guarded(&command)?.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).spawn()?;
        let mut running = Self { child, address, log };
        running.wait_until_it_listens(name)?;
        Ok(running)
    }

    fn wait_until_it_listens(&mut self, name: &str) -> Result<()> {
        let start = Instant::now();
        while TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).is_err() {
            if let Some(status) = self.ended()? {
                return Err(format!("{name} does not start ({status}): {}", self.last_words()).into());
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("{name} does not listen: {}", self.last_words()).into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        // Whatever it does after its start is done then.
        thread::sleep(Duration::from_millis(300));
        Ok(())
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end in an orderly way.
    pub fn terminate(&self) -> Result<()> {
        rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        Ok(())
    }

    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// The end of what it printed.
    pub fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().rev().take(3).collect();
        if lines.is_empty() {
            return "it said nothing".to_owned();
        }
        lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The same command, started through this program's [`become_a_server`].
fn guarded(command: &Command) -> Result<Command> {
    let mut guarded = Command::new(std::env::current_exe()?);
    guarded.arg("start").arg(std::process::id().to_string()).arg("--");
    guarded.arg(command.get_program()).args(command.get_args());
    guarded.env_clear();
    for (key, value) in command.get_envs() {
        if let Some(value) = value {
            guarded.env(key, value);
        }
    }
    if let Some(directory) = command.get_current_dir() {
        guarded.current_dir(directory);
    }
    Ok(guarded)
}

/// Becomes the given program, with the wish to be killed when the one that started it ends.
pub fn become_a_server(parent: i32, program: &[String]) -> Result<()> {
    let [program, arguments @ ..] = program else { return Err("no program was named".into()) };
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have ended before that.
    if rustix::process::getppid() != Pid::from_raw(parent) {
        return Err("the run has ended".into());
    }
    Err(Command::new(program).args(arguments).exec().into())
}
