//! What is said about accounts over HTTP, in both directions.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::accounts::{MadeKey, Tokens};
use crate::auth::ports::{ApiKey, Login, Profile};
use crate::domain::{LoginId, OrgId, Role, Scope, Timestamp, UserId, UserStatus};

#[derive(Deserialize, ToSchema)]
#[schema(as = RegisterRequest)]
pub(super) struct RegisterBody {
    #[schema(example = "ana@example.com", max_length = 254)]
    pub(super) email: Box<str>,
    #[schema(min_length = 8, max_length = 256)]
    pub(super) password: Box<str>,
    #[schema(example = "Ana", min_length = 1, max_length = 100)]
    pub(super) name: Box<str>,
    /// The name of the organization that the first account makes.
    pub(super) organization: Option<Box<str>>,
    /// From the link that the hub prints while there is no account.
    pub(super) setup_token: Option<Box<str>>,
    /// An administrator's invitation.
    pub(super) invite: Option<Box<str>>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = LoginRequest)]
pub(super) struct LoginBody {
    pub(super) email: Box<str>,
    pub(super) password: Box<str>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = RefreshRequest)]
pub(super) struct RefreshBody {
    pub(super) refresh_token: Box<str>,
}

/// What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[schema(as = ProfileChange)]
pub(super) struct ProfileBody {
    #[schema(min_length = 1, max_length = 100)]
    pub(super) name: Option<Box<str>>,
    /// An http or https URL, or a path; `null`: none.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(super) avatar_url: Avatar,
    /// `online`, `busy`, `away` or `offline`.
    pub(super) status: Option<Box<str>>,
}

/// Leaving it out is something else than taking it away.
#[derive(Default)]
pub(super) enum Avatar {
    #[default]
    Kept,
    None,
    Url(Box<str>),
}

impl<'de> Deserialize<'de> for Avatar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::None, Self::Url))
    }
}

#[derive(Deserialize, ToSchema, Default)]
#[schema(as = ApiKeyRequest)]
pub(super) struct KeyBody {
    #[schema(max_length = 100)]
    pub(super) name: Option<Box<str>>,
    /// Whom the key stands for; you, where it is left out.
    pub(super) user_id: Option<Uuid>,
    /// Of `chat:read`, `chat:write`, `messages:write`, `admin`; the first two where they are left out.
    pub(super) scopes: Option<Vec<Box<str>>>,
    /// In seconds; never, where it is left out.
    #[schema(minimum = 1)]
    pub(super) expires_in: Option<u64>,
}

#[derive(Deserialize, ToSchema, Default)]
#[schema(as = InviteRequest)]
pub(super) struct InviteBody {
    /// `member` (where it is left out), `agent`, `bot` or `admin`.
    pub(super) role: Option<Box<str>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Profile)]
pub(super) struct User {
    #[schema(value_type = Uuid)]
    id: UserId,
    #[schema(value_type = Uuid)]
    organization_id: OrgId,
    name: Box<str>,
    email: Option<Box<str>>,
    #[schema(example = "member")]
    role: &'static str,
    /// How the user wants to be seen while connected.
    #[schema(example = "online")]
    status: &'static str,
    avatar_url: Option<Box<str>>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<Profile> for User {
    fn from(profile: Profile) -> Self {
        Self {
            id: profile.user,
            organization_id: profile.organization,
            name: profile.name,
            email: profile.email,
            role: Role::as_str(profile.role),
            status: UserStatus::as_str(profile.status),
            avatar_url: profile.avatar_url,
            created_at: profile.created_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Tokens)]
pub(super) struct TokensAnswer {
    /// For `Authorization: Bearer`, and for sockets.
    access_token: String,
    /// Good once, for a new pair.
    refresh_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// How long the access token is good, in seconds.
    #[schema(example = 900)]
    expires_in: u64,
    user: User,
}

impl From<Tokens> for TokensAnswer {
    fn from(tokens: Tokens) -> Self {
        Self {
            access_token: tokens.access_token,
            refresh_token: tokens.refresh_token,
            token_type: "Bearer",
            expires_in: tokens.expires_in.as_secs(),
            user: tokens.profile.into(),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(super) struct KeyAnswer {
    id: Uuid,
    name: Box<str>,
    /// Only in the answer to its making.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// How the key begins.
    hint: Box<str>,
    #[schema(value_type = Uuid)]
    user_id: UserId,
    scopes: Vec<&'static str>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

impl From<ApiKey> for KeyAnswer {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            key: None,
            hint: key.hint,
            user_id: key.user,
            scopes: key.scopes.iter().map(Scope::as_str).collect(),
            created_at: key.created_at,
            expires_at: key.expires_at,
        }
    }
}

impl From<MadeKey> for KeyAnswer {
    fn from(made: MadeKey) -> Self {
        Self { key: Some(made.text), ..made.key.into() }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeys)]
pub(super) struct KeysAnswer {
    pub(super) items: Vec<KeyAnswer>,
    #[schema(value_type = Option<String>)]
    pub(super) next: Option<()>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = LoginSession)]
pub(super) struct SessionAnswer {
    #[schema(value_type = Uuid)]
    id: LoginId,
    /// Whether this call was made with a token of it.
    current: bool,
    user_agent: Option<Box<str>>,
    address: Box<str>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    renewed_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl SessionAnswer {
    pub(super) fn new(login: Login, current: Option<LoginId>) -> Self {
        Self {
            current: current == Some(login.id),
            id: login.id,
            user_agent: login.user_agent,
            address: login.address,
            created_at: login.created_at,
            renewed_at: login.renewed_at,
            expires_at: login.expires_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = LoginSessions)]
pub(super) struct SessionsAnswer {
    pub(super) items: Vec<SessionAnswer>,
    #[schema(value_type = Option<String>)]
    pub(super) next: Option<()>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Invite)]
pub(super) struct InviteAnswer {
    /// For the field `invite` of a registration.
    pub(super) invite: String,
    #[schema(value_type = String, format = DateTime)]
    pub(super) expires_at: Timestamp,
}

/// Who may register.
#[derive(Serialize, ToSchema)]
#[schema(as = Registration)]
pub(super) struct RegistrationAnswer {
    /// `open`: anyone; `invite`: with an invitation; `closed`: nobody.
    #[schema(example = "open")]
    pub(super) registration: &'static str,
    /// There is no account yet: whoever registers is the administrator.
    pub(super) first: bool,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AccountsHealth)]
pub(super) struct Health {
    #[schema(example = "ok")]
    pub(super) status: &'static str,
}
