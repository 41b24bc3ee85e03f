//! Rooms that are made on purpose, renamed, opened to all, closed to members, and archived.

use std::collections::HashSet;
use std::sync::Arc;

use diesel::prelude::*;

use super::super::batch::{HONOURED, without_nul};
use super::super::connection::on;
use super::super::rows::{NewMemberRow, NewRoomRow, RoomRow};
use super::super::schema::{idempotency_keys, members, rooms};
use super::super::values::{Key, number, stored};
use super::{Desk, Done, Stop, purge};
use crate::domain::{
    Idempotency, Member, MemberRole, Membership, Reject, Room, RoomChange, RoomDraft, RoomId, RoomKind, Timestamp,
    UserId,
};
use crate::hub::ports::Amended;

/// Makes a room, or finds it where the caller is in it already.
pub(super) fn create(desk: &mut Desk<'_>, draft: &RoomDraft) -> Result<Done, Stop> {
    let taken = on!(desk.connection, c => rooms::table
        .find(Key(draft.id.0))
        .select(RoomRow::as_select())
        .get_result(c)
        .optional())?;
    if let Some(row) = taken {
        return existing(desk, draft, row.into_room()?);
    }
    if !purge::unfinished(desk.connection, &[Key(draft.id.0)])?.is_empty() {
        return Err(taken_id());
    }
    let mut seen = HashSet::from([desk.by]);
    let others: Vec<UserId> = draft.members.iter().copied().filter(|it| seen.insert(*it)).collect();
    let direct = draft.kind == RoomKind::Direct;
    if direct && others.len() != 1 {
        return Err(Reject::field("members", "exactly one other user in a direct room").into());
    }
    desk.know(&others)?;

    let name = draft.name.clone().filter(|_| !direct).map(without_nul);
    let (pos, at) = (desk.organization.advance(), desk.at());
    let row = NewRoomRow {
        id: Key(draft.id.0),
        organization_id: Key(desk.id.0),
        kind: draft.kind.as_str(),
        name: name.as_deref(),
        acl_version: 1,
        read_seq: 0,
        read_rest: 0,
        delivered_seq: 0,
        delivered_rest: 0,
        created_at: at.as_micros(),
        updated_at: at.as_micros(),
    };
    on!(desk.connection, c => diesel::insert_into(rooms::table).values(row).execute(c))?;
    let others = others.into_iter().map(|it| (it, if direct { MemberRole::Owner } else { MemberRole::Member }));
    let mut members = Vec::with_capacity(draft.members.len() + 1);
    for (user, role) in std::iter::once((desk.by, MemberRole::Owner)).chain(others) {
        let row = NewMemberRow {
            room_id: Key(draft.id.0),
            user_id: Key(user.0),
            role: role.as_str(),
            joined_pos: stored(pos),
            joined_at: at.as_micros(),
        };
        on!(desk.connection, c => diesel::insert_into(members::table).values(row).execute(c))?;
        members.push(Member { room: draft.id, user, membership: Membership::new(role), joined_at: at });
    }
    let room = Room {
        id: draft.id,
        organization: desk.id,
        kind: draft.kind,
        name,
        contact: None,
        version: 1,
        created_at: at,
        updated_at: at,
        archived_at: None,
    };
    Ok((Amended::Created { room: Arc::new(room), members, created: true }, Some(pos)))
}

/// Makes a room, or finds the one that the same request has made within a day.
pub(super) fn create_once(desk: &mut Desk<'_>, draft: &RoomDraft, request: &Idempotency) -> Result<Done, Stop> {
    let (organization, user, name) = (Key(desk.id.0), Key(desk.by.0), without_nul(request.key.clone()));
    let now = desk.at().as_micros();
    let taken: Option<(Vec<u8>, Key)> = on!(desk.connection, c => idempotency_keys::table
        .find((organization, user, &*name))
        .filter(idempotency_keys::created_at.gt(now - HONOURED))
        .select((idempotency_keys::fingerprint, idempotency_keys::subject_id))
        .get_result(c)
        .optional())?;
    if let Some((fingerprint, subject)) = taken {
        if fingerprint != request.fingerprint {
            return Err(Reject::idempotency_key_reused().into());
        }
        return made_before(desk, draft, RoomId(subject.0));
    }
    let done = create(desk, draft)?;
    // A room of this id that is there already is the answer to the next one, too.
    let row = (
        idempotency_keys::fingerprint.eq(&request.fingerprint[..]),
        idempotency_keys::subject_id.eq(Key(draft.id.0)),
        idempotency_keys::created_at.eq(now),
    );
    let named = (
        idempotency_keys::organization_id.eq(organization),
        idempotency_keys::user_id.eq(user),
        idempotency_keys::key.eq(&*name),
        row,
    );
    on!(desk.connection, c => diesel::insert_into(idempotency_keys::table)
        .values(named)
        .on_conflict((idempotency_keys::organization_id, idempotency_keys::user_id, idempotency_keys::key))
        .do_update()
        .set(row)
        .execute(c))?;
    Ok(done)
}

