//! Who may do what, for every dialect and for REST alike: the one place where it is decided.
//!
//! `member` is what the user is in the room, if anything. The organization has been checked before: another
//! organization's room is not known to exist.

use super::membership::Facts;
use super::ports::{Authority, Reach};
use crate::domain::{Identity, MemberRole, Membership, Reject, RejectCode, Role, RoomChange, RoomKind, Scope, UserId};

/// Joining, marking what was read, and reading the past.
pub fn enter(identity: &Identity, facts: &Facts, member: Option<Membership>) -> Result<(), Reject> {
    identity.must_have(Scope::ChatRead)?;
    admit(identity, facts, member)
}

/// Hearing of the rooms that one is in.
pub fn watch(identity: &Identity) -> Result<(), Reject> {
    if identity.organization.is_none() {
        return Err(Reject::no_organization());
    }
    identity.must_have(Scope::ChatRead)
}

/// Telling that one is writing. Nothing comes of it, so an archived room does not mind.
pub fn typing(identity: &Identity, facts: &Facts, member: Option<Membership>) -> Result<(), Reject> {
    identity.must_have(Scope::ChatWrite)?;
    admit(identity, facts, member)?;
    not_muted(member)
}

/// Sending: the right to enter, not muted, and a room that is not archived.
pub fn send(identity: &Identity, facts: &Facts, member: Option<Membership>) -> Result<(), Reject> {
    typing(identity, facts, member)?;
    not_archived(facts)
}

/// Handing in what a contact has said: a line to the outside may, into any conversation of its organization.
pub fn send_for_contact(identity: &Identity, facts: &Facts) -> Result<(), Reject> {
    report(identity)?;
    if facts.kind != RoomKind::Conversation {
        return Err(Reject::field("senderType", "agent or bot: contacts speak in conversations only"));
    }
    not_archived(facts)
}

/// Handing in what a bot says: a bot may speak for itself, and a line to the outside for a bot that is there.
pub fn send_for_bot(identity: &Identity, facts: &Facts, member: Option<Membership>) -> Result<(), Reject> {
    if identity.role != Role::Bot {
        report(identity)?;
    }
    send(identity, facts, member)
}

/// Reporting what the outside says: of contacts' messages, and of what has become of one's own.
pub fn report(identity: &Identity) -> Result<(), Reject> {
    identity.must_have(Scope::MessagesWrite)?;
    if identity.role == Role::Admin || identity.is_key() {
        return Ok(());
    }
    Err(forbidden("Only an API key with the scope messages:write or an administrator reports for the outside"))
}

/// Putting an emoji under a message, or taking it back.
pub fn react(identity: &Identity, facts: &Facts, member: Option<Membership>) -> Result<(), Reject> {
    send(identity, facts, member)
}

/// Editing and deleting messages: whose.
pub fn amend(identity: &Identity, facts: &Facts, member: Option<Membership>) -> Result<Reach, Reject> {
    identity.must_have(Scope::ChatWrite)?;
    if identity.administers() {
        return not_archived(facts).map(|()| Reach::Any);
    }
    send(identity, facts, member)?;
    let is_moderator = member.is_some_and(|it| it.role >= MemberRole::Moderator);
    Ok(if is_moderator { Reach::Any } else { Reach::Own })
}

/// Making a room.
pub fn create(identity: &Identity, kind: RoomKind) -> Result<(), Reject> {
    identity.must_have(Scope::ChatWrite)?;
    let may = kind != RoomKind::Conversation || matches!(identity.role, Role::Agent | Role::Admin | Role::Bot);
    may.then_some(()).ok_or_else(|| forbidden("Only agents, bots and administrators open customer conversations"))
}

/// Changing a room: its name, its kind, whether it is archived.
pub fn change(
    identity: &Identity,
    facts: &Facts,
    member: Option<Membership>,
    change: &RoomChange,
) -> Result<(), Reject> {
    identity.must_have(Scope::ChatWrite)?;
    if !identity.administers() && !holds(member, MemberRole::Owner) {
        return Err(forbidden("Only an owner of this session or an administrator may change it"));
    }
    if facts.kind == RoomKind::Direct && (change.name.is_some() || change.kind.is_some()) {
        return Err(forbidden("A direct session can only be archived and brought back"));
    }
    let is_open = |kind| matches!(kind, RoomKind::Public | RoomKind::Private);
    if change.kind.is_some_and(|to| to != facts.kind && !(is_open(facts.kind) && is_open(to))) {
        return Err(Reject::field("kind", "public or private, in a session that is one of them"));
    }
    Ok(())
}

/// Deleting a room for good.
pub fn purge(identity: &Identity) -> Result<(), Reject> {
    identity.must_have(Scope::ChatWrite)?;
    let may = identity.administers();
    may.then_some(()).ok_or_else(|| forbidden("Only an administrator may delete a session for good"))
}

