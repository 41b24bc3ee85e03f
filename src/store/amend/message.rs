//! Messages that are edited, and messages that become tombstones.

use std::sync::Arc;

use diesel::prelude::*;
use uuid::Uuid;

use super::super::connection::on;
use super::super::rows::{self, MessageRow, StandingRow};
use super::super::schema::{message_edits, messages, reactions, rooms};
use super::super::values::{Key, Saying, number, stored};
use super::{Desk, Done, Stop};
use crate::domain::{Content, Deletion, Message, MessageId, Reject, RejectCode, RoomId, UserId};
use crate::hub::ports::{Amended, Reach};

const NOT_YOURS: &str = "Only its sender, a moderator of the session or an administrator may change this message";

/// Which message is to change, and on what conditions.
pub(super) struct Target {
    pub(super) room: RoomId,
    pub(super) message: MessageId,
    pub(super) reach: Reach,
    /// Its last change, as the caller knows it.
    pub(super) changed_pos: Option<u64>,
}

impl Target {
    fn allows(&self, desk: &Desk<'_>, message: &Message) -> Result<(), Reject> {
        if self.reach == Reach::Own && message.user != Some(desk.by) {
            return Err(Reject::new(RejectCode::Forbidden, NOT_YOURS));
        }
        if self.changed_pos.is_some_and(|it| it != message.changed_pos) {
            return Err(Reject::precondition_failed());
        }
        Ok(())
    }
}

/// A message of `room` as it stands, and who made a tombstone of it. The room must be of the caller's organization.
pub(super) fn find(desk: &mut Desk<'_>, room: RoomId, id: MessageId) -> Result<(Message, Option<UserId>), Stop> {
    let rows: Vec<(MessageRow, StandingRow)> = on!(desk.connection, c => messages::table
        .inner_join(rooms::table.on(rooms::id.eq(messages::room_id)))
        .filter(messages::id.eq(Key(id.0)))
        .filter(messages::room_id.eq(Key(room.0)))
        .filter(rooms::organization_id.eq(Key(desk.id.0)))
        .select((MessageRow::as_select(), StandingRow::as_select()))
        .load(c))?;
    let deleted_by = rows.first().and_then(|(row, _)| row.deleted_by());
    let message = rows::messages(desk.connection, rows)?.pop().ok_or_else(Reject::no_such_message)?;
    Ok((message, deleted_by))
}

/// Puts another text in the place of a message's. What it said before is kept.
pub(super) fn edit(
    desk: &mut Desk<'_>,
    target: &Target,
    amendment: Uuid,
    by_name: &str,
    text: Box<str>,
) -> Result<Done, Stop> {
    let (mut message, _) = find(desk, target.room, target.message)?;
    if message.deleted_at.is_some() {
        return Err(Reject::no_such_message().into());
    }
    if desk.again
        && let Some(pos) = done_before(desk, target.message, amendment)?
    {
        return Ok((Amended::Edited { message: Arc::new(message) }, Some(pos)));
    }
    target.allows(desk, &message)?;
    let (pos, at) = (desk.organization.advance(), desk.at());
    on!(desk.connection, c => diesel::insert_into(message_edits::table)
        .values((
            message_edits::message_id.eq(Key(message.id.0)),
            message_edits::pos.eq(stored(pos)),
            message_edits::amendment_id.eq(Key(amendment)),
            message_edits::content.eq(Saying(&message.content)),
            message_edits::edited_by.eq(Key(desk.by.0)),
            message_edits::edited_by_name.eq(by_name),
            message_edits::edited_at.eq(at.as_micros()),
        ))
        .execute(c))?;
    message.content.text = text;
    message.edited_at = Some(at);
    message.changed_pos = pos;
    on!(desk.connection, c => diesel::update(messages::table.filter(messages::id.eq(Key(message.id.0))))
        .set((
            messages::content.eq(Saying(&message.content)),
            messages::edited_at.eq(at.as_micros()),
            messages::changed_pos.eq(stored(pos)),
        ))
        .execute(c))?;
    Ok((Amended::Edited { message: Arc::new(message) }, Some(pos)))
}

/// The number under which this very edit is stored already.
fn done_before(desk: &mut Desk<'_>, message: MessageId, amendment: Uuid) -> QueryResult<Option<u64>> {
    let pos: Option<i64> = on!(desk.connection, c => message_edits::table
        .filter(message_edits::message_id.eq(Key(message.0)))
        .filter(message_edits::amendment_id.eq(Key(amendment)))
        .select(message_edits::pos)
        .get_result(c)
        .optional())?;
    Ok(pos.map(number))
}

/// Makes a message a tombstone: its place and its `client_message_id` stay, what it said, and ever had said, is gone.
pub(super) fn delete(desk: &mut Desk<'_>, target: &Target) -> Result<Done, Stop> {
    let (message, deleted_by) = find(desk, target.room, target.message)?;
    let deletion =
        |by, at| Amended::Deleted(Deletion { room: message.room, message: message.id, seq: message.seq, by, at });
    if let Some(at) = message.deleted_at {
        // Nothing but a report changes a tombstone, so its number is that of its deletion, or of a change that does not
        // mind being told as one.
        if desk.again && deleted_by == Some(desk.by) {
            return Ok((deletion(deleted_by, at), Some(message.changed_pos)));
        }
        return Err(Reject::no_such_message().into());
    }
    target.allows(desk, &message)?;
    let (pos, at) = (desk.organization.advance(), desk.at());
    let id = Key(message.id.0);
    on!(desk.connection, c => diesel::update(messages::table.filter(messages::id.eq(id)))
        .set((
            messages::content.eq(Saying(&Content::default())),
            messages::deleted_at.eq(at.as_micros()),
            messages::deleted_by.eq(Key(desk.by.0)),
            messages::changed_pos.eq(stored(pos)),
        ))
        .execute(c))?;
    on!(desk.connection, c => diesel::delete(message_edits::table.filter(message_edits::message_id.eq(id))).execute(c))?;
    on!(desk.connection, c => diesel::delete(reactions::table.filter(reactions::message_id.eq(id))).execute(c))?;
    Ok((deletion(Some(desk.by), at), Some(pos)))
}
