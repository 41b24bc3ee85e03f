//! Login sessions: opened, renewed with a fresh refresh token each time, and ended for good.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use diesel::prelude::*;
use diesel::result::Error;

use super::people::profile;
use super::raise;
use crate::auth::ports::{Ended, Login, NewLogin, Renewal, Renewed, Which};
use crate::domain::{LoginId, OrgId, Timestamp, UserId};
use crate::store::batch::without_nul;
use crate::store::connection::{Connection, on};
use crate::store::schema::{accounts, login_sessions};
use crate::store::values::Key;

/// How many logins somebody may have at a time; the oldest makes way.
const MOST: i64 = 50;

/// Ended logins are kept at least this long, in microseconds, so that every hub hears of their end.
const KEPT: i64 = 24 * 3_600 * 1_000_000;

pub(super) fn open(
    connection: &mut Connection,
    organization: OrgId,
    user: UserId,
    login: &NewLogin,
) -> QueryResult<bool> {
    if !is_enabled(connection, organization, user)? {
        return Ok(false);
    }
    make_room(connection, organization, user, login.now)?;
    let agent = login.user_agent.clone().map(without_nul);
    let row = (
        login_sessions::id.eq(Key(login.id.0)),
        login_sessions::organization_id.eq(Key(organization.0)),
        login_sessions::user_id.eq(Key(user.0)),
        login_sessions::family.eq(&login.family[..]),
        login_sessions::refresh_hash.eq(&login.refresh_hash[..]),
        login_sessions::user_agent.eq(agent.as_deref()),
        login_sessions::address.eq(login.address.to_string()),
        login_sessions::created_at.eq(login.now.as_micros()),
        login_sessions::renewed_at.eq(login.now.as_micros()),
        login_sessions::expires_at.eq(login.expires_at.as_micros()),
    );
    on!(connection, c => diesel::insert_into(login_sessions::table)
        .values(row)
        .on_conflict(login_sessions::id)
        .do_nothing()
        .execute(c))?;
    Ok(true)
}

fn is_enabled(connection: &mut Connection, organization: OrgId, user: UserId) -> QueryResult<bool> {
    let disabled_at: Option<Option<i64>> = on!(connection, c => accounts::table
        .find((Key(organization.0), Key(user.0)))
        .select(accounts::disabled_at)
        .get_result(c)
        .optional())?;
    Ok(disabled_at == Some(None))
}

/// Forgets logins that are long over, and ends the oldest of too many.
fn make_room(connection: &mut Connection, organization: OrgId, user: UserId, now: Timestamp) -> QueryResult<()> {
    let now = now.as_micros();
    let (organization, user) = (Key(organization.0), Key(user.0));
    on!(connection, c => diesel::delete(login_sessions::table
        .filter(login_sessions::organization_id.eq(organization))
        .filter(login_sessions::user_id.eq(user))
        .filter(login_sessions::expires_at.le(now).or(login_sessions::ended_at.le(now - KEPT))))
        .execute(c))?;
    let surplus: Vec<Key> = on!(connection, c => login_sessions::table
        .filter(login_sessions::organization_id.eq(organization))
        .filter(login_sessions::user_id.eq(user))
        .filter(login_sessions::ended_at.is_null())
        .order(login_sessions::renewed_at.desc())
        .offset(MOST - 1)
        .limit(MOST)
        .select(login_sessions::id)
        .load(c))?;
    if surplus.is_empty() {
        return Ok(());
    }
    on!(connection, c => diesel::update(login_sessions::table.filter(login_sessions::id.eq_any(&surplus)))
        .set(login_sessions::ended_at.eq(now))
        .execute(c))?;
    raise(connection)
}

