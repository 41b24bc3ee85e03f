//! Who may do what, for every dialect and for REST alike: the one place where it is decided.

use super::membership::Facts;
use crate::domain::{Identity, Membership, Reject, RejectCode, Role, RoomKind};

/// Joining, typing, marking and reading history. `member` is what the user is in the room, if anything.
///
/// The organization has been checked before: another organization's room is not known to exist.
pub fn enter(identity: &Identity, facts: &Facts, member: Option<Membership>) -> Result<(), Reject> {
    let may = match facts.kind {
        RoomKind::Public => true,
        RoomKind::Private | RoomKind::Direct => member.is_some(),
        RoomKind::Conversation => member.is_some() || matches!(identity.role, Role::Agent | Role::Admin),
    };
    if may { Ok(()) } else { Err(Reject::forbidden()) }
}

/// Sending: the right to enter, and a room that is not archived.
pub fn send(identity: &Identity, facts: &Facts, member: Option<Membership>) -> Result<(), Reject> {
    enter(identity, facts, member)?;
    if facts.archived {
        return Err(Reject::new(RejectCode::Forbidden, "This session is archived; nothing can be sent to it"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{MemberRole, OrgId, Scopes, UserId};
    use uuid::Uuid;

    fn identity(role: Role) -> Identity {
        Identity {
            organization: Some(OrgId(Uuid::from_u128(1))),
            user: UserId(Uuid::from_u128(2)),
            role,
            name: "A".into(),
            email: None,
            expires_at: None,
            login: None,
            scopes: Scopes::ALL,
        }
    }

    fn facts(kind: RoomKind, archived: bool) -> Facts {
        Facts { organization: OrgId(Uuid::from_u128(1)), kind, archived, acl_version: 1, last_seq: 0, last_pos: 0 }
    }

    #[test]
    fn the_kind_of_a_room_decides_who_enters() {
        use {MemberRole as M, Role as R, RoomKind as K};
        let table = [
            (K::Public, R::Member, None, true),
            (K::Public, R::Bot, None, true),
            (K::Private, R::Admin, None, false),
            (K::Private, R::Member, Some(M::Member), true),
            (K::Direct, R::Agent, None, false),
            (K::Direct, R::Member, Some(M::Member), true),
            (K::Conversation, R::Member, None, false),
            (K::Conversation, R::Bot, None, false),
            (K::Conversation, R::Member, Some(M::Owner), true),
            (K::Conversation, R::Agent, None, true),
            (K::Conversation, R::Admin, None, true),
        ];
        for (kind, role, member, may) in table {
            let answer = enter(&identity(role), &facts(kind, false), member.map(Membership::new));
            assert_eq!(answer.is_ok(), may, "{kind} {role} {member:?}");
        }
    }

    #[test]
    fn an_archived_room_can_be_read_but_not_written() {
        let (who, room) = (identity(Role::Agent), facts(RoomKind::Conversation, true));
        assert_eq!(enter(&who, &room, None), Ok(()));
        assert_eq!(send(&who, &room, None).unwrap_err().code, RejectCode::Forbidden);
    }
}
