//! Emoji under messages.

use diesel::prelude::*;

use super::super::connection::on;
use super::super::schema::{messages, reactions};
use super::super::values::{Key, stored};
use super::{Desk, Done, Stop, message};
use crate::domain::{MessageId, Reaction, Reject, RoomId};
use crate::hub::ports::Amended;

/// How many different emoji a message may have.
const MOST_EMOJI: usize = 20;

/// Puts the caller's `emoji` under a message, or takes it back.
pub(super) fn set(
    desk: &mut Desk<'_>,
    (room, id): (RoomId, MessageId),
    by_name: &str,
    emoji: Box<str>,
    present: bool,
) -> Result<Done, Stop> {
    let (message, _) = message::find(desk, room, id)?;
    if message.deleted_at.is_some() {
        return Err(Reject::no_such_message().into());
    }
    let same = message.reactions.iter().find(|it| it.emoji == emoji);
    let (others, is_there) = same.map_or((0, false), |it| {
        let is_there = it.users.contains(&desk.by);
        (it.users.len() - usize::from(is_there), is_there)
    });
    if present && same.is_none() && message.reactions.len() >= MOST_EMOJI {
        return Err(Reject::conflict(format!("A message has at most {MOST_EMOJI} different emoji")).into());
    }
    let pos = (present != is_there || desk.again).then(|| desk.organization.advance());
    let at = desk.at();
    if let Some(pos) = pos {
        write(desk, id, by_name, &emoji, present, pos)?;
    }
    let count = (others + usize::from(present)) as u64;
    let (user, user_name) = (desk.by, by_name.into());
    let reaction = Reaction { room, message: id, seq: message.seq, user, user_name, emoji, present, count, at };
    Ok((Amended::Reacted(reaction), pos))
}

fn write(
    desk: &mut Desk<'_>,
    message: MessageId,
    by_name: &str,
    emoji: &str,
    present: bool,
    pos: u64,
) -> QueryResult<()> {
    let (id, user) = (Key(message.0), Key(desk.by.0));
    if present {
        on!(desk.connection, c => diesel::insert_into(reactions::table)
            .values((
                reactions::message_id.eq(id),
                reactions::emoji.eq(emoji),
                reactions::user_id.eq(user),
                reactions::user_name.eq(by_name),
                reactions::pos.eq(stored(pos)),
                reactions::at.eq(desk.organization.last_at),
            ))
            // Run again, it is there.
            .on_conflict_do_nothing()
            .execute(c))?;
    } else {
        on!(desk.connection, c => diesel::delete(reactions::table.find((id, emoji, user))).execute(c))?;
    }
    on!(desk.connection, c => diesel::update(messages::table.filter(messages::id.eq(id)))
        .set(messages::changed_pos.eq(stored(pos)))
        .execute(c))?;
    Ok(())
}
