//! Accounts: how people register, log in, stay in and leave, and the keys that programs use instead.
//!
//! Everything here decides; keeping is behind the port, and what follows for open connections is told to the [`Herald`].
//!
//! - A refresh token is good once. A used one that comes again was copied by somebody, so its login ends for both.
//! - Whether an address has an account can be seen neither from the answer to a log-in nor from how long it takes.
//! - Nobody is locked out of an account by somebody else's guesses: what is limited is the address that they come from.

mod administration;
mod entering;
mod keys;
mod register;
mod staying;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use jsonwebtoken::EncodingKey;
use tokio::sync::Mutex;

pub use administration::generated_password;
pub use keys::{KeyRequest, MadeKey, must_administrate};
pub use register::Registration as RegistrationRequest;
pub use staying::Credential;

use super::directory::{ACCESS_LIFETIME, Directory, REMEMBERED};
use super::invites::Invites;
use super::passwords::{Overloaded, Passwords};
use super::ports::{AccountStore, Ended, NewLogin, Profile, ProfileChange, Unavailable};
use super::refusal::Refusal;
use super::secrets::{self, NoRandomness};
use super::tokens::mint_access;
use crate::clock;
use crate::config::Registration;
use crate::domain::audit::{AuditAction, AuditEntry};
use crate::domain::{Identity, LoginId, OrgId, Reject, RejectCode, Timestamp, UserId, UserStatus};
use crate::metrics::{Metrics, ReasonLabel};

/// How long a login lasts that is not used.
pub const REFRESH_LIFETIME: Duration = Duration::from_hours(30 * 24);

/// The roll is read again after so long even where nothing says that it has changed: tokens may have renamed the users
/// that keys speak for.
const ROLL_LIFETIME: Duration = Duration::from_secs(30);

/// Longer names of browsers are cut.
const MAX_AGENT_CHARS: usize = 300;

/// Where the audit log places what happens here.
const DIALECT: &str = "rest";

const RETRY_MS: u64 = 2_000;

/// Who has to hear of what is done here.
pub trait Herald: Send + Sync + 'static {
    /// Every connection of this login, or of this key, ends.
    fn ended(&self, ended: Ended);

    /// Every connection of this user ends, whatever token opened it.
    fn shut_out(&self, organization: OrgId, user: UserId);

    /// Somebody wants to be seen differently.
    fn status(&self, organization: OrgId, user: UserId, status: UserStatus);

    /// A line for the audit log.
    fn record(&self, entry: AuditEntry);
}

/// Where a request comes from.
#[derive(Clone, Debug)]
pub struct Visitor {
    pub address: IpAddr,
    pub user_agent: Option<Box<str>>,
    pub origin: Option<Box<str>>,
    /// Surely somebody on this machine.
    pub is_local: bool,
}

impl Visitor {
    pub fn new(address: IpAddr, user_agent: Option<&str>) -> Self {
        let agent = |text: &str| text.chars().filter(|it| !it.is_control()).take(MAX_AGENT_CHARS).collect::<String>();
        let user_agent = user_agent.map(agent).filter(|it| !it.is_empty()).map(Into::into);
        Self { address, user_agent, origin: None, is_local: false }
    }
}

/// How accounts are made.
pub struct Options<'a> {
    /// The one that tokens are signed with; for other purposes, others are made of it.
    pub secret: &'a [u8],
    /// What access tokens must name.
    pub audience: Option<Box<str>>,
    pub registration: Registration,
    /// Where people register; `None`: where the first one did.
    pub default_organization: Option<OrgId>,
}

pub struct Accounts {
    store: Arc<dyn AccountStore>,
    directory: Arc<Directory>,
    herald: Arc<dyn Herald>,
    metrics: Arc<Metrics>,
    passwords: Passwords,
    invites: Invites,
    signing: EncodingKey,
    audience: Option<Box<str>>,
    setup_token: Box<str>,
    registration: Registration,
    default_organization: Option<OrgId>,
    /// There is an account. It never becomes untrue.
    founded: AtomicBool,
    reading: Mutex<()>,
}

