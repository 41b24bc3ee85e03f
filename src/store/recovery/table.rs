//! The connections that are kept, and the floor, as they stand in the database.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::{AsExpression, IntoSql};
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable};
use diesel::sqlite::{Sqlite, SqliteValue};
use uuid::Uuid;

use super::super::connection::{Connection, on};
use super::super::fixed::{Fixed, statement};
use super::super::parameters::{
    self, Single, array, key, numbers, optional_key, optional_number, optional_numbers, optional_uuids, uuids,
};
use super::super::reader::Query;
use super::super::schema::{self, recoverable_connections as connections, recovery_floor};
use super::super::values::{Key, number, stored};
use super::hubs::{self, Beat, HubId};
use super::{AT_ONCE, Holder, Kept, REMEMBERED, Step, Stored, Wish};
use crate::clock;
use crate::domain::{OrgId, Recoverable, RecoverableRoom, RecoveryId, RoomId, Timestamp, UserId};

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

/// What stands in the table under a name, as this hub sees it.
pub(crate) struct RecoverableOf {
    pub(crate) id: RecoveryId,
    pub(crate) hub: HubId,
    pub(crate) beat: Beat,
}

impl RecoverableOf {
    fn row(&self, connection: &mut Connection) -> QueryResult<Option<(Kept, Option<HubId>)>> {
        type Row = (Key, Key, KeptRooms, i64, i64, i64, i64, i64, Option<i64>, i64, i64, Option<Key>);
        let row: Option<Row> = on!(connection, c => connections::table
            .find(Key(self.id.0))
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
                connections::taken_up,
                connections::taken_from,
                connections::hub,
            ))
            .get_result(c)
            .optional())?;
        let Some(row) = row else { return Ok(None) };
        let (
            organization,
            user,
            rooms,
            barrier,
            past,
            stale,
            first_kept_at,
            kept_at,
            lost_at,
            taken_up,
            taken_from,
            hub,
        ) = row;
        let room = |(room, views, joined_pos)| RecoverableRoom { room, views, joined_pos };
        let connection = Recoverable {
            id: self.id,
            organization: OrgId(organization.0),
            user: UserId(user.0),
            rooms: rooms.0.into_iter().map(room).collect(),
            barrier: number(barrier),
            past: number(past),
            stale: number(stale),
            taken_up: number(taken_up),
            taken_from: taken_from.cast_unsigned(),
            kept_at: Timestamp::from_micros(kept_at),
            lost_at: lost_at.map(Timestamp::from_micros),
        };
        let taken_from = connection.taken_from;
        let first_kept_at = Timestamp::from_micros(first_kept_at);
        let kept = Kept { connection: Arc::new(connection), first_kept_at, taken_from };
        Ok(Some((kept, hub.map(|hub| HubId(hub.0)))))
    }

    /// A connection that another hub left open was lost when that hub was last seen. `None`: nobody knows when that was.
    fn as_it_is(&self, mut kept: Kept, by: HubId, connection: &mut Connection) -> QueryResult<Option<Kept>> {
        if kept.connection.lost_at.is_some() {
            return Ok(Some(kept));
        }
        let Some(unseen) = hubs::unseen(connection, by, self.hub)? else { return Ok(None) };
        if unseen > self.beat.missed() {
            // Until it should have said again that it is there, it may have been.
            let lost_at = clock::now() - unseen.saturating_sub(self.beat.0);
            Arc::make_mut(&mut kept.connection).lost_at = Some(lost_at);
        }
        Ok(Some(kept))
    }
}

impl Query for RecoverableOf {
    type Answer = Stored;

    /// The floor is read last: while it rises, too few are found rather than too many.
    fn run(&self, connection: &mut Connection) -> QueryResult<Stored> {
        let kept = match self.row(connection)? {
            Some((kept, Some(by))) if by == self.hub => Some((kept, Holder::This)),
            Some((kept, Some(by))) => self.as_it_is(kept, by, connection)?.map(|kept| (kept, Holder::Another)),
            Some((kept, None)) => Some((kept, Holder::Nobody)),
            None => None,
        };
        let floor: i64 =
            on!(connection, c => recovery_floor::table.find(1_i64).select(recovery_floor::at).get_result(c))?;
        Ok(Stored { kept, floor: Timestamp::from_micros(floor) })
    }
}

/// A line of the table, as it is to be.
struct Row<'a> {
    id: RecoveryId,
    /// `None`: nobody's; whose it was says nothing any more.
    kept: Option<&'a Kept>,
    taken_up: u64,
    at: Timestamp,
}

