//! A bare writer: what the database takes in if nobody asks it for more than rows.
//!
//! No numbers, no rooms, no checks for repeats; the table has six columns and two indexes. Of 256 senders that wait for
//! their commit, half are in a transaction while the other half make the next one: 128 rows.

use std::fs;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text, Uuid as SqlUuid};
use tertulia::clock;
use uuid::Uuid;

use super::Result;

pub const SENDERS: usize = 256;
const ROWS: usize = SENDERS / 2;

/// Stores a row for each id, all of them in one transaction.
type Write = Box<dyn FnMut(&[Uuid]) -> Result<()>>;

diesel::table! {
    bench_matrix_writer (id) {
        id -> Binary,
        room -> Binary,
        sender -> Binary,
        text -> Text,
        kind -> Text,
        at -> BigInt,
    }
}

/// In URLs of the hub's form.
pub fn messages_per_second(url: &str, warmup: Duration, measured: Duration) -> Result<f64> {
    let mut write: Write = match url.strip_prefix("sqlite:") {
        Some(path) => Box::new(sqlite(path)?),
        None => Box::new(postgres(url)?),
    };
    let mut store_for = |duration: Duration| -> Result<f64> {
        let start = Instant::now();
        let mut stored = 0;
        while start.elapsed() < duration {
            let ids: Vec<Uuid> = (0..ROWS).map(|_| clock::fresh_id()).collect();
            write(&ids)?;
            stored += ids.len();
        }
        Ok(stored as f64 / start.elapsed().as_secs_f64())
    };
    store_for(warmup)?;
    store_for(measured)
}

fn text() -> String {
    "x".repeat(128)
}

fn sqlite(path: &str) -> Result<impl FnMut(&[Uuid]) -> Result<()> + 'static> {
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{path}{suffix}"));
    }
    let mut connection = SqliteConnection::establish(path)?;
    connection.batch_execute(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE bench_matrix_writer (id BLOB PRIMARY KEY, room BLOB NOT NULL, sender BLOB NOT NULL,
             text TEXT NOT NULL, kind TEXT NOT NULL, at BIGINT NOT NULL) WITHOUT ROWID;
         CREATE INDEX bench_matrix_room ON bench_matrix_writer (room, at);",
    )?;
    let text = text();
    Ok(move |ids: &[Uuid]| {
        use bench_matrix_writer::dsl;
        connection.immediate_transaction(|connection| -> std::result::Result<(), diesel::result::Error> {
            for (nth, id) in ids.iter().enumerate() {
                let room = Uuid::from_u128(nth as u128);
                let row = (
                    dsl::id.eq(id.as_bytes().as_slice()),
                    dsl::room.eq(room.as_bytes().as_slice()),
                    dsl::sender.eq(room.as_bytes().as_slice()),
                    dsl::text.eq(&text),
                    dsl::kind.eq("text"),
                    dsl::at.eq(clock::now().as_micros()),
                );
                diesel::insert_into(dsl::bench_matrix_writer).values(row).execute(connection)?;
            }
            Ok(())
        })?;
        Ok(())
    })
}

fn postgres(url: &str) -> Result<impl FnMut(&[Uuid]) -> Result<()> + 'static> {
    let mut connection = PgConnection::establish(url)?;
    connection.batch_execute(
        "SET synchronous_commit = on;
         DROP TABLE IF EXISTS bench_matrix_writer;
         CREATE TABLE bench_matrix_writer (id uuid PRIMARY KEY, room uuid NOT NULL, sender uuid NOT NULL,
             text text NOT NULL, kind text NOT NULL, at bigint NOT NULL);
         CREATE INDEX ON bench_matrix_writer (room, at);",
    )?;
    let (texts, kinds) = (vec![text(); ROWS], vec!["text"; ROWS]);
    let rooms: Vec<Uuid> = (0..ROWS).map(|nth| Uuid::from_u128(nth as u128)).collect();
    let insert = "INSERT INTO bench_matrix_writer (id, room, sender, text, kind, at)
        SELECT * FROM unnest($1, $2, $3, $4, $5, $6)";
    Ok(move |ids: &[Uuid]| {
        diesel::sql_query(insert)
            .bind::<Array<SqlUuid>, _>(ids)
            .bind::<Array<SqlUuid>, _>(&rooms)
            .bind::<Array<SqlUuid>, _>(&rooms)
            .bind::<Array<Text>, _>(&texts)
            .bind::<Array<Text>, _>(&kinds)
            .bind::<Array<BigInt>, _>(vec![clock::now().as_micros(); ids.len()])
            .execute(&mut connection)?;
        Ok(())
    })
}
