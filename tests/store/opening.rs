//! Opening: migrations, and databases that are not for this release.

use std::os::unix::fs::PermissionsExt;
use std::thread;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};
use tertulia::clock;
use tertulia::domain::{Recoverable, RecoveryId};
use tertulia::hub::ports::Store;
use tertulia::store::{OpenError, migrate, verify};
use uuid::Uuid;

use crate::desk::Backend;

fn execute(backend: &Backend, statement: &str) {
    match backend.url.strip_prefix("sqlite:") {
        Some(path) => SqliteConnection::establish(path).unwrap().batch_execute(statement).unwrap(),
        None => PgConnection::establish(&backend.url).unwrap().batch_execute(statement).unwrap(),
    }
}

fn both() -> [Backend; 2] {
    [Backend::sqlite(), Backend::postgres()]
}

#[test]
fn a_database_is_migrated_once_and_then_verified() {
    for backend in both() {
        assert!(matches!(verify(&backend.url), Err(OpenError::Pending { .. })));
        let applied = migrate(&backend.url).unwrap().applied;
        assert_eq!(applied.first().map(String::as_str), Some("0001_rooms_and_messages"));
        assert!(migrate(&backend.url).unwrap().applied.is_empty());
        verify(&backend.url).unwrap();
    }
}

#[test]
fn hubs_that_start_together_migrate_one_after_the_other() {
    for backend in both() {
        let runs: Vec<_> = thread::scope(|scope| {
            let runs: Vec<_> = (0..4).map(|_| scope.spawn(|| migrate(&backend.url).unwrap().applied.len())).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        assert_eq!(runs.iter().filter(|applied| **applied > 0).count(), 1, "{runs:?}");
    }
}

#[test]
fn a_schema_of_a_newer_release_is_refused() {
    for backend in both() {
        migrate(&backend.url).unwrap();
        execute(&backend, "INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')");
        for refused in [migrate(&backend.url).map(|_| ()), verify(&backend.url)] {
            let error = refused.unwrap_err();
            assert!(matches!(error, OpenError::Newer { .. }) && error.to_string().contains("9999"), "{error}");
        }
    }
}

/// The names of the migrations of a database, in order.
fn names(database: &str) -> Vec<String> {
    let directory = format!("{}/migrations/{database}", env!("CARGO_MANIFEST_DIR"));
    let names = std::fs::read_dir(directory).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn both_sets_of_migrations_have_the_same_names() {
    assert_eq!(names("sqlite"), names("postgres"));
}

/// As a release left it that knew the migrations before the one of this number.
fn before(backend: &Backend, version: &str) {
    execute(
        backend,
        "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, \
         run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
    );
    let database = if backend.url.starts_with("sqlite:") { "sqlite" } else { "postgres" };
    for name in names(database).iter().filter(|name| name.as_str() < version) {
        let path = format!("{}/migrations/{database}/{name}/up.sql", env!("CARGO_MANIFEST_DIR"));
        execute(backend, &std::fs::read_to_string(path).unwrap());
        execute(backend, &format!("INSERT INTO __diesel_schema_migrations (version) VALUES ('{}')", &name[..4]));
    }
}

#[test]
fn connections_that_an_older_release_has_kept_are_taken_up_again() {
    for backend in both() {
        before(&backend, "0006");
        let [open, lost] = [1, 2].map(|n| Uuid::from_u128((7 << 64) + n));
        let now = clock::now().as_micros();
        for (id, lost_at) in [(open, "NULL".to_owned()), (lost, now.to_string())] {
            let is_sqlite = backend.url.starts_with("sqlite:");
            let id = if is_sqlite { format!("x'{}'", id.simple()) } else { format!("'{id}'") };
            execute(
                &backend,
                &format!(
                    "INSERT INTO recoverable_connections (id, organization_id, user_id, rooms, barrier, stale, \
                     first_kept_at, kept_at, lost_at) VALUES ({id}, {id}, {id}, '[]', 5, 0, {now}, {now}, {lost_at})"
                ),
            );
        }
        backend.run(async |desk| {
            let ids = [open, lost].map(RecoveryId);
            for id in ids {
                let found = desk.store.recall(id).await.unwrap().expect("it is there");
                assert_eq!((found.id, found.barrier, found.taken_up), (id, 5, 0));
                assert_eq!(found.lost_at.is_some(), id.0 == lost);
                let again = Recoverable { taken_up: 1, kept_at: clock::now(), lost_at: None, ..found };
                desk.store.keep(again.clone());
                desk.store.settle().await.unwrap();
                assert_eq!(desk.store.recall(id).await, Ok(Some(again)));
            }
        });
    }
}

#[test]
fn a_new_file_and_its_directory_are_for_this_user_only() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let file = data.join("hub.db");
    migrate(&format!("sqlite:{}", file.display())).unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&data), mode(&file)), (0o700, 0o600));
}

#[test]
fn what_cannot_be_opened_says_why() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "this is no database, just a file that somebody else keeps here").unwrap();
    for (url, expected) in [
        ("mysql://host/name".to_owned(), "expected sqlite:PATH"),
        ("postgres://hub@127.0.0.1:1/hub".to_owned(), "cannot open the database postgres://127.0.0.1:1/hub"),
        (format!("sqlite:{}", file.path().display()), "not a database"),
        (format!("sqlite:{}/below", file.path().display()), "cannot open the database"),
    ] {
        let error = migrate(&url).unwrap_err().to_string();
        assert!(error.contains(expected), "{url}: {error}");
    }
}
