//! The statements of a batch that are Postgres's own: one round trip for all rows, prepared once per connection.

use std::collections::HashMap;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text, Uuid as SqlUuid};

use super::super::fixed::{Fixed, statement};
use super::super::parameters::{Column, array, numbers, optional_texts, optional_uuids, texts, uuids};
use super::super::rows::{MessageRow, NewMarkRow, NewMessageRow};
use super::super::schema::{self, organizations};
use super::super::status::Standing;
use super::super::values::{Key, stored};
use super::ledger::{Ledger, Organization, SentBefore};
use super::requests::Request;
use super::tables::{MarkRow, NewRequest, OrganizationRow, RequestRow, SpanRow};
use crate::domain::{OrgId, RoomId, UserId};

pub(crate) fn lock(connection: &mut PgConnection, ids: &[Key]) -> QueryResult<Vec<OrganizationRow>> {
    organizations::table
        .filter(organizations::id.eq_any(ids))
        .order(organizations::id)
        .select((organizations::id, organizations::last_pos, organizations::last_at))
        .for_no_key_update()
        .load(connection)
}

pub(crate) fn sent_before(
    connection: &mut PgConnection,
    keys: &[SentBefore<'_>],
) -> QueryResult<Vec<(usize, MessageRow)>> {
    type Answer = (BigInt, diesel::dsl::SqlTypeOf<diesel::dsl::AsSelect<MessageRow, Pg>>);
    statement!(
        SentBeforeThese,
        "SELECT k.job, m.room_id, m.seq, m.id, m.organization_id, m.pos, m.sender_id, m.sender_type, \
         m.direction, m.user_name, m.contact_id, m.message_type, m.content, m.reply_to_id, m.client_message_id, \
         m.created_at, m.changed_pos, m.edited_at, m.deleted_at, m.deleted_by, m.external_id, m.reported_status, \
         m.delivered_at, m.read_at \
         FROM unnest(?, ?, ?, ?) AS k (job, room_id, sender_id, client_message_id) \
         JOIN messages m USING (room_id, sender_id, client_message_id) WHERE m.client_message_id IS NOT NULL"
    );
    let binds = vec![
        numbers(keys.iter().map(|key| i64::try_from(key.index).unwrap_or(i64::MAX))),
        uuids(keys.iter().map(|key| key.room.0)),
        uuids(keys.iter().map(|key| key.sender)),
        texts(keys.iter().map(|key| key.client_message_id)),
    ];
    let rows: Vec<(i64, MessageRow)> = Fixed::<Pg, SentBeforeThese, _, Answer>::new(&binds).load(connection)?;
    Ok(rows.into_iter().filter_map(|(job, row)| Some((usize::try_from(job).ok()?, row))).collect())
}

pub(crate) fn requests(
    connection: &mut PgConnection,
    asked: &[(usize, OrgId, &Request)],
    after: i64,
) -> QueryResult<Vec<RequestRow>> {
    statement!(
        Asked,
        "SELECT k.job, i.fingerprint, i.subject_id \
         FROM unnest(?, ?, ?, ?) AS k (job, organization_id, user_id, key) \
         JOIN idempotency_keys i USING (organization_id, user_id, key) WHERE i.created_at > ?"
    );
    let binds = vec![
        numbers(asked.iter().map(|(index, _, _)| i64::try_from(*index).unwrap_or(i64::MAX))),
        uuids(asked.iter().map(|(_, organization, _)| organization.0)),
        uuids(asked.iter().map(|(_, _, request)| request.user.0)),
        texts(asked.iter().map(|(_, _, request)| &*request.key)),
        Box::new(after.into_sql::<BigInt>()),
    ];
    let rows: Vec<(i64, Vec<u8>, Key)> =
        Fixed::<Pg, Asked, _, (BigInt, Binary, schema::Id)>::new(&binds).load(connection)?;
    Ok(rows
        .into_iter()
        .filter_map(|(job, print, message)| Some((usize::try_from(job).ok()?, print, message)))
        .collect())
}

pub(crate) fn put_requests(connection: &mut PgConnection, rows: &[NewRequest<'_>]) -> QueryResult<()> {
    statement!(
        Put,
        "INSERT INTO idempotency_keys (organization_id, user_id, key, fingerprint, subject_id, created_at) \
         SELECT * FROM unnest(?, ?, ?, ?, ?, ?) ON CONFLICT (organization_id, user_id, key) DO UPDATE SET \
         fingerprint = excluded.fingerprint, subject_id = excluded.subject_id, created_at = excluded.created_at"
    );
    let binds = vec![
        uuids(rows.iter().map(|(organization, ..)| organization.0)),
        uuids(rows.iter().map(|(_, request, ..)| request.user.0)),
        texts(rows.iter().map(|(_, request, ..)| &*request.key)),
        array::<Binary, _>(rows.iter().map(|(_, request, ..)| request.fingerprint.to_vec())),
        uuids(rows.iter().map(|(_, _, message, _)| message.0)),
        numbers(rows.iter().map(|(.., at)| at.as_micros())),
    ];
    Fixed::<Pg, Put, _>::new(&binds).execute(connection)?;
    Ok(())
}

pub(crate) fn marks(connection: &mut PgConnection, users: &[(Key, Key)]) -> QueryResult<Vec<MarkRow>> {
    type Answer = (schema::Id, schema::Id, Text, BigInt, BigInt, BigInt);
    statement!(
        MarksOf,
        "SELECT room_id, user_id, m.kind, m.seq, m.pos, m.at \
         FROM unnest(?, ?) AS k (room_id, user_id) JOIN marks m USING (room_id, user_id)"
    );
    let binds = vec![uuids(users.iter().map(|(room, _)| room.0)), uuids(users.iter().map(|(_, user)| user.0))];
    Fixed::<Pg, MarksOf, _, Answer>::new(&binds).load(connection)
}

pub(crate) fn ids_at(connection: &mut PgConnection, places: &[(RoomId, u64)]) -> QueryResult<Vec<(i64, Key)>> {
    statement!(
        IdsAt,
        "SELECT k.place - 1, m.id FROM unnest(?, ?) WITH ORDINALITY AS k (room_id, seq, place) \
         JOIN messages m USING (room_id, seq)"
    );
    let binds = vec![uuids(places.iter().map(|(room, _)| room.0)), numbers(places.iter().map(|(_, seq)| stored(*seq)))];
    Fixed::<Pg, IdsAt, _, (BigInt, schema::Id)>::new(&binds).load(connection)
}

pub(crate) fn newest(connection: &mut PgConnection, spans: &[(RoomId, u64, u64)]) -> QueryResult<Vec<SpanRow>> {
    type Answer = (BigInt, BigInt, schema::Id, schema::Id, Text, Text, Nullable<Text>);
    statement!(
        Newest,
        "SELECT k.span - 1, m.seq, m.id, m.sender_id, m.sender_type, m.direction, m.reported_status \
         FROM unnest(?, ?, ?) WITH ORDINALITY AS k (room_id, low, high, span) CROSS JOIN LATERAL ( \
         SELECT * FROM messages WHERE room_id = k.room_id AND seq > k.low AND seq <= k.high \
         ORDER BY seq DESC LIMIT 100) AS m ORDER BY k.span, m.seq DESC"
    );
    let binds = vec![
        uuids(spans.iter().map(|(room, ..)| room.0)),
        numbers(spans.iter().map(|(_, low, _)| stored(*low))),
        numbers(spans.iter().map(|(.., high)| stored(*high))),
    ];
    Fixed::<Pg, Newest, _, Answer>::new(&binds).load(connection)
}

pub(crate) fn add_messages(connection: &mut PgConnection, rows: &[NewMessageRow<'_>]) -> QueryResult<()> {
    statement!(
        Add,
        "INSERT INTO messages (organization_id, created_at, pos, room_id, seq, id, sender_id, sender_type, \
         direction, user_name, contact_id, message_type, content, reply_to_id, client_message_id, external_id) \
         SELECT unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), \
         unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?)"
    );
    if rows.is_empty() {
        return Ok(());
    }
    let mut binds =
        vec![uuids(rows.iter().map(|row| row.organization_id.0)), numbers(rows.iter().map(|row| row.created_at))];
    binds.extend(columns(rows));
    Fixed::<Pg, Add, _>::new(&binds).execute(connection)?;
    Ok(())
}

/// Adds messages and advances their organization in one statement, which is a transaction of its own. Returns false, and
/// has done nothing, where the organization does not stand at `before`.
///
/// `rows` follow each other from `before` on, and share organization and time.
pub(crate) fn add_at_once(
    connection: &mut PgConnection,
    (id, before, organization): (OrgId, u64, &Organization),
    rows: &[NewMessageRow<'_>],
) -> QueryResult<bool> {
    statement!(
        AddAtOnce,
        "WITH organization AS ( \
         UPDATE organizations SET last_pos = ?, last_at = ? WHERE id = ? AND last_pos = ? RETURNING id, last_at) \
         INSERT INTO messages (organization_id, created_at, pos, room_id, seq, id, sender_id, sender_type, direction, \
         user_name, contact_id, message_type, content, reply_to_id, client_message_id, external_id) \
         SELECT id, last_at, unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), \
         unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?) FROM organization"
    );
    let mut binds: Vec<Column<'_>> = vec![
        Box::new(stored(organization.last_pos).into_sql::<BigInt>()),
        Box::new(organization.last_at.into_sql::<BigInt>()),
        Box::new(id.0.into_sql::<SqlUuid>()),
        Box::new(stored(before).into_sql::<BigInt>()),
    ];
    binds.extend(columns(rows));
    Ok(Fixed::<Pg, AddAtOnce, _>::new(&binds).execute(connection)? == rows.len())
}

/// The columns in which messages of one organization and batch differ, one array each. In a select list they are taken
/// apart side by side, row by row; in a FROM clause each would be laid out in a table of its own first.
fn columns<'a>(rows: &[NewMessageRow<'a>]) -> [Column<'a>; 14] {
    [
        numbers(rows.iter().map(|row| row.pos)),
        uuids(rows.iter().map(|row| row.room_id.0)),
        numbers(rows.iter().map(|row| row.seq)),
        uuids(rows.iter().map(|row| row.id.0)),
        uuids(rows.iter().map(|row| row.sender_id.0)),
        texts(rows.iter().map(|row| row.sender_type)),
        texts(rows.iter().map(|row| row.direction)),
        texts(rows.iter().map(|row| row.user_name)),
        optional_uuids(rows.iter().map(|row| row.contact_id)),
        texts(rows.iter().map(|row| row.message_type)),
        array::<schema::Object, _>(rows.iter().map(|row| row.content)),
        optional_uuids(rows.iter().map(|row| row.reply_to_id)),
        optional_texts(rows.iter().map(|row| row.client_message_id)),
        optional_texts(rows.iter().map(|row| row.external_id)),
    ]
}

pub(crate) fn put_marks(connection: &mut PgConnection, rows: &[NewMarkRow]) -> QueryResult<()> {
    statement!(
        Put,
        "INSERT INTO marks (room_id, user_id, kind, seq, pos, at) \
         SELECT DISTINCT ON (room_id, user_id, kind) * FROM unnest(?, ?, ?, ?, ?, ?) AS k (room_id, user_id, kind, seq, pos, at) \
         ORDER BY room_id, user_id, kind, pos DESC \
         ON CONFLICT (room_id, user_id, kind) DO UPDATE SET seq = excluded.seq, pos = excluded.pos, at = excluded.at"
    );
    if rows.is_empty() {
        return Ok(());
    }
    let binds = vec![
        uuids(rows.iter().map(|row| row.room_id.0)),
        uuids(rows.iter().map(|row| row.user_id.0)),
        texts(rows.iter().map(|row| row.kind)),
        numbers(rows.iter().map(|row| row.seq)),
        numbers(rows.iter().map(|row| row.pos)),
        numbers(rows.iter().map(|row| row.at)),
    ];
    Fixed::<Pg, Put, _>::new(&binds).execute(connection)?;
    Ok(())
}

pub(crate) fn put_standings(connection: &mut PgConnection, rooms: &HashMap<RoomId, Standing>) -> QueryResult<()> {
    statement!(
        Put,
        "UPDATE rooms SET contact_id = k.contact_id, read_user = k.read_user, read_seq = k.read_seq, read_rest = k.read_rest, \
         delivered_user = k.delivered_user, delivered_seq = k.delivered_seq, delivered_rest = k.delivered_rest \
         FROM unnest(?, ?, ?, ?, ?, ?, ?, ?) AS k (id, contact_id, read_user, read_seq, read_rest, delivered_user, \
         delivered_seq, delivered_rest) WHERE rooms.id = k.id"
    );
    if rooms.is_empty() {
        return Ok(());
    }
    let standings = || rooms.values();
    let user = |user: Option<UserId>| user.map(|it| Key(it.0));
    let binds = vec![
        uuids(rooms.keys().map(|id| id.0)),
        optional_uuids(standings().map(|it| it.contact.map(|contact| Key(contact.0)))),
        optional_uuids(standings().map(|it| user(it.read.user))),
        numbers(standings().map(|it| stored(it.read.seq))),
        numbers(standings().map(|it| stored(it.read.rest))),
        optional_uuids(standings().map(|it| user(it.delivered.user))),
        numbers(standings().map(|it| stored(it.delivered.seq))),
        numbers(standings().map(|it| stored(it.delivered.rest))),
    ];
    Fixed::<Pg, Put, _>::new(&binds).execute(connection)?;
    Ok(())
}

pub(crate) fn advance(connection: &mut PgConnection, ledger: &Ledger) -> QueryResult<()> {
    statement!(
        Advance,
        "UPDATE organizations SET last_pos = k.last_pos, last_at = k.last_at \
         FROM unnest(?, ?, ?) AS k (id, last_pos, last_at) WHERE organizations.id = k.id"
    );
    if ledger.advanced().next().is_none() {
        return Ok(());
    }
    let binds = vec![
        uuids(ledger.advanced().map(|(id, _)| id.0)),
        numbers(ledger.advanced().map(|(_, it)| stored(it.last_pos))),
        numbers(ledger.advanced().map(|(_, it)| it.last_at)),
    ];
    Fixed::<Pg, Advance, _>::new(&binds).execute(connection)?;
    Ok(())
}
