//! The JSON that a request brings: small, of the right kind, and with every mistake named.

use actix_web::HttpMessage as _;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;

use crate::api::Problem;
use crate::domain::RejectCode;

/// Nothing that is said about accounts is longer.
const MAX_BYTES: usize = 16 * 1_024;

/// A body of the type `T`.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_json = is_json(request);
        let bytes = collect(request, payload.take());
        Box::pin(async move {
            if !is_json {
                return Err(wrong_type());
            }
            read(&bytes.await?).map(Self)
        })
    }
}

/// A body that may be missing.
pub(super) struct OptionalBody<T>(pub(super) Option<T>);

impl<T: DeserializeOwned + 'static> FromRequest for OptionalBody<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_json = is_json(request);
        let bytes = collect(request, payload.take());
        Box::pin(async move {
            match &*bytes.await? {
                [] => Ok(Self(None)),
                _ if !is_json => Err(wrong_type()),
                bytes => read(bytes).map(|body| Self(Some(body))),
            }
        })
    }
}

/// All of a body, as far as it is not too large.
fn collect(request: &HttpRequest, mut payload: Payload) -> impl Future<Output = Result<Vec<u8>, Problem>> + use<> {
    let announced = request.headers().get("content-length").and_then(|it| it.to_str().ok()?.parse::<usize>().ok());
    async move {
        if announced.is_some_and(|it| it > MAX_BYTES) {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        while let Some(piece) = payload.next().await {
            let piece = piece.map_err(|error| invalid(&format!("The body cannot be read: {error}")))?;
            if bytes.len() + piece.len() > MAX_BYTES {
                return Err(too_large());
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }
}

fn is_json(request: &HttpRequest) -> bool {
    let kind = request.content_type();
    kind.eq_ignore_ascii_case("application/json") || kind.to_ascii_lowercase().ends_with("+json")
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let body = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = error.path().to_string();
        let error = error.into_inner();
        if error.is_data() {
            let field = if field == "." { String::new() } else { format!("{field}: ") };
            invalid(&format!("{field}{error}"))
        } else {
            not_json(&error)
        }
    })?;
    json.end().map_err(|error| not_json(&error))?;
    Ok(body)
}

fn not_json(error: &serde_json::Error) -> Problem {
    let detail = format!("The body is no JSON: {error}");
    Problem::new(StatusCode::BAD_REQUEST, RejectCode::InvalidJson.as_str(), detail)
}

fn invalid(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, RejectCode::InvalidPayload.as_str(), detail.to_owned())
}

fn too_large() -> Problem {
    let detail = format!("The body is too large: expected at most {MAX_BYTES} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, RejectCode::MessageTooLarge.as_str(), detail)
}

fn wrong_type() -> Problem {
    let detail = "The body is of another kind: expected JSON, with the header Content-Type: application/json";
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
}
