//! A connection to either database, set up for what it is used for.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::{ConnectionError, PgConnection, QueryResult, SqliteConnection};

use super::target::Target;
use diesel::Connection as _;

/// `synchronous` and `synchronous_commit` are what "acknowledged means durable" rests on. Every query of the store is by
/// key, so the planner is kept from scanning tables it has no statistics of, and from planning each batch anew. What it is
/// kept from it counts as very dear where there is no other way, and would compile such a statement to machine code each
/// time, which takes far longer than to run it.
const SQLITE: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
     PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864;";
const SQLITE_WRITER: &str = "PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 4000;";
const SQLITE_READER: &str = "PRAGMA query_only = ON;";
const POSTGRES: &str = "SET client_min_messages = warning; SET statement_timeout = '5s'; SET lock_timeout = '3s'; \
     SET idle_in_transaction_session_timeout = '10s'; SET plan_cache_mode = force_generic_plan; \
     SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off;";
const POSTGRES_WRITER: &str = "SELECT set_config('synchronous_commit', 'on', false) \
     WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply');";
const POSTGRES_READER: &str = "SET default_transaction_read_only = on;";

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    Write,
    Read,
}

/// A connection. [`on`] runs one expression of Diesel's on whichever it is.
pub(crate) enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Compiles `$body` once per database, with `$inner` as its connection.
macro_rules! on {
    ($connection:expr, $inner:ident => $body:expr) => {
        match $connection {
            $crate::store::connection::Connection::Sqlite($inner) => $body,
            $crate::store::connection::Connection::Postgres($inner) => $body,
        }
    };
}
pub(super) use on;

impl Connection {
    pub(crate) fn open(target: &Target, purpose: Purpose) -> Result<Self, ConnectionError> {
        let mut connection = Self::raw(target)?;
        connection.set_up(purpose).map_err(ConnectionError::CouldntSetupConfiguration)?;
        Ok(connection)
    }

    /// Without the limits on time that queries have; for migrations.
    pub(crate) fn patient(target: &Target) -> Result<Self, ConnectionError> {
        let mut connection = Self::raw(target)?;
        if let Self::Sqlite(sqlite) = &mut connection {
            sqlite.batch_execute(SQLITE).map_err(ConnectionError::CouldntSetupConfiguration)?;
        }
        Ok(connection)
    }

    fn raw(target: &Target) -> Result<Self, ConnectionError> {
        match target {
            Target::Sqlite(path) => {
                prepare_file(path)
                    .map_err(|error| ConnectionError::BadConnection(format!("{}: {error}", path.display())))?;
                let path = path.to_str().ok_or_else(|| {
                    ConnectionError::BadConnection(format!("{}: expected a path in UTF-8", path.display()))
                })?;
                SqliteConnection::establish(path).map(Self::Sqlite)
            }
            Target::Postgres(uri) => PgConnection::establish(uri).map(Self::Postgres),
        }
    }

    fn set_up(&mut self, purpose: Purpose) -> QueryResult<()> {
        match (self, purpose) {
            (Self::Sqlite(sqlite), Purpose::Write) => {
                sqlite.batch_execute(SQLITE)?;
                sqlite.batch_execute(SQLITE_WRITER)
            }
            (Self::Sqlite(sqlite), Purpose::Read) => {
                sqlite.batch_execute(SQLITE)?;
                sqlite.batch_execute(SQLITE_READER)
            }
            (Self::Postgres(postgres), Purpose::Write) => {
                postgres.batch_execute(POSTGRES)?;
                postgres.batch_execute(POSTGRES_WRITER)
            }
            (Self::Postgres(postgres), Purpose::Read) => {
                postgres.batch_execute(POSTGRES)?;
                postgres.batch_execute(POSTGRES_READER)
            }
        }
    }

    /// Runs `work` in a transaction that may write. SQLite takes its one write lock at the start, so that it cannot
    /// find later that somebody else has written since it first read.
    pub(crate) fn change<T>(&mut self, work: impl FnOnce(&mut Self) -> QueryResult<T>) -> QueryResult<T> {
        self.transaction("BEGIN IMMEDIATE", "BEGIN", work)
    }

    /// Runs `work` in a transaction in which everything that is read is of one moment.
    pub(crate) fn snapshot<T>(&mut self, work: impl FnOnce(&mut Self) -> QueryResult<T>) -> QueryResult<T> {
        self.transaction("BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", work)
    }

    fn transaction<T>(
        &mut self,
        sqlite: &str,
        postgres: &str,
        work: impl FnOnce(&mut Self) -> QueryResult<T>,
    ) -> QueryResult<T> {
        match self {
            Self::Sqlite(connection) => AnsiTransactionManager::begin_transaction_sql(connection, sqlite)?,
            Self::Postgres(connection) => AnsiTransactionManager::begin_transaction_sql(connection, postgres)?,
        }
        match work(self) {
            Ok(value) => {
                on!(self, connection => AnsiTransactionManager::commit_transaction(connection))?;
                Ok(value)
            }
            Err(error) => {
                // What went wrong first is what the caller should hear of.
                let _ = on!(self, connection => AnsiTransactionManager::rollback_transaction(connection));
                Err(error)
            }
        }
    }

    /// Whether the database takes writes at this moment.
    pub(crate) fn takes_writes(&mut self) -> QueryResult<()> {
        const PROBE: &str = "UPDATE organizations SET last_pos = last_pos WHERE last_pos < 0";
        self.change(|connection| on!(connection, inner => inner.batch_execute(PROBE)))
    }
}

/// Messages are nobody else's business: a new file, and a new directory around it, are for this user only.
fn prepare_file(path: &Path) -> io::Result<()> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
