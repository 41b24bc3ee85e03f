//! The claims of a token, as they stand in it, and the identity that they make.
//!
//! Names are kept as the token has them, control characters aside; nothing here decides whether a token is good.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::domain::{Identity, LoginId, OrgId, Role, Scopes, Timestamp, UserId};

/// Longer names are cut: they travel in every message of their bearer.
const MAX_NAME_CHARS: usize = 200;

/// The claims that are read; others are ignored, and these must be of their type.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Claims {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<OrgId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<NumericDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<NumericDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<NumericDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<Audience>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
}

/// What a token leaves open, and how foreign roles are read.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The `aud` that a token must name. `None`: any, or none.
    pub audience: Option<String>,
    /// For tokens that name no organization.
    pub default_organization: Option<OrgId>,
    /// For tokens that name no role.
    pub default_role: Role,
    /// Roles of another system, by name; it may also overrule the hub's own names.
    pub role_map: HashMap<String, Role>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { audience: None, default_organization: None, default_role: Role::Member, role_map: HashMap::new() }
    }
}

impl Claims {
    /// `None` where they name nobody.
    pub(super) fn identity(&self, policy: &Policy) -> Option<Identity> {
        let subject = self.sub.as_deref().filter(|subject| !subject.is_empty())?;
        let email = self.email.as_deref().map(clean).filter(|email| !email.is_empty());
        let name = self.name.as_deref().map(clean).filter(|name| !name.is_empty());
        Some(Identity {
            organization: self.organization_id.or(policy.default_organization),
            user: self.user(subject),
            role: self.role(policy),
            name: name.or_else(|| email.clone()).unwrap_or_else(|| clean(subject)),
            email,
            expires_at: self.exp.map(|exp| exp.0),
            login: self.sid.as_deref().and_then(|sid| sid.parse().ok()).map(LoginId),
            scopes: Scopes::ALL,
        })
    }

    /// A subject of another system is unique only together with its issuer.
    fn user(&self, subject: &str) -> UserId {
        UserId(Uuid::parse_str(subject).unwrap_or_else(|_| {
            let issuer = Uuid::new_v5(&Uuid::NAMESPACE_URL, self.iss.as_deref().unwrap_or_default().as_bytes());
            Uuid::new_v5(&issuer, subject.as_bytes())
        }))
    }

    /// A role that nobody has mapped gives the least that there is.
    fn role(&self, policy: &Policy) -> Role {
        match self.role.as_deref() {
            None | Some("") => policy.default_role,
            Some(role) => policy.role_map.get(role).copied().or_else(|| role.parse().ok()).unwrap_or(Role::Member),
        }
    }
}

fn clean(text: &str) -> Box<str> {
    let kept: String = text.chars().filter(|it| !it.is_control()).take(MAX_NAME_CHARS).collect();
    kept.trim().into()
}

/// Seconds since the epoch, possibly with a fraction (RFC 7519, section 2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NumericDate(pub Timestamp);

impl Serialize for NumericDate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0.as_secs())
    }
}

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seconds;

        impl de::Visitor<'_> for Seconds {
            type Value = NumericDate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds since 1970")
            }

            fn visit_i64<E>(self, secs: i64) -> Result<NumericDate, E> {
                Ok(NumericDate(Timestamp::from_secs(secs)))
            }

            fn visit_u64<E>(self, secs: u64) -> Result<NumericDate, E> {
                Ok(NumericDate(Timestamp::from_secs(i64::try_from(secs).unwrap_or(i64::MAX))))
            }

            fn visit_f64<E: de::Error>(self, secs: f64) -> Result<NumericDate, E> {
                let since_epoch = Duration::try_from_secs_f64(secs).map_err(E::custom)?;
                Ok(NumericDate(Timestamp::default() + since_epoch))
            }
        }

        deserializer.deserialize_any(Seconds)
    }
}

/// One audience or several (RFC 7519, section 4.1.3).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    pub(super) fn names(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|it| it == audience),
        }
    }
}