/// The room that the same request has made, as it is now, for whoever may still know of it.
fn made_before(desk: &mut Desk<'_>, draft: &RoomDraft, id: RoomId) -> Result<Done, Stop> {
    let room = desk.room(id)?;
    let members = desk.places(id)?;
    let may_know = match members.first().filter(|it| it.user == desk.by) {
        Some(caller) => !caller.membership.banned,
        None => room.kind == RoomKind::Public,
    };
    if !may_know {
        return Err(Reject::forbidden().into());
    }
    found(desk, draft, room, members)
}

fn taken_id() -> Stop {
    Reject::conflict("This id is taken").into()
}

/// The room that has the id already: the answer for those who are in it, and nothing to learn for anybody else.
fn existing(desk: &mut Desk<'_>, draft: &RoomDraft, room: Room) -> Result<Done, Stop> {
    if room.organization != desk.id || room.kind != draft.kind {
        return Err(taken_id());
    }
    let members = desk.places(room.id)?;
    if !members.first().is_some_and(|it| it.user == desk.by && !it.membership.banned) {
        return Err(taken_id());
    }
    found(desk, draft, room, members)
}

/// `members`: everyone with a place in the room, also those who are banned, the caller first.
fn found(desk: &mut Desk<'_>, draft: &RoomDraft, room: Room, mut members: Vec<Member>) -> Result<Done, Stop> {
    members.retain(|it| !it.membership.banned);
    let owns = members.first().is_some_and(|it| it.user == desk.by && it.membership.role == MemberRole::Owner);
    // Run again, a room finds itself as its first run has made it.
    let created = desk.again && room.id == draft.id && room.version == 1 && owns;
    let pos = if created { Some(joined_pos(desk, room.id)?) } else { None };
    Ok((Amended::Created { room: Arc::new(room), members, created }, pos))
}

/// The number of the change that gave the caller a place.
fn joined_pos(desk: &mut Desk<'_>, room: RoomId) -> QueryResult<u64> {
    let pos: i64 = on!(desk.connection, c => members::table
        .find((Key(room.0), Key(desk.by.0)))
        .select(members::joined_pos)
        .get_result(c))?;
    Ok(number(pos))
}

/// Changes what a room is called, who may come in, and whether it is in use.
pub(super) fn update(desk: &mut Desk<'_>, id: RoomId, change: &RoomChange) -> Result<Done, Stop> {
    let before = desk.room(id)?;
    let after = changed(&before, change, desk.at())?;
    let differs = after != before;
    // Run again, an update finds itself done, and has raised the version itself.
    if (differs || !desk.again) && change.if_version.is_some_and(|it| it != before.version) {
        return Err(Reject::precondition_failed().into());
    }
    if !differs && !desk.again {
        return Ok((Amended::Updated { room: Arc::new(before) }, None));
    }
    let pos = desk.organization.advance();
    let room = Room { version: before.version + 1, updated_at: desk.at(), ..after };
    on!(desk.connection, c => diesel::update(rooms::table.find(Key(id.0)))
        .set((
            rooms::kind.eq(room.kind.as_str()),
            rooms::name.eq(room.name.as_deref()),
            rooms::archived_at.eq(room.archived_at.map(Timestamp::as_micros)),
            rooms::acl_version.eq(stored(room.version)),
            rooms::updated_at.eq(room.updated_at.as_micros()),
        ))
        .execute(c))?;
    // The writer remembers rooms by what they were.
    desk.organization.rooms.remove(&id);
    Ok((Amended::Updated { room: Arc::new(room) }, Some(pos)))
}

fn changed(room: &Room, change: &RoomChange, now: Timestamp) -> Result<Room, Reject> {
    use RoomKind::{Direct, Private, Public};
    let mut room = room.clone();
    if let Some(name) = &change.name {
        if room.kind == Direct {
            return Err(Reject::conflict("A direct room has no name: it is called after the other person"));
        }
        room.name = Some(without_nul(name.clone()));
    }
    if let Some(kind) = change.kind.filter(|kind| *kind != room.kind) {
        if !matches!((room.kind, kind), (Public, Private) | (Private, Public)) {
            return Err(Reject::conflict("Only a public room can become private, and a private one public"));
        }
        room.kind = kind;
    }
    match change.archived {
        Some(true) => room.archived_at = room.archived_at.or(Some(now)),
        Some(false) => room.archived_at = None,
        None => {}
    }
    Ok(room)
}
