//! A store that never answers: what there is of accounts while the database is away.

use std::sync::Arc;

use uuid::Uuid;

use super::ports::{
    Account, AccountChange, AccountStore, ApiKey, Ended, Login, NewAccount, NewKey, NewLogin, Profile, ProfileChange,
    Registered, Renewal, Renewed, Reply, Roll, Unavailable, Which,
};
use crate::domain::{Identity, OrgId, Timestamp, UserId};

pub struct Absent;

fn away<T: Send + 'static>() -> Reply<T> {
    Box::pin(std::future::ready(Err(Unavailable)))
}

impl AccountStore for Absent {
    fn is_founded(&self) -> Reply<bool> {
        away()
    }

    fn account(&self, _: Box<str>) -> Reply<Option<Account>> {
        away()
    }

    fn accounts(&self) -> Reply<Vec<Account>> {
        away()
    }

    fn profile(&self, _: OrgId, _: UserId) -> Reply<Option<Profile>> {
        away()
    }

    fn logins(&self, _: OrgId, _: UserId, _: Timestamp) -> Reply<Vec<Login>> {
        away()
    }

    fn keys(&self, _: Option<OrgId>) -> Reply<Vec<ApiKey>> {
        away()
    }

    fn version(&self) -> Reply<i64> {
        away()
    }

    fn roll(&self, _: Timestamp) -> Reply<Roll> {
        away()
    }

    fn register(&self, _: NewAccount) -> Reply<Registered> {
        away()
    }

    fn log_in(&self, _: OrgId, _: UserId, _: NewLogin) -> Reply<bool> {
        away()
    }

    fn renew(&self, _: Renewal) -> Reply<Renewed> {
        away()
    }

    fn end_logins(&self, _: Which, _: Timestamp) -> Reply<Vec<Ended>> {
        away()
    }

    fn change_profile(&self, _: Arc<Identity>, _: ProfileChange, _: Timestamp) -> Reply<Profile> {
        away()
    }

    fn change_account(&self, _: Box<str>, _: AccountChange, _: Timestamp) -> Reply<Option<Profile>> {
        away()
    }

    fn create_key(&self, _: NewKey) -> Reply<Option<ApiKey>> {
        away()
    }

    fn revoke_key(&self, _: Option<OrgId>, _: Uuid, _: Timestamp) -> Reply<Option<Ended>> {
        away()
    }
}
