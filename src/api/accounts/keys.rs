//! What administrators give out: API keys and invitations.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use uuid::Uuid;

use super::shapes::{InviteAnswer, InviteBody, KeyAnswer, KeyBody, KeysAnswer};
use super::visitor;
use crate::api::caller::Caller;
use crate::api::input::OptionalBody;
use crate::api::{Context, Problem};
use crate::auth::accounts::{KeyRequest, must_administrate};
use crate::domain::{Reject, RejectCode, Role, Scope, Scopes, UserId};

/// Make an API key; it is shown this once
#[utoipa::path(
    post, path = "/api/v1/auth/api-key", tag = "accounts", security(("bearer" = [])),
    request_body = Option<KeyBody>,
    responses(
        (status = 201, description = "The key", body = KeyAnswer),
        (status = 400, description = "A field is wrong"),
        (status = 401, description = "No good token was shown"),
        (status = 403, description = "Only administrators may do this"),
        (status = 404, description = "The organization has no such user"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is no JSON"),
        (status = 429, description = "Too many requests from this address"),
        (status = 503, description = "The database does not answer"),
    )
)]
pub(super) async fn create(
    caller: Caller,
    request: HttpRequest,
    context: Data<Context>,
    body: OptionalBody<KeyBody>,
) -> Result<HttpResponse, Problem> {
    let body = body.0.unwrap_or_default();
    let expected = |_| Reject::field("scopes", "a list of chat:read, chat:write, messages:write and admin");
    let scopes: Option<Scopes> = body
        .scopes
        .map(|scopes| scopes.iter().map(|it| it.parse::<Scope>()).collect::<Result<_, _>>())
        .transpose()
        .map_err(expected)?;
    let wanted = KeyRequest {
        name: body.name,
        user: body.user_id.map(UserId),
        scopes,
        lifetime: body.expires_in.map(Duration::from_secs),
    };
    let visitor = visitor(&context, request.head());
    let made = context.accounts.create_key(caller.identity(), wanted, &visitor).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(KeyAnswer::from(made)))
}

/// The API keys of your organization
#[utoipa::path(
    get, path = "/api/v1/auth/api-keys", tag = "accounts", security(("bearer" = [])),
    responses(
        (status = 200, description = "The keys, the newest first, without what opens", body = KeysAnswer),
        (status = 401, description = "No good token was shown"),
        (status = 403, description = "Only administrators may do this"),
        (status = 429, description = "Too many requests from this address"),
        (status = 503, description = "The database does not answer"),
    )
)]
pub(super) async fn list(caller: Caller, context: Data<Context>) -> Result<Json<KeysAnswer>, Problem> {
    let keys = context.accounts.keys(caller.identity()).await?;
    Ok(Json(KeysAnswer { items: keys.into_iter().map(KeyAnswer::from).collect(), next: None }))
}

/// Revoke an API key; its connections are closed
#[utoipa::path(
    delete, path = "/api/v1/auth/api-keys/{id}", tag = "accounts", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The key")),
    responses(
        (status = 204, description = "It is revoked"),
        (status = 401, description = "No good token was shown"),
        (status = 403, description = "Only administrators may do this"),
        (status = 404, description = "There is no such key"),
        (status = 429, description = "Too many requests from this address"),
        (status = 503, description = "The database does not answer"),
    )
)]
pub(super) async fn revoke(
    caller: Caller,
    request: HttpRequest,
    context: Data<Context>,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    must_administrate(caller.identity())?;
    let unknown = |_| Reject::new(RejectCode::NotFound, "There is no such key");
    let key = Uuid::parse_str(&id).map_err(unknown)?;
    context.accounts.revoke_key(caller.identity(), key, &visitor(&context, request.head())).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Invite somebody to your organization
///
/// The invitation is good once, for 7 days.
#[utoipa::path(
    post, path = "/api/v1/auth/invites", tag = "accounts", security(("bearer" = [])),
    request_body = Option<InviteBody>,
    responses(
        (status = 201, description = "The invitation", body = InviteAnswer),
        (status = 400, description = "A field is wrong"),
        (status = 401, description = "No good token was shown"),
        (status = 403, description = "Only administrators may do this"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is no JSON"),
        (status = 429, description = "Too many requests from this address"),
        (status = 503, description = "The database does not answer"),
    )
)]
pub(super) async fn invite(
    caller: Caller,
    context: Data<Context>,
    body: OptionalBody<InviteBody>,
) -> Result<HttpResponse, Problem> {
    must_administrate(caller.identity())?;
    let role = body.0.unwrap_or_default().role;
    let role = role.map_or(Ok(Role::Member), |role| role.parse());
    let role = role.map_err(|_| Reject::field("role", "admin, agent, member or bot"))?;
    let (invite, expires_at) = context.accounts.invite(caller.identity(), role)?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(InviteAnswer { invite, expires_at }))
}