/// What somebody gets who has logged in.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access_token: String,
    pub refresh_token: String,
    pub expires_in: Duration,
    pub profile: Profile,
}

impl Accounts {
    pub fn new(
        options: &Options<'_>,
        store: Arc<dyn AccountStore>,
        directory: Arc<Directory>,
        herald: Arc<dyn Herald>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let setup = secrets::derived(options.secret, "tertulia set-up");
        Self {
            store,
            directory,
            herald,
            metrics,
            passwords: Passwords::default(),
            invites: Invites::new(options.secret),
            signing: EncodingKey::from_secret(options.secret),
            audience: options.audience.clone(),
            setup_token: secrets::encode(&setup[..24]).into(),
            registration: options.registration,
            default_organization: options.default_organization,
            founded: AtomicBool::new(false),
            reading: Mutex::default(),
        }
    }

    /// Reads the roll if it has changed, and ends what is to end. To be called several times a second.
    pub async fn look(&self) -> Result<(), Unavailable> {
        let version = self.store.version().await?;
        if self.directory.is_current(version, clock::now(), ROLL_LIFETIME) {
            return Ok(());
        }
        self.read_roll().await
    }

    async fn read_roll(&self) -> Result<(), Unavailable> {
        // One after the other, so that what was read first never replaces what was read later.
        let _turn = self.reading.lock().await;
        let roll = self.store.roll(clock::now() - REMEMBERED).await?;
        let endings = self.directory.replace(roll, clock::now());
        for ended in endings.logins {
            self.herald.ended(ended);
        }
        for (organization, user) in endings.users {
            self.herald.shut_out(organization, user);
        }
        Ok(())
    }

    /// A login is over, here and now.
    fn end(&self, ended: Ended) {
        self.directory.end(ended, clock::now());
        self.herald.ended(ended);
    }

    /// The user, made if no token has been seen yet.
    pub async fn profile(&self, identity: &Arc<Identity>) -> Result<Profile, Reject> {
        let organization = organization(identity)?;
        match self.store.profile(organization, identity.user).await.map_err(away)? {
            Some(profile) => Ok(profile),
            None => self.change_profile(identity, ProfileChange::default()).await,
        }
    }

    pub async fn change_profile(&self, identity: &Arc<Identity>, change: ProfileChange) -> Result<Profile, Reject> {
        let organization = organization(identity)?;
        let status = change.status;
        let changed = self.store.change_profile(Arc::clone(identity), change, clock::now()).await;
        let profile = changed.map_err(away)?;
        if let Some(status) = status {
            self.herald.status(organization, identity.user, status);
        }
        Ok(profile)
    }

    /// A login to be kept, and the refresh token that goes with it.
    fn new_login(visitor: &Visitor, now: Timestamp) -> Result<(NewLogin, String), Reject> {
        let family = secrets::random().map_err(no_randomness)?;
        let (refresh_token, refresh_hash) = secrets::new_refresh_token(family).map_err(no_randomness)?;
        let login = NewLogin {
            id: LoginId(clock::fresh_id()),
            family,
            refresh_hash,
            user_agent: visitor.user_agent.clone(),
            address: visitor.address,
            now,
            expires_at: now + REFRESH_LIFETIME,
        };
        Ok((login, refresh_token))
    }

    fn tokens(&self, profile: Profile, login: LoginId, refresh_token: String) -> Result<Tokens, Reject> {
        let now = clock::now();
        let audience = self.audience.as_deref();
        let access_token = mint_access(&self.signing, &profile, login, audience, (now, now + ACCESS_LIFETIME))
            .map_err(|error| Reject::new(RejectCode::Internal, format!("The token cannot be signed: {error}")))?;
        Ok(Tokens { access_token, refresh_token, expires_in: ACCESS_LIFETIME, profile })
    }

