//! What a batch asks of the tables and writes into them, for either database.
//!
//! SQLite answers within the process, so there it is one prepared statement per row. Postgres is a round trip away, so
//! there it is one statement per batch, with arrays for parameters.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::result::Error::DeserializationError;

use super::super::connection::{Connection, on};
use super::super::rows::{MessageRow, NewMarkRow, NewMemberRow, NewMessageRow, NewRoomRow, StandingRow};
use super::super::schema::{members, messages, organizations, rooms};
use super::super::status::Standing;
use super::super::values::Key;
use super::ledger::{Ledger, SentBefore};
use super::requests::Request;
use super::{Job, Verdict, Work, postgres, sqlite};
use crate::clock;
use crate::domain::{MarkKind, MessageId, OrgId, RoomId, Timestamp};

pub(crate) type OrganizationRow = (Key, i64, i64);
pub(crate) type RoomRow = (Key, Key, Option<i64>, StandingRow);
pub(crate) type MarkRow = (Key, Key, String, i64, i64, i64);
pub(crate) type PlaceRow = (Key, Key, i64);
/// A span, and of a message in it its number, its id, whose it is, which way it goes, and what the outside said of it.
pub(crate) type SpanRow = (i64, i64, Key, Key, String, String, Option<String>);
pub(crate) type RequestRow = (usize, Vec<u8>, Key);
pub(crate) type NewRequest<'a> = (OrgId, &'a Request, MessageId, Timestamp);

/// How many messages of a span are read at a time.
pub(crate) const SPAN: usize = 100;

/// Takes the locks of these organizations, in this order, making those that are missing.
pub(crate) fn lock(connection: &mut Connection, ids: &[Key]) -> QueryResult<Vec<OrganizationRow>> {
    let held = locked(connection, ids)?;
    if held.len() == ids.len() {
        return Ok(held);
    }
    let now = clock::now().as_micros();
    for id in ids {
        let row = (
            organizations::id.eq(*id),
            organizations::last_pos.eq(0),
            organizations::last_at.eq(now),
            organizations::created_at.eq(now),
        );
        on!(connection, c => diesel::insert_into(organizations::table).values(row).on_conflict_do_nothing().execute(c))?;
    }
    locked(connection, ids)
}

fn locked(connection: &mut Connection, ids: &[Key]) -> QueryResult<Vec<OrganizationRow>> {
    match connection {
        Connection::Sqlite(c) => sqlite::organizations(c, ids),
        Connection::Postgres(c) => postgres::lock(c, ids),
    }
}

pub(crate) fn rooms(connection: &mut Connection, ids: &[Key]) -> QueryResult<Vec<RoomRow>> {
    on!(connection, c => rooms::table
        .filter(rooms::id.eq_any(ids))
        .select((
            rooms::id,
            rooms::organization_id,
            messages::table
                .filter(messages::room_id.eq(rooms::id))
                .select(diesel::dsl::max(messages::seq))
                .single_value(),
            StandingRow::as_select(),
        ))
        .load(c))
}

/// The messages that were sent before under these keys, each with the job that asked.
pub(crate) fn sent_before(
    connection: &mut Connection,
    keys: &[SentBefore<'_>],
) -> QueryResult<Vec<(usize, MessageRow)>> {
    match connection {
        Connection::Sqlite(c) => sqlite::sent_before(c, keys),
        Connection::Postgres(c) => postgres::sent_before(c, keys),
    }
}

pub(crate) fn messages(connection: &mut Connection, ids: &[Key]) -> QueryResult<Vec<MessageRow>> {
    on!(connection, c => messages::table.filter(messages::id.eq_any(ids)).select(MessageRow::as_select()).load(c))
}

/// These messages, each with what its status hangs on.
pub(crate) fn messages_standing(
    connection: &mut Connection,
    ids: &[Key],
) -> QueryResult<Vec<(MessageRow, StandingRow)>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    on!(connection, c => messages::table
        .inner_join(rooms::table.on(rooms::id.eq(messages::room_id)))
        .filter(messages::id.eq_any(ids))
        .select((MessageRow::as_select(), StandingRow::as_select()))
        .load(c))
}

/// Which of these requests came before, later than `after`: each with the job that asks, its fingerprint, and its message.
pub(crate) fn requests(
    connection: &mut Connection,
    asked: &[(usize, OrgId, &Request)],
    after: i64,
) -> QueryResult<Vec<RequestRow>> {
    match connection {
        Connection::Sqlite(c) => sqlite::requests(c, asked, after),
        Connection::Postgres(c) => postgres::requests(c, asked, after),
    }
}

