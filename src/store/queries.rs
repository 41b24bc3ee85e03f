//! What the hub reads: a room as one user meets it, a piece of a room's past, where rooms stand.

use std::sync::Arc;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::batch::mark_kind;
use super::connection::{Connection, on};
use super::reader::Query;
use super::rows::{self, MessageRow, StandingRow, membership, spelled};
use super::schema::{self, members, messages, organizations, rooms};
use super::values::{Key, number, stored};
use crate::domain::{ContactId, Deletion, Event, Mark, Message, MessageId, OrgId, RoomId, Timestamp, UserId};
use crate::hub::ports::{Access, After, Head, Page};

/// How many rooms are asked about in one statement.
const ROOMS_AT_ONCE: usize = 1_000;

/// The marks of a room after a `pos`, each with the newest message that it covers, and the newest of those that it could
/// have moved: none of its user's own, and where a contact is known, only what came from the contact. So many messages
/// back nobody looks for that one.
const MARKS: &str = "SELECT k.user_id, k.kind, k.seq, k.pos, k.at, m.id AS message_id, ( \
         SELECT o.id FROM messages o WHERE o.room_id = k.room_id AND o.seq <= k.seq AND o.seq > k.seq - 1000 \
         AND (o.sender_id <> k.user_id OR o.sender_type = 'contact') \
         AND (o.direction = 'inbound' OR r.contact_id IS NULL OR r.kind <> 'conversation') \
         ORDER BY o.seq DESC LIMIT 1) AS moved_id \
     FROM marks k JOIN rooms r ON r.id = k.room_id JOIN messages m ON m.room_id = k.room_id AND m.seq = k.seq \
     WHERE k.room_id = $1 AND k.pos > $2 ORDER BY k.pos LIMIT $3";

#[derive(QueryableByName)]
struct MarkRow {
    #[diesel(sql_type = schema::Id)]
    user_id: Key,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = BigInt)]
    pos: i64,
    #[diesel(sql_type = BigInt)]
    at: i64,
    #[diesel(sql_type = schema::Id)]
    message_id: Key,
    #[diesel(sql_type = Nullable<schema::Id>)]
    moved_id: Option<Key>,
}

/// See `Store::access`.
pub(crate) struct AccessOf {
    pub(crate) organization: OrgId,
    pub(crate) room: RoomId,
    pub(crate) user: UserId,
}

impl Query for AccessOf {
    type Answer = Option<Access>;

    /// One statement, and with it one snapshot.
    fn run(&self, connection: &mut Connection) -> QueryResult<Option<Access>> {
        type Place = Option<(String, bool, bool)>;
        type Row = (String, Option<i64>, Option<Key>, Place, i64, Option<i64>, i64);
        let row: Option<Row> = on!(connection, c => rooms::table
            .inner_join(organizations::table.on(organizations::id.eq(rooms::organization_id)))
            .left_join(members::table.on(members::room_id.eq(rooms::id).and(members::user_id.eq(Key(self.user.0)))))
            .filter(rooms::id.eq(Key(self.room.0)))
            .filter(rooms::organization_id.eq(Key(self.organization.0)))
            .select((
                rooms::kind,
                rooms::archived_at,
                rooms::contact_id,
                (members::role, members::muted, members::banned).nullable(),
                rooms::acl_version,
                messages::table
                    .filter(messages::room_id.eq(rooms::id))
                    .select(diesel::dsl::max(messages::seq))
                    .single_value(),
                organizations::last_pos,
            ))
            .get_result(c)
            .optional())?;
        row.map(|(kind, archived_at, contact, member, acl_version, last_seq, last_pos)| {
            Ok(Access {
                kind: spelled(&kind)?,
                archived: archived_at.is_some(),
                contact: contact.map(|id| ContactId(id.0)),
                member: member.map(|(role, muted, banned)| membership(&role, muted, banned)).transpose()?,
                acl_version: number(acl_version),
                last_seq: number(last_seq.unwrap_or(0)),
                last_pos: number(last_pos),
            })
        })
        .transpose()
    }
}

/// See `Store::heads`.
pub(crate) struct HeadsOf {
    pub(crate) rooms: Vec<RoomId>,
}

impl Query for HeadsOf {
    type Answer = Vec<Head>;

    fn run(&self, connection: &mut Connection) -> QueryResult<Vec<Head>> {
        connection.snapshot(|connection| {
            let mut heads = Vec::with_capacity(self.rooms.len());
            for ids in self.rooms.chunks(ROOMS_AT_ONCE) {
                let ids: Vec<Key> = ids.iter().map(|id| Key(id.0)).collect();
                let rows: Vec<(Key, Option<i64>, Option<i64>, i64)> = on!(connection, c => rooms::table
                    .inner_join(organizations::table.on(organizations::id.eq(rooms::organization_id)))
                    .filter(rooms::id.eq_any(ids))
                    .select((
                        rooms::id,
                        messages::table
                            .filter(messages::room_id.eq(rooms::id))
                            .select(diesel::dsl::max(messages::seq))
                            .single_value(),
                        messages::table
                            .filter(messages::room_id.eq(rooms::id))
                            .filter(messages::changed_pos.is_not_null())
                            .select(diesel::dsl::max(messages::changed_pos))
                            .single_value(),
                        organizations::last_pos,
                    ))
                    .load(c))?;
                heads.extend(rows.into_iter().map(|(room, last_seq, last_changed_pos, last_pos)| Head {
                    room: RoomId(room.0),
                    last_seq: number(last_seq.unwrap_or(0)),
                    last_changed_pos: last_changed_pos.map(number),
                    last_pos: number(last_pos),
                }));
            }
            Ok(heads)
        })
    }
}

