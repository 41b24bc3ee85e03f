//! What every hub keeps in memory of who may come in, read in one piece.

use std::sync::Arc;

use diesel::prelude::*;

use super::keys;
use crate::auth::ports::{Ended, Hash, KeyEntry, Roll};
use crate::domain::{Identity, LoginId, OrgId, Timestamp, UserId};
use crate::store::connection::{Connection, on};
use crate::store::rows::spelled;
use crate::store::schema::{accounts, api_keys, auth_changes, login_sessions, users};
use crate::store::values::Key;

pub(super) fn version(connection: &mut Connection) -> QueryResult<i64> {
    on!(connection, c => auth_changes::table.select(auth_changes::version).first(c))
}

pub(super) fn roll(connection: &mut Connection, since: Timestamp) -> QueryResult<Roll> {
    connection.snapshot(|connection| {
        Ok(Roll {
            version: version(connection)?,
            keys: key_entries(connection, since)?,
            ended: ended(connection, since)?,
            disabled: disabled(connection)?,
        })
    })
}

/// Keys that were revoked lately are told too: using one is worth a line in the log that says so.
fn key_entries(connection: &mut Connection, since: Timestamp) -> QueryResult<Vec<KeyEntry>> {
    type Person = (Key, Key, String, String, Option<String>);
    type Row = (Person, Key, Vec<u8>, String, Option<i64>, Option<i64>);
    let owner = users::organization_id.eq(api_keys::organization_id).and(users::id.eq(api_keys::user_id));
    let rows: Vec<Row> = on!(connection, c => api_keys::table
        .inner_join(users::table.on(owner))
        .filter(api_keys::revoked_at.is_null().or(api_keys::revoked_at.ge(since.as_micros())))
        .select((
            (users::organization_id, users::id, users::role, users::name, users::email),
            api_keys::id,
            api_keys::hash,
            api_keys::scopes,
            api_keys::expires_at,
            api_keys::revoked_at,
        ))
        .load(c))?;
    rows.into_iter()
        .filter_map(|((organization, user, role, name, email), id, hash, scopes, expires_at, revoked_at)| {
            let hash = Hash::try_from(hash).ok()?;
            let entry = spelled(&role).map(|role| KeyEntry {
                hash,
                identity: Arc::new(Identity {
                    organization: Some(OrgId(organization.0)),
                    user: UserId(user.0),
                    role,
                    name: name.into(),
                    email: email.map(Into::into),
                    expires_at: expires_at.map(Timestamp::from_micros),
                    login: Some(LoginId(id.0)),
                    scopes: keys::read(&scopes),
                }),
                is_revoked: revoked_at.is_some(),
            });
            Some(entry)
        })
        .collect()
}

fn ended(connection: &mut Connection, since: Timestamp) -> QueryResult<Vec<(Ended, Timestamp)>> {
    type Row = (Key, Key, Key, Option<i64>);
    let rows: Vec<Row> = on!(connection, c => login_sessions::table
        .filter(login_sessions::ended_at.ge(since.as_micros()))
        .select((
            login_sessions::organization_id,
            login_sessions::user_id,
            login_sessions::id,
            login_sessions::ended_at,
        ))
        .load(c))?;
    let ended = |(organization, user, login, at): Row| {
        let ended = Ended { organization: OrgId(organization.0), user: UserId(user.0), login: LoginId(login.0) };
        Some((ended, Timestamp::from_micros(at?)))
    };
    Ok(rows.into_iter().filter_map(ended).collect())
}

fn disabled(connection: &mut Connection) -> QueryResult<Vec<(OrgId, UserId)>> {
    let rows: Vec<(Key, Key)> = on!(connection, c => accounts::table
        .filter(accounts::disabled_at.is_not_null())
        .select((accounts::organization_id, accounts::user_id))
        .load(c))?;
    Ok(rows.into_iter().map(|(organization, user)| (OrgId(organization.0), UserId(user.0))).collect())
}
