//! Errors as problem details (RFC 9457), with the code of the hub's catalogue.

use std::borrow::Cow;
use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::header::{ALLOW, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::{Reject, RejectCode};

/// When to try again where nobody knows better: the database is looked for about this often.
const UNAVAILABLE_SECS: u64 = 2;

/// What went wrong, for the caller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    pub status: StatusCode,
    /// The same words as on sockets.
    pub code: &'static str,
    pub detail: Cow<'static, str>,
    /// The field of the body or the query that is at fault.
    pub field: Option<Cow<'static, str>>,
    /// When it makes sense to try again.
    pub retry_after_secs: Option<u64>,
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, detail: detail.into(), field: None, retry_after_secs: None }
    }

    /// `field` is wrong; `detail` says what it should have been.
    pub fn invalid(field: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        let code = RejectCode::InvalidPayload.as_str();
        Self { field: Some(field.into()), ..Self::new(StatusCode::BAD_REQUEST, code, detail) }
    }

    pub fn unavailable(detail: &'static str) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, RejectCode::Unavailable.as_str(), detail);
        Self { retry_after_secs: Some(UNAVAILABLE_SECS), ..problem }
    }
}

impl From<Reject> for Problem {
    fn from(reject: Reject) -> Self {
        let status = match reject.code {
            RejectCode::InvalidJson | RejectCode::UnknownType | RejectCode::InvalidPayload => StatusCode::BAD_REQUEST,
            RejectCode::AuthenticationRequired
            | RejectCode::InvalidToken
            | RejectCode::TokenExpired
            | RejectCode::InvalidCredentials => StatusCode::UNAUTHORIZED,
            RejectCode::OriginNotAllowed | RejectCode::Forbidden | RejectCode::NotJoined => StatusCode::FORBIDDEN,
            RejectCode::NotFound => StatusCode::NOT_FOUND,
            RejectCode::RateLimited | RejectCode::TooManyRooms => StatusCode::TOO_MANY_REQUESTS,
            RejectCode::MessageTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            RejectCode::Conflict | RejectCode::IdempotencyKeyInUse => StatusCode::CONFLICT,
            RejectCode::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            RejectCode::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            RejectCode::SendFailed | RejectCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            RejectCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let usual = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(UNAVAILABLE_SECS);
        let retry_after_secs = reject.retry_after_ms.map(|ms| ms.div_ceil(1_000)).or(usual);
        let field = reject.field.map(Cow::Borrowed);
        Self { status, code: reject.code.as_str(), detail: reject.message, field, retry_after_secs }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::build(self.status);
        if let Some(secs) = self.retry_after_secs {
            response.insert_header((RETRY_AFTER, secs.max(1)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        let told = Told {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: self.code,
            detail: &self.detail,
            field: self.field.as_deref(),
        };
        let body = serde_json::to_string(&told).unwrap_or_default();
        response.content_type("application/problem+json").body(body)
    }
}

/// What went wrong (RFC 9457).
#[derive(Serialize, ToSchema)]
struct Told<'a> {
    /// Always `about:blank`: `code` says more.
    #[serde(rename = "type")]
    kind: &'a str,
    title: &'a str,
    status: u16,
    /// One word for programs; its meaning never changes.
    code: &'a str,
    /// One sentence for people: what was wrong, and what would be right.
    detail: &'a str,
    /// The field of the body or the query that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<&'a str>,
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        Told::schema()
    }
}

impl ToSchema for Problem {}

/// For paths that lead nowhere.
pub(super) async fn not_found(request: HttpRequest) -> HttpResponse {
    let path: String = request.path().chars().take(120).collect();
    let detail = format!(
        "There is nothing at {path}. WebSocket clients connect to /api/v1/ws/messages; /health tells how the hub is"
    );
    Problem::new(StatusCode::NOT_FOUND, RejectCode::NotFound.as_str(), detail).error_response()
}

/// For methods that a resource does not have.
pub(super) fn other_method(method: &Method, allow: &str) -> HttpResponse {
    let detail = format!("{method} is not possible here: expected {allow}");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail).error_response()
}

/// For methods that something that can only be read does not have.
pub async fn read_only(request: HttpRequest) -> HttpResponse {
    let mut response = other_method(request.method(), "GET, HEAD");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}
