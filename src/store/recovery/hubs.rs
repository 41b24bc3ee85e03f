//! The hubs that have the database open, as far as it knows: each says every few seconds that it is there.
//!
//! A connection that was open when its hub died says nothing of that itself; it was lost when its hub was last seen. How
//! long a hub was not seen is measured against when this one was, not against the clock. So while the database is away,
//! and all of them go unseen, none of them grows old; and all times are those of one clock, the database's.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::BigInt;
use uuid::Uuid;

use super::super::connection::{Connection, on};
use super::super::schema;
use super::super::values::Key;
use super::AT_ONCE;

/// A process that has the database open as a hub. Another process, another id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct HubId(pub(crate) Uuid);

/// How often a hub says that it is there, and what follows from that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Beat(pub(crate) Duration);

impl Beat {
    /// Whoever was not seen for longer has died, or cannot reach the database.
    pub(crate) fn missed(self) -> Duration {
        self.0 * 3
    }
}

/// The time by the database's clock, in microseconds.
fn now(connection: &Connection) -> &'static str {
    match connection {
        Connection::Sqlite(_) => "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
        Connection::Postgres(_) => "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Says that this hub is there.
///
/// If it could not for a while, neither could others, perhaps: whoever was there when it was last seen itself has the time
/// from now on to say so. Who was away alone does no harm by it, and who has died is only found later.
pub(crate) fn beat(connection: &mut Connection, hub: HubId, beat: Beat) -> QueryResult<()> {
    let now = now(connection);
    let missed = micros(beat.missed());
    // In one order, so that hubs that come back together do not wait for each other.
    let (lock, hold) = match connection {
        Connection::Sqlite(_) => ("", ""),
        Connection::Postgres(_) => (" ORDER BY id", " FOR UPDATE"),
    };
    let excuse = format!(
        "UPDATE hubs SET seen_at = {now} WHERE id IN (SELECT id FROM hubs WHERE seen_at >= ( \
         SELECT seen_at - $1 FROM hubs WHERE id = $2 AND seen_at < {now} - $1){lock}{hold})"
    );
    let text =
        format!("INSERT INTO hubs (id, seen_at) VALUES ($1, {now}) ON CONFLICT (id) DO UPDATE SET seen_at = {now}");
    on!(connection, c => {
        sql_query(excuse).bind::<BigInt, _>(missed).bind::<schema::Id, _>(Key(hub.0)).execute(c)?;
        sql_query(text).bind::<schema::Id, _>(Key(hub.0)).execute(c)?;
    });
    Ok(())
}

/// For how long a hub has not been seen, while this one was. `None`: it is over, and all that it left is removed.
pub(crate) fn unseen(connection: &mut Connection, hub: HubId, by: HubId) -> QueryResult<Option<Duration>> {
    #[derive(QueryableByName)]
    struct Unseen {
        #[diesel(sql_type = BigInt)]
        micros: i64,
    }
    // Before the first time there is the clock.
    let text = format!(
        "SELECT coalesce((SELECT seen_at FROM hubs WHERE id = $1), {}) - seen_at AS micros FROM hubs WHERE id = $2",
        now(connection)
    );
    let unseen: Option<Unseen> = on!(connection, c => sql_query(text)
        .bind::<schema::Id, _>(Key(by.0))
        .bind::<schema::Id, _>(Key(hub.0))
        .get_result(c)
        .optional())?;
    Ok(unseen.map(|it| Duration::from_micros(u64::try_from(it.micros).unwrap_or(0))))
}

/// Removes what hubs have left open that `by` has not seen for so long, some at a time, and in the end the hubs. Returns
/// whether there may be more.
///
/// A hub that is back before that is finished writes each of its connections anew when it changes, at the latest when it
/// is lost. Until then such a connection is not taken up again anywhere.
pub(crate) fn sweep(connection: &mut Connection, by: HubId, unseen: Duration) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Dead {
        #[diesel(sql_type = schema::Id)]
        id: Key,
    }
    const DEAD: &str =
        "SELECT id FROM hubs WHERE seen_at < (SELECT seen_at - $1 FROM hubs WHERE id = $2) ORDER BY seen_at LIMIT 1";
    // It may be back by now.
    const LEFT: &str = "DELETE FROM recoverable_connections WHERE lost_at IS NULL AND hub = $1 AND id IN ( \
         SELECT id FROM recoverable_connections WHERE lost_at IS NULL AND hub = $1 LIMIT $2) \
         AND EXISTS (SELECT 1 FROM hubs WHERE id = $1 AND seen_at < (SELECT seen_at - $3 FROM hubs WHERE id = $4))";
    const HUB: &str = "DELETE FROM hubs WHERE id = $1 AND seen_at < (SELECT seen_at - $2 FROM hubs WHERE id = $3)";
    let (unseen, by) = (micros(unseen), Key(by.0));
    let dead: Option<Dead> = on!(connection, c => sql_query(DEAD)
        .bind::<BigInt, _>(unseen)
        .bind::<schema::Id, _>(by)
        .get_result(c)
        .optional())?;
    let Some(Dead { id }) = dead else { return Ok(false) };
    let swept = on!(connection, c => sql_query(LEFT)
        .bind::<schema::Id, _>(id)
        .bind::<BigInt, _>(i64::from(AT_ONCE))
        .bind::<BigInt, _>(unseen)
        .bind::<schema::Id, _>(by)
        .execute(c))?;
    if swept < AT_ONCE as usize {
        on!(connection, c => sql_query(HUB)
            .bind::<schema::Id, _>(id)
            .bind::<BigInt, _>(unseen)
            .bind::<schema::Id, _>(by)
            .execute(c))?;
    }
    // There may be another hub.
    Ok(true)
}
