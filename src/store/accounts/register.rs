//! A new account, and who is the first.

use diesel::prelude::*;

use super::people::profile;
use super::{lock, logins, raise};
use crate::auth::ports::{NewAccount, Registered};
use crate::domain::{OrgId, Role};
use crate::store::batch::without_nul;
use crate::store::connection::{Connection, on};
use crate::store::schema::{accounts, organizations, users};
use crate::store::values::Key;

/// The organization of the oldest account. `None`: there is no account.
pub(super) fn oldest_organization(connection: &mut Connection) -> QueryResult<Option<OrgId>> {
    let oldest: Option<Key> = on!(connection, c => accounts::table
        .order((accounts::created_at, accounts::user_id))
        .select(accounts::organization_id)
        .first(c)
        .optional())?;
    Ok(oldest.map(|key| OrgId(key.0)))
}

pub(super) fn register(connection: &mut Connection, new: &NewAccount) -> QueryResult<Registered> {
    // Two who both want to be the first come one after the other.
    lock(connection)?;
    let oldest = oldest_organization(connection)?;
    let place = match (oldest, &new.founds, &new.joins) {
        (None, Some(founding), _) => Place {
            organization: founding.organization,
            role: founding.role,
            invite: None,
            name: founding.organization_name.clone(),
        },
        (None, None, Some(joining)) if joining.invite.is_some() => match joining.organization {
            Some(organization) => {
                Place { organization, role: joining.role, invite: joining.invite.map(Key), name: None }
            }
            None => return Ok(Registered::NobodyYet),
        },
        (None, None, _) => return Ok(Registered::NobodyYet),
        (Some(_), _, None) => return Ok(Registered::Closed),
        (Some(oldest), _, Some(joining)) => Place {
            organization: joining.organization.unwrap_or(oldest),
            role: joining.role,
            invite: joining.invite.map(Key),
            name: None,
        },
    };
    let owner: Option<(Key, Key)> = on!(connection, c => accounts::table
        .filter(accounts::email_key.eq(&*new.email_key))
        .select((accounts::organization_id, accounts::user_id))
        .get_result(c)
        .optional())?;
    if let Some((organization, user)) = owner {
        if user != Key(new.user.0) {
            return Ok(Registered::EmailTaken);
        }
        // It was made by the run before this one.
        let made = profile(connection, OrgId(organization.0), new.user)?;
        return Ok(made.map_or(Registered::EmailTaken, Registered::Made));
    }
    if let Some(invite) = place.invite {
        let used: i64 = on!(connection, c => accounts::table
            .filter(accounts::invite_id.eq(invite))
            .count()
            .get_result(c))?;
        if used > 0 {
            return Ok(Registered::InviteUsed);
        }
    }
    insert(connection, new, &place)?;
    if let Some(login) = &new.login {
        logins::open(connection, place.organization, new.user, login)?;
    }
    raise(connection)?;
    let made = profile(connection, place.organization, new.user)?;
    made.map(Registered::Made).ok_or(diesel::result::Error::NotFound)
}

/// Where a new account belongs.
struct Place {
    organization: OrgId,
    role: Role,
    invite: Option<Key>,
    name: Option<Box<str>>,
}

fn insert(connection: &mut Connection, new: &NewAccount, place: &Place) -> QueryResult<()> {
    let now = new.now.as_micros();
    let (organization, user) = (Key(place.organization.0), Key(new.user.0));
    let row = (
        organizations::id.eq(organization),
        organizations::last_pos.eq(0),
        organizations::last_at.eq(now),
        organizations::created_at.eq(now),
    );
    on!(connection, c => diesel::insert_into(organizations::table).values(row).on_conflict_do_nothing().execute(c))?;
    if let Some(name) = &place.name {
        let name = without_nul(name.clone());
        on!(connection, c => diesel::update(organizations::table.find(organization))
            .set(organizations::name.eq(&*name))
            .execute(c))?;
    }
    let name = without_nul(new.name.clone());
    let person = (
        users::organization_id.eq(organization),
        users::id.eq(user),
        users::name.eq(&*name),
        users::email.eq(&*new.email),
        users::role.eq(place.role.as_str()),
        users::status.eq("online"),
        users::created_at.eq(now),
        users::updated_at.eq(now),
    );
    on!(connection, c => diesel::insert_into(users::table).values(person).execute(c))?;
    let account = (
        accounts::organization_id.eq(organization),
        accounts::user_id.eq(user),
        accounts::email_key.eq(&*new.email_key),
        accounts::password_hash.eq(&*new.password_hash),
        accounts::invite_id.eq(place.invite),
        accounts::created_at.eq(now),
    );
    on!(connection, c => diesel::insert_into(accounts::table).values(account).execute(c))?;
    Ok(())
}
