//! Tokens: JSON Web Tokens signed with the secret that the hub shares with whoever mints them (HS256).
//!
//! A token's algorithm is never taken from the token: there is one key, of one algorithm, and whatever else the header
//! names is refused before the signature is looked at. No claim is read before the signature was found good.

use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};

use super::claims::{Audience, Claims, NumericDate, Policy};
use super::ports::Profile;
use super::refusal::Refusal;
use crate::domain::{Identity, LoginId, OrgId, Role, Timestamp, UserId};

/// Longer ones are refused unread; real ones have a few hundred bytes.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Clocks differ. A token is taken this much before `nbf` and after `exp`, on open connections too.
pub const LEEWAY: Duration = Duration::from_secs(30);

/// Verifies tokens.
pub struct Tokens {
    key: DecodingKey,
    validation: Validation,
    policy: Policy,
}

impl Tokens {
    /// `secret` is used as its literal bytes.
    pub fn new(secret: &[u8], policy: Policy) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // Everything about time and audience is checked here, against a clock that is handed in.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        Self { key: DecodingKey::from_secret(secret), validation, policy }
    }

    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, Refusal> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refusal::TooLong);
        }
        let verified =
            decode::<Claims>(token, &self.key, &self.validation).map_err(|error| refusal(token, error.kind()))?;
        // An extension that must be understood, and is not (RFC 7515, section 4.1.11).
        if verified.header.crit.is_some() {
            return Err(Refusal::Algorithm);
        }
        self.check(&verified.claims, now)?;
        verified.claims.identity(&self.policy).ok_or(Refusal::Claims)
    }

    fn check(&self, claims: &Claims, now: Timestamp) -> Result<(), Refusal> {
        let expiry = claims.exp.ok_or(Refusal::NoExpiry)?.0;
        if now >= expiry + LEEWAY {
            return Err(Refusal::Expired);
        }
        if claims.nbf.is_some_and(|NumericDate(start)| now + LEEWAY < start) {
            return Err(Refusal::NotYetValid);
        }
        match &self.policy.audience {
            Some(audience) if !claims.aud.as_ref().is_some_and(|aud| aud.names(audience)) => Err(Refusal::Audience),
            _ => Ok(()),
        }
    }
}

fn refusal(token: &str, error: &ErrorKind) -> Refusal {
    match error {
        ErrorKind::InvalidSignature => Refusal::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => Refusal::Algorithm,
        // `none` and other unknown names fail as JSON already; claims of a wrong type do so too, after the signature.
        ErrorKind::Json(_) if jsonwebtoken::decode_header(token).is_ok() => Refusal::Claims,
        _ => Refusal::Malformed,
    }
}

/// What a minted token says.
#[derive(Clone, Debug)]
pub struct Grant<'a> {
    pub user: UserId,
    pub organization: Option<OrgId>,
    pub role: Role,
    pub name: Option<&'a str>,
    pub audience: Option<&'a str>,
    pub lifetime: Duration,
}

/// Signs a token that [`Tokens`] of the same secret take from `now` on.
///
/// # Errors
/// None with this algorithm that depends on the arguments.
pub fn mint(secret: &[u8], grant: &Grant<'_>, now: Timestamp) -> Result<String, jsonwebtoken::errors::Error> {
    let claims = Claims {
        sub: Some(grant.user.to_string()),
        organization_id: grant.organization,
        role: Some(grant.role.to_string()),
        name: grant.name.map(str::to_owned),
        iat: Some(NumericDate(now)),
        exp: Some(NumericDate(now + grant.lifetime)),
        aud: grant.audience.map(|it| Audience::One(it.to_owned())),
        ..Claims::default()
    };
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(secret))
}

/// Signs the access token of a login.
pub(super) fn mint_access(
    key: &EncodingKey,
    profile: &Profile,
    login: LoginId,
    audience: Option<&str>,
    (now, expires_at): (Timestamp, Timestamp),
) -> Result<String, jsonwebtoken::errors::Error> {
    let claims = Claims {
        sub: Some(profile.user.to_string()),
        organization_id: Some(profile.organization),
        role: Some(profile.role.to_string()),
        name: Some(profile.name.to_string()),
        email: profile.email.as_deref().map(str::to_owned),
        iat: Some(NumericDate(now)),
        exp: Some(NumericDate(expires_at)),
        aud: audience.map(|it| Audience::One(it.to_owned())),
        sid: Some(login.to_string()),
        jti: Some(crate::clock::fresh_id().to_string()),
        ..Claims::default()
    };
    encode(&Header::new(Algorithm::HS256), &claims, key)
}
