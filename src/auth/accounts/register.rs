//! Registration: who may have an account, and who is the first.
//!
//! The first account is the administrator's, so it is not for whoever comes by: only for somebody on this very machine, or
//! with the token that the hub's log shows to whoever started it.

use std::sync::atomic::Ordering;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::super::invites::{INVITE_LIFETIME, Invite};
use super::super::passwords;
use super::super::ports::{Founding, Joining, NewAccount, Profile, Registered, Unavailable};
use super::{Accounts, Tokens, Visitor, away, busy, email, forbidden, organization};
use crate::clock;
use crate::config;
use crate::domain::{Identity, OrgId, Reject, RejectCode, Role, Timestamp, UserId, wording};

/// What somebody says who wants an account.
#[derive(Clone, Default)]
pub struct Registration {
    pub email: Box<str>,
    pub password: Box<str>,
    pub name: Box<str>,
    /// The name of the organization, where it is the first account that makes it.
    pub organization: Option<Box<str>>,
    pub setup_token: Option<Box<str>>,
    pub invite: Option<Box<str>>,
}

const CLOSED: &str = "Registration is closed here; an administrator can make an account (tertulia user add)";
const BY_INVITATION: &str = "One registers here by invitation; ask an administrator for one";
const NOT_FIRST: &str = "There is no account yet, and the first one is the administrator's: open the set-up link that \
     the hub prints at its start, or send its `setup_token`";

impl Accounts {
    /// Whether there is an account.
    pub async fn is_founded(&self) -> Result<bool, Unavailable> {
        if !self.founded.load(Ordering::Relaxed) && self.store.is_founded().await? {
            self.founded.store(true, Ordering::Relaxed);
        }
        Ok(self.founded.load(Ordering::Relaxed))
    }

    /// Who may make an account, once there is one: in the words of `auth.registration`.
    pub fn registration(&self) -> &'static str {
        match self.registration {
            config::Registration::Open => "open",
            config::Registration::Invite => "invite",
            config::Registration::Closed => "closed",
        }
    }

    /// With it anyone may make the first account.
    pub fn setup_token(&self) -> &str {
        &self.setup_token
    }

    pub async fn register(&self, request: Registration, visitor: &Visitor) -> Result<Tokens, Reject> {
        let (address, key) = email(&request.email)?;
        let name = wording::name("name", &request.name)?;
        let organization_name = request.organization.map(|it| wording::name("organization", &it)).transpose()?;
        passwords::check(&request.password)?;
        let now = clock::now();
        let invite = request.invite.map(|text| self.read_invite(&text, now)).transpose()?;
        let knows_setup = request.setup_token.is_some_and(|it| self.is_setup_token(&it));
        let may_found = invite.is_none() && (visitor.is_local || knows_setup);
        let joins = self.joining(invite);
        if !self.is_founded().await.map_err(away)? {
            if !may_found && invite.is_none() {
                self.suspicious("setup_token", visitor, None);
                return Err(forbidden(NOT_FIRST));
            }
        } else if joins.is_none() {
            return Err(self.no_entry());
        }
        let password_hash = self.passwords.hash(request.password).await.map_err(busy)?;
        let (login, refresh_token) = Self::new_login(visitor, now)?;
        let id = login.id;
        let account = NewAccount {
            user: UserId(clock::fresh_id()),
            email: address,
            email_key: key,
            name,
            password_hash,
            founds: may_found.then(|| self.founding(organization_name, Role::Admin)),
            joins,
            login: Some(login),
            now,
        };
        let profile = self.registered(self.store.register(account).await.map_err(away)?)?;
        self.done("registered", visitor, (profile.organization, profile.user));
        self.tokens(profile, id, refresh_token)
    }

    /// An invitation to the organization of `identity`, and until when it is good.
    pub fn invite(&self, identity: &Identity, role: Role) -> Result<(String, Timestamp), Reject> {
        self.invite_to(organization(identity)?, role)
    }

    pub fn invite_to(&self, organization: OrgId, role: Role) -> Result<(String, Timestamp), Reject> {
        let expires_at = clock::now() + INVITE_LIFETIME;
        let invite = Invite { id: clock::fresh_id(), organization, role, expires_at };
        let text = self
            .invites
            .write(&invite)
            .map_err(|error| Reject::new(RejectCode::Internal, format!("The invitation cannot be signed: {error}")))?;
        Ok((text, Timestamp::from_secs(expires_at.as_secs())))
    }

    pub(super) fn founding(&self, organization_name: Option<Box<str>>, role: Role) -> Founding {
        let organization = self.default_organization.unwrap_or_else(|| OrgId(clock::fresh_id()));
        Founding { organization, organization_name, role }
    }

    fn joining(&self, invite: Option<Invite>) -> Option<Joining> {
        match (self.registration, invite) {
            (config::Registration::Closed, _) | (config::Registration::Invite, None) => None,
            (_, Some(invite)) => {
                Some(Joining { organization: Some(invite.organization), role: invite.role, invite: Some(invite.id) })
            }
            (config::Registration::Open, None) => {
                Some(Joining { organization: self.default_organization, role: Role::Member, invite: None })
            }
        }
    }

    fn no_entry(&self) -> Reject {
        forbidden(if self.registration == config::Registration::Invite { BY_INVITATION } else { CLOSED })
    }

    fn read_invite(&self, text: &str, now: Timestamp) -> Result<Invite, Reject> {
        let wrong =
            || Reject::field("invite", "an invitation of this hub that is less than 7 days old; ask for a new one");
        self.invites.read(text, now).ok_or_else(wrong)
    }

    fn is_setup_token(&self, shown: &str) -> bool {
        verify_slices_are_equal(shown.as_bytes(), self.setup_token.as_bytes()).is_ok()
    }

    pub(super) fn registered(&self, outcome: Registered) -> Result<Profile, Reject> {
        match outcome {
            Registered::Made(profile) => {
                self.founded.store(true, Ordering::Relaxed);
                Ok(profile)
            }
            Registered::EmailTaken => Err(Reject {
                field: Some("email"),
                ..Reject::conflict("email: there is an account with this address; log in with it")
            }),
            Registered::InviteUsed => Err(Reject {
                field: Some("invite"),
                ..Reject::conflict("invite: somebody has used this invitation; ask for a new one")
            }),
            Registered::NobodyYet => Err(forbidden(NOT_FIRST)),
            Registered::Closed => Err(self.no_entry()),
        }
    }
}