impl<'a> Row<'a> {
    /// `None`: there is to be none. That a connection was taken up and is over stands there for a while, because another hub
    /// may yet say how it was before.
    fn of(step: &'a Step) -> Option<Self> {
        let (kept, at) = match &step.wish {
            Wish::Forget { taken_up: 0, .. } => return None,
            Wish::Forget { at, .. } => (None, *at),
            Wish::Keep(kept) => (Some(kept), kept.connection.kept_at),
        };
        Some(Self { id: step.id, kept, taken_up: step.wish.taken_up(), at })
    }

    fn connection(&self) -> Option<&'a Recoverable> {
        self.kept.map(|kept| &*kept.connection)
    }

    fn organization(&self) -> Uuid {
        self.connection().map_or(Uuid::nil(), |it| it.organization.0)
    }

    fn user(&self) -> Uuid {
        self.connection().map_or(Uuid::nil(), |it| it.user.0)
    }

    fn rooms(&self) -> Rooms<'a> {
        Rooms(self.connection().map_or(&[], |it| &it.rooms))
    }

    fn barrier(&self) -> i64 {
        self.connection().map_or(0, |it| stored(it.barrier))
    }

    fn past(&self) -> i64 {
        self.connection().map_or(0, |it| stored(it.past))
    }

    fn stale(&self) -> i64 {
        self.connection().map_or(0, |it| stored(it.stale))
    }

    fn first_kept_at(&self) -> i64 {
        self.kept.map_or(self.at, |kept| kept.first_kept_at).as_micros()
    }

    fn lost_at(&self) -> Option<i64> {
        self.connection().map_or(Some(self.at), |it| it.lost_at).map(Timestamp::as_micros)
    }

    fn taken_from(&self) -> i64 {
        self.kept.map_or(0, |kept| kept.taken_from.cast_signed())
    }

    fn digest(&self) -> i64 {
        self.connection().map_or(0, |it| it.digest().cast_signed())
    }

    fn hub(&self, hub: HubId) -> Option<Key> {
        self.kept.map(|_| Key(hub.0))
    }
}

/// Writes what there is about connections, each of them once. Returns those of which it does not count, because another hub
/// has taken them up.
pub(crate) fn write(connection: &mut Connection, steps: &[Step], hub: HubId) -> QueryResult<Vec<RecoveryId>> {
    let forgotten: Vec<Key> = steps.iter().filter(|step| Row::of(step).is_none()).map(|step| Key(step.id.0)).collect();
    for ids in forgotten.chunks(AT_ONCE as usize) {
        let rows = connections::table.filter(connections::id.eq_any(ids)).filter(connections::taken_up.eq(0));
        on!(connection, c => diesel::delete(rows).execute(c))?;
    }
    let rows: Vec<Row<'_>> = steps.iter().filter_map(Row::of).collect();
    let ours: HashSet<Uuid> = match connection {
        Connection::Sqlite(c) => write_sqlite(c, &rows, hub)?,
        Connection::Postgres(c) => write_postgres(c, &rows, hub)?,
    }
    .into_iter()
    .filter_map(|(id, holder)| holder.map(|_| id.0))
    .collect();
    Ok(rows.iter().filter(|row| row.kept.is_some() && !ours.contains(&row.id.0)).map(|row| row.id).collect())
}

/// Whether a line that is written over another is its hub's, or else nobody's.
macro_rules! ours {
    () => {
        "excluded.hub = old.hub OR (excluded.taken_up > old.taken_up AND old.hub IS NOT NULL \
         AND old.digest IN (0, excluded.taken_from))"
    };
}

/// What is older than what the table says is not written, and whose it is never changes. What was said before a connection
/// was taken up is older than what was said since, whatever the clocks of two hubs say. Two hubs that have taken it up at
/// once leave it to nobody, and so does one that has taken it up while it changed elsewhere.
macro_rules! put {
    ($values:literal) => {
        concat!(
            "INSERT INTO recoverable_connections AS old (id, organization_id, user_id, rooms, barrier, past, stale, \
             first_kept_at, kept_at, lost_at, taken_up, taken_from, digest, hub) ",
            $values,
            " ON CONFLICT (id) DO UPDATE SET rooms = excluded.rooms, barrier = excluded.barrier, past = excluded.past, \
             stale = excluded.stale, kept_at = excluded.kept_at, taken_up = excluded.taken_up, \
             taken_from = excluded.taken_from, digest = excluded.digest, lost_at = CASE WHEN ",
            ours!(),
            " THEN excluded.lost_at ELSE excluded.kept_at END, hub = CASE WHEN ",
            ours!(),
            " THEN excluded.hub END \
             WHERE excluded.taken_up > old.taken_up OR (excluded.taken_up = old.taken_up AND \
             CASE WHEN excluded.hub = old.hub THEN excluded.kept_at >= old.kept_at ELSE old.hub IS NOT NULL END) \
             RETURNING id, hub"
        )
    };
}

