//! Rooms that are removed for good.
//!
//! The room itself goes at once, and with it every way to what was in it. Of its messages so many go with it as nobody
//! has to wait for; the others are removed by the writer between its batches, and the room's id is taken until then.

use diesel::prelude::*;

use super::super::connection::{Connection, on};
use super::super::schema::{idempotency_keys, marks, members, message_edits, messages, purged_rooms, reactions, rooms};
use super::super::values::Key;
use super::{Desk, Done, Stop};
use crate::domain::RoomId;
use crate::hub::ports::Amended;

/// How many messages are removed at a time.
const MESSAGES_AT_ONCE: usize = 1_000;

/// Removes a room with everything that was ever in it.
pub(super) fn purge(desk: &mut Desk<'_>, id: RoomId) -> Result<Done, Stop> {
    match desk.room(id) {
        // Run again, it is gone; who was in it cannot be told any more.
        Err(Stop::Refused(_)) if desk.again => {
            let pos = desk.organization.advance();
            return Ok((Amended::Purged { room: id, members: Vec::new() }, Some(pos)));
        }
        room => drop(room?),
    }
    let mut places = desk.places(id)?;
    places.retain(|it| !it.membership.banned);
    let pos = desk.organization.advance();
    let room = Key(id.0);
    if remove_messages(desk.connection, room)? {
        on!(desk.connection, c => diesel::insert_into(purged_rooms::table)
            .values(purged_rooms::room_id.eq(room))
            .execute(c))?;
    }
    on!(desk.connection, c => diesel::delete(marks::table.filter(marks::room_id.eq(room))).execute(c))?;
    on!(desk.connection, c => diesel::delete(members::table.filter(members::room_id.eq(room))).execute(c))?;
    on!(desk.connection, c => diesel::delete(idempotency_keys::table.filter(idempotency_keys::subject_id.eq(room)))
        .execute(c))?;
    on!(desk.connection, c => diesel::delete(rooms::table.find(room)).execute(c))?;
    // The writer shall not remember it.
    desk.organization.rooms.remove(&id);
    Ok((Amended::Purged { room: id, members: places.into_iter().map(|it| it.user).collect() }, Some(pos)))
}

/// Removes the newest messages of a room, with all that hangs on them: what is left has no gaps. Returns whether there may
/// be more.
fn remove_messages(connection: &mut Connection, room: Key) -> QueryResult<bool> {
    let found: Vec<(i64, Key)> = on!(connection, c => messages::table
        .filter(messages::room_id.eq(room))
        .order(messages::seq.desc())
        .limit(i64::try_from(MESSAGES_AT_ONCE).unwrap_or(i64::MAX))
        .select((messages::seq, messages::id))
        .load(c))?;
    let Some((oldest, _)) = found.last().copied() else { return Ok(false) };
    let ids: Vec<Key> = found.iter().map(|(_, id)| *id).collect();
    on!(connection, c => {
        diesel::delete(reactions::table.filter(reactions::message_id.eq_any(&ids))).execute(c)?;
        diesel::delete(message_edits::table.filter(message_edits::message_id.eq_any(&ids))).execute(c)?;
        diesel::delete(idempotency_keys::table.filter(idempotency_keys::subject_id.eq_any(&ids))).execute(c)?;
        diesel::delete(messages::table.filter(messages::room_id.eq(room)).filter(messages::seq.ge(oldest))).execute(c)?;
    });
    Ok(found.len() == MESSAGES_AT_ONCE)
}

/// Which of these rooms are gone, but not all of their messages.
pub(crate) fn unfinished(connection: &mut Connection, rooms: &[Key]) -> QueryResult<Vec<Key>> {
    on!(connection, c => purged_rooms::table
        .filter(purged_rooms::room_id.eq_any(rooms))
        .select(purged_rooms::room_id)
        .load(c))
}

/// Removes some of the messages that rooms have left behind. Returns whether there may be more.
pub(crate) fn sweep(connection: &mut Connection) -> QueryResult<bool> {
    connection.change(|connection| {
        let room: Option<Key> = on!(connection, c => purged_rooms::table
            .order(purged_rooms::room_id)
            .select(purged_rooms::room_id)
            .limit(1)
            .get_result(c)
            .optional())?;
        let Some(room) = room else { return Ok(false) };
        if !remove_messages(connection, room)? {
            on!(connection, c => diesel::delete(purged_rooms::table.find(room)).execute(c))?;
        }
        Ok(true)
    })
}
