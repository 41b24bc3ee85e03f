//! `/api/v1/auth`: registering, logging in and out, one's profile, and the keys of an organization.

mod entering;
mod keys;
mod own;
mod shapes;

use actix_web::dev::RequestHead;
use actix_web::http::header::{HeaderValue, ORIGIN, USER_AGENT};
use actix_web::web::Data;
use utoipa::OpenApi;

use super::caller::knock;
use super::resource::{Place, at};
use super::{Context, Problem};
use crate::auth::accounts::Visitor;
use crate::domain::Reject;

/// The part of the API's description that is about accounts.
#[derive(OpenApi)]
#[openapi(paths(
    entering::register,
    entering::log_in,
    entering::refresh,
    entering::log_out,
    entering::registration,
    entering::health,
    own::profile,
    own::change_profile,
    own::sessions,
    own::end_session,
    keys::create,
    keys::list,
    keys::revoke,
    keys::invite,
))]
pub(super) struct AccountsApi;

/// Where accounts are.
pub(super) fn places() -> Vec<Place> {
    vec![
        at("/api/v1/auth/register").post(entering::register),
        at("/api/v1/auth/login").post(entering::log_in),
        at("/api/v1/auth/refresh").post(entering::refresh),
        at("/api/v1/auth/logout").post(entering::log_out),
        at("/api/v1/auth/registration").get(entering::registration),
        at("/api/v1/auth/health").get(entering::health),
        at("/api/v1/auth/profile").get(own::profile).put(own::change_profile),
        at("/api/v1/auth/sessions").get(own::sessions),
        at("/api/v1/auth/sessions/{id}").delete(own::end_session),
        at("/api/v1/auth/api-key").post(keys::create),
        at("/api/v1/auth/api-keys").get(keys::list),
        at("/api/v1/auth/api-keys/{id}").delete(keys::revoke),
        at("/api/v1/auth/invites").post(keys::invite),
    ]
}

/// Where a request comes from, as accounts want to know it.
fn visitor(context: &Context, head: &RequestHead) -> Visitor {
    let knock = knock(head);
    let text = |name| head.headers().get(name).and_then(|it: &HeaderValue| it.to_str().ok());
    Visitor {
        origin: text(ORIGIN).map(Into::into),
        is_local: context.only_local && context.authenticator.is_local(&knock),
        ..Visitor::new(context.authenticator.client_address(&knock), text(USER_AGENT))
    }
}

/// Whether the visitor may try once more to come in (`limits.logins_per_ip`).
fn may_try(context: &Data<Context>, visitor: &Visitor) -> Result<(), Problem> {
    let is_trusted = context.trust_loopback && visitor.address.to_canonical().is_loopback();
    match &context.login_limiter {
        Some(limiter) if !is_trusted => limiter.take(visitor.address).map_err(|wait| {
            let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            let message = "Too many attempts to log in or register from your address";
            Reject { message: message.into(), ..Reject::rate_limited(wait) }.into()
        }),
        _ => Ok(()),
    }
}
