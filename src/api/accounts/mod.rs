//! `/api/v1/auth`: registering, logging in and out, one's profile, and the keys of an organization.

mod body;
mod entering;
mod keys;
mod own;
mod shapes;

use actix_web::dev::RequestHead;
use actix_web::http::header::{ALLOW, HeaderValue, ORIGIN, USER_AGENT};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Resource, ResponseError as _, web};
use utoipa::OpenApi;

use super::caller::knock;
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
pub struct AccountsApi;

pub(super) fn routes(routes: &mut web::ServiceConfig) {
    routes
        .service(resource("/api/v1/auth/register", "POST").route(web::post().to(entering::register)))
        .service(resource("/api/v1/auth/login", "POST").route(web::post().to(entering::log_in)))
        .service(resource("/api/v1/auth/refresh", "POST").route(web::post().to(entering::refresh)))
        .service(resource("/api/v1/auth/logout", "POST").route(web::post().to(entering::log_out)))
        .service(
            resource("/api/v1/auth/health", "GET, HEAD")
                .route(web::get().to(entering::health))
                .route(web::head().to(entering::health)),
        )
        .service(
            resource("/api/v1/auth/profile", "GET, HEAD, PUT")
                .route(web::get().to(own::profile))
                .route(web::head().to(own::profile))
                .route(web::put().to(own::change_profile)),
        )
        .service(
            resource("/api/v1/auth/sessions", "GET, HEAD")
                .route(web::get().to(own::sessions))
                .route(web::head().to(own::sessions)),
        )
        .service(resource("/api/v1/auth/sessions/{id}", "DELETE").route(web::delete().to(own::end_session)))
        .service(resource("/api/v1/auth/api-key", "POST").route(web::post().to(keys::create)))
        .service(
            resource("/api/v1/auth/api-keys", "GET, HEAD")
                .route(web::get().to(keys::list))
                .route(web::head().to(keys::list)),
        )
        .service(resource("/api/v1/auth/api-keys/{id}", "DELETE").route(web::delete().to(keys::revoke)))
        .service(resource("/api/v1/auth/invites", "POST").route(web::post().to(keys::invite)));
}

/// A resource that says which methods it has, to whoever tries another.
fn resource(path: &str, methods: &'static str) -> Resource {
    web::resource(path.to_owned())
        .default_service(web::to(move |request: HttpRequest| async move { not_possible(&request, methods) }))
}

fn not_possible(request: &HttpRequest, methods: &'static str) -> HttpResponse {
    let detail = format!("{} is not possible here: expected {methods}", request.method());
    let status = actix_web::http::StatusCode::METHOD_NOT_ALLOWED;
    let mut response = Problem::new(status, "method_not_allowed", detail).error_response();
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    response
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
        Some(limiter) if !is_trusted => limiter.take(visitor.address).map(drop).map_err(|wait| {
            let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            let message = "Too many attempts to log in or register from your address";
            Reject { message: message.into(), ..Reject::rate_limited(wait) }.into()
        }),
        _ => Ok(()),
    }
}
