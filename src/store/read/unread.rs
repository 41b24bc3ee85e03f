//! What somebody has not read: how much in each room, and how much of it speaks to them.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::{Cursor, Listed, Span, Unread, UnreadEntry, Viewer};
use crate::domain::{RoomId, UserId};
use crate::store::connection::{Connection, on};
use crate::store::reader::Query;
use crate::store::schema::{self, marks, members, messages, rooms};
use crate::store::values::{Key, number, stored};

/// The texts of at most as many messages as are counted; only of those that may hold a name after an `@`.
const SQLITE: &str = "SELECT CASE WHEN content LIKE '%@%' THEN json_extract(content, '$.text') END AS text \
     FROM messages WHERE room_id = $1 AND seq > $2 AND pos > $3 AND sender_id <> $4 AND deleted_at IS NULL \
     ORDER BY seq LIMIT $5";
const POSTGRES: &str = "SELECT CASE WHEN content->>'text' LIKE '%@%' THEN content->>'text' END AS text \
     FROM messages WHERE room_id = $1 AND seq > $2 AND pos > $3 AND sender_id <> $4 AND deleted_at IS NULL \
     ORDER BY seq LIMIT $5";

/// How far somebody has come in a room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reached {
    pub(super) room: RoomId,
    pub(super) last_seq: u64,
    pub(super) read_seq: u64,
    /// When they came into the room, in the organization's numbering.
    pub(super) joined_pos: i64,
}

#[derive(QueryableByName)]
struct Said {
    #[diesel(sql_type = Nullable<Text>)]
    text: Option<String>,
}

/// What is unread behind `reached`.
pub(super) fn unread(connection: &mut Connection, user: UserId, name: &str, reached: Reached) -> QueryResult<Unread> {
    if reached.last_seq <= reached.read_seq {
        return Ok(Unread::default());
    }
    let text = match connection {
        Connection::Sqlite(_) => SQLITE,
        Connection::Postgres(_) => POSTGRES,
    };
    let said: Vec<Said> = on!(connection, c => sql_query(text)
        .bind::<schema::Id, _>(Key(reached.room.0))
        .bind::<BigInt, _>(stored(reached.read_seq))
        .bind::<BigInt, _>(reached.joined_pos)
        .bind::<schema::Id, _>(Key(user.0))
        .bind::<BigInt, _>(stored(Unread::MOST))
        .load(c))?;
    let called = format!("@{}", name.to_lowercase());
    let mentions = said.iter().filter(|it| it.text.as_deref().is_some_and(|text| mentions(text, &called))).count();
    Ok(Unread { messages: said.len() as u64, mentions: mentions as u64 })
}

/// Whether `text` says `called`, an `@` and a name in small letters, and not a longer name.
fn mentions(text: &str, called: &str) -> bool {
    let text = text.to_lowercase();
    let ends = |at: usize| !text[at + called.len()..].starts_with(char::is_alphanumeric);
    called.len() > 1 && text.match_indices(called).any(|(at, _)| ends(at))
}

pub(super) struct UnreadOf {
    pub(super) viewer: Viewer,
    pub(super) span: Span,
}

impl Query for UnreadOf {
    type Answer = Listed<UnreadEntry>;

    fn run(&self, connection: &mut Connection) -> QueryResult<Listed<UnreadEntry>> {
        type Row = (Key, i64, Option<i64>, Option<i64>);
        let (viewer, user) = (&self.viewer, Key(self.viewer.user.0));
        connection.snapshot(|connection| {
            let rows: Vec<Row> = on!(connection, c => {
                let mut places = members::table
                    .inner_join(rooms::table.on(rooms::id.eq(members::room_id)))
                    .left_join(marks::table.on(marks::room_id
                        .eq(members::room_id)
                        .and(marks::user_id.eq(user))
                        .and(marks::kind.eq("read"))))
                    .filter(members::user_id.eq(user))
                    .filter(members::banned.eq(false))
                    .filter(rooms::organization_id.eq(Key(viewer.organization.0)))
                    .filter(rooms::archived_at.is_null())
                    .order(members::room_id)
                    .limit(self.span.rows())
                    .select((
                        members::room_id,
                        members::joined_pos,
                        marks::seq.nullable(),
                        messages::table
                            .filter(messages::room_id.eq(rooms::id))
                            .select(diesel::dsl::max(messages::seq))
                            .single_value(),
                    ))
                    .into_boxed();
                if let Some(Cursor::Id(id)) = self.span.after {
                    places = places.filter(members::room_id.gt(Key(id)));
                }
                places.load(c)
            })?;
            self.span.cut(rows, |last| Cursor::Id(last.0.0)).try_map(|(room, joined_pos, read_seq, last_seq)| {
                let room = RoomId(room.0);
                let (last_seq, read_seq) = (number(last_seq.unwrap_or(0)), number(read_seq.unwrap_or(0)));
                let reached = Reached { room, last_seq, read_seq, joined_pos };
                let unread = unread(connection, viewer.user, &viewer.name, reached)?;
                Ok(UnreadEntry { room, last_seq, read_seq, unread })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mention_is_a_whole_name_in_any_case() {
        for text in ["@ana", "Olá @ANA!", "see @Ana, please", "@Anabela and @ana"] {
            assert!(mentions(text, "@ana"), "{text}");
        }
        for text in ["ana", "@Anabela", "a@an a", "@ an", ""] {
            assert!(!mentions(text, "@ana"), "{text}");
        }
        assert!(mentions("@João Silva.", "@joão silva"));
        assert!(!mentions("@ nobody", "@"), "without a name nobody is meant");
    }
}
