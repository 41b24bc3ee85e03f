//! Places in rooms: who gets one, what it allows, and who loses it.

use std::sync::Arc;

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel::select;

use super::super::connection::on;
use super::super::rows::MemberRow;
use super::super::schema::members;
use super::super::values::{Key, stored};
use super::{Desk, Done, Stop};
use crate::domain::{Member, MemberChange, MemberRole, Membership, Reject, RejectCode, Room, RoomId, RoomKind, UserId};
use crate::hub::ports::{Amended, Authority};

const DIRECT: &str = "The members of a direct room never change";
const LAST_OWNER: &str =
    "The last owner stays while others are in the room: make somebody else an owner first, or delete the room";
const SET_BY_OTHERS: &str = "Only the session's owners and moderators may change what a place in it allows";
const SET_BY_MEMBERS: &str = "Members may only invite those who have no place in the session and are not banned";
const SET_BY_MODERATORS: &str =
    "Only an owner of the session or an administrator may change roles, and the places of those who have one";
const REMOVED_BY: &str =
    "Moderators may remove members; those with a role only an owner of the session or an administrator";
const MUTED: &str = "You are muted here, so the place stays until a moderator unmutes you";
const BANNED: &str = "This user is banned from the session: lift the ban first (banned: false)";

/// Gives `user` a place, or changes what theirs allows.
pub(super) fn set(
    desk: &mut Desk<'_>,
    room: RoomId,
    user: UserId,
    change: MemberChange,
    authority: Authority,
) -> Result<Done, Stop> {
    let mut room = found(desk, room)?;
    let place = place(desk, room.id, user)?;
    let before = place.as_ref().map(|it| it.membership);
    let wanted = wanted(before, change);
    let is_so = before == Some(wanted);
    may_set(&room, desk.by == user, authority, before, wanted)?;
    if before.is_some_and(|it| it.banned) && wanted.banned && change.banned.is_none() {
        return Err(Reject::conflict(BANNED).into());
    }
    if is_so && !desk.again {
        return Ok((told(room, user, place), None));
    }
    if wanted.banned || wanted.role != MemberRole::Owner {
        keep_an_owner(desk, room.id, user, before)?;
    }
    // Whoever asks for themselves was seen at the door; they may not be written down yet.
    if before.is_none() && user != desk.by {
        desk.know(&[user])?;
    }
    let (pos, at) = (desk.organization.advance(), desk.at());
    // A ban is no time spent in the room: whoever comes back begins anew.
    let joined_at = place.filter(|it| it.membership.banned == wanted.banned).map(|it| it.joined_at);
    let row =
        (members::role.eq(wanted.role.as_str()), members::muted.eq(wanted.muted), members::banned.eq(wanted.banned));
    if joined_at.is_some() {
        on!(desk.connection, c => diesel::update(members::table.find((Key(room.id.0), Key(user.0)))).set(row).execute(c))?;
    } else {
        let joining = (row, members::joined_pos.eq(stored(pos)), members::joined_at.eq(at.as_micros()));
        on!(desk.connection, c => diesel::insert_into(members::table)
            .values((members::room_id.eq(Key(room.id.0)), members::user_id.eq(Key(user.0)), joining))
            .on_conflict((members::room_id, members::user_id))
            .do_update()
            .set(joining)
            .execute(c))?;
    }
    desk.raise(&mut room)?;
    let member = Member { room: room.id, user, membership: wanted, joined_at: joined_at.unwrap_or(at) };
    Ok((told(room, user, Some(member)), Some(pos)))
}

/// Takes a place away. A ban is not a place, and stays.
pub(super) fn remove(desk: &mut Desk<'_>, room: RoomId, user: UserId, authority: Authority) -> Result<Done, Stop> {
    let mut room = found(desk, room)?;
    let place = place(desk, room.id, user)?;
    let before = place.as_ref().map(|it| it.membership);
    may_remove(&room, desk.by == user, authority, before)?;
    let is_so = before.is_none_or(|it| it.banned);
    if is_so && !desk.again {
        return Ok((told(room, user, place), None));
    }
    let mut after = place;
    if !is_so {
        keep_an_owner(desk, room.id, user, before)?;
        on!(desk.connection, c => diesel::delete(members::table.find((Key(room.id.0), Key(user.0)))).execute(c))?;
        after = None;
    }
    let pos = desk.organization.advance();
    desk.raise(&mut room)?;
    Ok((told(room, user, after), Some(pos)))
}

