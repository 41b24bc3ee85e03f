//! Which answers are compressed: those from 1 KiB on, where the caller says that it can read them so.
//!
//! actix compresses whatever says nothing of its encoding. So small answers say on the way out that they are as they
//! are, and forget it again behind the compressor.

use actix_web::Error;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_ENCODING, HeaderValue};
use actix_web::middleware::Next;

/// Less is not worth the work, nor the bytes of another header.
const WORTH_IT: u64 = 1_024;

const AS_IT_IS: &str = "identity";

/// Stands before the compressor.
pub(super) async fn spare_small(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    let is_small = match response.response().body().size() {
        BodySize::None => true,
        BodySize::Sized(size) => size < WORTH_IT,
        BodySize::Stream => false,
    };
    if is_small && !response.headers().contains_key(CONTENT_ENCODING) {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(AS_IT_IS));
    }
    Ok(response)
}

/// Stands behind the compressor.
pub(super) async fn forget_identity(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    if response.headers().get(CONTENT_ENCODING).is_some_and(|it| it == AS_IT_IS) {
        response.headers_mut().remove(CONTENT_ENCODING);
    }
    Ok(response)
}
