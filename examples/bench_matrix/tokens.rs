//! Tokens for everyone who takes part in a visit, and names of rooms that no visit had before.

use std::time::Duration;

use tertulia::auth::{Grant, mint};
use tertulia::clock;
use tertulia::domain::{OrgId, Role, UserId};
use uuid::Uuid;

use super::Result;

/// The beginning of the rooms' names (twelve digits complete a UUID), and a token each for `count` people.
pub fn for_a_visit(secret: &str, count: usize) -> Result<(String, Vec<String>)> {
    // A database may be used for several visits: rooms of another organization cannot be joined.
    let organization = OrgId(clock::fresh_id());
    let now = clock::now();
    let token = |nth: usize| {
        let user = UserId(Uuid::from_u128(0x0002_0000_0000_4000_8000_0000_0000_0000 | nth as u128));
        let lifetime = Duration::from_secs(3600);
        let organization = Some(organization);
        mint(
            secret.as_bytes(),
            &Grant { user, organization, role: Role::Agent, name: None, audience: None, lifetime },
            now,
        )
    };
    let tokens = (0..count).map(token).collect::<std::result::Result<_, _>>()?;
    let mut prefix = clock::fresh_id().to_string();
    prefix.truncate(24);
    Ok((prefix, tokens))
}