fn told(room: Room, user: UserId, member: Option<Member>) -> Amended {
    Amended::Member { room: Arc::new(room), user, member }
}

/// A room whose members can change.
fn found(desk: &mut Desk<'_>, room: RoomId) -> Result<Room, Stop> {
    let room = desk.room(room)?;
    if room.kind == RoomKind::Direct { Err(Reject::conflict(DIRECT).into()) } else { Ok(room) }
}

fn place(desk: &mut Desk<'_>, room: RoomId, user: UserId) -> QueryResult<Option<Member>> {
    let row = on!(desk.connection, c => members::table
        .find((Key(room.0), Key(user.0)))
        .select(MemberRow::as_select())
        .get_result(c)
        .optional())?;
    row.map(MemberRow::into_member).transpose()
}

/// What a place becomes. A banned one has no role left to come back to.
fn wanted(before: Option<Membership>, change: MemberChange) -> Membership {
    let before = before.unwrap_or(Membership::new(MemberRole::Member));
    let banned = change.banned.unwrap_or(before.banned);
    let role = if banned { MemberRole::Member } else { change.role.unwrap_or(before.role) };
    Membership { role, muted: change.muted.unwrap_or(before.muted), banned }
}

/// Whether this `authority` is enough to make `wanted` of what was `before`. `own`: the caller's own place.
fn may_set(
    room: &Room,
    own: bool,
    authority: Authority,
    before: Option<Membership>,
    wanted: Membership,
) -> Result<(), Reject> {
    const PLAIN: Membership = Membership::new(MemberRole::Member);
    let is_so = before == Some(wanted);
    let fresh = before.is_none() && wanted == PLAIN;
    let allowed = match authority {
        Authority::Full => true,
        Authority::Moderate => {
            is_so || (wanted.role == MemberRole::Member && before.is_none_or(|it| it.role == MemberRole::Member))
        }
        Authority::Invite => (is_so || fresh) && !wanted.banned,
        Authority::Own => own && (is_so || (fresh && room.kind == RoomKind::Public)) && !wanted.banned,
    };
    allowed.then_some(()).ok_or_else(|| match authority {
        Authority::Own if own && before.is_none_or(|it| it.banned) => Reject::forbidden(),
        Authority::Own => forbidden(SET_BY_OTHERS),
        Authority::Invite => forbidden(SET_BY_MEMBERS),
        Authority::Moderate | Authority::Full => forbidden(SET_BY_MODERATORS),
    })
}

fn may_remove(room: &Room, own: bool, authority: Authority, before: Option<Membership>) -> Result<(), Reject> {
    // Who could come in again at once would come back without the mute. With full authority they may lift it anyway.
    let may_return = matches!(room.kind, RoomKind::Public | RoomKind::Conversation);
    if own && may_return && authority != Authority::Full && before.is_some_and(|it| it.muted && !it.banned) {
        return Err(Reject::conflict(MUTED));
    }
    let allowed = own
        || match authority {
            Authority::Full => true,
            Authority::Moderate => before.is_none_or(|it| it.role == MemberRole::Member),
            Authority::Own | Authority::Invite => false,
        };
    allowed.then_some(()).ok_or_else(|| forbidden(REMOVED_BY))
}

fn forbidden(message: &'static str) -> Reject {
    Reject::new(RejectCode::Forbidden, message)
}

/// Somebody must be left to look after those who are in the room.
fn keep_an_owner(desk: &mut Desk<'_>, room: RoomId, user: UserId, before: Option<Membership>) -> Result<(), Stop> {
    if before.is_none_or(|it| it.banned || it.role != MemberRole::Owner) {
        return Ok(());
    }
    let others = || {
        members::table
            .filter(members::room_id.eq(Key(room.0)))
            .filter(members::user_id.ne(Key(user.0)))
            .filter(members::banned.eq(false))
    };
    let owners = || others().filter(members::role.eq(MemberRole::Owner.as_str()));
    let owned: bool = on!(desk.connection, c => select(exists(owners())).get_result(c))?;
    let alone: bool = on!(desk.connection, c => select(not(exists(others()))).get_result(c))?;
    if owned || alone {
        return Ok(());
    }
    Err(Reject::conflict(LAST_OWNER).into())
}
