//! Accounts, login sessions and API keys in the tables: what `auth` asks for through its port.
//!
//! Whatever decides who may come in raises the one number in `auth_changes` in the same transaction, so that every hub on
//! the database finds out by asking for it.

mod keys;
mod logins;
mod people;
mod register;
mod roll;

use std::sync::Arc;
use std::time::Duration;

use diesel::prelude::*;
use tokio::time::timeout;
use uuid::Uuid;

pub(super) use people::with_account;

use super::SqlStore;
use super::connection::{Connection, on};
use super::errand::Errand;
use super::reader::Query;
use super::schema::auth_changes;
use crate::auth::ports::{
    Account, AccountChange, AccountStore, ApiKey, Ended, Login, NewAccount, NewKey, NewLogin, Profile, ProfileChange,
    Registered, Renewal, Renewed, Reply, Roll, Unavailable, Which,
};
use crate::domain::{Identity, OrgId, Timestamp, UserId};

/// How long a write may take, its time in the queue included.
const PATIENCE: Duration = Duration::from_secs(10);

/// A question that is a function.
struct Ask<F>(F);

impl<F, T> Query for Ask<F>
where
    F: Fn(&mut Connection) -> QueryResult<T> + Send + 'static,
    T: Send + 'static,
{
    type Answer = T;

    fn run(&self, connection: &mut Connection) -> QueryResult<T> {
        self.0(connection)
    }
}

impl SqlStore {
    fn ask<T: Send + 'static>(
        &self,
        question: impl Fn(&mut Connection) -> QueryResult<T> + Send + 'static,
    ) -> Reply<T> {
        let answer = self.readers.ask(Ask(question));
        Box::pin(async { answer.await.map_err(|_| Unavailable) })
    }

    /// Has `work` done in a transaction, perhaps twice (see `errand`).
    fn errand<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Connection) -> QueryResult<T> + Send + 'static,
    ) -> Reply<T> {
        let (errand, answer) = Errand::new(work);
        let taken = self.intake.send(errand);
        Box::pin(async move {
            taken.map_err(|_| Unavailable)?;
            match timeout(PATIENCE, answer).await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(_)) | Err(_) => Err(Unavailable),
            }
        })
    }
}

impl AccountStore for SqlStore {
    fn is_founded(&self) -> Reply<bool> {
        self.ask(|connection| Ok(register::oldest_organization(connection)?.is_some()))
    }

    fn account(&self, email_key: Box<str>) -> Reply<Option<Account>> {
        self.ask(move |connection| people::account(connection, &email_key))
    }

    fn accounts(&self) -> Reply<Vec<Account>> {
        self.ask(people::accounts)
    }

    fn profile(&self, organization: OrgId, user: UserId) -> Reply<Option<Profile>> {
        self.ask(move |connection| people::profile(connection, organization, user))
    }

    fn logins(&self, organization: OrgId, user: UserId, now: Timestamp) -> Reply<Vec<Login>> {
        self.ask(move |connection| logins::of(connection, organization, user, now))
    }

    fn keys(&self, organization: Option<OrgId>) -> Reply<Vec<ApiKey>> {
        self.ask(move |connection| keys::of(connection, organization))
    }

    fn version(&self) -> Reply<i64> {
        self.ask(roll::version)
    }

    fn roll(&self, since: Timestamp) -> Reply<Roll> {
        self.ask(move |connection| roll::roll(connection, since))
    }

    fn register(&self, account: NewAccount) -> Reply<Registered> {
        self.errand(move |connection| register::register(connection, &account))
    }

    fn log_in(&self, organization: OrgId, user: UserId, login: NewLogin) -> Reply<bool> {
        self.errand(move |connection| logins::open(connection, organization, user, &login))
    }

    fn renew(&self, renewal: Renewal) -> Reply<Renewed> {
        self.errand(move |connection| logins::renew(connection, &renewal))
    }

    fn end_logins(&self, which: Which, now: Timestamp) -> Reply<Vec<Ended>> {
        self.errand(move |connection| logins::end(connection, which, now))
    }

    fn change_profile(&self, person: Arc<Identity>, change: ProfileChange, now: Timestamp) -> Reply<Profile> {
        self.errand(move |connection| people::change_profile(connection, &person, &change, now))
    }

    fn change_account(&self, email_key: Box<str>, change: AccountChange, now: Timestamp) -> Reply<Option<Profile>> {
        self.errand(move |connection| people::change_account(connection, &email_key, &change, now))
    }

    fn create_key(&self, key: NewKey) -> Reply<Option<ApiKey>> {
        self.errand(move |connection| keys::create(connection, &key))
    }

    fn revoke_key(&self, organization: Option<OrgId>, key: Uuid, now: Timestamp) -> Reply<Option<Ended>> {
        self.errand(move |connection| keys::revoke(connection, organization, key, now))
    }
}

/// Tells every hub that who may come in has changed.
fn raise(connection: &mut Connection) -> QueryResult<()> {
    let raised = diesel::update(auth_changes::table).set(auth_changes::version.eq(auth_changes::version + 1));
    on!(connection, c => raised.execute(c))?;
    Ok(())
}

/// Waits until nobody else decides about accounts, until the end of the transaction.
fn lock(connection: &mut Connection) -> QueryResult<()> {
    let unchanged = diesel::update(auth_changes::table).set(auth_changes::version.eq(auth_changes::version));
    on!(connection, c => unchanged.execute(c))?;
    Ok(())
}
