//! Profiles and accounts: reading them, and changing what may change.

use diesel::prelude::*;

use super::{logins, raise};
use crate::auth::ports::{Account, AccountChange, Profile, ProfileChange};
use crate::domain::{Identity, OrgId, Timestamp, UserId};
use crate::store::batch::without_nul;
use crate::store::connection::{Connection, on};
use crate::store::people;
use crate::store::rows::spelled;
use crate::store::schema::{accounts, users};
use crate::store::values::Key;

type ProfileRow = (Key, Key, String, String, Option<String>, String, Option<String>, i64);

type ProfileColumns = (
    users::organization_id,
    users::id,
    users::role,
    users::name,
    users::email,
    users::status,
    users::avatar_url,
    users::created_at,
);

const PROFILE: ProfileColumns = (
    users::organization_id,
    users::id,
    users::role,
    users::name,
    users::email,
    users::status,
    users::avatar_url,
    users::created_at,
);

fn profile_of(row: ProfileRow) -> QueryResult<Profile> {
    let (organization, user, role, name, email, status, avatar_url, created_at) = row;
    Ok(Profile {
        organization: OrgId(organization.0),
        user: UserId(user.0),
        role: spelled(&role)?,
        name: name.into(),
        email: email.map(Into::into),
        status: spelled(&status)?,
        avatar_url: avatar_url.map(Into::into),
        created_at: Timestamp::from_micros(created_at),
    })
}

pub(super) fn profile(connection: &mut Connection, organization: OrgId, user: UserId) -> QueryResult<Option<Profile>> {
    let row: Option<ProfileRow> = on!(connection, c => users::table
        .find((Key(organization.0), Key(user.0)))
        .select(PROFILE)
        .get_result(c)
        .optional())?;
    row.map(profile_of).transpose()
}

type AccountRow = (ProfileRow, Option<String>, Option<i64>);

fn account_of((profile, password_hash, disabled_at): AccountRow) -> QueryResult<Account> {
    Ok(Account {
        profile: profile_of(profile)?,
        password_hash: password_hash.map(Into::into),
        is_disabled: disabled_at.is_some(),
    })
}

pub(super) fn account(connection: &mut Connection, email_key: &str) -> QueryResult<Option<Account>> {
    let person = users::organization_id.eq(accounts::organization_id).and(users::id.eq(accounts::user_id));
    let row: Option<AccountRow> = on!(connection, c => accounts::table
        .inner_join(users::table.on(person))
        .filter(accounts::email_key.eq(email_key))
        .select((PROFILE, accounts::password_hash, accounts::disabled_at))
        .get_result(c)
        .optional())?;
    row.map(account_of).transpose()
}

pub(super) fn accounts(connection: &mut Connection) -> QueryResult<Vec<Account>> {
    let person = users::organization_id.eq(accounts::organization_id).and(users::id.eq(accounts::user_id));
    let rows: Vec<AccountRow> = on!(connection, c => accounts::table
        .inner_join(users::table.on(person))
        .order((accounts::created_at, accounts::user_id))
        .select((PROFILE, accounts::password_hash, accounts::disabled_at))
        .load(c))?;
    rows.into_iter().map(account_of).collect()
}

pub(super) fn change_profile(
    connection: &mut Connection,
    person: &Identity,
    change: &ProfileChange,
    now: Timestamp,
) -> QueryResult<Profile> {
    let organization = person.organization.ok_or(diesel::result::Error::NotFound)?;
    if profile(connection, organization, person.user)?.is_none() {
        people::write(connection, &[person.clone().into()], now)?;
    }
    let row = users::table.find((Key(organization.0), Key(person.user.0)));
    let at = users::updated_at.eq(now.as_micros());
    if let Some(name) = &change.name {
        let name = without_nul(name.clone());
        on!(connection, c => diesel::update(row).set((users::name.eq(&*name), at)).execute(c))?;
        // Keys speak in their users' names.
        raise(connection)?;
    }
    if let Some(url) = &change.avatar_url {
        on!(connection, c => diesel::update(row).set((users::avatar_url.eq(url.as_deref()), at)).execute(c))?;
    }
    if let Some(status) = change.status {
        on!(connection, c => diesel::update(row).set((users::status.eq(status.as_str()), at)).execute(c))?;
    }
    profile(connection, organization, person.user)?.ok_or(diesel::result::Error::NotFound)
}

pub(super) fn change_account(
    connection: &mut Connection,
    email_key: &str,
    change: &AccountChange,
    now: Timestamp,
) -> QueryResult<Option<Profile>> {
    let Some(found) = account(connection, email_key)? else { return Ok(None) };
    let (organization, user) = (found.profile.organization, found.profile.user);
    let key = (Key(organization.0), Key(user.0));
    let row = accounts::table.find(key);
    match change {
        AccountChange::Role(role) => {
            let set = (users::role.eq(role.as_str()), users::updated_at.eq(now.as_micros()));
            on!(connection, c => diesel::update(users::table.find(key)).set(set).execute(c))?;
            // Open connections and tokens that are out have the old role.
            logins::end_all(connection, organization, user, now)?;
            raise(connection)?;
        }
        AccountChange::Disabled(disabled) => {
            let at = disabled.then(|| now.as_micros());
            on!(connection, c => diesel::update(row).set(accounts::disabled_at.eq(at)).execute(c))?;
            if *disabled {
                logins::end_all(connection, organization, user, now)?;
            }
            raise(connection)?;
        }
        AccountChange::Password(hash) => {
            on!(connection, c => diesel::update(row).set(accounts::password_hash.eq(&**hash)).execute(c))?;
            logins::end_all(connection, organization, user, now)?;
            raise(connection)?;
        }
        AccountChange::Rehash { old, new } => {
            let same = row.filter(accounts::password_hash.eq(&**old));
            on!(connection, c => diesel::update(same).set(accounts::password_hash.eq(&**new)).execute(c))?;
        }
    }
    account(connection, email_key).map(|it| it.map(|it| it.profile))
}

/// Those of `people` who have an account: what they are is decided here, not by tokens.
pub(crate) fn with_account(
    connection: &mut Connection,
    people: impl Iterator<Item = UserId>,
) -> QueryResult<Vec<(OrgId, UserId)>> {
    let ids: Vec<Key> = people.map(|user| Key(user.0)).collect();
    let rows: Vec<(Key, Key)> = on!(connection, c => accounts::table
        .filter(accounts::user_id.eq_any(&ids))
        .select((accounts::organization_id, accounts::user_id))
        .load(c))?;
    Ok(rows.into_iter().map(|(organization, user)| (OrgId(organization.0), UserId(user.0))).collect())
}
