//! Invitations: signed words that let one person register in an organization.
//!
//! Nothing is kept of an invitation until somebody takes it up; then its id stands with the account, once. It is signed
//! with a secret of its own, so that it opens nothing else.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::secrets::derived;
use crate::domain::{OrgId, Role, Timestamp};

/// How long an invitation is good.
pub const INVITE_LIFETIME: Duration = Duration::from_hours(7 * 24);

const PURPOSE: &str = "tertulia invitation";
const MAX_BYTES: usize = 1_024;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Invite {
    pub id: Uuid,
    pub organization: OrgId,
    pub role: Role,
    pub expires_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    jti: Uuid,
    organization_id: OrgId,
    role: String,
    exp: i64,
}

pub(super) struct Invites {
    signing: EncodingKey,
    verifying: DecodingKey,
}

impl Invites {
    pub(super) fn new(secret: &[u8]) -> Self {
        let secret = derived(secret, PURPOSE);
        Self { signing: EncodingKey::from_secret(&secret), verifying: DecodingKey::from_secret(&secret) }
    }

    pub(super) fn write(&self, invite: &Invite) -> Result<String, jsonwebtoken::errors::Error> {
        let claims = Claims {
            jti: invite.id,
            organization_id: invite.organization,
            role: invite.role.to_string(),
            exp: invite.expires_at.as_secs(),
        };
        encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
    }

    /// `None`: it is not one of ours, or its time is over.
    pub(super) fn read(&self, text: &str, now: Timestamp) -> Option<Invite> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let mut validation = Validation::new(Algorithm::HS256);
        // Time is checked here, against a clock that is handed in.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let claims = decode::<Claims>(text, &self.verifying, &validation).ok()?.claims;
        let expires_at = Timestamp::from_secs(claims.exp);
        let invite = Invite {
            id: claims.jti,
            organization: claims.organization_id,
            role: claims.role.parse().ok()?,
            expires_at,
        };
        (now < expires_at).then_some(invite)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_is_read_until_its_time_is_over_and_only_where_it_was_written() {
        let now = Timestamp::from_secs(1_000);
        let invite = Invite {
            id: Uuid::from_u128(1),
            organization: OrgId(Uuid::from_u128(2)),
            role: Role::Agent,
            expires_at: now + INVITE_LIFETIME,
        };
        let ours = Invites::new(b"one secret");
        let text = ours.write(&invite).expect("signed");
        assert_eq!(ours.read(&text, now), Some(invite));
        assert_eq!(ours.read(&text, invite.expires_at), None);
        assert_eq!(Invites::new(b"another secret").read(&text, now), None);
        assert_eq!(ours.read(&format!("{text}x"), now), None);
        assert_eq!(ours.read("", now), None);
    }

    #[test]
    fn an_invitation_is_no_access_token() {
        let secret = b"one secret";
        let invite = Invite {
            id: Uuid::from_u128(1),
            organization: OrgId(Uuid::from_u128(2)),
            role: Role::Admin,
            expires_at: Timestamp::from_secs(2_000),
        };
        let text = Invites::new(secret).write(&invite).expect("signed");
        let tokens = crate::auth::Tokens::new(secret, crate::auth::Policy::default());
        assert!(tokens.verify(&text, Timestamp::from_secs(1_000)).is_err());
    }
}