pub(super) fn renew(connection: &mut Connection, renewal: &Renewal) -> QueryResult<Renewed> {
    type Row = (Key, Key, Key, Vec<u8>, i64, Option<i64>);
    let row: Option<Row> = on!(connection, c => login_sessions::table
        .filter(login_sessions::family.eq(&renewal.family[..]))
        .select((
            login_sessions::id,
            login_sessions::organization_id,
            login_sessions::user_id,
            login_sessions::refresh_hash,
            login_sessions::expires_at,
            login_sessions::ended_at,
        ))
        .get_result(c)
        .optional())?;
    let Some((id, organization, user, current, expires_at, ended_at)) = row else { return Ok(Renewed::Unknown) };
    let (login, organization, user) = (LoginId(id.0), OrgId(organization.0), UserId(user.0));
    if ended_at.is_some() || expires_at <= renewal.now.as_micros() || !is_enabled(connection, organization, user)? {
        return Ok(Renewed::Over);
    }
    let is_current = verify_slices_are_equal(&current, &renewal.shown).is_ok();
    // It was replaced by the run before this one.
    let is_done = verify_slices_are_equal(&current, &renewal.fresh).is_ok();
    if !is_current && !is_done {
        end_rows(connection, &[id], renewal.now)?;
        return Ok(Renewed::Reused(Ended { organization, user, login }));
    }
    let agent = renewal.user_agent.clone().map(without_nul);
    let set = (
        login_sessions::refresh_hash.eq(&renewal.fresh[..]),
        login_sessions::user_agent.eq(agent.as_deref()),
        login_sessions::address.eq(renewal.address.to_string()),
        login_sessions::renewed_at.eq(renewal.now.as_micros()),
        login_sessions::expires_at.eq(renewal.expires_at.as_micros()),
    );
    on!(connection, c => diesel::update(login_sessions::table.find(id)).set(set).execute(c))?;
    let profile = profile(connection, organization, user)?.ok_or(Error::NotFound)?;
    Ok(Renewed::Done { login, profile })
}

pub(super) fn end(connection: &mut Connection, which: Which, now: Timestamp) -> QueryResult<Vec<Ended>> {
    type Row = (Key, Key, Key);
    let columns = (login_sessions::id, login_sessions::organization_id, login_sessions::user_id);
    let live = login_sessions::table.filter(login_sessions::ended_at.is_null()).select(columns);
    let row: Option<Row> = match which {
        Which::Family(family) => on!(connection, c => live
            .filter(login_sessions::family.eq(&family[..]))
            .get_result(c)
            .optional())?,
        Which::One { login, .. } => on!(connection, c => live
            .filter(login_sessions::id.eq(Key(login.0)))
            .get_result(c)
            .optional())?,
    };
    let ended = row.map(|(id, organization, user)| Ended {
        organization: OrgId(organization.0),
        user: UserId(user.0),
        login: LoginId(id.0),
    });
    let meant = ended.filter(|it| match which {
        Which::Family(_) => true,
        Which::One { organization, user, .. } => {
            it.organization == organization && user.is_none_or(|user| user == it.user)
        }
    });
    if let Some(it) = meant {
        end_rows(connection, &[Key(it.login.0)], now)?;
    }
    Ok(meant.into_iter().collect())
}

/// Ends whatever logins a user has.
pub(super) fn end_all(
    connection: &mut Connection,
    organization: OrgId,
    user: UserId,
    now: Timestamp,
) -> QueryResult<()> {
    let ids: Vec<Key> = on!(connection, c => login_sessions::table
        .filter(login_sessions::organization_id.eq(Key(organization.0)))
        .filter(login_sessions::user_id.eq(Key(user.0)))
        .filter(login_sessions::ended_at.is_null())
        .select(login_sessions::id)
        .load(c))?;
    end_rows(connection, &ids, now)
}

fn end_rows(connection: &mut Connection, ids: &[Key], now: Timestamp) -> QueryResult<()> {
    on!(connection, c => diesel::update(login_sessions::table.filter(login_sessions::id.eq_any(ids)))
        .set(login_sessions::ended_at.eq(now.as_micros()))
        .execute(c))?;
    raise(connection)
}

pub(super) fn of(
    connection: &mut Connection,
    organization: OrgId,
    user: UserId,
    now: Timestamp,
) -> QueryResult<Vec<Login>> {
    type Row = (Key, Option<String>, String, i64, i64, i64);
    let rows: Vec<Row> = on!(connection, c => login_sessions::table
        .filter(login_sessions::organization_id.eq(Key(organization.0)))
        .filter(login_sessions::user_id.eq(Key(user.0)))
        .filter(login_sessions::ended_at.is_null())
        .filter(login_sessions::expires_at.gt(now.as_micros()))
        .order((login_sessions::created_at.desc(), login_sessions::id))
        .select((
            login_sessions::id,
            login_sessions::user_agent,
            login_sessions::address,
            login_sessions::created_at,
            login_sessions::renewed_at,
            login_sessions::expires_at,
        ))
        .load(c))?;
    let login = |(id, user_agent, address, created_at, renewed_at, expires_at): Row| Login {
        id: LoginId(id.0),
        user_agent: user_agent.map(Into::into),
        address: address.into(),
        created_at: Timestamp::from_micros(created_at),
        renewed_at: Timestamp::from_micros(renewed_at),
        expires_at: Timestamp::from_micros(expires_at),
    };
    Ok(rows.into_iter().map(login).collect())
}
