//! A bare writer: what the database takes in if nobody asks it for more than rows.
//!
//! No sockets, no numbers, no rooms, no checks for repeats; the table has six columns and two indexes. 256 senders in this
//! process wait for their commits; what comes while a transaction is on its way makes the next one.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text, Uuid as SqlUuid};
use tertulia::clock;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::Result;

pub const SENDERS: usize = 256;

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

struct Row {
    id: Uuid,
    room: Uuid,
    text: String,
    at: i64,
    done: oneshot::Sender<()>,
}

/// Stores all of them in one transaction.
type Write = Box<dyn FnMut(&[Row]) -> Result<()>>;

/// With a URL of the hub's form.
pub fn messages_per_second(url: &str, warmup: Duration, measured: Duration) -> Result<f64> {
    let (rows, queue) = mpsc::channel();
    let url = url.to_owned();
    let writer = thread::spawn(move || write_all(&url, &queue).map_err(|error| error.to_string()));
    let stored = Arc::new(AtomicU64::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    for nth in 0..SENDERS {
        runtime.spawn(send(nth, rows.clone(), Arc::clone(&stored)));
    }
    drop(rows);
    let rate = runtime.block_on(async {
        tokio::time::sleep(warmup).await;
        let (start, before) = (Instant::now(), stored.load(Ordering::Relaxed));
        tokio::time::sleep(measured).await;
        (stored.load(Ordering::Relaxed) - before) as f64 / start.elapsed().as_secs_f64()
    });
    // The senders end with the runtime, and the writer with them.
    drop(runtime);
    writer.join().map_err(|_| "the writer panicked")??;
    Ok(rate)
}

async fn send(nth: usize, rows: mpsc::Sender<Row>, stored: Arc<AtomicU64>) {
    let room = Uuid::from_u128(nth as u128);
    loop {
        let (done, committed) = oneshot::channel();
        let row = Row { id: clock::fresh_id(), room, text: "x".repeat(128), at: clock::now().as_micros(), done };
        if rows.send(row).is_err() || committed.await.is_err() {
            return;
        }
        stored.fetch_add(1, Ordering::Relaxed);
    }
}

fn write_all(url: &str, queue: &mpsc::Receiver<Row>) -> Result<()> {
    let mut write = match url.strip_prefix("sqlite:") {
        Some(path) => sqlite(path)?,
        None => postgres(url)?,
    };
    while let Ok(first) = queue.recv() {
        let batch: Vec<Row> = std::iter::once(first).chain(queue.try_iter().take(SENDERS - 1)).collect();
        write(&batch)?;
        for row in batch {
            // Whoever has left does not wait for it.
            let _ = row.done.send(());
        }
    }
    Ok(())
}

fn sqlite(path: &str) -> Result<Write> {
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
    Ok(Box::new(move |rows| {
        use bench_matrix_writer::dsl;
        connection.immediate_transaction(|connection| -> std::result::Result<(), diesel::result::Error> {
            for row in rows {
                let values = (
                    dsl::id.eq(row.id.as_bytes().as_slice()),
                    dsl::room.eq(row.room.as_bytes().as_slice()),
                    dsl::sender.eq(row.room.as_bytes().as_slice()),
                    dsl::text.eq(&row.text),
                    dsl::kind.eq("text"),
                    dsl::at.eq(row.at),
                );
                diesel::insert_into(dsl::bench_matrix_writer).values(values).execute(connection)?;
            }
            Ok(())
        })?;
        Ok(())
    }))
}

fn postgres(url: &str) -> Result<Write> {
    let mut connection = PgConnection::establish(url)?;
    connection.batch_execute(
        "SET synchronous_commit = on;
         DROP TABLE IF EXISTS bench_matrix_writer;
         CREATE TABLE bench_matrix_writer (id uuid PRIMARY KEY, room uuid NOT NULL, sender uuid NOT NULL,
             text text NOT NULL, kind text NOT NULL, at bigint NOT NULL);
         CREATE INDEX ON bench_matrix_writer (room, at);",
    )?;
    let insert = "INSERT INTO bench_matrix_writer (id, room, sender, text, kind, at)
        SELECT * FROM unnest($1, $2, $3, $4, $5, $6)";
    Ok(Box::new(move |rows| {
        let rooms: Vec<Uuid> = rows.iter().map(|row| row.room).collect();
        diesel::sql_query(insert)
            .bind::<Array<SqlUuid>, _>(rows.iter().map(|row| row.id).collect::<Vec<_>>())
            .bind::<Array<SqlUuid>, _>(&rooms)
            .bind::<Array<SqlUuid>, _>(&rooms)
            .bind::<Array<Text>, _>(rows.iter().map(|row| &row.text).collect::<Vec<_>>())
            .bind::<Array<Text>, _>(vec!["text"; rows.len()])
            .bind::<Array<BigInt>, _>(rows.iter().map(|row| row.at).collect::<Vec<_>>())
            .execute(&mut connection)?;
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_really_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("writer.db").display().to_string();
        let span = Duration::from_millis(100);
        let rate = messages_per_second(&format!("sqlite:{path}"), span, span).unwrap();
        let mut connection = SqliteConnection::establish(&path).unwrap();
        let rows: i64 = bench_matrix_writer::table.count().get_result(&mut connection).unwrap();
        assert!(rate > 0.0 && rows as f64 >= rate * 0.1, "{rate} a second, {rows} rows");
    }

    #[test]
    fn a_database_that_is_not_there_is_an_error() {
        let span = Duration::from_millis(10);
        assert!(messages_per_second("sqlite:/nowhere/at/all.db", span, span).is_err());
    }
}
