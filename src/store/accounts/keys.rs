//! API keys: made, listed and revoked. What opens a door is kept only as a hash.

use std::str::FromStr as _;

use diesel::prelude::*;
use uuid::Uuid;

use super::people::profile;
use super::raise;
use crate::auth::ports::{ApiKey, Ended, NewKey};
use crate::domain::{LoginId, OrgId, Scope, Scopes, Timestamp, UserId};
use crate::store::batch::without_nul;
use crate::store::connection::{Connection, on};
use crate::store::schema::api_keys;
use crate::store::values::Key;

pub(super) fn create(connection: &mut Connection, new: &NewKey) -> QueryResult<Option<ApiKey>> {
    if profile(connection, new.organization, new.user)?.is_none() {
        return Ok(None);
    }
    let name = without_nul(new.name.clone());
    let row = (
        api_keys::id.eq(Key(new.id)),
        api_keys::organization_id.eq(Key(new.organization.0)),
        api_keys::user_id.eq(Key(new.user.0)),
        api_keys::name.eq(&*name),
        api_keys::hash.eq(&new.hash[..]),
        api_keys::hint.eq(&*new.hint),
        api_keys::scopes.eq(written(new.scopes)),
        api_keys::created_by.eq(new.created_by.map(|it| Key(it.0))),
        api_keys::created_at.eq(new.now.as_micros()),
        api_keys::expires_at.eq(new.expires_at.map(Timestamp::as_micros)),
    );
    on!(connection, c => diesel::insert_into(api_keys::table)
        .values(row)
        .on_conflict(api_keys::id)
        .do_nothing()
        .execute(c))?;
    raise(connection)?;
    Ok(Some(ApiKey {
        id: new.id,
        organization: new.organization,
        user: new.user,
        name,
        hint: new.hint.clone(),
        scopes: new.scopes,
        created_by: new.created_by,
        created_at: new.now,
        expires_at: new.expires_at,
    }))
}

pub(super) fn revoke(
    connection: &mut Connection,
    organization: Option<OrgId>,
    key: Uuid,
    now: Timestamp,
) -> QueryResult<Option<Ended>> {
    let row: Option<(Key, Key)> = on!(connection, c => api_keys::table
        .filter(api_keys::id.eq(Key(key)))
        .filter(api_keys::revoked_at.is_null())
        .select((api_keys::organization_id, api_keys::user_id))
        .get_result(c)
        .optional())?;
    let Some((owner, user)) = row.filter(|(owner, _)| organization.is_none_or(|it| Key(it.0) == *owner)) else {
        return Ok(None);
    };
    on!(connection, c => diesel::update(api_keys::table.find(Key(key)))
        .set(api_keys::revoked_at.eq(now.as_micros()))
        .execute(c))?;
    raise(connection)?;
    Ok(Some(Ended { organization: OrgId(owner.0), user: UserId(user.0), login: LoginId(key) }))
}

pub(super) fn of(connection: &mut Connection, organization: Option<OrgId>) -> QueryResult<Vec<ApiKey>> {
    type Row = (Key, Key, Key, String, String, String, Option<Key>, i64, Option<i64>);
    let columns = (
        api_keys::id,
        api_keys::organization_id,
        api_keys::user_id,
        api_keys::name,
        api_keys::hint,
        api_keys::scopes,
        api_keys::created_by,
        api_keys::created_at,
        api_keys::expires_at,
    );
    let order = (api_keys::created_at.desc(), api_keys::id);
    let all = api_keys::table.filter(api_keys::revoked_at.is_null()).order(order).select(columns);
    let rows: Vec<Row> = match organization {
        Some(it) => on!(connection, c => all.filter(api_keys::organization_id.eq(Key(it.0))).load(c))?,
        None => on!(connection, c => all.load(c))?,
    };
    let key = |(id, organization, user, name, hint, scopes, created_by, created_at, expires_at): Row| ApiKey {
        id: id.0,
        organization: OrgId(organization.0),
        user: UserId(user.0),
        name: name.into(),
        hint: hint.into(),
        scopes: read(&scopes),
        created_by: created_by.map(|it| UserId(it.0)),
        created_at: Timestamp::from_micros(created_at),
        expires_at: expires_at.map(Timestamp::from_micros),
    };
    Ok(rows.into_iter().map(key).collect())
}

fn written(scopes: Scopes) -> String {
    scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(",")
}

/// A scope that this release does not know gives nothing.
pub(super) fn read(scopes: &str) -> Scopes {
    scopes.split(',').filter_map(|scope| Scope::from_str(scope).ok()).collect()
}
