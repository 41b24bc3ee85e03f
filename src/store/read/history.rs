//! Messages: a room's past from either end, one by its id, and what one said before its edits.

use diesel::prelude::*;

use super::{Cursor, Edit, Listed, Span};
use crate::domain::{Message, MessageId, OrgId, RoomId, Timestamp, UserId};
use crate::store::connection::{Connection, on};
use crate::store::reader::Query;
use crate::store::rows::{self, MessageRow, StandingRow};
use crate::store::schema::{message_edits, messages, rooms};
use crate::store::values::{Key, Said, number, stored};

/// How many messages one answer holds at most.
pub const MAX_MESSAGES: u32 = 200;

/// From where a room's past is read, and in which direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum From {
    /// The newest first.
    Latest,
    /// The newest of those before this `seq` first.
    Before(u64),
    /// The oldest of those after this `seq` first.
    After(u64),
}

pub(super) struct History {
    pub(super) room: RoomId,
    pub(super) from: From,
    pub(super) limit: u32,
}

impl Query for History {
    type Answer = Listed<Message>;

    fn run(&self, connection: &mut Connection) -> QueryResult<Listed<Message>> {
        let span = Span { after: None, limit: self.limit };
        connection.snapshot(|connection| {
            let rows: Vec<(MessageRow, StandingRow)> = on!(connection, c => {
                let of_room = messages::table
                    .inner_join(rooms::table.on(rooms::id.eq(messages::room_id)))
                    .filter(messages::room_id.eq(Key(self.room.0)))
                    .limit(span.rows())
                    .select((MessageRow::as_select(), StandingRow::as_select()));
                match self.from {
                    From::Latest => of_room.order(messages::seq.desc()).load(c),
                    From::Before(seq) => {
                        of_room.filter(messages::seq.lt(stored(seq))).order(messages::seq.desc()).load(c)
                    }
                    From::After(seq) => of_room.filter(messages::seq.gt(stored(seq))).order(messages::seq).load(c),
                }
            })?;
            let messages = rows::messages(connection, rows)?;
            Ok(span.cut(messages, |last| match self.from {
                From::Latest | From::Before(_) => Cursor::Older(last.seq),
                From::After(_) => Cursor::Newer(last.seq),
            }))
        })
    }
}

pub(super) struct One {
    pub(super) organization: OrgId,
    pub(super) message: MessageId,
}

impl Query for One {
    type Answer = Option<Message>;

    fn run(&self, connection: &mut Connection) -> QueryResult<Option<Message>> {
        connection.snapshot(|connection| {
            let rows: Vec<(MessageRow, StandingRow)> = on!(connection, c => messages::table
                .inner_join(rooms::table.on(rooms::id.eq(messages::room_id)))
                .filter(messages::id.eq(Key(self.message.0)))
                .filter(messages::organization_id.eq(Key(self.organization.0)))
                .select((MessageRow::as_select(), StandingRow::as_select()))
                .load(c))?;
            Ok(rows::messages(connection, rows)?.pop())
        })
    }
}

pub(super) struct Edits {
    pub(super) message: MessageId,
    pub(super) span: Span,
}

impl Query for Edits {
    type Answer = Listed<Edit>;

    fn run(&self, connection: &mut Connection) -> QueryResult<Listed<Edit>> {
        type Row = (i64, Said, Key, String, i64);
        let after = match self.span.after {
            Some(Cursor::Newer(pos)) => stored(pos),
            _ => 0,
        };
        let rows: Vec<Row> = on!(connection, c => message_edits::table
            .filter(message_edits::message_id.eq(Key(self.message.0)))
            .filter(message_edits::pos.gt(after))
            .order(message_edits::pos)
            .limit(self.span.rows())
            .select((
                message_edits::pos,
                message_edits::content,
                message_edits::edited_by,
                message_edits::edited_by_name,
                message_edits::edited_at,
            ))
            .load(c))?;
        self.span.cut(rows, |(pos, ..)| Cursor::newer(number(*pos))).try_map(|(_, content, by, by_name, at)| {
            let (by, at) = (UserId(by.0), Timestamp::from_micros(at));
            Ok(Edit { content: content.0, by, by_name: by_name.into(), at })
        })
    }
}
