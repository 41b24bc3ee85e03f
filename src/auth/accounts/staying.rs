//! Staying logged in, and logging out.

use super::super::ports::{Login, Renewal, Renewed, Which};
use super::super::secrets;
use super::{Accounts, REFRESH_LIFETIME, Tokens, Visitor, away, no_randomness, organization};
use crate::clock;
use crate::domain::{Identity, LoginId, Reject, RejectCode, Role, Scopes};

/// What a login is ended by.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    Identity(&'a Identity),
    RefreshToken(&'a str),
}

const UNKNOWN: &str = "This is no refresh token of this hub; log in again";
const OVER: &str = "The login session has ended; log in again";
const REUSED: &str = "This refresh token was used before, so its login session was ended; log in again";

impl Accounts {
    pub async fn refresh(&self, token: &str, visitor: &Visitor) -> Result<Tokens, Reject> {
        let refuse = |message: &'static str| Err(Reject::new(RejectCode::InvalidToken, message));
        let Some((family, shown)) = secrets::read_refresh_token(token) else {
            self.suspicious("refresh_token_unknown", visitor, None);
            return refuse(UNKNOWN);
        };
        let (refresh_token, fresh) = secrets::new_refresh_token(family).map_err(no_randomness)?;
        let now = clock::now();
        let renewal = Renewal {
            family,
            shown,
            fresh,
            user_agent: visitor.user_agent.clone(),
            address: visitor.address,
            now,
            expires_at: now + REFRESH_LIFETIME,
        };
        match self.store.renew(renewal).await.map_err(away)? {
            Renewed::Done { login, profile } => self.tokens(profile, login, refresh_token),
            Renewed::Reused(ended) => {
                self.end(ended);
                self.suspicious("refresh_token_reused", visitor, Some((ended.organization, ended.user)));
                refuse(REUSED)
            }
            Renewed::Over => {
                self.suspicious("refresh_token_over", visitor, None);
                refuse(OVER)
            }
            Renewed::Unknown => {
                self.suspicious("refresh_token_unknown", visitor, None);
                refuse(UNKNOWN)
            }
        }
    }

    /// Ends a login, and every connection that it has. What has ended already stays so.
    pub async fn log_out(&self, credential: Credential<'_>, visitor: &Visitor) -> Result<(), Reject> {
        let which = match credential {
            Credential::RefreshToken(text) => {
                let unknown = || Reject::field("refresh_token", "the refresh token of a login");
                Which::Family(secrets::read_refresh_token(text).ok_or_else(unknown)?.0)
            }
            Credential::Identity(identity) => {
                must_be_a_person(identity)?;
                let Some(login) = identity.login else {
                    let message = "This token belongs to no login session; it ends by itself, with its `exp`";
                    return Err(Reject::conflict(message));
                };
                Which::One { organization: organization(identity)?, user: Some(identity.user), login }
            }
        };
        for ended in self.store.end_logins(which, clock::now()).await.map_err(away)? {
            self.end(ended);
            self.done("logged_out", visitor, (ended.organization, ended.user));
        }
        Ok(())
    }

    /// The caller's own logins, the newest first.
    pub async fn logins(&self, identity: &Identity) -> Result<Vec<Login>, Reject> {
        must_be_a_person(identity)?;
        self.store.logins(organization(identity)?, identity.user, clock::now()).await.map_err(away)
    }

    /// Ends one of the caller's own logins; an administrator may end any of the organization.
    pub async fn end_login(&self, identity: &Identity, login: LoginId, visitor: &Visitor) -> Result<(), Reject> {
        must_be_a_person(identity)?;
        let user = (identity.role != Role::Admin).then_some(identity.user);
        let which = Which::One { organization: organization(identity)?, user, login };
        let ended = self.store.end_logins(which, clock::now()).await.map_err(away)?;
        if ended.is_empty() {
            return Err(Reject::new(RejectCode::NotFound, "There is no such login session, or it has ended"));
        }
        for ended in ended {
            self.end(ended);
            self.done("login_ended", visitor, (identity.organization.unwrap_or(ended.organization), identity.user));
        }
        Ok(())
    }
}

/// Logins are people's; a key, even one that may do everything else, has none.
fn must_be_a_person(identity: &Identity) -> Result<(), Reject> {
    // No list of scopes comes to as much as a token has.
    if identity.scopes == Scopes::ALL {
        return Ok(());
    }
    Err(Reject::new(RejectCode::Forbidden, "API keys have no login sessions; expected the token of a login"))
}
