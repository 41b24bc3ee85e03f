//! The connection that a thread of the store owns, made again when it was lost, but not in a frenzy.

use std::time::{Duration, Instant};

use log::{info, warn};

use super::connection::{Connection, Purpose};
use super::target::Target;

/// While the database does not answer, it is not asked more often than this.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// A connection that comes and goes.
pub(crate) struct Link {
    target: Target,
    purpose: Purpose,
    connection: Option<Connection>,
    failed_at: Option<Instant>,
}

/// There is no connection; the log says why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Down;

impl Link {
    /// Connects at the first use.
    pub(crate) fn new(target: Target, purpose: Purpose) -> Self {
        Self { target, purpose, connection: None, failed_at: None }
    }

    /// The connection, made anew where there is none and the last attempt is not too recent.
    pub(crate) fn get(&mut self) -> Result<&mut Connection, Down> {
        if self.connection.is_none() {
            if self.failed_at.is_some_and(|at| at.elapsed() < RETRY_INTERVAL) {
                return Err(Down);
            }
            self.connection = Some(self.connect()?);
        }
        self.connection.as_mut().ok_or(Down)
    }

    /// Gives up the connection that there was, and makes another at once.
    pub(crate) fn renew(&mut self) -> Result<&mut Connection, Down> {
        self.connection = None;
        self.failed_at = None;
        self.get()
    }

    /// Gives up the connection; the next attempt is [`RETRY_INTERVAL`] away.
    pub(crate) fn drop_connection(&mut self) {
        self.connection = None;
        self.failed_at = Some(Instant::now());
    }

    fn connect(&mut self) -> Result<Connection, Down> {
        match Connection::open(&self.target, self.purpose) {
            Ok(connection) => {
                if self.failed_at.take().is_some() {
                    info!("The database {} answers again", self.target);
                }
                Ok(connection)
            }
            Err(error) => {
                // Said once per outage, not at every attempt.
                if self.failed_at.replace(Instant::now()).is_none() {
                    warn!("The database {} does not answer: {error}", self.target);
                }
                Err(Down)
            }
        }
    }
}
