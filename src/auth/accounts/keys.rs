//! API keys: made and revoked by administrators, shown once.

use std::time::Duration;

use uuid::Uuid;

use super::super::ports::{ApiKey, NewKey};
use super::super::secrets;
use super::{Accounts, Visitor, away, forbidden, no_randomness, organization};
use crate::clock;
use crate::domain::{Identity, OrgId, Reject, RejectCode, Role, Scope, Scopes, UserId, wording};

/// The longest time that a key may be good, if it ends at all.
const MAX_LIFETIME: Duration = Duration::from_hours(24 * 3_660);

/// What a key is to be.
#[derive(Clone, Default)]
pub struct KeyRequest {
    pub name: Option<Box<str>>,
    /// `None`: who asks for it.
    pub user: Option<UserId>,
    /// `None`: reading and writing in rooms.
    pub scopes: Option<Scopes>,
    /// `None`: until it is revoked.
    pub lifetime: Option<Duration>,
}

/// A key, and its text: it is known at this moment and never again.
#[derive(Clone)]
pub struct MadeKey {
    pub key: ApiKey,
    pub text: String,
}

impl Accounts {
    pub async fn create_key(
        &self,
        identity: &Identity,
        request: KeyRequest,
        visitor: &Visitor,
    ) -> Result<MadeKey, Reject> {
        must_administrate(identity)?;
        let organization = organization(identity)?;
        // Whoever asks has a token, and need not have been seen before.
        self.profile(&identity.clone().into()).await?;
        let user = request.user.unwrap_or(identity.user);
        let made = self.make_key(organization, user, Some(identity.user), request).await?;
        self.done("key_created", visitor, (organization, identity.user));
        Ok(made)
    }

    /// A key of a user, made by `created_by`, or on the command line.
    pub async fn make_key(
        &self,
        organization: OrgId,
        user: UserId,
        created_by: Option<UserId>,
        request: KeyRequest,
    ) -> Result<MadeKey, Reject> {
        let name = wording::name("name", request.name.as_deref().unwrap_or("key"))?;
        let scopes = request.scopes.unwrap_or_else(|| Scopes::default().with(Scope::ChatRead).with(Scope::ChatWrite));
        if scopes == Scopes::default() {
            return Err(Reject::field("scopes", "at least one scope, or none to be named"));
        }
        if request.lifetime.is_some_and(|it| it.is_zero() || it > MAX_LIFETIME) {
            return Err(Reject::field("expires_in", "seconds, from 1 to those of ten years"));
        }
        let (text, hash, hint) = secrets::new_key().map_err(no_randomness)?;
        let now = clock::now();
        let key = NewKey {
            id: clock::fresh_id(),
            organization,
            user,
            name,
            hash,
            hint,
            scopes,
            created_by,
            now,
            expires_at: request.lifetime.map(|it| now + it),
        };
        let key =
            self.store.create_key(key).await.map_err(away)?.ok_or_else(|| {
                Reject::new(RejectCode::NotFound, format!("There is no user {user} in the organization"))
            })?;
        // Good from now on; where reading it back fails, a moment later.
        let _ = self.read_roll().await;
        Ok(MadeKey { key, text })
    }

    pub async fn keys(&self, identity: &Identity) -> Result<Vec<ApiKey>, Reject> {
        must_administrate(identity)?;
        self.store.keys(Some(organization(identity)?)).await.map_err(away)
    }

    pub async fn revoke_key(&self, identity: &Identity, key: Uuid, visitor: &Visitor) -> Result<(), Reject> {
        must_administrate(identity)?;
        let organization = organization(identity)?;
        let ended = self.store.revoke_key(Some(organization), key, clock::now()).await.map_err(away)?;
        let ended =
            ended.ok_or_else(|| Reject::new(RejectCode::NotFound, "There is no such key, or it was revoked"))?;
        self.end(ended);
        self.done("key_revoked", visitor, (organization, identity.user));
        let _ = self.read_roll().await;
        Ok(())
    }
}

/// Only administrators decide who comes in.
pub fn must_administrate(identity: &Identity) -> Result<(), Reject> {
    if identity.role != Role::Admin {
        return Err(forbidden("Only administrators may do this"));
    }
    identity.must_have(Scope::Admin)
}
