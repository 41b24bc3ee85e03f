//! The commands that change what is stored: messages, reactions, rooms and their members.

use uuid::Uuid;

use super::{Ask, identity_and_facts};
use crate::domain::{Command, Identity, OrgId, Reject, RoomDraft, RoomKind};
use crate::hub::permissions;
use crate::hub::ports::{Amendment, AmendmentKind};
use crate::hub::state::{Amending, State, Turn};

/// Sees whether the user may do it, and has it written.
pub(super) fn run(state: &mut State, ask: &Ask<'_>, command: Command, turn: &mut Turn<'_>) -> Result<(), Reject> {
    let room = command.room();
    let (identity, organization, kind) = match command {
        Command::Create(draft) => {
            let (identity, organization) = creator(state, ask)?;
            may_create(identity, &draft)?;
            (identity, organization, AmendmentKind::Create(*draft))
        }
        Command::CreateOnce(draft, request) => {
            let (identity, organization) = creator(state, ask)?;
            may_create(identity, &draft)?;
            (identity, organization, AmendmentKind::CreateOnce(*draft, request))
        }
        command => {
            let (identity, facts) = identity_and_facts(state, ask, room)?;
            (identity, facts.organization, change(state, ask, command)?)
        }
    };
    // The id is drawn where the write is handed over: there is no randomness in here.
    let amendment = Amendment { id: Uuid::nil(), by: identity.user, by_name: identity.name.clone(), kind };
    let (conn, tag, by) = (ask.conn, ask.tag.clone(), identity.user);
    state.write_amendment(amendment, Amending { conn, tag, organization, room, by }, turn);
    Ok(())
}

fn creator<'a>(state: &'a State, ask: &Ask<'_>) -> Result<(&'a Identity, OrgId), Reject> {
    let identity = state.identity(ask.conn).ok_or_else(Reject::not_found)?;
    Ok((identity, identity.organization.ok_or_else(Reject::forbidden)?))
}

fn may_create(identity: &Identity, draft: &RoomDraft) -> Result<(), Reject> {
    permissions::create(identity, draft.kind)?;
    let is_pair = matches!(&draft.members[..], [other] if *other != identity.user);
    if draft.kind == RoomKind::Direct && !is_pair {
        return Err(Reject::field("members", "the one other member of a direct session"));
    }
    Ok(())
}

fn change(state: &State, ask: &Ask<'_>, command: Command) -> Result<AmendmentKind, Reject> {
    let (identity, facts) = identity_and_facts(state, ask, command.room())?;
    let role = ask.role;
    match command {
        Command::Edit { room, message, text, if_changed_pos } => {
            let reach = permissions::amend(identity, facts, role)?;
            if text.trim().is_empty() {
                return Err(Reject::field("text", "a string that is not blank"));
            }
            Ok(AmendmentKind::Message { room, message, text: Some(text), if_changed_pos, reach })
        }
        Command::Delete { room, message, if_changed_pos } => {
            let reach = permissions::amend(identity, facts, role)?;
            Ok(AmendmentKind::Message { room, message, text: None, if_changed_pos, reach })
        }
        Command::Report(report) => {
            permissions::report(identity)?;
            Ok(AmendmentKind::Report(report))
        }
        Command::React { room, message, emoji, present } => {
            permissions::react(identity, facts, role)?;
            Ok(AmendmentKind::React { room, message, emoji, present })
        }
        Command::Update { room, change } => {
            permissions::change(identity, facts, role, &change)?;
            Ok(AmendmentKind::Update { room, change })
        }
        Command::Purge { room } => {
            permissions::purge(identity)?;
            Ok(AmendmentKind::Purge { room })
        }
        Command::SetMember { room, user, change } => {
            let authority = permissions::members(identity, facts, role, user)?;
            Ok(AmendmentKind::Member { room, user, change: Some(change), authority })
        }
        Command::RemoveMember { room, user } => {
            let authority = permissions::members(identity, facts, role, user)?;
            Ok(AmendmentKind::Member { room, user, change: None, authority })
        }
        _ => Err(Reject::not_found()),
    }
}
