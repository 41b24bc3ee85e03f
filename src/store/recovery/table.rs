//! The connections that are kept, and the floor, as they stand in the database.

use std::sync::Arc;
use std::time::Duration;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::{AsExpression, IntoSql};
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_query;
use diesel::sql_types::BigInt;
use diesel::sqlite::{Sqlite, SqliteValue};

use super::super::connection::{Connection, on};
use super::super::fixed::{Fixed, statement};
use super::super::parameters::{self, Single, array, key, numbers, optional_number, optional_numbers, uuids};
use super::super::reader::Query;
use super::super::schema::{self, recoverable_connections as connections, recovery_floor};
use super::super::values::{Key, number, stored};
use super::{Kept, Step, Stored, Wish};
use crate::domain::{OrgId, Recoverable, RecoverableRoom, RecoveryId, RoomId, Timestamp, UserId};

/// How many connections are marked or removed at a time.
const AT_ONCE: u32 = 1_000;

/// A room, as an array in JSON: short, because a connection may be in many.
type Place = (RoomId, u8, u64);

/// The rooms of a connection that is about to be kept.
#[derive(Debug, Clone, Copy, AsExpression)]
#[diesel(sql_type = schema::Object)]
struct Rooms<'a>(&'a [RecoverableRoom]);

impl Rooms<'_> {
    fn places(&self) -> Vec<Place> {
        self.0.iter().map(|it| (it.room, it.views, it.joined_pos)).collect()
    }
}

impl ToSql<schema::Object, Pg> for Rooms<'_> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        serde_json::to_writer(out, &self.places())?;
        Ok(IsNull::No)
    }
}

impl ToSql<schema::Object, Sqlite> for Rooms<'_> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(serde_json::to_string(&self.places())?);
        Ok(IsNull::No)
    }
}

/// The rooms of a connection that is kept.
#[derive(Debug, Clone, FromSqlRow)]
#[diesel(sql_type = schema::Object)]
struct KeptRooms(Vec<Place>);

impl FromSql<schema::Object, Pg> for KeptRooms {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(serde_json::from_slice(value.as_bytes())?))
    }
}

impl FromSql<schema::Object, Sqlite> for KeptRooms {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        Ok(Self(serde_json::from_str(value.read_text())?))
    }
}

/// What stands in the table under a name.
pub(crate) struct RecoverableOf(pub(crate) RecoveryId);

impl Query for RecoverableOf {
    type Answer = Stored;

    /// The floor is read last: while it rises, too few are found rather than too many.
    fn run(&self, connection: &mut Connection) -> QueryResult<Stored> {
        type Row = (Key, Key, KeptRooms, i64, i64, i64, i64, i64, Option<i64>);
        let row: Option<Row> = on!(connection, c => connections::table
            .find(Key(self.0.0))
            .select((
                connections::organization_id,
                connections::user_id,
                connections::rooms,
                connections::barrier,
                connections::past,
                connections::stale,
                connections::first_kept_at,
                connections::kept_at,
                connections::lost_at,
            ))
            .get_result(c)
            .optional())?;
        let floor: i64 =
            on!(connection, c => recovery_floor::table.find(1_i64).select(recovery_floor::at).get_result(c))?;
        let kept = row.map(|(organization, user, rooms, barrier, past, stale, first_kept_at, kept_at, lost_at)| {
            let room = |(room, views, joined_pos)| RecoverableRoom { room, views, joined_pos };
            let connection = Recoverable {
                id: self.0,
                organization: OrgId(organization.0),
                user: UserId(user.0),
                rooms: rooms.0.into_iter().map(room).collect(),
                barrier: number(barrier),
                past: number(past),
                stale: number(stale),
                kept_at: Timestamp::from_micros(kept_at),
                lost_at: lost_at.map(Timestamp::from_micros),
            };
            Kept { connection: Arc::new(connection), first_kept_at: Timestamp::from_micros(first_kept_at) }
        });
        Ok(Stored { kept, floor: Timestamp::from_micros(floor) })
    }
}

/// Writes what there is about connections, each of them once.
pub(crate) fn write(connection: &mut Connection, steps: &[Step]) -> QueryResult<()> {
    let forgotten: Vec<Key> =
        steps.iter().filter(|step| step.wish == Wish::Forget).map(|step| Key(step.id.0)).collect();
    for ids in forgotten.chunks(AT_ONCE as usize) {
        on!(connection, c => diesel::delete(connections::table.filter(connections::id.eq_any(ids))).execute(c))?;
    }
    let kept: Vec<&Kept> = steps
        .iter()
        .filter_map(|step| match &step.wish {
            Wish::Keep(kept) => Some(kept),
            Wish::Forget => None,
        })
        .collect();
    match connection {
        Connection::Sqlite(c) => write_sqlite(c, &kept),
        Connection::Postgres(c) => write_postgres(c, &kept),
    }
}

