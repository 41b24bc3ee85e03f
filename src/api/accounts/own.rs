//! One's own: the profile, and where one is logged in.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use uuid::Uuid;

use super::shapes::{Avatar, ProfileBody, SessionAnswer, SessionsAnswer, User};
use super::visitor;
use crate::api::caller::Caller;
use crate::api::input::Body;
use crate::api::{Context, Problem};
use crate::auth::ports::ProfileChange;
use crate::domain::{LoginId, Reject, RejectCode, Scope, wording};

/// Who you are
#[utoipa::path(
    get, path = "/api/v1/auth/profile", tag = "accounts", security(("bearer" = [])),
    responses(
        (status = 200, description = "You", body = User),
        (status = 401, description = "No good token was shown"),
        (status = 403, description = "The token names no organization"),
        (status = 429, description = "Too many requests from this address"),
        (status = 503, description = "The database does not answer"),
    )
)]
pub(super) async fn profile(caller: Caller, context: Data<Context>) -> Result<Json<User>, Problem> {
    Ok(Json(context.accounts.profile(caller.identity()).await?.into()))
}

/// Change your name, your avatar or your status
#[utoipa::path(
    put, path = "/api/v1/auth/profile", tag = "accounts", security(("bearer" = [])),
    request_body = ProfileBody,
    responses(
        (status = 200, description = "You, as you are now", body = User),
        (status = 400, description = "A field is wrong"),
        (status = 401, description = "No good token was shown"),
        (status = 403, description = "The token names no organization, or the key may not write"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is no JSON"),
        (status = 429, description = "Too many requests from this address"),
        (status = 503, description = "The database does not answer"),
    )
)]
pub(super) async fn change_profile(
    caller: Caller,
    context: Data<Context>,
    body: Body<ProfileBody>,
) -> Result<Json<User>, Problem> {
    caller.identity().must_have(Scope::ChatWrite)?;
    let ProfileBody { name, avatar_url, status } = body.value;
    let expected = |_| Reject::field("status", "online, busy, away or offline");
    let url = |url: &str| {
        wording::media_url(url).map_err(|_| Reject::field("avatar_url", "an http or https URL or a path, or null"))
    };
    let change = ProfileChange {
        name: name.map(|it| wording::name("name", &it)).transpose()?,
        avatar_url: match avatar_url {
            Avatar::Kept => None,
            Avatar::None => Some(None),
            Avatar::Url(it) => Some(Some(url(&it)?)),
        },
        status: status.map(|it| it.parse().map_err(expected)).transpose()?,
    };
    Ok(Json(context.accounts.change_profile(caller.identity(), change).await?.into()))
}

/// Where you are logged in
#[utoipa::path(
    get, path = "/api/v1/auth/sessions", tag = "accounts", security(("bearer" = [])),
    responses(
        (status = 200, description = "Your login sessions, the newest first", body = SessionsAnswer),
        (status = 401, description = "No good token was shown"),
        (status = 403, description = "API keys have no login sessions"),
        (status = 429, description = "Too many requests from this address"),
        (status = 503, description = "The database does not answer"),
    )
)]
pub(super) async fn sessions(caller: Caller, context: Data<Context>) -> Result<Json<SessionsAnswer>, Problem> {
    let identity = caller.identity();
    let logins = context.accounts.logins(identity).await?;
    let items = logins.into_iter().map(|login| SessionAnswer::new(login, identity.login)).collect();
    Ok(Json(SessionsAnswer { items, next: None }))
}

/// End one of your login sessions; administrators may end any of their organization
#[utoipa::path(
    delete, path = "/api/v1/auth/sessions/{id}", tag = "accounts", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The login session")),
    responses(
        (status = 204, description = "It has ended"),
        (status = 401, description = "No good token was shown"),
        (status = 403, description = "API keys have no login sessions"),
        (status = 404, description = "There is no such login session"),
        (status = 429, description = "Too many requests from this address"),
        (status = 503, description = "The database does not answer"),
    )
)]
pub(super) async fn end_session(
    caller: Caller,
    request: HttpRequest,
    context: Data<Context>,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let unknown = |_| Reject::new(RejectCode::NotFound, "There is no such login session");
    let login = LoginId(Uuid::parse_str(&id).map_err(unknown)?);
    context.accounts.end_login(caller.identity(), login, &visitor(&context, request.head())).await?;
    Ok(HttpResponse::NoContent().finish())
}
