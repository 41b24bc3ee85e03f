//! What accounts need of the outside, as a trait: the store that keeps them.
//!
//! Each write is one transaction. Where the database does not answer, nothing is known of what became of it.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use uuid::Uuid;

use crate::domain::{Identity, LoginId, OrgId, Role, Scopes, Timestamp, UserId, UserStatus};

/// The database does not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unavailable;

pub type Reply<T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send>>;

/// The SHA-256 of a key or a token: all that is kept of it.
pub type Hash = [u8; 32];

/// Names the refresh tokens of one login. Secret, unlike the login's id.
pub type Family = [u8; 16];

/// Keeps accounts, login sessions and API keys. Every method returns at once.
pub trait AccountStore: Send + Sync + 'static {
    /// Whether there is any account.
    fn is_founded(&self) -> Reply<bool>;

    /// The account that an e-mail address, in the form of its key, logs in to.
    fn account(&self, email_key: Box<str>) -> Reply<Option<Account>>;

    /// All accounts, the oldest first.
    fn accounts(&self) -> Reply<Vec<Account>>;

    fn profile(&self, organization: OrgId, user: UserId) -> Reply<Option<Profile>>;

    /// The logins of a user that are good at `now`, the newest first.
    fn logins(&self, organization: OrgId, user: UserId, now: Timestamp) -> Reply<Vec<Login>>;

    /// The keys of an organization, or of all, that were not revoked; the newest first.
    fn keys(&self, organization: Option<OrgId>) -> Reply<Vec<ApiKey>>;

    /// Raised whenever [`AccountStore::roll`] has something new.
    fn version(&self) -> Reply<i64>;

    /// What every hub has to know of keys and endings. Logins that ended before `since` are left out.
    fn roll(&self, since: Timestamp) -> Reply<Roll>;

    fn register(&self, account: NewAccount) -> Reply<Registered>;

    /// `false`: there is no such account, or it is disabled.
    fn log_in(&self, organization: OrgId, user: UserId, login: NewLogin) -> Reply<bool>;

    fn renew(&self, renewal: Renewal) -> Reply<Renewed>;

    /// Ends logins; those that were ended already are not told again.
    fn end_logins(&self, which: Which, now: Timestamp) -> Reply<Vec<Ended>>;

    /// Changes a person, who is made if no token has been seen yet.
    fn change_profile(&self, person: Arc<Identity>, change: ProfileChange, now: Timestamp) -> Reply<Profile>;

    /// Changes an account. `None`: there is none for this address.
    fn change_account(&self, email_key: Box<str>, change: AccountChange, now: Timestamp) -> Reply<Option<Profile>>;

    /// `None`: the organization has no such user.
    fn create_key(&self, key: NewKey) -> Reply<Option<ApiKey>>;

    /// `None`: there is no such key, or it was revoked already.
    fn revoke_key(&self, organization: Option<OrgId>, key: Uuid, now: Timestamp) -> Reply<Option<Ended>>;
}

/// A person of an organization, with or without an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Profile {
    pub organization: OrgId,
    pub user: UserId,
    pub role: Role,
    pub name: Box<str>,
    pub email: Option<Box<str>>,
    pub status: UserStatus,
    pub avatar_url: Option<Box<str>>,
    pub created_at: Timestamp,
}

#[derive(Clone)]
pub struct Account {
    pub profile: Profile,
    /// `None`: this account does not log in with a password.
    pub password_hash: Option<Box<str>>,
    pub is_disabled: bool,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("profile", &self.profile)
            .field("is_disabled", &self.is_disabled)
            .finish_non_exhaustive()
    }
}

/// An account to be made.
#[derive(Clone)]
pub struct NewAccount {
    pub user: UserId,
    pub email: Box<str>,
    pub email_key: Box<str>,
    pub name: Box<str>,
    pub password_hash: Box<str>,
    /// What it becomes where there is no account yet. `None`: it may not be the first.
    pub founds: Option<Founding>,
    /// How it joins those that are there. `None`: it may not.
    pub joins: Option<Joining>,
    /// Logged in with the same stroke.
    pub login: Option<NewLogin>,
    pub now: Timestamp,
}

