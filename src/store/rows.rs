//! Rows of the tables, and what they are in the words of the hub.

#![allow(clippy::ref_option_ref, reason = "in what `Insertable` writes")]

use std::collections::HashMap;
use std::str::FromStr;

use diesel::prelude::*;
use diesel::result::Error::DeserializationError;
use uuid::Uuid;

use super::connection::{Connection, on};
use super::schema::{marks, members, messages, reactions, rooms};
use super::status::{Standing, Watermark};
use super::values::{Key, Said, Saying, number, stored};
use crate::domain::{
    ContactId, Member, Membership, Message, MessageId, MessageStatus, OrgId, Reactions, Room, RoomId, SenderType,
    Timestamp, UserId,
};

/// How many messages are asked about in one statement.
const MESSAGES_AT_ONCE: usize = 1_000;

/// A message on its way into the table.
pub(crate) struct NewMessageRow<'a> {
    pub(crate) room_id: Key,
    pub(crate) seq: i64,
    pub(crate) id: Key,
    pub(crate) organization_id: Key,
    pub(crate) pos: i64,
    pub(crate) sender_id: Key,
    pub(crate) sender_type: &'static str,
    pub(crate) direction: &'static str,
    pub(crate) user_name: &'a str,
    pub(crate) contact_id: Option<Key>,
    pub(crate) message_type: &'static str,
    pub(crate) content: Saying<'a>,
    pub(crate) reply_to_id: Option<Key>,
    pub(crate) client_message_id: Option<&'a str>,
    pub(crate) external_id: Option<&'a str>,
    pub(crate) created_at: i64,
}

impl<'a> From<&'a Message> for NewMessageRow<'a> {
    fn from(message: &'a Message) -> Self {
        Self {
            room_id: Key(message.room.0),
            seq: stored(message.seq),
            id: Key(message.id.0),
            organization_id: Key(message.organization.0),
            pos: stored(message.pos),
            sender_id: Key(sender(message)),
            sender_type: message.sender_type.as_str(),
            direction: message.direction.as_str(),
            user_name: &message.user_name,
            contact_id: message.contact.map(|it| Key(it.0)),
            message_type: message.message_type.as_str(),
            content: Saying(&message.content),
            reply_to_id: message.reply_to.map(|it| Key(it.0)),
            client_message_id: message.client_message_id.as_deref(),
            external_id: message.external_id.as_deref(),
            created_at: message.created_at.as_micros(),
        }
    }
}

/// Whose `client_message_id` it is: the user, or the contact that a message was reported of. A contact that nobody knows
/// is the same one each time.
pub(crate) fn sender(message: &Message) -> Uuid {
    match (message.user, message.contact) {
        (Some(user), _) => user.0,
        (None, Some(contact)) => contact.0,
        (None, None) => Uuid::nil(),
    }
}

/// A message as it stands in the table.
#[derive(Queryable, Selectable)]
#[diesel(table_name = messages)]
pub(crate) struct MessageRow {
    room_id: Key,
    seq: i64,
    id: Key,
    organization_id: Key,
    pos: i64,
    sender_id: Key,
    sender_type: String,
    direction: String,
    user_name: String,
    contact_id: Option<Key>,
    message_type: String,
    content: Said,
    reply_to_id: Option<Key>,
    client_message_id: Option<String>,
    created_at: i64,
    changed_pos: Option<i64>,
    edited_at: Option<i64>,
    deleted_at: Option<i64>,
    deleted_by: Option<Key>,
    external_id: Option<String>,
    reported_status: Option<String>,
    delivered_at: Option<i64>,
    read_at: Option<i64>,
}

impl MessageRow {
    pub(crate) fn id(&self) -> MessageId {
        MessageId(self.id.0)
    }

    /// Who made a tombstone of it.
    pub(crate) fn deleted_by(&self) -> Option<UserId> {
        self.deleted_by.map(|it| UserId(it.0))
    }

