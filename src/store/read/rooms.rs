//! Rooms as one user finds them: which there are, what was said last, and how much of it is unread.

use std::cmp::Reverse;
use std::collections::HashMap;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::people::persons;
use super::unread::{Reached, unread};
use super::{Among, Cursor, Listed, Person, RoomEntry, RoomFilter, Span, Unread, Viewer, anywhere, small};
use crate::domain::{Membership, Message, Role, Room, RoomId, RoomKind, Timestamp, UserId};
use crate::store::connection::{Connection, on};
use crate::store::reader::Query;
use crate::store::rows::{self, MessageRow, RoomRow, StandingRow, membership};
use crate::store::schema::{marks, members, messages, rooms};
use crate::store::values::{Key, number};

diesel::alias!(messages as newest: Newest);

/// The viewer's place: role, muted, banned, and since when, as a `pos` and as a time.
type PlaceRow = (String, bool, bool, i64, i64);

/// A room, the viewer's place in it, how far they have read, and how far it has come.
type Row = (RoomRow, Option<PlaceRow>, Option<i64>, Option<i64>);

pub(super) struct Rooms {
    pub(super) viewer: Viewer,
    pub(super) filter: RoomFilter,
    pub(super) span: Span,
}

impl Query for Rooms {
    type Answer = Listed<RoomEntry>;

    fn run(&self, connection: &mut Connection) -> QueryResult<Listed<RoomEntry>> {
        connection.snapshot(|connection| {
            let listed = self
                .span
                .cut(self.ids(connection)?, |(id, created_at)| Cursor::Age(Timestamp::from_micros(*created_at), id.0));
            let ids: Vec<Key> = listed.items.into_iter().map(|(id, _)| id).collect();
            let mut found = found(connection, &self.viewer, &ids)?;
            found.sort_by_key(|it| Reverse((it.room.created_at, it.room.id)));
            Ok(Listed { items: entries(connection, &self.viewer, found)?, next: listed.next })
        })
    }
}

impl Rooms {
    /// Which rooms the page holds, and how old each is. What else is known of a room is asked for these only.
    fn ids(&self, connection: &mut Connection) -> QueryResult<Vec<(Key, i64)>> {
        let (public, conversation) = (RoomKind::Public.as_str(), RoomKind::Conversation.as_str());
        let sees_conversations = matches!(self.viewer.role, Role::Agent | Role::Admin);
        let pattern = self.filter.name.as_deref().map(anywhere);
        on!(connection, c => {
            let user = Key(self.viewer.user.0);
            let mut rooms = rooms::table
                .left_join(members::table.on(members::room_id.eq(rooms::id).and(members::user_id.eq(user))))
                .filter(rooms::organization_id.eq(Key(self.viewer.organization.0)))
                .limit(self.span.rows())
                .select((rooms::id, rooms::created_at))
                .into_boxed();
            rooms = match self.filter.among {
                // One's own rooms are few among all of the organization's. The sign keeps the planner from walking
                // through all of them, only because they lie in the right order.
                Among::Mine => rooms.order((sql::<BigInt>("+rooms.created_at DESC"), rooms::id.desc())),
                Among::Public | Among::Visible => rooms.order((rooms::created_at.desc(), rooms::id.desc())),
            };
            // Without a place nothing is known of a ban; with one, a ban hides the room from lists.
            let placed = members::banned.eq(false);
            let unplaced = members::banned.is_null();
            rooms = match self.filter.among {
                Among::Mine => rooms.filter(placed),
                Among::Public => rooms.filter(rooms::kind.eq(public)).filter(placed.or(unplaced)),
                Among::Visible if sees_conversations => {
                    rooms.filter(placed.or(unplaced.and(rooms::kind.eq_any([public, conversation]))))
                }
                Among::Visible => rooms.filter(placed.or(unplaced.and(rooms::kind.eq(public)))),
            };
            if let Some(kind) = self.filter.kind {
                rooms = rooms.filter(rooms::kind.eq(kind.as_str()));
            }
            if !self.filter.archived {
                rooms = rooms.filter(rooms::archived_at.is_null());
            }
            if let Some(pattern) = pattern {
                let wanted = small(pattern.into_sql::<Nullable<Text>>());
                rooms = rooms.filter(small(rooms::name).like(wanted).escape('\\'));
            }
            if let Some(Cursor::Age(at, id)) = self.span.after {
                let (at, id) = (at.as_micros(), Key(id));
                rooms = rooms.filter(
                    rooms::created_at.lt(at).or(rooms::created_at.eq(at).and(rooms::id.lt(id))),
                );
            }
            rooms.load(c)
        })
    }
}

pub(super) struct OneRoom {
    pub(super) viewer: Viewer,
    pub(super) room: RoomId,
}

impl Query for OneRoom {
    type Answer = Option<RoomEntry>;

    fn run(&self, connection: &mut Connection) -> QueryResult<Option<RoomEntry>> {
        connection.snapshot(|connection| {
            let found = found(connection, &self.viewer, &[Key(self.room.0)])?;
            Ok(entries(connection, &self.viewer, found)?.pop())
        })
    }
}

/// A room that was found, in the words of the hub.
struct Found {
    room: Room,
    place: Option<Place>,
    read_seq: u64,
    last_seq: u64,
}

struct Place {
    membership: Membership,
    joined_pos: i64,
    joined_at: Timestamp,
}