/// See `Store::page`.
pub(crate) struct PageOf {
    pub(crate) room: RoomId,
    pub(crate) after: After,
    pub(crate) limit: u32,
}

impl Query for PageOf {
    type Answer = Page;

    fn run(&self, connection: &mut Connection) -> QueryResult<Page> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let mut items = match self.after {
            After::Seq(seq) => self.messages(connection, seq, |seq, _| seq)?,
            After::Pos(pos) => connection.snapshot(|connection| {
                let seq = last_seq_until(connection, self.room, pos)?;
                let mut items = self.messages(connection, seq, |_, pos| pos)?;
                items.extend(self.changes(connection, seq, pos)?);
                items.extend(self.marks(connection, pos)?);
                items.sort_by_key(|(pos, _)| *pos);
                Ok(items)
            })?,
        };
        let more = items.len() > limit;
        items.truncate(limit);
        Ok(Page { items, more })
    }
}

impl PageOf {
    /// One row more than is asked for says that there is more.
    fn limit(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The messages after `seq`, each with what `cursor` makes of its `seq` and `pos`.
    fn messages(
        &self,
        connection: &mut Connection,
        seq: u64,
        cursor: impl Fn(u64, u64) -> u64,
    ) -> QueryResult<Vec<(u64, Event)>> {
        let rows: Vec<(MessageRow, StandingRow)> = on!(connection, c => messages::table
            .inner_join(rooms::table.on(rooms::id.eq(messages::room_id)))
            .filter(messages::room_id.eq(Key(self.room.0)))
            .filter(messages::seq.gt(stored(seq)))
            .order(messages::seq)
            .limit(self.limit())
            .select((MessageRow::as_select(), StandingRow::as_select()))
            .load(c))?;
        let messages = rows::messages(connection, rows)?;
        Ok(messages.into_iter().map(|it| (cursor(it.seq, it.pos), Event::Message(Arc::new(it)))).collect())
    }

    /// What was changed after `pos` of the messages up to `seq`. A message on the page before, which told its present
    /// state, is told again if that was reached after the page's end: whoever asks for a page does not say where it began.
    fn changes(&self, connection: &mut Connection, seq: u64, pos: u64) -> QueryResult<Vec<(u64, Event)>> {
        let rows: Vec<(MessageRow, StandingRow)> = on!(connection, c => messages::table
            .inner_join(rooms::table.on(rooms::id.eq(messages::room_id)))
            .filter(messages::room_id.eq(Key(self.room.0)))
            // As the index says it, for the planner.
            .filter(messages::changed_pos.is_not_null())
            .filter(messages::changed_pos.gt(stored(pos)))
            .filter(messages::seq.le(stored(seq)))
            .order(messages::changed_pos)
            .limit(self.limit())
            .select((MessageRow::as_select(), StandingRow::as_select()))
            .load(c))?;
        let deleters: Vec<Option<UserId>> = rows.iter().map(|(row, _)| row.deleted_by()).collect();
        let messages = rows::messages(connection, rows)?.into_iter().zip(deleters);
        Ok(messages.map(|(message, by)| (message.changed_pos, changed(message, by))).collect())
    }

    fn marks(&self, connection: &mut Connection, pos: u64) -> QueryResult<Vec<(u64, Event)>> {
        let rows: Vec<MarkRow> = on!(connection, c => sql_query(MARKS)
            .bind::<schema::Id, _>(Key(self.room.0))
            .bind::<BigInt, _>(stored(pos))
            .bind::<BigInt, _>(self.limit())
            .load(c))?;
        rows.into_iter()
            .map(|row| {
                let mark = Mark {
                    room: self.room,
                    kind: mark_kind(&row.kind)?,
                    user: UserId(row.user_id.0),
                    message: MessageId(row.message_id.0),
                    up_to_seq: number(row.seq),
                    moved: row.moved_id.map(|it| MessageId(it.0)),
                    at: Timestamp::from_micros(row.at),
                };
                Ok((number(row.pos), Event::Marked(mark)))
            })
            .collect()
    }
}

/// What has become of a message that was known before.
fn changed(message: Message, deleted_by: Option<UserId>) -> Event {
    match message.deleted_at {
        Some(at) => {
            Event::Deleted(Deletion { room: message.room, message: message.id, seq: message.seq, by: deleted_by, at })
        }
        None => Event::Edited { message: Arc::new(message), by: None },
    }
}

/// The newest message of `room` that was stored at `pos` or before. `pos` grows with `seq` and `seq` has no gaps, so
/// halving finds it by the primary key, and messages need no index by `pos`.
fn last_seq_until(connection: &mut Connection, room: RoomId, pos: u64) -> QueryResult<u64> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = BigInt)]
        seq: i64,
    }
    const HALVING: &str = "WITH RECURSIVE halving (low, high) AS ( \
         SELECT CAST(0 AS bigint), coalesce((SELECT max(seq) FROM messages WHERE room_id = $1), 0) \
         UNION ALL \
         SELECT CASE WHEN m.pos <= $2 THEN m.seq ELSE h.low END, CASE WHEN m.pos <= $2 THEN h.high ELSE m.seq - 1 END \
         FROM halving h JOIN messages m ON m.room_id = $1 AND m.seq = (h.low + h.high + 1) / 2 WHERE h.low < h.high \
         ) SELECT low AS seq FROM halving WHERE low = high";
    let found: Found = on!(connection, c => sql_query(HALVING)
        .bind::<schema::Id, _>(Key(room.0))
        .bind::<BigInt, _>(stored(pos))
        .get_result(c))?;
    Ok(number(found.seq))
}
