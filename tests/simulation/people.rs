//! Who takes part: two organizations, their users and rooms, and a bearer without any organization.

use std::sync::Arc;

use tertulia::domain::{Identity, OrgId, Role, RoomId, RoomKind, Scopes, UserId};
use uuid::Uuid;

pub const ORGS: [OrgId; 2] = [OrgId(Uuid::from_u128(0xA)), OrgId(Uuid::from_u128(0xB))];

/// One user, as its token describes it. The first of each organization have the same id.
#[derive(Clone, Copy)]
pub struct Person {
    pub org: Option<OrgId>,
    pub user: UserId,
    pub role: Role,
}

const fn person(org: Option<OrgId>, user: u128, role: Role) -> Person {
    Person { org, user: UserId(Uuid::from_u128(user)), role }
}

pub const PEOPLE: [Person; 7] = [
    person(Some(ORGS[0]), 0x101, Role::Agent),
    person(Some(ORGS[0]), 0x102, Role::Member),
    person(Some(ORGS[0]), 0x103, Role::Admin),
    person(Some(ORGS[0]), 0x104, Role::Bot),
    person(Some(ORGS[1]), 0x101, Role::Agent),
    person(Some(ORGS[1]), 0x106, Role::Member),
    person(None, 0x107, Role::Admin),
];

impl Person {
    pub fn identity(self, role: Role) -> Arc<Identity> {
        Arc::new(Identity {
            organization: self.org,
            user: self.user,
            role,
            name: format!("User {}", self.user).into(),
            email: None,
            expires_at: None,
            login: None,
            scopes: Scopes::ALL,
        })
    }
}

/// A room that is there from the start.
pub struct Place {
    pub id: RoomId,
    pub org: OrgId,
    pub kind: RoomKind,
    pub members: &'static [usize],
    pub archived: bool,
}

const fn room(n: u128) -> RoomId {
    RoomId(Uuid::from_u128(n))
}

pub const PLACES: [Place; 6] = [
    Place { id: room(1), org: ORGS[0], kind: RoomKind::Public, members: &[], archived: false },
    Place { id: room(2), org: ORGS[0], kind: RoomKind::Conversation, members: &[1], archived: false },
    Place { id: room(3), org: ORGS[0], kind: RoomKind::Private, members: &[0, 1], archived: false },
    Place { id: room(4), org: ORGS[1], kind: RoomKind::Public, members: &[], archived: false },
    Place { id: room(5), org: ORGS[1], kind: RoomKind::Direct, members: &[4, 5], archived: false },
    Place { id: room(6), org: ORGS[0], kind: RoomKind::Public, members: &[], archived: true },
];

/// Ids that clients ask for: those of the rooms, and two that nobody has made.
pub const ROOM_IDS: [RoomId; 8] = [room(1), room(2), room(3), room(4), room(5), room(6), room(7), room(8)];
