//! Registering, logging in, staying in, logging out.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse};

use super::shapes::{Health, LoginBody, RefreshBody, RegisterBody, RegistrationAnswer, TokensAnswer};
use super::{may_try, visitor};
use crate::api::caller::Caller;
use crate::api::input::{Body, OptionalBody};
use crate::api::{Context, Problem};
use crate::auth::accounts::{Credential, RegistrationRequest};
use crate::domain::Reject;

/// Make an account
///
/// The first account of a hub is its administrator's and makes the organization; later ones join that organization.
#[utoipa::path(
    post, path = "/api/v1/auth/register", tag = "accounts", security(()),
    request_body = RegisterBody,
    responses(
        (status = 201, description = "The account is made and logged in", body = TokensAnswer),
        (status = 400, description = "A field is missing or wrong"),
        (status = 403, description = "Registration is closed, by invitation, or waits for its first account"),
        (status = 409, description = "The address has an account, or the invitation was used"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is no JSON"),
        (status = 429, description = "Too many attempts from this address"),
        (status = 503, description = "The database does not answer, or too many people are logging in"),
    )
)]
pub(super) async fn register(
    request: HttpRequest,
    context: Data<Context>,
    body: Body<RegisterBody>,
) -> Result<HttpResponse, Problem> {
    let visitor = visitor(&context, request.head());
    may_try(&context, &visitor)?;
    let RegisterBody { email, password, name, organization, setup_token, invite } = body.value;
    let wanted = RegistrationRequest { email, password, name, organization, setup_token, invite };
    let tokens = context.accounts.register(wanted, &visitor).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(TokensAnswer::from(tokens)))
}

/// Log in
#[utoipa::path(
    post, path = "/api/v1/auth/login", tag = "accounts", security(()),
    request_body = LoginBody,
    responses(
        (status = 200, description = "Logged in", body = TokensAnswer),
        (status = 400, description = "A field is missing or wrong"),
        (status = 401, description = "No account has this address and this password"),
        (status = 403, description = "The account is disabled"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is no JSON"),
        (status = 429, description = "Too many attempts from this address"),
        (status = 503, description = "The database does not answer, or too many people are logging in"),
    )
)]
pub(super) async fn log_in(
    request: HttpRequest,
    context: Data<Context>,
    body: Body<LoginBody>,
) -> Result<Json<TokensAnswer>, Problem> {
    let visitor = visitor(&context, request.head());
    may_try(&context, &visitor)?;
    let LoginBody { email, password } = body.value;
    Ok(Json(context.accounts.log_in(&email, password, &visitor).await?.into()))
}

/// Get new tokens
///
/// A refresh token is good once. If one comes again, its login session is ended, and with it its connections.
#[utoipa::path(
    post, path = "/api/v1/auth/refresh", tag = "accounts", security(()),
    request_body = RefreshBody,
    responses(
        (status = 200, description = "A new pair; the old refresh token is good no longer", body = TokensAnswer),
        (status = 400, description = "A field is missing or wrong"),
        (status = 401, description = "The token is unknown, was used before, or its login session has ended"),
        (status = 403, description = "The page may not call"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is no JSON"),
        (status = 429, description = "Too many requests from this address"),
        (status = 503, description = "The database does not answer"),
    )
)]
pub(super) async fn refresh(
    request: HttpRequest,
    context: Data<Context>,
    body: Body<RefreshBody>,
) -> Result<Json<TokensAnswer>, Problem> {
    let visitor = visitor(&context, request.head());
    Ok(Json(context.accounts.refresh(&body.value.refresh_token, &visitor).await?.into()))
}

/// Log out
///
/// Ends the login session that the token belongs to, and closes its connections. Where the access token has expired, the
/// refresh token in the body will do.
#[utoipa::path(
    post, path = "/api/v1/auth/logout", tag = "accounts", security(("bearer" = []), ()),
    request_body = Option<RefreshBody>,
    responses(
        (status = 204, description = "The login session has ended"),
        (status = 400, description = "The refresh token is none"),
        (status = 401, description = "No good token was shown"),
        (status = 403, description = "API keys have no login sessions"),
        (status = 409, description = "The token belongs to no login session"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is no JSON"),
        (status = 429, description = "Too many requests from this address"),
        (status = 503, description = "The database does not answer"),
    )
)]
pub(super) async fn log_out(
    request: HttpRequest,
    context: Data<Context>,
    body: OptionalBody<RefreshBody>,
) -> Result<HttpResponse, Problem> {
    let visitor = visitor(&context, request.head());
    if let OptionalBody(Some(body)) = &body {
        context.accounts.log_out(Credential::RefreshToken(&body.refresh_token), &visitor).await?;
    } else {
        let caller = Caller::of(&request)?;
        context.accounts.log_out(Credential::Identity(caller.identity()), &visitor).await?;
    }
    Ok(HttpResponse::NoContent().finish())
}

/// Who may register
///
/// For pages that offer it.
#[utoipa::path(
    get, path = "/api/v1/auth/registration", tag = "accounts", security(()),
    responses(
        (status = 200, description = "Who may register", body = RegistrationAnswer),
        (status = 503, description = "The database does not answer"),
    )
)]
pub(super) async fn registration(context: Data<Context>) -> Result<Json<RegistrationAnswer>, Problem> {
    let founded = context.accounts.is_founded().await.map_err(|_| Reject::unavailable())?;
    Ok(Json(RegistrationAnswer { registration: context.accounts.registration(), first: !founded }))
}

/// Whether accounts are served here
#[utoipa::path(
    get, path = "/api/v1/auth/health", tag = "accounts", security(()),
    responses((status = 200, description = "They are", body = Health))
)]
pub(super) async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}