/// The first account makes an organization.
#[derive(Clone, Debug)]
pub struct Founding {
    pub organization: OrgId,
    pub organization_name: Option<Box<str>>,
    pub role: Role,
}

#[derive(Clone, Debug)]
pub struct Joining {
    /// `None`: that of the oldest account.
    pub organization: Option<OrgId>,
    pub role: Role,
    /// The invitation that this takes up. Each is good once.
    pub invite: Option<Uuid>,
}

/// What became of a registration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Registered {
    Made(Profile),
    EmailTaken,
    InviteUsed,
    /// There is no account yet, and this one may not be the first.
    NobodyYet,
    /// There are accounts, and this one may not join them.
    Closed,
}

/// A login to be kept.
#[derive(Clone, Debug)]
pub struct NewLogin {
    pub id: LoginId,
    pub family: Family,
    pub refresh_hash: Hash,
    pub user_agent: Option<Box<str>>,
    pub address: IpAddr,
    pub now: Timestamp,
    pub expires_at: Timestamp,
}

/// A login, as its owner sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Login {
    pub id: LoginId,
    pub user_agent: Option<Box<str>>,
    pub address: Box<str>,
    pub created_at: Timestamp,
    pub renewed_at: Timestamp,
    pub expires_at: Timestamp,
}

/// A refresh token was shown, and is to be replaced by another.
#[derive(Clone, Debug)]
pub struct Renewal {
    pub family: Family,
    pub shown: Hash,
    pub fresh: Hash,
    pub user_agent: Option<Box<str>>,
    pub address: IpAddr,
    pub now: Timestamp,
    pub expires_at: Timestamp,
}

/// What became of a [`Renewal`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Renewed {
    Done {
        login: LoginId,
        profile: Profile,
    },
    /// The token was replaced before: somebody has a copy, so the login was ended.
    Reused(Ended),
    /// The login has ended, or its account is disabled.
    Over,
    Unknown,
}

/// Which logins are meant.
#[derive(Clone, Copy, Debug)]
pub enum Which {
    /// One, of anyone in the organization where `user` is `None`.
    One { organization: OrgId, user: Option<UserId>, login: LoginId },
    /// Whichever a refresh token of this family belongs to.
    Family(Family),
}

/// A login that was ended, or a key that was revoked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ended {
    pub organization: OrgId,
    pub user: UserId,
    pub login: LoginId,
}

/// What is to be different; `None`: as it was.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProfileChange {
    pub name: Option<Box<str>>,
    /// `Some(None)`: none from now on.
    pub avatar_url: Option<Option<Box<str>>>,
    pub status: Option<UserStatus>,
}

#[derive(Clone)]
pub enum AccountChange {
    /// Ends its logins as well.
    Role(Role),
    /// Ends its logins as well.
    Disabled(bool),
    /// Ends its logins as well.
    Password(Box<str>),
    /// The same password, hashed with more effort.
    Rehash { old: Box<str>, new: Box<str> },
}

/// A key to be kept.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub id: Uuid,
    pub organization: OrgId,
    pub user: UserId,
    pub name: Box<str>,
    pub hash: Hash,
    pub hint: Box<str>,
    pub scopes: Scopes,
    pub created_by: Option<UserId>,
    pub now: Timestamp,
    pub expires_at: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiKey {
    pub id: Uuid,
    pub organization: OrgId,
    pub user: UserId,
    pub name: Box<str>,
    pub hint: Box<str>,
    pub scopes: Scopes,
    pub created_by: Option<UserId>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
}

/// What every hub keeps in memory of the keys, the logins and the accounts.
#[derive(Clone, Debug, Default)]
pub struct Roll {
    pub version: i64,
    pub keys: Vec<KeyEntry>,
    pub ended: Vec<(Ended, Timestamp)>,
    /// Accounts that may not come in.
    pub disabled: Vec<(OrgId, UserId)>,
}

#[derive(Clone, Debug)]
pub struct KeyEntry {
    pub hash: Hash,
    pub identity: Arc<Identity>,
    pub is_revoked: bool,
}
