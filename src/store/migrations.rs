//! The schema's history, embedded: what is missing is run in order, forwards only, by one hub at a time.

use std::error::Error;

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::Sqlite;
use diesel::{QueryableByName, RunQueryDsl, sql_query};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::{Connection, on};
use super::error::OpenError;
use super::target::Target;

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// The advisory lock that hubs starting at the same time on one Postgres take in turn. Any number would do.
const LOCK: &str = "SELECT pg_advisory_lock(8387794199105694049)";

type Failure = Box<dyn Error + Send + Sync>;

/// What a migration run did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MigrationReport {
    pub target: Target,
    /// The names of the migrations that were applied, in order; empty where nothing was missing.
    pub applied: Vec<String>,
}

/// Brings the schema of `url` up to this release, and tells what that took.
pub fn migrate(url: &str) -> Result<MigrationReport, OpenError> {
    let target: Target = url.parse().map_err(OpenError::Url)?;
    let mut connection = connect(&target)?;
    match bring_up(&mut connection) {
        Ok(Ok(applied)) => Ok(MigrationReport { target, applied }),
        Ok(Err(migration)) => Err(OpenError::Newer { target, migration }),
        Err(error) => Err(OpenError::Migration { target, error: error.to_string() }),
    }
}

/// Makes sure that the schema of `url` is exactly this release's, without changing it.
pub fn verify(url: &str) -> Result<(), OpenError> {
    let target: Target = url.parse().map_err(OpenError::Url)?;
    let mut connection = connect(&target)?;
    let (known, applied) = match known(&connection).and_then(|known| Ok((known, applied(&mut connection)?))) {
        Ok(both) => both,
        Err(error) => return Err(OpenError::Migration { target, error: error.to_string() }),
    };
    if let Some(migration) = newer(&applied, &known) {
        return Err(OpenError::Newer { target, migration });
    }
    let missing: Vec<String> =
        known.into_iter().filter(|it| !applied.contains(&it.version)).map(|it| it.name).collect();
    if missing.is_empty() { Ok(()) } else { Err(OpenError::Pending { target, migrations: missing }) }
}

fn connect(target: &Target) -> Result<Connection, OpenError> {
    Connection::patient(target).map_err(|error| OpenError::Unreachable { target: target.clone(), error })
}

/// Runs what is missing, while no other hub does. `Err`: a migration that this release does not know.
fn bring_up(connection: &mut Connection) -> Result<Result<Vec<String>, String>, Failure> {
    // Postgres frees its lock when the connection ends, SQLite with the transaction.
    match connection {
        Connection::Sqlite(inner) => AnsiTransactionManager::begin_transaction_sql(inner, "BEGIN IMMEDIATE")?,
        Connection::Postgres(inner) => inner.batch_execute(LOCK)?,
    }
    let known = known(connection)?;
    if let Some(migration) = newer(&applied(connection)?, &known) {
        return Ok(Err(migration));
    }
    let versions: Vec<String> = match connection {
        Connection::Sqlite(inner) => {
            let done = inner.run_pending_migrations(SQLITE)?.iter().map(ToString::to_string).collect();
            AnsiTransactionManager::commit_transaction(inner)?;
            done
        }
        Connection::Postgres(inner) => {
            inner.run_pending_migrations(POSTGRES)?.iter().map(ToString::to_string).collect()
        }
    };
    Ok(Ok(known.into_iter().filter(|it| versions.contains(&it.version)).map(|it| it.name).collect()))
}

/// A migration of this release.
struct Known {
    version: String,
    name: String,
}

fn known(connection: &Connection) -> Result<Vec<Known>, Failure> {
    fn describe<DB: diesel::backend::Backend>(migrations: &[Box<dyn Migration<DB>>]) -> Vec<Known> {
        migrations
            .iter()
            .map(|it| Known { version: it.name().version().to_string(), name: it.name().to_string() })
            .collect()
    }
    match connection {
        Connection::Sqlite(_) => Ok(describe(&MigrationSource::<Sqlite>::migrations(&SQLITE)?)),
        Connection::Postgres(_) => Ok(describe(&MigrationSource::<Pg>::migrations(&POSTGRES)?)),
    }
}

/// The versions that the database has.
fn applied(connection: &mut Connection) -> Result<Vec<String>, Failure> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        tables: i64,
    }
    #[derive(QueryableByName)]
    struct Applied {
        #[diesel(sql_type = Text)]
        version: String,
    }
    let catalogue = match connection {
        Connection::Sqlite(_) => {
            "SELECT count(*) AS tables FROM sqlite_master WHERE name = '__diesel_schema_migrations'"
        }
        Connection::Postgres(_) => "SELECT count(to_regclass('__diesel_schema_migrations')) AS tables",
    };
    let count: Count = on!(connection, inner => sql_query(catalogue).get_result(inner))?;
    if count.tables == 0 {
        return Ok(Vec::new());
    }
    let applied: Vec<Applied> =
        on!(connection, inner => sql_query("SELECT version FROM __diesel_schema_migrations").load(inner))?;
    Ok(applied.into_iter().map(|it| it.version).collect())
}

/// One that the database has and this release does not.
fn newer(applied: &[String], known: &[Known]) -> Option<String> {
    applied.iter().find(|version| known.iter().all(|it| it.version != **version)).cloned()
}