impl Place {
    /// Whoever is banned has no place.
    fn read((role, muted, banned, joined_pos, joined_at): PlaceRow) -> QueryResult<Option<Self>> {
        if banned {
            return Ok(None);
        }
        let membership = membership(&role, muted, banned)?;
        Ok(Some(Self { membership, joined_pos, joined_at: Timestamp::from_micros(joined_at) }))
    }
}

impl Found {
    fn read((room, place, read_seq, last_seq): Row) -> QueryResult<Self> {
        Ok(Self {
            room: room.into_room()?,
            place: place.map_or(Ok(None), Place::read)?,
            read_seq: number(read_seq.unwrap_or(0)),
            last_seq: number(last_seq.unwrap_or(0)),
        })
    }
}

/// Those of these rooms that the viewer's organization has, with what is known of each about the viewer.
fn found(connection: &mut Connection, viewer: &Viewer, ids: &[Key]) -> QueryResult<Vec<Found>> {
    let user = Key(viewer.user.0);
    let rows: Vec<Row> = on!(connection, c => rooms::table
        .left_join(members::table.on(members::room_id.eq(rooms::id).and(members::user_id.eq(user))))
        .left_join(marks::table.on(marks::room_id
            .eq(rooms::id)
            .and(marks::user_id.eq(user))
            .and(marks::kind.eq("read"))))
        .filter(rooms::organization_id.eq(Key(viewer.organization.0)))
        .filter(rooms::id.eq_any(ids))
        .select((
            RoomRow::as_select(),
            (members::role, members::muted, members::banned, members::joined_pos, members::joined_at).nullable(),
            marks::seq.nullable(),
            messages::table
                .filter(messages::room_id.eq(rooms::id))
                .select(diesel::dsl::max(messages::seq))
                .single_value(),
        ))
        .load(c))?;
    rows.into_iter().map(Found::read).collect()
}

/// What else there is to tell of these rooms, each asked for all of them at once but for what is unread.
fn entries(connection: &mut Connection, viewer: &Viewer, found: Vec<Found>) -> QueryResult<Vec<RoomEntry>> {
    let ids: Vec<Key> = found.iter().map(|it| Key(it.room.id.0)).collect();
    let mut last_messages = last_messages(connection, &ids)?;
    let counts = counts(connection, &ids)?;
    let direct = found.iter().filter(|it| it.room.kind == RoomKind::Direct);
    let mut peers = peers(connection, viewer, &direct.map(|it| Key(it.room.id.0)).collect::<Vec<_>>())?;
    found
        .into_iter()
        .map(|Found { room, place, read_seq, last_seq }| {
            let unread = match &place {
                Some(Place { joined_pos, .. }) => {
                    let reached = Reached { room: room.id, last_seq, read_seq, joined_pos: *joined_pos };
                    unread(connection, viewer.user, &viewer.name, reached)?
                }
                None => Unread::default(),
            };
            Ok(RoomEntry {
                last_seq,
                members: counts.get(&room.id).copied().unwrap_or(0),
                place: place.map(|it| (it.membership, it.joined_at)),
                unread,
                last_message: last_messages.remove(&room.id),
                peer: peers.remove(&room.id),
                room,
            })
        })
        .collect()
}

fn last_messages(connection: &mut Connection, ids: &[Key]) -> QueryResult<HashMap<RoomId, Message>> {
    let rows: Vec<(MessageRow, StandingRow)> = on!(connection, c => rooms::table
        .inner_join(messages::table.on(messages::room_id.eq(rooms::id)))
        .filter(rooms::id.eq_any(ids))
        .filter(messages::seq.nullable().eq(newest
            .filter(newest.field(messages::room_id).eq(rooms::id))
            .select(diesel::dsl::max(newest.field(messages::seq)))
            .single_value()))
        .select((MessageRow::as_select(), StandingRow::as_select()))
        .load(c))?;
    let messages = rows::messages(connection, rows)?;
    Ok(messages.into_iter().map(|message| (message.room, message)).collect())
}

fn counts(connection: &mut Connection, ids: &[Key]) -> QueryResult<HashMap<RoomId, u64>> {
    let rows: Vec<(Key, i64)> = on!(connection, c => members::table
        .filter(members::room_id.eq_any(ids))
        .filter(members::banned.eq(false))
        .group_by(members::room_id)
        .select((members::room_id, diesel::dsl::count_star()))
        .load(c))?;
    Ok(rows.into_iter().map(|(room, count)| (RoomId(room.0), number(count))).collect())
}

/// The other one in each of these direct rooms.
fn peers(connection: &mut Connection, viewer: &Viewer, ids: &[Key]) -> QueryResult<HashMap<RoomId, Person>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(Key, Key)> = on!(connection, c => members::table
        .filter(members::room_id.eq_any(ids))
        .filter(members::user_id.ne(Key(viewer.user.0)))
        .select((members::room_id, members::user_id))
        .load(c))?;
    let users: Vec<UserId> = rows.iter().map(|(_, user)| UserId(user.0)).collect();
    let known: HashMap<UserId, Person> =
        persons(connection, viewer.organization, &users)?.into_iter().map(|person| (person.id, person)).collect();
    let of_room = |(room, user): (Key, Key)| Some((RoomId(room.0), known.get(&UserId(user.0))?.clone()));
    Ok(rows.into_iter().filter_map(of_room).collect())
}