    /// Somebody was refused at the door, where it was counted.
    pub fn record_refusal(&self, refusal: Refusal, visitor: &Visitor) {
        self.record(AuditAction::Refused { reason: refusal.reason() }, visitor, None);
    }

    /// Something that an attacker may have done: counted, and kept.
    fn suspicious(&self, reason: &'static str, visitor: &Visitor, user: Option<(OrgId, UserId)>) {
        self.metrics.auth_failures.get_or_create(&ReasonLabel { reason }).inc();
        self.record(AuditAction::Refused { reason }, visitor, user);
    }

    fn done(&self, what: &'static str, visitor: &Visitor, user: (OrgId, UserId)) {
        self.record(AuditAction::Account { what }, visitor, Some(user));
    }

    fn record(&self, action: AuditAction, visitor: &Visitor, user: Option<(OrgId, UserId)>) {
        self.herald.record(AuditEntry {
            at: clock::now(),
            action,
            dialect: DIALECT,
            organization: user.map(|(organization, _)| organization),
            user: user.map(|(_, user)| user),
            address: visitor.address,
            origin: visitor.origin.clone(),
        });
    }
}

/// An address as people write it, and the form by which it is found.
pub fn email(text: &str) -> Result<(Box<str>, Box<str>), Reject> {
    let email = text.trim();
    let looks_right = email.len() <= 254
        && !email.chars().any(|it| it.is_control() || it.is_whitespace() || "<>\"'`\\(),:;[]".contains(it))
        && email.split_once('@').is_some_and(|(person, host)| {
            (1..=64).contains(&person.len()) && !host.is_empty() && !host.contains('@') && !host.starts_with('.')
        });
    if !looks_right {
        return Err(Reject::field("email", "an e-mail address, as ana@example.com"));
    }
    Ok((email.into(), email.to_lowercase().into()))
}

fn organization(identity: &Identity) -> Result<OrgId, Reject> {
    identity.organization.ok_or_else(|| forbidden("Your token names no organization"))
}

fn forbidden(message: &'static str) -> Reject {
    Reject::new(RejectCode::Forbidden, message)
}

fn away(_: Unavailable) -> Reject {
    Reject { retry_after_ms: Some(RETRY_MS), ..Reject::unavailable() }
}

fn busy(_: Overloaded) -> Reject {
    let message = "Too many people are logging in at this moment; try again shortly";
    Reject { retry_after_ms: Some(RETRY_MS), ..Reject::new(RejectCode::Unavailable, message) }
}

fn no_randomness(_: NoRandomness) -> Reject {
    Reject::new(RejectCode::Internal, "The system has no random numbers to give")
}

/// Accounts whose database is away, for tests of what stands around them.
#[cfg(test)]
pub(crate) fn without_database(secret: &[u8], directory: &Arc<Directory>, metrics: &Arc<Metrics>) -> Accounts {
    let options = Options { secret, audience: None, registration: Registration::Open, default_organization: None };
    let store = Arc::new(super::absent_tests::Absent);
    Accounts::new(&options, store, Arc::clone(directory), Arc::new(Nobody), Arc::clone(metrics))
}

/// Where there are no connections to hear of anything.
pub struct Nobody;

impl Herald for Nobody {
    fn ended(&self, _: Ended) {}

    fn shut_out(&self, _: OrgId, _: UserId) {}

    fn status(&self, _: OrgId, _: UserId, _: UserStatus) {}

    fn record(&self, _: AuditEntry) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_whatever_their_case() {
        let (shown, key) = email(" Ana.Silva@Example.COM ").expect("an address");
        assert_eq!((&*shown, &*key), ("Ana.Silva@Example.COM", "ana.silva@example.com"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(65));
        let longer = format!("a@{}.com", "e".repeat(254));
        for wrong in [
            "",
            "ana",
            "@example.com",
            "ana@",
            "ana@a@b",
            "ana silva@example.com",
            "a\0@b.c",
            "<a>@b.c",
            "ana@.com",
            &long,
            &longer,
        ] {
            assert!(email(wrong).is_err(), "{wrong}");
        }
    }
}
