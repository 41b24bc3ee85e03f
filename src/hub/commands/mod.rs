//! The commands of sessions, once it is known what their user is in the room.

mod amend;

use smallvec::smallvec;

use super::effect::{Effect, Join, Op};
use super::marks::MarkKey;
use super::membership::{Facts, Seated};
use super::permissions;
use super::ports::{Change, NewMessage};
use super::state::{State, Turn};
use crate::domain::{
    Author, Command, ConnId, ContactId, Direction, Draft, Event, Identity, MarkKind, MarkTarget, Membership, Reject,
    RejectCode, Resume, Role, RoomId, SenderType, Tag, Typing,
};

/// The most users that a presence answer names.
const PRESENCE_LIMIT: usize = 100;

/// Runs one command. `role`: what the user is in the room, if anything. `Err`: nothing was done; answer this.
pub(super) fn run(
    state: &mut State,
    conn: ConnId,
    command: Command,
    tag: &Tag,
    role: Option<Membership>,
    turn: &mut Turn<'_>,
) -> Result<(), Reject> {
    let ask = Ask { conn, tag, role };
    match command {
        Command::Join { room, resume, presence, .. } => join(state, &ask, room, resume, presence, turn),
        Command::Leave { room } => leave(state, &ask, room, turn),
        Command::Send(draft) => send(state, &ask, *draft, turn),
        Command::Typing { room, contact, is_typing } => typing(state, &ask, room, contact, is_typing, turn),
        Command::Mark { room, kind, target } => mark(state, &ask, room, kind, target, turn),
        Command::Presence { room } => presence(state, &ask, room, turn),
        Command::Edit { .. }
        | Command::Delete { .. }
        | Command::Report(_)
        | Command::React { .. }
        | Command::Create(_)
        | Command::CreateOnce(..)
        | Command::Update { .. }
        | Command::Purge { .. }
        | Command::SetMember { .. }
        | Command::RemoveMember { .. } => amend::run(state, &ask, command, turn),
    }
}

/// Who asks, under which name of the question.
struct Ask<'a> {
    conn: ConnId,
    tag: &'a Tag,
    role: Option<Membership>,
}

fn identity_and_facts<'a>(state: &'a State, ask: &Ask<'_>, room: RoomId) -> Result<(&'a Identity, &'a Facts), Reject> {
    let identity = state.identity(ask.conn).ok_or_else(Reject::not_found)?;
    let facts = state.rooms.get(&room).and_then(|room| room.facts.as_ref()).ok_or_else(Reject::not_found)?;
    if identity.organization != Some(facts.organization) {
        return Err(Reject::not_found());
    }
    Ok((identity, facts))
}

fn may_enter<'a>(state: &'a State, ask: &Ask<'_>, room: RoomId) -> Result<(&'a Identity, &'a Facts), Reject> {
    let (identity, facts) = identity_and_facts(state, ask, room)?;
    permissions::enter(identity, facts, ask.role)?;
    Ok((identity, facts))
}

fn has_joined(state: &State, ask: &Ask<'_>, room: RoomId) -> bool {
    state.conns.get(&ask.conn).is_some_and(|conn| conn.rooms.iter().any(|seated| seated.room == room))
}

fn join(
    state: &mut State,
    ask: &Ask<'_>,
    id: RoomId,
    resume: Resume,
    watch: Option<bool>,
    turn: &mut Turn<'_>,
) -> Result<(), Reject> {
    may_enter(state, ask, id)?;
    let limit = state.rules.max_rooms_per_connection;
    let (Some(conn), Some(room)) = (state.conns.get_mut(&ask.conn), state.rooms.get_mut(&id)) else {
        // Somebody without a connection has nothing to join with.
        return Err(Reject::not_joined());
    };
    let user = conn.identity.user;
    let mut is_new_here = false;
    let joined = conn.rooms.len();
    let seated = conn.rooms.iter_mut().find(|seated| seated.room == id);
    let watch = watch.unwrap_or_else(|| seated.as_ref().is_some_and(|it| it.watch));
    match seated {
        Some(seated) => {
            room.watchers -= u32::from(seated.watch);
            seated.watch = watch;
        }
        None if limit > 0 && joined >= limit => {
            let message = format!("A connection may be in at most {limit} sessions; leave one first");
            return Err(Reject::new(RejectCode::TooManyRooms, message));
        }
        None => {
            conn.rooms.push(Seated { room: id, watch });
            is_new_here = room.enter(ask.conn, user, ask.role, conn.seat.worker);
        }
    }
    room.watchers += u32::from(watch);
    let (seat, name) = (conn.seat, conn.identity.name.clone());
    // Changes that another hub has stored are found by looking.
    let is_known = !(state.rules.shared_store && matches!(resume, Resume::AfterPos(_)));
    let changed_pos = if is_known { room.changes.heard() } else { u64::MAX };
    let (last_seq, last_pos) = room.facts.as_ref().map_or((0, 0), |facts| (facts.last_seq, facts.last_pos));
    let members = room.present.len();
    let (slot, tag) = (seat.slot, ask.tag.clone());
    let join = Join { room: id, slot, resume, watch, last_seq, last_pos, changed_pos, members, tag };
    turn.effects.push(Effect::Worker(seat.worker, Op::Join(join)));
    if is_new_here {
        state.tell_joined(id, user, name, seat, turn);
    }
    Ok(())
}

