//! Who has a place in a room.

use diesel::prelude::*;

use super::people::PersonRow;
use super::{Cursor, Listed, MemberEntry, Span};
use crate::domain::{Member, OrgId, RoomId, Timestamp, UserId};
use crate::store::connection::{Connection, on};
use crate::store::reader::Query;
use crate::store::rows::membership;
use crate::store::schema::{members, users};
use crate::store::values::Key;

pub(super) struct Members {
    pub(super) organization: OrgId,
    pub(super) room: RoomId,
    pub(super) banned: bool,
    pub(super) span: Span,
}

type Row = (Key, String, bool, bool, i64, Option<PersonRow>);

impl Query for Members {
    type Answer = Listed<MemberEntry>;

    fn run(&self, connection: &mut Connection) -> QueryResult<Listed<MemberEntry>> {
        let rows: Vec<Row> = on!(connection, c => {
            let mut of_room = members::table
                .left_join(users::table.on(users::id
                    .eq(members::user_id)
                    .and(users::organization_id.eq(Key(self.organization.0)))))
                .filter(members::room_id.eq(Key(self.room.0)))
                .filter(members::banned.eq(self.banned))
                .order(members::user_id)
                .limit(self.span.rows())
                .select((
                    members::user_id,
                    members::role,
                    members::muted,
                    members::banned,
                    members::joined_at,
                    Option::<PersonRow>::as_select(),
                ))
                .into_boxed();
            if let Some(Cursor::Id(id)) = self.span.after {
                of_room = of_room.filter(members::user_id.gt(Key(id)));
            }
            of_room.load(c)
        })?;
        self.span.cut(rows, |last| Cursor::Id(last.0.0)).try_map(|(user, role, muted, banned, joined_at, person)| {
            let membership = membership(&role, muted, banned)?;
            let joined_at = Timestamp::from_micros(joined_at);
            let member = Member { room: self.room, user: UserId(user.0), membership, joined_at };
            Ok(MemberEntry { member, person: person.map(PersonRow::into_person).transpose()? })
        })
    }
}