/// What is older than what the table says is not written, and whose it is never changes.
macro_rules! put {
    ($values:literal) => {
        concat!(
            "INSERT INTO recoverable_connections (id, organization_id, user_id, rooms, barrier, past, stale, first_kept_at, \
             kept_at, lost_at) ",
            $values,
            " ON CONFLICT (id) DO UPDATE SET rooms = excluded.rooms, barrier = excluded.barrier, \
             past = excluded.past, stale = excluded.stale, kept_at = excluded.kept_at, lost_at = excluded.lost_at \
             WHERE excluded.kept_at >= recoverable_connections.kept_at"
        )
    };
}

fn write_sqlite(connection: &mut SqliteConnection, rows: &[&Kept]) -> QueryResult<()> {
    statement!(Put, put!("VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
    for Kept { connection: kept, first_kept_at } in rows {
        let binds: [Single<'_>; 10] = [
            &key(Key(kept.id.0)),
            &key(Key(kept.organization.0)),
            &key(Key(kept.user.0)),
            &Rooms(&kept.rooms).into_sql::<schema::Object>(),
            &parameters::number(stored(kept.barrier)),
            &parameters::number(stored(kept.past)),
            &parameters::number(stored(kept.stale)),
            &parameters::number(first_kept_at.as_micros()),
            &parameters::number(kept.kept_at.as_micros()),
            &optional_number(kept.lost_at.map(Timestamp::as_micros)),
        ];
        Fixed::<Sqlite, Put, _>::new(&binds).execute(connection)?;
    }
    Ok(())
}

fn write_postgres(connection: &mut PgConnection, rows: &[&Kept]) -> QueryResult<()> {
    statement!(
        Put,
        put!(
            "SELECT unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), \
             unnest(?)"
        )
    );
    if rows.is_empty() {
        return Ok(());
    }
    let kept = || rows.iter().map(|row| &row.connection);
    let binds = [
        uuids(kept().map(|it| it.id.0)),
        uuids(kept().map(|it| it.organization.0)),
        uuids(kept().map(|it| it.user.0)),
        array::<schema::Object, _>(kept().map(|it| Rooms(&it.rooms))),
        numbers(kept().map(|it| stored(it.barrier))),
        numbers(kept().map(|it| stored(it.past))),
        numbers(kept().map(|it| stored(it.stale))),
        numbers(rows.iter().map(|it| it.first_kept_at.as_micros())),
        numbers(kept().map(|it| it.kept_at.as_micros())),
        optional_numbers(kept().map(|it| it.lost_at.map(Timestamp::as_micros))),
    ];
    Fixed::<Pg, Put, _>::new(&binds).execute(connection)?;
    Ok(())
}

/// Who is open now is not taken up again; see the module above.
pub(crate) fn raise_floor(connection: &mut Connection, at: Timestamp) -> QueryResult<()> {
    on!(connection, c => diesel::update(recovery_floor::table.filter(recovery_floor::at.lt(at.as_micros())))
        .set(recovery_floor::at.eq(at.as_micros()))
        .execute(c))?;
    Ok(())
}

/// Connections that were open when their hub died were lost by now: some at a time, of those that were kept before `start`.
/// Returns whether there may be more.
///
/// Those of other hubs that live are marked, too. They are written again as they are with their next change, at the latest
/// when they are lost.
pub(crate) fn mark_lost(connection: &mut Connection, start: Timestamp) -> QueryResult<bool> {
    const TEXT: &str = "UPDATE recoverable_connections SET lost_at = $1 WHERE lost_at IS NULL AND kept_at < $1 AND id IN ( \
         SELECT id FROM recoverable_connections WHERE lost_at IS NULL AND kept_at < $1 LIMIT $2)";
    let marked = on!(connection, c => sql_query(TEXT)
        .bind::<BigInt, _>(start.as_micros())
        .bind::<BigInt, _>(i64::from(AT_ONCE))
        .execute(c))?;
    Ok(marked >= AT_ONCE as usize)
}

/// Removes connections that were lost too long ago, some at a time. Returns whether there may be more.
pub(crate) fn sweep(connection: &mut Connection, now: Timestamp, window: Duration) -> QueryResult<bool> {
    // Another hub may write one anew while this looks for it.
    const TEXT: &str = "DELETE FROM recoverable_connections WHERE lost_at < $1 AND id IN ( \
         SELECT id FROM recoverable_connections WHERE lost_at < $1 ORDER BY lost_at LIMIT $2)";
    let swept = on!(connection, c => sql_query(TEXT)
        .bind::<BigInt, _>((now - window).as_micros())
        .bind::<BigInt, _>(i64::from(AT_ONCE))
        .execute(c))?;
    Ok(swept >= AT_ONCE as usize)
}
