//! What can go wrong when a store is opened.

use std::fmt;

use diesel::ConnectionError;

use super::target::Target;

/// Why there is no store to work with. Each text says what was wrong and what would be right.
#[derive(Debug)]
pub enum OpenError {
    /// The URL names no database that is spoken here.
    Url(String),
    Unreachable {
        target: Target,
        error: ConnectionError,
    },
    /// The schema has a migration that this program does not know.
    Newer {
        target: Target,
        migration: String,
    },
    /// Migrations are missing, and were not to be run.
    Pending {
        target: Target,
        migrations: Vec<String>,
    },
    Migration {
        target: Target,
        error: String,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => write!(f, "database URL: {error}"),
            Self::Unreachable { target, error } => write!(f, "cannot open the database {target}: {error}"),
            Self::Newer { target, migration } => write!(
                f,
                "the database {target} was migrated by a newer release (it has {migration}, which this one does not \
                 know): start that release, or restore a backup from before the migration"
            ),
            Self::Pending { target, migrations } => write!(
                f,
                "the database {target} lacks {}: run `tertulia migrate`, or start without --no-migrate",
                migrations.join(", ")
            ),
            Self::Migration { target, error } => write!(f, "cannot migrate the database {target}: {error}"),
        }
    }
}

impl std::error::Error for OpenError {}
