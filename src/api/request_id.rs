//! `X-Request-Id`: one name for a request here, at the caller and at the proxies between.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;

use crate::clock;

pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longer names of requests would spoil a log.
const MAX_BYTES: usize = 128;

/// The caller's name for the request comes back.
pub async fn echo(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let id = request_id(request.headers());
    let mut response = next.call(request).await?;
    response.headers_mut().insert(X_REQUEST_ID, id);
    Ok(response)
}

/// The name that the caller has for the request. Where there is none, or one that would spoil a log, it gets a fresh
/// one.
pub fn request_id(headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(X_REQUEST_ID).filter(|id| is_sane(id.as_bytes())).cloned();
    given.unwrap_or_else(|| {
        HeaderValue::from_str(&clock::fresh_id().to_string()).unwrap_or(HeaderValue::from_static(""))
    })
}

fn is_sane(id: &[u8]) -> bool {
    (1..=MAX_BYTES).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_requests_fit_into_one_line_of_a_log() {
        assert!(is_sane(b"req-1/2") && is_sane(&[b'x'; 128]));
        assert!(!is_sane(b"") && !is_sane(b"a b") && !is_sane("é".as_bytes()) && !is_sane(&[b'x'; 129]));
    }
}
