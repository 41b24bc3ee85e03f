//! What the outside says has become of messages: that they could not be sent, have come, were read.
//!
//! A status only moves forward, so reports may come late, twice and in any order.

use diesel::prelude::*;

use super::super::connection::on;
use super::super::schema::messages;
use super::super::values::{Key, stored};
use super::{Desk, Done, Stop, message};
use crate::domain::{Message, MessageStatus, Report, Timestamp};
use crate::hub::ports::Amended;

/// Takes a report of a message in a room of the caller's organization.
pub(super) fn take(desk: &mut Desk<'_>, report: &Report) -> Result<Done, Stop> {
    let &Report { room, message: id, status, at } = report;
    let (mut message, _) = message::find(desk, room, id)?;
    // The outside has clocks of its own. Nothing comes to be later than now, or before what came to be before it.
    let earliest = message.delivered_at.unwrap_or(message.created_at);
    let at = at.unwrap_or_else(|| desk.at()).min(desk.at()).max(earliest);
    let told = |status, at| Amended::Reported { room, message: id, status, at };
    if status <= message.status {
        let since = since(&message);
        // Run again, a report finds itself taken, and is told all the same.
        let is_taken = desk.again && status == message.status && (since.is_some() || status == MessageStatus::Failed);
        let pos = is_taken.then(|| desk.organization.advance());
        if let Some(pos) = pos {
            on!(desk.connection, c => diesel::update(messages::table.filter(messages::id.eq(Key(id.0))))
                .set(messages::changed_pos.eq(stored(pos)))
                .execute(c))?;
        }
        return Ok((told(message.status, since.unwrap_or(at)), pos));
    }
    if status >= MessageStatus::Delivered {
        // What is read has been delivered.
        message.delivered_at.get_or_insert(at);
    }
    if status == MessageStatus::Read {
        message.read_at = Some(at);
    }
    let pos = desk.organization.advance();
    on!(desk.connection, c => diesel::update(messages::table.filter(messages::id.eq(Key(id.0))))
        .set((
            messages::reported_status.eq(status.as_str()),
            messages::delivered_at.eq(message.delivered_at.map(Timestamp::as_micros)),
            messages::read_at.eq(message.read_at.map(Timestamp::as_micros)),
            messages::changed_pos.eq(stored(pos)),
        ))
        .execute(c))?;
    Ok((told(status, at), Some(pos)))
}

/// Since when a message has its status, where the outside has said so.
fn since(message: &Message) -> Option<Timestamp> {
    match message.status {
        MessageStatus::Read => message.read_at,
        MessageStatus::Delivered => message.delivered_at,
        _ => None,
    }
}
