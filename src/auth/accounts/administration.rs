//! What whoever may use the command line may do: everything, to every account.

use uuid::Uuid;

use super::super::passwords;
use super::super::ports::{Account, AccountChange, ApiKey, Ended, Founding, Joining, NewAccount, Profile};
use super::super::secrets;
use super::{Accounts, RegistrationRequest, away, busy, email, no_randomness};
use crate::clock;
use crate::domain::{OrgId, Reject, RejectCode, Role, UserId, wording};

impl Accounts {
    /// Makes an account. Where no role is named, the first is an administrator and others are members.
    pub async fn add(
        &self,
        request: RegistrationRequest,
        organization: Option<OrgId>,
        role: Option<Role>,
    ) -> Result<Profile, Reject> {
        let (address, key) = email(&request.email)?;
        let name = wording::name("name", &request.name)?;
        passwords::check(&request.password)?;
        let organization_name = request.organization.map(|it| wording::name("organization", &it)).transpose()?;
        let password_hash = self.passwords.hash(request.password).await.map_err(busy)?;
        let founding = self.founding(organization_name, role.unwrap_or(Role::Admin));
        let account = NewAccount {
            user: UserId(clock::fresh_id()),
            email: address,
            email_key: key,
            name,
            password_hash,
            founds: Some(Founding { organization: organization.unwrap_or(founding.organization), ..founding }),
            joins: Some(Joining {
                organization: organization.or(self.default_organization),
                role: role.unwrap_or(Role::Member),
                invite: None,
            }),
            login: None,
            now: clock::now(),
        };
        self.registered(self.store.register(account).await.map_err(away)?)
    }

    /// All accounts, the oldest first.
    pub async fn all(&self) -> Result<Vec<Account>, Reject> {
        self.store.accounts().await.map_err(away)
    }

    /// The account with this address.
    pub async fn find(&self, address: &str) -> Result<Account, Reject> {
        let (_, key) = email(address)?;
        self.store.account(key).await.map_err(away)?.ok_or_else(|| no_account(address))
    }

    pub async fn change(&self, address: &str, change: AccountChange) -> Result<Profile, Reject> {
        let (_, key) = email(address)?;
        let changed = self.store.change_account(key, change, clock::now()).await.map_err(away)?;
        changed.ok_or_else(|| no_account(address))
    }

    pub async fn set_password(&self, address: &str, password: Box<str>) -> Result<Profile, Reject> {
        passwords::check(&password)?;
        let hash = self.passwords.hash(password).await.map_err(busy)?;
        self.change(address, AccountChange::Password(hash)).await
    }

    /// The keys of an organization, or of all.
    pub async fn all_keys(&self, organization: Option<OrgId>) -> Result<Vec<ApiKey>, Reject> {
        self.store.keys(organization).await.map_err(away)
    }

    pub async fn revoke_any_key(&self, key: Uuid) -> Result<Ended, Reject> {
        let ended = self.store.revoke_key(None, key, clock::now()).await.map_err(away)?;
        ended.ok_or_else(|| Reject::new(RejectCode::NotFound, "There is no such key, or it was revoked"))
    }

    /// Where people register who name no organization. `None`: nobody has yet.
    pub async fn home(&self) -> Result<Option<OrgId>, Reject> {
        match self.default_organization {
            Some(organization) => Ok(Some(organization)),
            None => Ok(self.all().await?.first().map(|it| it.profile.organization)),
        }
    }
}

/// A password that nobody has to think of.
pub fn generated_password() -> Result<Box<str>, Reject> {
    Ok(secrets::encode(&secrets::random::<15>().map_err(no_randomness)?).into())
}

fn no_account(address: &str) -> Reject {
    Reject::new(RejectCode::NotFound, format!("There is no account with the address {}", address.trim()))
}
