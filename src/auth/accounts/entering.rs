//! Logging in with a password.

use super::super::passwords::{Verdict, may_be_one};
use super::super::ports::{Account, AccountChange};
use super::{Accounts, Tokens, Visitor, away, busy, email, forbidden};
use crate::clock;
use crate::domain::{Reject, RejectCode};

const DISABLED: &str = "This account is disabled; an administrator can enable it again";

impl Accounts {
    pub async fn log_in(&self, address: &str, password: Box<str>, visitor: &Visitor) -> Result<Tokens, Reject> {
        let account = match email(address) {
            Ok((_, key)) => self.store.account(key).await.map_err(away)?,
            // What is no address has no account; the answer is the same.
            Err(_) => None,
        };
        let hash = account.as_ref().and_then(|it| it.password_hash.clone());
        let user = account.as_ref().map(|it| (it.profile.organization, it.profile.user));
        let guess = if may_be_one(&password) { password } else { "".into() };
        let verdict = self.passwords.verify(guess.clone(), hash).await.map_err(busy)?;
        let Some(account) = account.filter(|_| verdict != Verdict::Wrong) else {
            self.suspicious("invalid_credentials", visitor, user);
            let message = "No account has this e-mail address and this password";
            return Err(Reject::new(RejectCode::InvalidCredentials, message));
        };
        if account.is_disabled {
            self.suspicious("account_disabled", visitor, user);
            return Err(forbidden(DISABLED));
        }
        if verdict == Verdict::Outdated {
            self.rehash(&account, guess).await;
        }
        let profile = account.profile;
        let (login, refresh_token) = Self::new_login(visitor, clock::now())?;
        let id = login.id;
        if !self.store.log_in(profile.organization, profile.user, login).await.map_err(away)? {
            return Err(forbidden(DISABLED));
        }
        self.done("logged_in", visitor, (profile.organization, profile.user));
        self.tokens(profile, id, refresh_token)
    }

    /// Hashes a password again with today's effort; where that fails, the next login will try.
    async fn rehash(&self, account: &Account, password: Box<str>) {
        let (Some(old), Some(email)) = (account.password_hash.clone(), &account.profile.email) else { return };
        let Ok(new) = self.passwords.hash(password).await else { return };
        let change = AccountChange::Rehash { old, new };
        if self.store.change_account(email.to_lowercase().into(), change, clock::now()).await.is_err() {
            log::warn!("a password could not be hashed again; the next login will try");
        }
    }
}
