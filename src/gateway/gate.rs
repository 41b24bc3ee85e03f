//! What is checked before a request is passed on: how often its address asks, whether anything is taken in at all, and
//! whether the token that it shows is good. API keys and requests without a token are for the hub to judge.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, HeaderMap, HeaderValue, ORIGIN, VARY,
    VIA, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, ResponseError as _};

use super::forward::Forward;
use super::metrics::Failure;
use super::{Gateway, own};
use crate::api::{Limiter, Problem, counts};
use crate::auth::Knock;
use crate::auth::credentials::is_key;
use crate::clock;
use crate::domain::{Identity, Reject};

/// How long whoever is refused while nothing is taken in should wait, in seconds.
pub(super) const READ_ONLY_RETRY_SECS: u64 = 10;

pub(super) const READ_ONLY: &str = "Nothing new is taken in for a moment: try again soon";

pub(super) const CIRCLE: &str = "The request went in a circle: an upstream leads back to this gateway";

/// What is left to an address.
pub(super) struct Quota<'a> {
    limiter: &'a Limiter,
    left: Result<u32, Duration>,
}

impl Quota<'_> {
    pub(super) fn is_used_up(&self) -> bool {
        self.left.is_err()
    }

    pub(super) fn problem(&self) -> Problem {
        let wait = self.left.err().unwrap_or_default();
        Reject::rate_limited(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)).into()
    }

    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        self.limiter.tell(self.left, headers);
    }
}

/// Counts the request against its address, if it counts. A Socket.IO session that is opened counts, too.
pub(super) fn count<'a>(gateway: &'a Gateway, request: &HttpRequest, forward: &Forward) -> Option<Quota<'a>> {
    let counted = counts(path(request)) || opens_session(gateway, request);
    let limiter = gateway.limiter.as_ref().filter(|_| counted && !gateway.is_exempt(forward.client()))?;
    let quota = Quota { limiter, left: limiter.take(forward.client()) };
    if quota.is_used_up() {
        gateway.metrics.count(Failure::RateLimited);
    }
    Some(quota)
}

/// Who asks, as far as a token says it.
pub(super) fn admit(
    gateway: &Gateway,
    request: &HttpRequest,
    peer: IpAddr,
    client: IpAddr,
) -> Result<Option<Arc<Identity>>, Problem> {
    if [Method::CONNECT, Method::TRACE].contains(request.method()) {
        let detail = "This method is not passed on";
        return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail));
    }
    if own::is_own(request.path()) {
        return Err(Problem::new(StatusCode::NOT_FOUND, "not_found", "There is nothing at this path"));
    }
    if is_circle(gateway, request.headers()) {
        return Err(Problem::new(StatusCode::LOOP_DETECTED, "loop_detected", CIRCLE));
    }
    if gateway.is_read_only() && changes(gateway, request) {
        gateway.metrics.count(Failure::ReadOnly);
        return Err(read_only());
    }
    let knock = Knock { headers: request.headers(), query: request.query_string(), peer };
    // Those who log in or renew a token may show an old one.
    let is_judged = path(request).starts_with("/api/") && !path(request).starts_with("/api/v1/auth/");
    let Some(token) = knock.token().filter(|token| is_judged && !is_key(token)) else { return Ok(None) };
    gateway.authenticator.verify(&token, clock::now()).map(Some).map_err(|refusal| {
        gateway.metrics.count(Failure::Unauthorized);
        log::info!("refused {client} on {}: {refusal}", request.path());
        refusal.reject().into()
    })
}

/// Whether a request has been here before.
pub(super) fn is_circle(gateway: &Gateway, headers: &HeaderMap) -> bool {
    let mut ways = headers.get_all(VIA).filter_map(|it| it.to_str().ok());
    gateway.via.to_str().is_ok_and(|own| ways.any(|way| way.contains(own)))
}

/// The answer to whatever would begin while nothing is taken in.
pub(super) fn read_only() -> Problem {
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "read_only", READ_ONLY);
    Problem { retry_after_secs: Some(READ_ONLY_RETRY_SECS), ..problem }
}

/// Whether a request begins or changes something. What a Socket.IO session sends is part of what is open.
fn changes(gateway: &Gateway, request: &HttpRequest) -> bool {
    if is_socketio(gateway, request) {
        return opens_session(gateway, request);
    }
    ![Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method())
}

/// The path of a request, decoded: hubs go by it, so what is checked here must not depend on how it is spelt.
fn path(request: &HttpRequest) -> &str {
    request.match_info().as_str()
}

pub(super) fn is_socketio(gateway: &Gateway, request: &HttpRequest) -> bool {
    gateway.is_socketio(path(request))
}

/// The Socket.IO session that a request belongs to.
pub(super) fn session<'a>(gateway: &Gateway, request: &'a HttpRequest) -> Option<Cow<'a, str>> {
    gateway.session(path(request), request.query_string())
}

pub(super) fn opens_session(gateway: &Gateway, request: &HttpRequest) -> bool {
    is_socketio(gateway, request) && request.method() != Method::OPTIONS && session(gateway, request).is_none()
}

/// A problem as the gateway tells it, so that pages that may ask can read it.
pub(super) fn refusal(gateway: &Gateway, request: &HttpRequest, peer: IpAddr, problem: &Problem) -> HttpResponse {
    let mut response = problem.error_response();
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let knock = Knock { headers: request.headers(), query: request.query_string(), peer };
    if let Some(origin) = request.headers().get(ORIGIN)
        && gateway.authenticator.check_origin(&knock).is_ok()
    {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    response
}