    /// The message with its `reactions`, in the state that the room's `standing` gives it.
    pub(crate) fn into_message(self, standing: &Standing, reactions: Vec<Reactions>) -> QueryResult<Message> {
        let (seq, pos) = (number(self.seq), number(self.pos));
        let sender_type: SenderType = spelled(&self.sender_type)?;
        let user = (sender_type != SenderType::Contact).then_some(UserId(self.sender_id.0));
        let direction = spelled(&self.direction)?;
        let status = standing.status(seq, user, direction);
        let reported = reported(self.reported_status.as_deref())?;
        Ok(Message {
            id: MessageId(self.id.0),
            organization: OrgId(self.organization_id.0),
            room: RoomId(self.room_id.0),
            seq,
            pos,
            changed_pos: self.changed_pos.map_or(pos, number),
            sender_type,
            direction,
            user,
            user_name: self.user_name.into(),
            contact: self.contact_id.map(|it| ContactId(it.0)),
            message_type: spelled(&self.message_type)?,
            content: self.content.0,
            status: reported.map_or(status, |it| it.max(status)),
            reply_to: self.reply_to_id.map(|it| MessageId(it.0)),
            client_message_id: self.client_message_id.map(Into::into),
            external_id: self.external_id.map(Into::into),
            delivered_at: self.delivered_at.map(Timestamp::from_micros),
            read_at: self.read_at.map(Timestamp::from_micros),
            reactions,
            created_at: Timestamp::from_micros(self.created_at),
            edited_at: self.edited_at.map(Timestamp::from_micros),
            deleted_at: self.deleted_at.map(Timestamp::from_micros),
        })
    }
}

/// What the outside has said of a message, if anything.
pub(crate) fn reported(word: Option<&str>) -> QueryResult<Option<MessageStatus>> {
    word.map(spelled).transpose()
}

/// The messages of these rows, in their order, with who answered them with what.
pub(crate) fn messages(connection: &mut Connection, rows: Vec<(MessageRow, StandingRow)>) -> QueryResult<Vec<Message>> {
    let mut reactions = reactions(connection, rows.iter().map(|(row, _)| row))?;
    rows.into_iter()
        .map(|(row, standing)| {
            let reactions = reactions.remove(&row.id()).unwrap_or_default();
            row.into_message(&standing.into_standing()?, reactions)
        })
        .collect()
}

/// What people put under these messages. Only those that have changed can have any, so that for most pages this asks
/// nothing.
pub(crate) fn reactions<'a>(
    connection: &mut Connection,
    rows: impl Iterator<Item = &'a MessageRow>,
) -> QueryResult<HashMap<MessageId, Vec<Reactions>>> {
    let ids: Vec<Key> =
        rows.filter(|row| row.changed_pos.is_some() && row.deleted_at.is_none()).map(|row| row.id).collect();
    let mut found: HashMap<MessageId, Vec<Reactions>> = HashMap::new();
    for ids in ids.chunks(MESSAGES_AT_ONCE) {
        let rows: Vec<(Key, String, Key)> = on!(connection, c => reactions::table
            .filter(reactions::message_id.eq_any(ids))
            .order(reactions::pos)
            .select((reactions::message_id, reactions::emoji, reactions::user_id))
            .load(c))?;
        for (message, emoji, user) in rows {
            let of_message = found.entry(MessageId(message.0)).or_default();
            let user = UserId(user.0);
            match of_message.iter_mut().find(|it| *it.emoji == *emoji) {
                Some(same) => same.users.push(user),
                None => of_message.push(Reactions { emoji: emoji.into(), users: vec![user] }),
            }
        }
    }
    Ok(found)
}

/// The columns of a room that its messages' status hangs on.
#[derive(Queryable, Selectable)]
#[diesel(table_name = rooms)]
pub(crate) struct StandingRow {
    kind: String,
    contact_id: Option<Key>,
    read_user: Option<Key>,
    read_seq: i64,
    read_rest: i64,
    delivered_user: Option<Key>,
    delivered_seq: i64,
    delivered_rest: i64,
}