/// Changing `target`'s place in a room: how much of it.
pub fn members(
    identity: &Identity,
    facts: &Facts,
    member: Option<Membership>,
    target: UserId,
) -> Result<Authority, Reject> {
    identity.must_have(Scope::ChatWrite)?;
    let is_own = identity.user == target;
    if facts.kind == RoomKind::Direct {
        let refusal = || forbidden("A direct session has the two members that it was made for");
        return is_own.then_some(Authority::Own).ok_or_else(refusal);
    }
    if identity.administers() || holds(member, MemberRole::Owner) {
        return Ok(Authority::Full);
    }
    if member.is_some_and(|it| it.banned) {
        return Err(banned());
    }
    if holds(member, MemberRole::Moderator) {
        return Ok(Authority::Moderate);
    }
    let invites = match facts.kind {
        RoomKind::Public => member.is_some(),
        RoomKind::Conversation => {
            matches!(identity.role, Role::Agent | Role::Bot) && admit(identity, facts, member).is_ok()
        }
        RoomKind::Private | RoomKind::Direct => false,
    };
    match (invites, is_own) {
        (true, _) => Ok(Authority::Invite),
        (false, true) => Ok(Authority::Own),
        (false, false) => Err(forbidden("You may not change who is in this session")),
    }
}

fn admit(identity: &Identity, facts: &Facts, member: Option<Membership>) -> Result<(), Reject> {
    if member.is_some_and(|it| it.banned) {
        return Err(banned());
    }
    let may = match facts.kind {
        RoomKind::Public => true,
        RoomKind::Private | RoomKind::Direct => member.is_some(),
        RoomKind::Conversation => member.is_some() || matches!(identity.role, Role::Agent | Role::Admin),
    };
    if may { Ok(()) } else { Err(Reject::forbidden()) }
}

/// Whether somebody has a place in the room with this role or a higher one.
fn holds(member: Option<Membership>, role: MemberRole) -> bool {
    member.is_some_and(|it| !it.banned && it.role >= role)
}

fn not_muted(member: Option<Membership>) -> Result<(), Reject> {
    if member.is_some_and(|it| it.muted) {
        return Err(forbidden("You are muted in this session: you may read, and not write"));
    }
    Ok(())
}

fn not_archived(facts: &Facts) -> Result<(), Reject> {
    if facts.archived {
        return Err(forbidden("This session is archived: it can be read, and nothing can be written"));
    }
    Ok(())
}

fn banned() -> Reject {
    forbidden("You are banned from this session")
}

