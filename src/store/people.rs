//! The users and organizations that tokens speak of, kept up to date behind everybody's back.
//!
//! Every connection brings an identity, and most bring one that the table has already. So the last one written is
//! remembered by its hash, and only what differs waits to be written.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use diesel::prelude::*;

use super::accounts::with_account;
use super::batch::without_nul;
use super::connection::{Connection, on};
use super::schema::{organizations, users};
use super::values::Key;
use crate::domain::{Identity, OrgId, Scopes, Timestamp, UserId};

/// How many people are remembered, and how many may wait. Beyond it they are written once more than needed, or only when
/// they come again.
const LIMIT: usize = 65_536;

type PersonKey = (OrgId, UserId);

#[derive(Default)]
pub(crate) struct People {
    waiting: HashMap<PersonKey, Arc<Identity>>,
    /// What was last written of each, as hashes of the person and of what the token says of it.
    written: HashMap<u64, u64>,
}

impl People {
    /// Remembers to write `identity`, unless the table has it.
    pub(crate) fn push(&mut self, identity: &Arc<Identity>) {
        let Some(organization) = identity.organization else { return };
        // A key speaks for somebody who is there, and may be the last to hear of a new name.
        if identity.scopes != Scopes::ALL {
            return;
        }
        let key = (organization, identity.user);
        let (person, said) = (hash(&key), hash(&(&identity.name, &identity.email, identity.role)));
        if self.written.get(&person) == Some(&said) || self.waiting.len() >= LIMIT {
            return;
        }
        if self.written.len() >= LIMIT {
            self.written.clear();
        }
        self.written.insert(person, said);
        self.waiting.insert(key, Arc::clone(identity));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// At most `limit` that wait, in the order of their organizations' locks.
    pub(crate) fn take(&mut self, limit: usize) -> Vec<Arc<Identity>> {
        let keys: Vec<PersonKey> = self.waiting.keys().take(limit).copied().collect();
        let mut taken: Vec<_> = keys.iter().filter_map(|key| self.waiting.remove(key)).collect();
        taken.sort_unstable_by_key(|it| (it.organization, it.user));
        taken
    }

    /// They could not be written now; somebody newer of the same name goes before them.
    pub(crate) fn put_back(&mut self, people: Vec<Arc<Identity>>) {
        for person in people {
            if let Some(organization) = person.organization {
                self.waiting.entry((organization, person.user)).or_insert(person);
            }
        }
    }
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// Writes `people` and the organizations that are missing. What people with an account are called, and what they may, is
/// decided here: a token that was minted before a change must not undo it.
pub(crate) fn write(connection: &mut Connection, people: &[Arc<Identity>], now: Timestamp) -> QueryResult<()> {
    if people.is_empty() {
        return Ok(());
    }
    let now = now.as_micros();
    let mut made = None;
    let settled = with_account(connection, people.iter().map(|it| it.user))?;
    for person in people {
        let Some(organization) = person.organization else { continue };
        if settled.contains(&(organization, person.user)) {
            continue;
        }
        let id = Key(organization.0);
        if made.replace(organization) != Some(organization) {
            let row = (
                organizations::id.eq(id),
                organizations::last_pos.eq(0),
                organizations::last_at.eq(now),
                organizations::created_at.eq(now),
            );
            on!(connection, c => diesel::insert_into(organizations::table)
                .values(row)
                .on_conflict_do_nothing()
                .execute(c))?;
        }
        let (name, email) = (without_nul(person.name.clone()), person.email.clone().map(without_nul));
        let changing = (
            users::name.eq(&*name),
            users::email.eq(email.as_deref()),
            users::role.eq(person.role.as_str()),
            users::updated_at.eq(now),
        );
        let row =
            (users::organization_id.eq(id), users::id.eq(Key(person.user.0)), users::created_at.eq(now), changing);
        let put = diesel::insert_into(users::table)
            .values(row)
            .on_conflict((users::organization_id, users::id))
            .do_update()
            .set(changing);
        on!(connection, c => put.execute(c))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::{Role, Scope};

    fn identity(user: u128, name: &str) -> Arc<Identity> {
        Arc::new(Identity {
            organization: Some(OrgId(Uuid::from_u128(1))),
            user: UserId(Uuid::from_u128(user)),
            role: Role::Agent,
            name: name.into(),
            email: None,
            expires_at: None,
            login: None,
            scopes: Scopes::ALL,
        })
    }

    #[test]
    fn somebody_who_comes_again_unchanged_is_not_written_again() {
        let mut people = People::default();
        people.push(&identity(1, "Ana"));
        people.push(&identity(1, "Ana"));
        people.push(&identity(2, "Rui"));
        assert_eq!(people.take(10).len(), 2);
        people.push(&identity(1, "Ana"));
        assert!(people.is_empty());
        people.push(&identity(1, "Ana Maria"));
        assert_eq!(people.take(10).len(), 1);
    }

    #[test]
    fn keys_write_nobody() {
        let mut people = People::default();
        let key = Identity { scopes: Scopes::default().with(Scope::ChatRead), ..(*identity(1, "Ana")).clone() };
        people.push(&Arc::new(key));
        assert!(people.is_empty());
    }

    #[test]
    fn somebody_who_could_not_be_written_waits_on_and_the_newest_wins() {
        let mut people = People::default();
        people.push(&identity(1, "Ana"));
        let taken = people.take(10);
        people.push(&identity(1, "Ana Maria"));
        people.put_back(taken);
        let names: Vec<_> = people.take(10).iter().map(|it| it.name.clone()).collect();
        assert_eq!(names, [Box::<str>::from("Ana Maria")]);
    }
}