impl StandingRow {
    pub(crate) fn into_standing(self) -> QueryResult<Standing> {
        let watermark = |user: Option<Key>, seq, rest| Watermark {
            user: user.map(|it| UserId(it.0)),
            seq: number(seq),
            rest: number(rest),
        };
        Ok(Standing {
            kind: spelled(&self.kind)?,
            contact: self.contact_id.map(|it| ContactId(it.0)),
            read: watermark(self.read_user, self.read_seq, self.read_rest),
            delivered: watermark(self.delivered_user, self.delivered_seq, self.delivered_rest),
        })
    }
}

/// A room as it stands in the table.
#[derive(Queryable, Selectable)]
#[diesel(table_name = rooms)]
pub(crate) struct RoomRow {
    id: Key,
    organization_id: Key,
    kind: String,
    name: Option<String>,
    contact_id: Option<Key>,
    acl_version: i64,
    created_at: i64,
    updated_at: i64,
    archived_at: Option<i64>,
}

impl RoomRow {
    pub(crate) fn into_room(self) -> QueryResult<Room> {
        Ok(Room {
            id: RoomId(self.id.0),
            organization: OrgId(self.organization_id.0),
            kind: spelled(&self.kind)?,
            name: self.name.map(Into::into),
            contact: self.contact_id.map(|it| ContactId(it.0)),
            version: number(self.acl_version),
            created_at: Timestamp::from_micros(self.created_at),
            updated_at: Timestamp::from_micros(self.updated_at),
            archived_at: self.archived_at.map(Timestamp::from_micros),
        })
    }
}

/// A user's place in a room as it stands in the table.
#[derive(Queryable, Selectable)]
#[diesel(table_name = members)]
pub(crate) struct MemberRow {
    room_id: Key,
    user_id: Key,
    role: String,
    muted: bool,
    banned: bool,
    joined_at: i64,
}

impl MemberRow {
    pub(crate) fn into_member(self) -> QueryResult<Member> {
        Ok(Member {
            room: RoomId(self.room_id.0),
            user: UserId(self.user_id.0),
            membership: membership(&self.role, self.muted, self.banned)?,
            joined_at: Timestamp::from_micros(self.joined_at),
        })
    }
}

#[derive(Insertable)]
#[diesel(table_name = rooms)]
pub(crate) struct NewRoomRow<'a> {
    pub(crate) id: Key,
    pub(crate) organization_id: Key,
    pub(crate) kind: &'static str,
    pub(crate) name: Option<&'a str>,
    pub(crate) acl_version: i64,
    pub(crate) read_seq: i64,
    pub(crate) read_rest: i64,
    pub(crate) delivered_seq: i64,
    pub(crate) delivered_rest: i64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

#[derive(Insertable)]
#[diesel(table_name = members)]
pub(crate) struct NewMemberRow {
    pub(crate) room_id: Key,
    pub(crate) user_id: Key,
    pub(crate) role: &'static str,
    pub(crate) joined_pos: i64,
    pub(crate) joined_at: i64,
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = marks)]
pub(crate) struct NewMarkRow {
    pub(crate) room_id: Key,
    pub(crate) user_id: Key,
    pub(crate) kind: &'static str,
    pub(crate) seq: i64,
    pub(crate) pos: i64,
    pub(crate) at: i64,
}

/// What a user is in a room, from the columns of their place.
pub(crate) fn membership(role: &str, muted: bool, banned: bool) -> QueryResult<Membership> {
    Ok(Membership { role: spelled(role)?, muted, banned })
}

/// A word of the hub in a column. A word that this release does not know is an error, not a guess.
pub(crate) fn spelled<T: FromStr<Err = String>>(text: &str) -> QueryResult<T> {
    text.parse().map_err(|error: String| DeserializationError(error.into()))
}
