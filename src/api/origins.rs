//! Which pages may call from a browser: those that may open sockets, too (CORS, by the rule of `auth`).

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderValue, ORIGIN, VARY,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpResponse, ResponseError as _};

use super::Context;
use super::caller::{knock, refused};

const METHODS: &str = "GET, HEAD, POST, PUT, DELETE";
/// What pages may set.
const GIVEN: &str = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, \
                     X-Request-Id";
/// What they may read besides the usual.
const TOLD: &str = "ETag, Idempotent-Replayed, Location, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, \
                    Retry-After, X-Request-Id";

pub(super) async fn share(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let origin = request.headers().get(ORIGIN).cloned();
    let (Some(origin), Some(context)) = (origin, request.app_data::<Data<Context>>()) else {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    };
    let is_engine = context.is_engine(request.path());
    if !is_engine && let Err(refusal) = context.authenticator.check_origin(&knock(request.head())) {
        let problem = refused(context, request.head(), refusal);
        return Ok(request.into_response(problem.error_response()));
    }
    let is_preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_preflight && !is_engine {
        request.into_response(preflight())
    } else {
        next.call(request).await?.map_into_boxed_body()
    };
    if is_engine {
        // It asks by the same rule, and answers in its own words.
        if response.status() == StatusCode::FORBIDDEN {
            return Ok(response);
        }
        if is_preflight {
            response = response.into_response(preflight()).map_into_boxed_body();
        }
    }
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(TOLD));
    headers.append(VARY, HeaderValue::from_static("Origin"));
    Ok(response)
}

fn preflight() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((ACCESS_CONTROL_ALLOW_METHODS, METHODS))
        .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, GIVEN))
        .insert_header((ACCESS_CONTROL_MAX_AGE, "600"))
        .finish()
}
