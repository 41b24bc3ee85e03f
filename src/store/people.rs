//! The users and organizations that tokens speak of, kept up to date behind everybody's back.
//!
//! Every connection brings an identity, and most bring one that the table has already. So the last one written is
//! remembered by its hash, and only what differs waits to be written.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sqlite::Sqlite;

use super::accounts::with_account;
use super::batch::without_nul;
use super::connection::{Connection, on};
use super::fixed::{Fixed, statement};
use super::parameters::{Single, key, number, numbers, optional_text, optional_texts, text, texts, uuids};
use super::schema::organizations;
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

    /// They are not in the table after all.
    pub(crate) fn forget(&mut self, people: &[Arc<Identity>]) {
        for person in people {
            if let Some(organization) = person.organization {
                self.written.remove(&hash(&(organization, person.user)));
            }
        }
    }
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// A person, as the table has them.
struct Row {
    organization: Key,
    id: Key,
    name: Box<str>,
    email: Option<Box<str>>,
    role: &'static str,
}

/// Writes `people`, each of them once, and the organizations that are missing. What people with an account are called, and
/// what they may, is decided here: a token that was minted before a change must not undo it.
pub(crate) fn write(connection: &mut Connection, people: &[Arc<Identity>], now: Timestamp) -> QueryResult<()> {
    if people.is_empty() {
        return Ok(());
    }
    let settled = with_account(connection, people.iter().map(|it| it.user))?;
    let row = |person: &Arc<Identity>| {
        let organization = person.organization.filter(|it| !settled.contains(&(*it, person.user)))?;
        Some(Row {
            organization: Key(organization.0),
            id: Key(person.user.0),
            name: without_nul(person.name.clone()),
            email: person.email.clone().map(without_nul),
            role: person.role.as_str(),
        })
    };
    let rows: Vec<Row> = people.iter().filter_map(row).collect();
    let mut missing: Vec<Key> = rows.iter().map(|row| row.organization).collect();
    missing.dedup();
    for id in missing {
        let row = (
            organizations::id.eq(id),
            organizations::last_pos.eq(0),
            organizations::last_at.eq(now.as_micros()),
            organizations::created_at.eq(now.as_micros()),
        );
        on!(connection, c => diesel::insert_into(organizations::table)
            .values(row)
            .on_conflict_do_nothing()
            .execute(c))?;
    }
    match connection {
        Connection::Sqlite(c) => write_sqlite(c, &rows, now),
        Connection::Postgres(c) => write_postgres(c, &rows, now),
    }
}

/// After a restart all come again, nearly all of them as they were: a row that says so already is left alone.
macro_rules! put {
    ($values:literal) => {
        concat!(
            "INSERT INTO users (organization_id, id, name, email, role, created_at, updated_at) ",
            $values,
            " ON CONFLICT (organization_id, id) DO UPDATE SET \
             name = excluded.name, email = excluded.email, role = excluded.role, updated_at = excluded.updated_at \
             WHERE (users.name, users.email, users.role) IS DISTINCT FROM (excluded.name, excluded.email, excluded.role)"
        )
    };
}

fn write_sqlite(connection: &mut SqliteConnection, rows: &[Row], now: Timestamp) -> QueryResult<()> {
    statement!(Put, put!("VALUES (?, ?, ?, ?, ?, ?, ?)"));
    for row in rows {
        let binds: [Single<'_>; 7] = [
            &key(row.organization),
            &key(row.id),
            &text(&row.name),
            &optional_text(row.email.as_deref()),
            &text(row.role),
            &number(now.as_micros()),
            &number(now.as_micros()),
        ];
        Fixed::<Sqlite, Put, _>::new(&binds).execute(connection)?;
    }
    Ok(())
}

fn write_postgres(connection: &mut PgConnection, rows: &[Row], now: Timestamp) -> QueryResult<()> {
    statement!(Put, put!("SELECT unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?)"));
    if rows.is_empty() {
        return Ok(());
    }
    let binds = [
        uuids(rows.iter().map(|row| row.organization.0)),
        uuids(rows.iter().map(|row| row.id.0)),
        texts(rows.iter().map(|row| &*row.name)),
        optional_texts(rows.iter().map(|row| row.email.as_deref())),
        texts(rows.iter().map(|row| row.role)),
        numbers(rows.iter().map(|_| now.as_micros())),
        numbers(rows.iter().map(|_| now.as_micros())),
    ];
    Fixed::<Pg, Put, _>::new(&binds).execute(connection)?;
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