fn forbidden(message: &'static str) -> Reject {
    Reject::new(RejectCode::Forbidden, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{OrgId, Scopes};
    use uuid::Uuid;
    use {MemberRole as M, Role as R, RoomKind as K};

    const ME: UserId = UserId(Uuid::from_u128(2));
    const OTHER: UserId = UserId(Uuid::from_u128(3));

    fn identity(role: Role) -> Identity {
        Identity {
            organization: Some(OrgId(Uuid::from_u128(1))),
            user: ME,
            role,
            name: "A".into(),
            email: None,
            expires_at: None,
            login: None,
            scopes: Scopes::ALL,
        }
    }

    fn with_scope(scope: Scope) -> Identity {
        Identity { scopes: Scopes::default().with(scope), ..identity(R::Admin) }
    }

    fn facts(kind: RoomKind, archived: bool) -> Facts {
        Facts { organization: OrgId(Uuid::from_u128(1)), kind, archived, acl_version: 1, last_seq: 0, last_pos: 0 }
    }

    #[expect(clippy::unnecessary_wraps, reason = "as it is asked about")]
    fn place(role: MemberRole) -> Option<Membership> {
        Some(Membership::new(role))
    }

    const MUTED: Option<Membership> = Some(Membership { role: M::Moderator, muted: true, banned: false });
    const BANNED: Option<Membership> = Some(Membership { role: M::Owner, muted: false, banned: true });

    #[test]
    fn the_kind_of_a_room_decides_who_enters() {
        let table = [
            (K::Public, R::Member, None, true),
            (K::Public, R::Bot, None, true),
            (K::Public, R::Admin, BANNED, false),
            (K::Private, R::Admin, None, false),
            (K::Private, R::Member, place(M::Member), true),
            (K::Private, R::Member, MUTED, true),
            (K::Private, R::Member, BANNED, false),
            (K::Direct, R::Agent, None, false),
            (K::Direct, R::Member, place(M::Member), true),
            (K::Conversation, R::Member, None, false),
            (K::Conversation, R::Bot, None, false),
            (K::Conversation, R::Member, place(M::Owner), true),
            (K::Conversation, R::Agent, None, true),
            (K::Conversation, R::Admin, None, true),
            (K::Conversation, R::Agent, BANNED, false),
        ];
        for (kind, role, member, may) in table {
            let answer = enter(&identity(role), &facts(kind, false), member);
            assert_eq!(answer.is_ok(), may, "{kind} {role} {member:?}");
        }
    }

    #[test]
    fn what_is_missing_for_writing_is_said() {
        let table = [
            (facts(K::Conversation, true), R::Agent, None, "archived"),
            (facts(K::Public, false), R::Agent, MUTED, "muted"),
            (facts(K::Public, false), R::Agent, BANNED, "banned"),
            (facts(K::Private, false), R::Agent, None, "take part"),
        ];
        for (room, role, member, word) in table {
            for refused in [send(&identity(role), &room, member), react(&identity(role), &room, member)] {
                let reject = refused.unwrap_err();
                assert_eq!(reject.code, RejectCode::Forbidden);
                assert!(reject.message.contains(word), "{reject}");
            }
        }
        assert_eq!(send(&identity(R::Member), &facts(K::Public, false), None), Ok(()));
        assert_eq!(typing(&identity(R::Member), &facts(K::Public, true), None), Ok(()));
        assert!(typing(&identity(R::Member), &facts(K::Public, false), MUTED).is_err());
    }

    #[test]
    fn ones_own_messages_can_be_changed_and_others_by_those_who_look_after_the_room() {
        let table = [
            (K::Public, false, R::Member, None, Some(Reach::Own)),
            (K::Private, false, R::Member, place(M::Member), Some(Reach::Own)),
            (K::Private, false, R::Member, place(M::Moderator), Some(Reach::Any)),
            (K::Private, false, R::Bot, place(M::Owner), Some(Reach::Any)),
            (K::Private, false, R::Agent, None, None),
            (K::Private, false, R::Admin, None, Some(Reach::Any)),
            (K::Private, true, R::Admin, None, None),
            (K::Public, true, R::Member, place(M::Owner), None),
            (K::Public, false, R::Member, MUTED, None),
            (K::Public, false, R::Member, BANNED, None),
            (K::Conversation, false, R::Agent, None, Some(Reach::Own)),
        ];
        for (kind, archived, role, member, reach) in table {
            let answer = amend(&identity(role), &facts(kind, archived), member);
            assert_eq!(answer.ok(), reach, "{kind} {role} {member:?}");
        }
    }

    #[test]
    fn owners_and_administrators_change_rooms() {
        let name = RoomChange { name: Some("x".into()), ..RoomChange::default() };
        let archive = RoomChange { archived: Some(true), ..RoomChange::default() };
        let to = |kind| RoomChange { kind: Some(kind), ..RoomChange::default() };
        let table = [
            (K::Public, R::Admin, None, &name, None),
            (K::Public, R::Member, place(M::Owner), &name, None),
            (K::Public, R::Agent, place(M::Moderator), &name, Some(RejectCode::Forbidden)),
            (K::Public, R::Agent, BANNED, &name, Some(RejectCode::Forbidden)),
            (K::Direct, R::Member, place(M::Owner), &name, Some(RejectCode::Forbidden)),
            (K::Direct, R::Member, place(M::Owner), &archive, None),
            (K::Public, R::Admin, None, &to(K::Private), None),
            (K::Public, R::Admin, None, &to(K::Direct), Some(RejectCode::InvalidPayload)),
            (K::Conversation, R::Admin, None, &to(K::Public), Some(RejectCode::InvalidPayload)),
            (K::Conversation, R::Admin, None, &to(K::Conversation), None),
        ];
        for (kind, role, member, wish, code) in table {
            let answer = change(&identity(role), &facts(kind, false), member, wish);
            assert_eq!(answer.err().map(|it| it.code), code, "{kind} {role} {member:?} {wish:?}");
        }
        assert!(purge(&identity(R::Admin)).is_ok() && purge(&identity(R::Agent)).is_err());
        assert!(purge(&with_scope(Scope::ChatWrite)).is_err(), "a key of an administrator, made for less");
        assert!(create(&identity(R::Member), K::Direct).is_ok() && create(&identity(R::Member), K::Private).is_ok());
        assert!(create(&identity(R::Bot), K::Conversation).is_ok());
        assert!(create(&identity(R::Member), K::Conversation).is_err());
    }

    #[test]
    fn a_role_decides_what_may_be_done_about_members() {
        use Authority::{Full, Invite, Moderate, Own};
        let table = [
            (K::Private, R::Admin, None, OTHER, Some(Full)),
            (K::Private, R::Member, place(M::Owner), OTHER, Some(Full)),
            (K::Private, R::Member, place(M::Moderator), OTHER, Some(Moderate)),
            (K::Private, R::Member, place(M::Member), OTHER, None),
            (K::Private, R::Member, place(M::Member), ME, Some(Own)),
            (K::Public, R::Member, place(M::Member), OTHER, Some(Invite)),
            (K::Public, R::Member, None, OTHER, None),
            (K::Public, R::Member, None, ME, Some(Own)),
            (K::Public, R::Member, BANNED, ME, None),
            (K::Public, R::Admin, BANNED, ME, Some(Full)),
            (K::Conversation, R::Agent, None, OTHER, Some(Invite)),
            (K::Conversation, R::Bot, None, OTHER, None),
            (K::Conversation, R::Bot, place(M::Member), OTHER, Some(Invite)),
            (K::Conversation, R::Member, place(M::Member), OTHER, None),
            (K::Direct, R::Member, place(M::Owner), OTHER, None),
            (K::Direct, R::Member, place(M::Owner), ME, Some(Own)),
        ];
        for (kind, role, member, target, authority) in table {
            let answer = members(&identity(role), &facts(kind, false), member, target);
            assert_eq!(answer.ok(), authority, "{kind} {role} {member:?}");
        }
    }

    #[test]
    fn the_outside_is_reported_by_its_keys_and_by_administrators() {
        let key = |role, scope| Identity { role, ..with_scope(scope) };
        let lines = "Only an API key with the scope messages:write or an administrator";
        let table = [
            ("an agent", identity(R::Agent), Some(lines)),
            ("a member", identity(R::Member), Some(lines)),
            ("a bot", identity(R::Bot), Some(lines)),
            ("an administrator", identity(R::Admin), None),
            ("a key", key(R::Bot, Scope::MessagesWrite), None),
            ("an agent's key", key(R::Agent, Scope::MessagesWrite), None),
            ("a key without the scope", key(R::Bot, Scope::ChatWrite), Some("lacks the scope messages:write")),
            ("an administrator's key without it", key(R::Admin, Scope::Admin), Some("lacks the scope messages:write")),
        ];
        for (who, identity, refused) in table {
            let room = facts(K::Conversation, false);
            for answer in [report(&identity), send_for_contact(&identity, &room)] {
                let said = answer.err().map(|it| (it.code, it.message));
                assert_eq!(said.is_some(), refused.is_some(), "{who}: {said:?}");
                if let (Some((code, message)), Some(words)) = (said, refused) {
                    assert_eq!(code, RejectCode::Forbidden, "{who}");
                    assert!(message.contains(words), "{who}: {message}");
                }
            }
        }
        // Contacts speak in conversations only, and not in those that are archived; what became of messages is told of all.
        let key = key(R::Bot, Scope::MessagesWrite);
        for (room, code) in [
            (facts(K::Public, false), RejectCode::InvalidPayload),
            (facts(K::Direct, false), RejectCode::InvalidPayload),
            (facts(K::Conversation, true), RejectCode::Forbidden),
        ] {
            assert_eq!(send_for_contact(&key, &room).unwrap_err().code, code);
        }
    }

    #[test]
    fn a_bot_speaks_for_itself_and_its_line_where_it_is() {
        let room = facts(K::Conversation, false);
        let line = Scopes::default().with(Scope::MessagesWrite).with(Scope::ChatWrite);
        let line = Identity { role: R::Agent, scopes: line, ..identity(R::Agent) };
        assert_eq!(send_for_bot(&identity(R::Bot), &room, place(M::Member)), Ok(()));
        assert_eq!(send_for_bot(&line, &room, None), Ok(()));
        for (identity, member) in [
            (identity(R::Bot), None),
            (identity(R::Agent), None),
            (with_scope(Scope::MessagesWrite), None),
            (with_scope(Scope::ChatWrite), None),
            (identity(R::Admin), BANNED),
        ] {
            let refused = send_for_bot(&identity, &room, member).unwrap_err();
            assert_eq!(refused.code, RejectCode::Forbidden, "{identity:?}");
        }
    }

    #[test]
    fn a_key_does_what_its_scopes_say() {
        let (reader, writer) = (with_scope(Scope::ChatRead), with_scope(Scope::ChatWrite));
        let room = facts(K::Public, false);
        assert!(enter(&reader, &room, None).is_ok() && watch(&reader).is_ok());
        assert!(send(&writer, &room, None).is_ok() && amend(&writer, &room, None).is_ok());
        for refused in [enter(&writer, &room, None), watch(&writer)] {
            assert!(refused.unwrap_err().message.contains("chat:read"));
        }
        for refused in [
            send(&reader, &room, None),
            typing(&reader, &room, None),
            react(&reader, &room, None),
            amend(&reader, &room, None).map(drop),
            create(&reader, K::Public),
            change(&reader, &room, None, &RoomChange::default()),
            purge(&reader),
            members(&reader, &room, None, ME).map(drop),
        ] {
            let reject = refused.unwrap_err();
            assert_eq!(reject.code, RejectCode::Forbidden);
            assert!(reject.message.contains("chat:write"), "{reject}");
        }
    }
}