fn leave(state: &mut State, ask: &Ask<'_>, room: RoomId, turn: &mut Turn<'_>) -> Result<(), Reject> {
    if !has_joined(state, ask, room) {
        return Err(Reject::not_joined());
    }
    state.leave(ask.conn, room, Some(ask.tag.clone()), turn);
    Ok(())
}

fn send(state: &mut State, ask: &Ask<'_>, draft: Draft, turn: &mut Turn<'_>) -> Result<(), Reject> {
    let (identity, facts) = identity_and_facts(state, ask, draft.room)?;
    let sender_type = match draft.author {
        Author::Contact => {
            permissions::send_for_contact(identity, facts)?;
            SenderType::Contact
        }
        Author::Bot => {
            permissions::send_for_bot(identity, facts, ask.role)?;
            SenderType::Bot
        }
        Author::Caller => {
            permissions::send(identity, facts, ask.role)?;
            if identity.role == Role::Bot { SenderType::Bot } else { SenderType::Agent }
        }
    };
    let organization = facts.organization;
    let direction = if sender_type == SenderType::Contact { Direction::Inbound } else { Direction::Outbound };
    let message = NewMessage { sender_type, direction, user: identity.user, user_name: identity.name.clone(), draft };
    state.write_message(organization, Change::Message(Box::new(message)), ask.conn, ask.tag.clone(), turn);
    Ok(())
}

fn typing(
    state: &mut State,
    ask: &Ask<'_>,
    room: RoomId,
    contact: Option<ContactId>,
    is_typing: bool,
    turn: &mut Turn<'_>,
) -> Result<(), Reject> {
    let (identity, facts) = identity_and_facts(state, ask, room)?;
    permissions::typing(identity, facts, ask.role)?;
    let Some(conn) = state.conns.get(&ask.conn).filter(|_| has_joined(state, ask, room)) else {
        return Err(Reject::not_joined());
    };
    let typing = Typing { room, contact, user: conn.identity.user, user_name: conn.identity.name.clone(), is_typing };
    state.tell_room(room, Event::Typing(typing), None, smallvec![conn.seat], turn);
    if ask.tag.is_some() {
        state.answer(ask.conn, ask.tag.clone(), Event::TypingTold { room }, turn);
    }
    Ok(())
}

fn mark(
    state: &mut State,
    ask: &Ask<'_>,
    room: RoomId,
    kind: MarkKind,
    target: MarkTarget,
    turn: &mut Turn<'_>,
) -> Result<(), Reject> {
    let (identity, facts) = may_enter(state, ask, room)?;
    let key = MarkKey { organization: facts.organization, room, user: identity.user, kind };
    if let Some(due) = state.marks.add(key, target, (ask.conn, ask.tag.clone()), turn.now) {
        state.write_mark(due, turn);
    }
    Ok(())
}

fn presence(state: &mut State, ask: &Ask<'_>, id: RoomId, turn: &mut Turn<'_>) -> Result<(), Reject> {
    may_enter(state, ask, id)?;
    let Some(room) = state.rooms.get(&id).filter(|_| has_joined(state, ask, id)) else {
        return Err(Reject::not_joined());
    };
    let named = room.present.iter().take(PRESENCE_LIMIT).map(|(user, present)| {
        let conn = present.conns.first().and_then(|conn| state.conns.get(conn));
        (*user, conn.map(|conn| conn.identity.name.clone()).unwrap_or_default())
    });
    let event = Event::Presence { room: id, users: named.collect(), total: room.present.len() };
    state.answer(ask.conn, ask.tag.clone(), event, turn);
    Ok(())
}