/// Keeps the keys of requests, in the place of those that are not honoured any more.
pub(crate) fn put_requests(connection: &mut Connection, rows: &[NewRequest<'_>]) -> QueryResult<()> {
    match connection {
        Connection::Sqlite(c) => sqlite::put_requests(c, rows),
        Connection::Postgres(c) => postgres::put_requests(c, rows),
    }
}

/// Where the marks of these users in these rooms stand.
pub(crate) fn marks(connection: &mut Connection, users: &[(Key, Key)]) -> QueryResult<Vec<MarkRow>> {
    match connection {
        Connection::Sqlite(c) => sqlite::marks(c, users),
        Connection::Postgres(c) => postgres::marks(c, users),
    }
}

/// In which rooms and under which `seq` these messages stand.
pub(crate) fn places(connection: &mut Connection, ids: &[Key]) -> QueryResult<Vec<PlaceRow>> {
    on!(connection, c => messages::table
        .filter(messages::id.eq_any(ids))
        .select((messages::id, messages::room_id, messages::seq))
        .load(c))
}

/// The ids of the messages in these places, each with the index of its place.
pub(crate) fn ids_at(connection: &mut Connection, places: &[(RoomId, u64)]) -> QueryResult<Vec<(i64, Key)>> {
    match connection {
        Connection::Sqlite(c) => sqlite::ids_at(c, places),
        Connection::Postgres(c) => postgres::ids_at(c, places),
    }
}

/// Of each of these spans, a room's messages after one number and up to another, the newest [`SPAN`], the newest first.
pub(crate) fn newest(connection: &mut Connection, spans: &[(RoomId, u64, u64)]) -> QueryResult<Vec<SpanRow>> {
    match connection {
        Connection::Sqlite(c) => sqlite::newest(c, spans),
        Connection::Postgres(c) => postgres::newest(c, spans),
    }
}

pub(crate) fn add_rooms(
    connection: &mut Connection,
    new: &[NewRoomRow<'_>],
    owners: &[NewMemberRow],
) -> QueryResult<()> {
    for room in new {
        on!(connection, c => diesel::insert_into(rooms::table).values(room).execute(c))?;
    }
    for owner in owners {
        on!(connection, c => diesel::insert_into(members::table).values(owner).execute(c))?;
    }
    Ok(())
}

/// Adds the messages that `verdicts` call stored.
pub(crate) fn add_messages(connection: &mut Connection, jobs: &[Job], verdicts: &[Verdict]) -> QueryResult<()> {
    let rows = new_messages(jobs, verdicts);
    match connection {
        Connection::Sqlite(c) => sqlite::add_messages(c, rows),
        Connection::Postgres(c) => postgres::add_messages(c, &rows.collect::<Vec<_>>()),
    }
}

pub(crate) fn new_messages<'a>(jobs: &'a [Job], verdicts: &[Verdict]) -> impl Iterator<Item = NewMessageRow<'a>> {
    jobs.iter().zip(verdicts).filter_map(|(job, verdict)| match (&job.work, verdict) {
        (Work::Message(message), Verdict::Stored) => Some(NewMessageRow::from(message)),
        _ => None,
    })
}

pub(crate) fn put_marks(connection: &mut Connection, marks: &[NewMarkRow]) -> QueryResult<()> {
    // In the order of `pos`, so that of two for one user the later stands.
    match connection {
        Connection::Sqlite(c) => sqlite::put_marks(c, marks),
        Connection::Postgres(c) => postgres::put_marks(c, marks),
    }
}

/// Writes how far people have come in the rooms where that has changed.
pub(crate) fn put_standings(connection: &mut Connection, rooms: &HashMap<RoomId, Standing>) -> QueryResult<()> {
    match connection {
        Connection::Sqlite(c) => sqlite::put_standings(c, rooms),
        Connection::Postgres(c) => postgres::put_standings(c, rooms),
    }
}

/// Writes where the organizations' numbering stands.
pub(crate) fn advance(connection: &mut Connection, ledger: &Ledger) -> QueryResult<()> {
    match connection {
        Connection::Sqlite(c) => sqlite::advance(c, ledger),
        Connection::Postgres(c) => postgres::advance(c, ledger),
    }
}

pub(crate) const fn mark_word(kind: MarkKind) -> &'static str {
    match kind {
        MarkKind::Delivered => "delivered",
        MarkKind::Read => "read",
    }
}

pub(crate) fn mark_kind(word: &str) -> QueryResult<MarkKind> {
    match word {
        "delivered" => Ok(MarkKind::Delivered),
        "read" => Ok(MarkKind::Read),
        _ => Err(DeserializationError(format!("`{word}` is no mark kind: expected delivered or read").into())),
    }
}
