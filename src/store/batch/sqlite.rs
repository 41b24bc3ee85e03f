//! The statements of a batch that are SQLite's own: one prepared statement per row.
//!
//! None has a `LIMIT ?` (Diesel's `first`): SQLite plans such a statement anew for every value.

use diesel::prelude::*;
use diesel::upsert::excluded;

use super::super::prepared::Prepared;
use super::super::rows::{MessageRow, NewMarkRow, NewMessageRow};
use super::super::schema::{marks, messages, organizations};
use super::super::values::{Key, stored};
use super::ledger::SentBefore;
use super::tables::{MarkRow, OrganizationRow};
use crate::domain::RoomId;

/// The transaction holds the lock on everything already.
pub(crate) fn organizations(connection: &mut SqliteConnection, ids: &[Key]) -> QueryResult<Vec<OrganizationRow>> {
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let row: Option<OrganizationRow> = organizations::table
            .find(*id)
            .select((organizations::id, organizations::last_pos, organizations::last_at))
            .get_result(connection)
            .optional()?;
        found.extend(row);
    }
    Ok(found)
}

pub(crate) fn sent_before(
    connection: &mut SqliteConnection,
    keys: &[SentBefore<'_>],
) -> QueryResult<Vec<(usize, MessageRow)>> {
    let mut found = Vec::new();
    for key in keys {
        let row = messages::table
            .filter(messages::room_id.eq(Key(key.room.0)))
            .filter(messages::sender_id.eq(Key(key.sender)))
            .filter(messages::client_message_id.eq(key.client_message_id))
            .select(MessageRow::as_select())
            .get_result(connection)
            .optional()?;
        found.extend(row.map(|row| (key.index, row)));
    }
    Ok(found)
}

pub(crate) fn marks(connection: &mut SqliteConnection, users: &[(Key, Key)]) -> QueryResult<Vec<MarkRow>> {
    let mut found = Vec::new();
    for (room, user) in users {
        let rows: Vec<MarkRow> =
            marks::table.filter(marks::room_id.eq(*room)).filter(marks::user_id.eq(*user)).load(connection)?;
        found.extend(rows);
    }
    Ok(found)
}

pub(crate) fn ids_at(connection: &mut SqliteConnection, places: &[(RoomId, u64)]) -> QueryResult<Vec<(i64, Key)>> {
    let mut found = Vec::with_capacity(places.len());
    for (index, (room, seq)) in (0..).zip(places) {
        let id: Option<Key> =
            messages::table.find((Key(room.0), stored(*seq))).select(messages::id).get_result(connection).optional()?;
        found.extend(id.map(|id| (index, id)));
    }
    Ok(found)
}

pub(crate) fn add_messages<'a>(
    connection: &mut SqliteConnection,
    rows: impl Iterator<Item = NewMessageRow<'a>>,
) -> QueryResult<()> {
    for row in rows {
        Prepared(diesel::insert_into(messages::table).values(row)).execute(connection)?;
    }
    Ok(())
}

pub(crate) fn put_marks(connection: &mut SqliteConnection, rows: &[NewMarkRow]) -> QueryResult<()> {
    for row in rows {
        let put = diesel::insert_into(marks::table)
            .values(row)
            .on_conflict((marks::room_id, marks::user_id, marks::kind))
            .do_update()
            .set((
                marks::seq.eq(excluded(marks::seq)),
                marks::pos.eq(excluded(marks::pos)),
                marks::at.eq(excluded(marks::at)),
            ));
        Prepared(put).execute(connection)?;
    }
    Ok(())
}
