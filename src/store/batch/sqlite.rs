//! The statements of a batch that are SQLite's own: one prepared statement per row.
//!
//! None has a `LIMIT ?` (Diesel's `first`): SQLite plans such a statement anew for every value.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::Sqlite;

use super::super::fixed::{Fixed, statement};
use super::super::parameters::{Single, key, number, optional_key, optional_text, text};
use super::super::rows::{MessageRow, NewMarkRow, NewMessageRow};
use super::super::schema::{self, idempotency_keys, marks, messages, organizations};
use super::super::status::Standing;
use super::super::values::{Key, stored};
use super::ledger::{Ledger, SentBefore};
use super::requests::Request;
use super::tables::{MarkRow, NewRequest, OrganizationRow, RequestRow, SpanRow};
use crate::domain::{OrgId, RoomId};

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
            // As the index says it, for the planner.
            .filter(messages::client_message_id.is_not_null())
            .select(MessageRow::as_select())
            .get_result(connection)
            .optional()?;
        found.extend(row.map(|row| (key.index, row)));
    }
    Ok(found)
}

pub(crate) fn requests(
    connection: &mut SqliteConnection,
    asked: &[(usize, OrgId, &Request)],
    after: i64,
) -> QueryResult<Vec<RequestRow>> {
    let mut found = Vec::new();
    for (index, organization, request) in asked {
        let row: Option<(Vec<u8>, Key)> = idempotency_keys::table
            .find((Key(organization.0), Key(request.user.0), &*request.key))
            .filter(idempotency_keys::created_at.gt(after))
            .select((idempotency_keys::fingerprint, idempotency_keys::subject_id))
            .get_result(connection)
            .optional()?;
        found.extend(row.map(|(fingerprint, message)| (*index, fingerprint, message)));
    }
    Ok(found)
}

pub(crate) fn put_requests(connection: &mut SqliteConnection, rows: &[NewRequest<'_>]) -> QueryResult<()> {
    statement!(
        Put,
        "INSERT INTO idempotency_keys (organization_id, user_id, key, fingerprint, subject_id, created_at) \
         VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (organization_id, user_id, key) DO UPDATE SET \
         fingerprint = excluded.fingerprint, subject_id = excluded.subject_id, created_at = excluded.created_at"
    );
    for (organization, request, message, at) in rows {
        let binds: [Single<'_>; 6] = [
            &key(Key(organization.0)),
            &key(Key(request.user.0)),
            &text(&request.key),
            &request.fingerprint.as_slice().into_sql::<Binary>(),
            &key(Key(message.0)),
            &number(at.as_micros()),
        ];
        Fixed::<Sqlite, Put, _>::new(&binds).execute(connection)?;
    }
    Ok(())
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

pub(crate) fn newest(connection: &mut SqliteConnection, spans: &[(RoomId, u64, u64)]) -> QueryResult<Vec<SpanRow>> {
    type Row = (i64, Key, Key, String, String, Option<String>);
    type Answer = (BigInt, schema::Id, schema::Id, Text, Text, Nullable<Text>);
    statement!(
        Newest,
        "SELECT seq, id, sender_id, sender_type, direction, reported_status FROM messages \
         WHERE room_id = ? AND seq > ? AND seq <= ? ORDER BY seq DESC LIMIT 100"
    );
    let mut found = Vec::new();
    for (index, (room, low, high)) in (0..).zip(spans) {
        let binds: [Single<'_>; 3] = [&key(Key(room.0)), &number(stored(*low)), &number(stored(*high))];
        let rows: Vec<Row> = Fixed::<Sqlite, Newest, _, Answer>::new(&binds).load(connection)?;
        let row = |(seq, id, sender, sender_type, direction, status): Row| {
            (index, seq, id, sender, sender_type, direction, status)
        };
        found.extend(rows.into_iter().map(row));
    }
    Ok(found)
}

pub(crate) fn add_messages<'a>(
    connection: &mut SqliteConnection,
    rows: impl Iterator<Item = NewMessageRow<'a>>,
) -> QueryResult<()> {
    statement!(
        Add,
        "INSERT INTO messages (room_id, seq, id, organization_id, pos, sender_id, sender_type, direction, user_name, \
         contact_id, message_type, content, reply_to_id, client_message_id, external_id, created_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    );
    for row in rows {
        let binds: [Single<'_>; 16] = [
            &key(row.room_id),
            &number(row.seq),
            &key(row.id),
            &key(row.organization_id),
            &number(row.pos),
            &key(row.sender_id),
            &text(row.sender_type),
            &text(row.direction),
            &text(row.user_name),
            &optional_key(row.contact_id),
            &text(row.message_type),
            &row.content.into_sql::<schema::Object>(),
            &optional_key(row.reply_to_id),
            &optional_text(row.client_message_id),
            &optional_text(row.external_id),
            &number(row.created_at),
        ];
        Fixed::<Sqlite, Add, _>::new(&binds).execute(connection)?;
    }
    Ok(())
}

pub(crate) fn put_marks(connection: &mut SqliteConnection, rows: &[NewMarkRow]) -> QueryResult<()> {
    statement!(
        Put,
        "INSERT INTO marks (room_id, user_id, kind, seq, pos, at) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT (room_id, user_id, kind) DO UPDATE SET seq = excluded.seq, pos = excluded.pos, at = excluded.at"
    );
    for row in rows {
        let binds: [Single<'_>; 6] = [
            &key(row.room_id),
            &key(row.user_id),
            &text(row.kind),
            &number(row.seq),
            &number(row.pos),
            &number(row.at),
        ];
        Fixed::<Sqlite, Put, _>::new(&binds).execute(connection)?;
    }
    Ok(())
}

pub(crate) fn put_standings(connection: &mut SqliteConnection, rooms: &HashMap<RoomId, Standing>) -> QueryResult<()> {
    statement!(
        Put,
        "UPDATE rooms SET contact_id = ?, read_user = ?, read_seq = ?, read_rest = ?, \
         delivered_user = ?, delivered_seq = ?, delivered_rest = ? WHERE id = ?"
    );
    for (id, Standing { contact, read, delivered, .. }) in rooms {
        let binds: [Single<'_>; 8] = [
            &optional_key(contact.map(|it| Key(it.0))),
            &optional_key(read.user.map(|it| Key(it.0))),
            &number(stored(read.seq)),
            &number(stored(read.rest)),
            &optional_key(delivered.user.map(|it| Key(it.0))),
            &number(stored(delivered.seq)),
            &number(stored(delivered.rest)),
            &key(Key(id.0)),
        ];
        Fixed::<Sqlite, Put, _>::new(&binds).execute(connection)?;
    }
    Ok(())
}

pub(crate) fn advance(connection: &mut SqliteConnection, ledger: &Ledger) -> QueryResult<()> {
    statement!(Advance, "UPDATE organizations SET last_pos = ?, last_at = ? WHERE id = ?");
    for (id, organization) in ledger.advanced() {
        let binds: [Single<'_>; 3] =
            [&number(stored(organization.last_pos)), &number(organization.last_at), &key(Key(id.0))];
        Fixed::<Sqlite, Advance, _>::new(&binds).execute(connection)?;
    }
    Ok(())
}
