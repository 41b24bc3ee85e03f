//! The key that opens a hub started with `--dev`: anyone on the machine is one fixed administrator.
//!
//! It is printed in every tutorial, so it must never be honoured anywhere else; `--dev` itself is refused on addresses
//! that others can reach.

use uuid::Uuid;

use crate::domain::{Identity, OrgId, Role, Scopes, UserId};

pub const KEY: &str = "dev-admin-key";

/// The same in every hub, so that what a developer stores under it is found again.
pub const ORGANIZATION: OrgId = OrgId(Uuid::from_u128(0xdec0_de00_0000_4000_8000_0000_0000_0001));
pub const USER: UserId = UserId(Uuid::from_u128(0xdec0_de00_0000_4000_8000_0000_0000_0002));

pub fn identity() -> Identity {
    Identity {
        organization: Some(ORGANIZATION),
        user: USER,
        role: Role::Admin,
        name: "Dev Admin".into(),
        email: None,
        expires_at: None,
        login: None,
        scopes: Scopes::ALL,
    }
}