/// What was written, and by whom it is held from then on.
type Written = Vec<(Key, Option<Key>)>;
type WrittenColumns = (schema::Id, Nullable<schema::Id>);

fn write_sqlite(connection: &mut SqliteConnection, rows: &[Row<'_>], hub: HubId) -> QueryResult<Written> {
    statement!(Put, put!("VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
    let mut written = Vec::with_capacity(rows.len());
    for row in rows {
        let binds: [Single<'_>; 14] = [
            &key(Key(row.id.0)),
            &key(Key(row.organization())),
            &key(Key(row.user())),
            &row.rooms().into_sql::<schema::Object>(),
            &parameters::number(row.barrier()),
            &parameters::number(row.past()),
            &parameters::number(row.stale()),
            &parameters::number(row.first_kept_at()),
            &parameters::number(row.at.as_micros()),
            &optional_number(row.lost_at()),
            &parameters::number(stored(row.taken_up)),
            &parameters::number(row.taken_from()),
            &parameters::number(row.digest()),
            &optional_key(row.hub(hub)),
        ];
        let row: Written = Fixed::<Sqlite, Put, _, WrittenColumns>::new(&binds).load(connection)?;
        written.extend(row);
    }
    Ok(written)
}

fn write_postgres(connection: &mut PgConnection, rows: &[Row<'_>], hub: HubId) -> QueryResult<Written> {
    statement!(
        Put,
        put!(
            "SELECT unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), \
             unnest(?), unnest(?), unnest(?), unnest(?), unnest(?)"
        )
    );
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let binds = [
        uuids(rows.iter().map(|row| row.id.0)),
        uuids(rows.iter().map(Row::organization)),
        uuids(rows.iter().map(Row::user)),
        array::<schema::Object, _>(rows.iter().map(Row::rooms)),
        numbers(rows.iter().map(Row::barrier)),
        numbers(rows.iter().map(Row::past)),
        numbers(rows.iter().map(Row::stale)),
        numbers(rows.iter().map(Row::first_kept_at)),
        numbers(rows.iter().map(|row| row.at.as_micros())),
        optional_numbers(rows.iter().map(Row::lost_at)),
        numbers(rows.iter().map(|row| stored(row.taken_up))),
        numbers(rows.iter().map(Row::taken_from)),
        numbers(rows.iter().map(Row::digest)),
        optional_uuids(rows.iter().map(|row| row.hub(hub))),
    ];
    Fixed::<Pg, Put, _, WrittenColumns>::new(&binds).load(connection)
}

/// Who is open now is not taken up again; see the module above.
pub(crate) fn raise_floor(connection: &mut Connection, at: Timestamp) -> QueryResult<()> {
    on!(connection, c => diesel::update(recovery_floor::table.filter(recovery_floor::at.lt(at.as_micros())))
        .set(recovery_floor::at.eq(at.as_micros()))
        .execute(c))?;
    Ok(())
}

/// Removes connections that were lost too long ago, some at a time. Returns whether there may be more. Those that were taken
/// up again are remembered for longer: another hub may yet say of one how it was before.
pub(crate) fn sweep(connection: &mut Connection, now: Timestamp, window: Duration) -> QueryResult<bool> {
    // Another hub may write one anew while this looks for it.
    const TEXT: &str = "DELETE FROM recoverable_connections WHERE lost_at < $1 AND id IN ( \
         SELECT id FROM recoverable_connections WHERE lost_at < $1 AND (taken_up = 0 OR lost_at < $2) LIMIT $3)";
    let swept = on!(connection, c => sql_query(TEXT)
        .bind::<BigInt, _>((now - window).as_micros())
        .bind::<BigInt, _>((now - window.max(REMEMBERED)).as_micros())
        .bind::<BigInt, _>(i64::from(AT_ONCE))
        .execute(c))?;
    Ok(swept >= AT_ONCE as usize)
}
