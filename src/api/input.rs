//! What callers hand in: bodies, queries and ids in paths, each read with an answer that says what would be right.

use std::future::{Ready, ready};
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use actix_web::web::Path;
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt as _;
use serde::de::value::StringDeserializer;
use serde::de::{DeserializeOwned, IntoDeserializer as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use url::form_urlencoded;

use super::Problem;
use crate::domain::RejectCode;

/// The longest text, and with it the largest of what is said here, is far below this.
const MAX_BODY: usize = 256 * 1_024;
const MAX_DISCARDED: usize = 4 * 1_024 * 1_024;

const PACKED: &str = "unsupported_content_encoding";

/// A body of JSON: an object. Fields that are not known are ignored.
#[derive(Debug)]
pub(crate) struct Body<T> {
    pub(crate) value: T,
    /// The body with its fields in order, to tell one request from another.
    pub(crate) canonical: String,
}

impl<T: DeserializeOwned> FromRequest for Body<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let kind = kind(request);
        let bytes = collect(payload.take());
        Box::pin(async move {
            kind?;
            read(&bytes.await?)
        })
    }
}

/// A body of JSON, or none.
#[derive(Debug)]
pub(crate) struct OptionalBody<T>(pub(crate) Option<T>);

impl<T: DeserializeOwned> FromRequest for OptionalBody<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let kind = kind(request);
        let bytes = collect(payload.take());
        Box::pin(async move {
            // Nothing needs no type; but what is packed is not opened to see whether it is nothing.
            if let Err(problem) = &kind
                && problem.code == PACKED
            {
                return Err(problem.clone());
            }
            match &*bytes.await? {
                [] => Ok(Self(None)),
                bytes => kind.and_then(|()| read(bytes)).map(|body| Self(Some(body.value))),
            }
        })
    }
}

/// Whether a body can be read at all. A compressed one is refused unopened: a few hundred bytes may hold gigabytes.
fn kind(request: &HttpRequest) -> Result<(), Problem> {
    let headers = request.headers();
    let is_plain = |it: &HeaderValue| it.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(CONTENT_ENCODING).all(is_plain) {
        let detail = "Content-Encoding: expected none; bodies are not to be compressed";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, PACKED, detail));
    }
    if !headers.get(CONTENT_TYPE).is_some_and(|it| it.to_str().is_ok_and(is_json)) {
        let detail = "Content-Type: expected application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
    }
    Ok(())
}

/// A word of ours, in upper or lower case.
pub(crate) fn any_case<'de, D, T>(word: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let word: Option<String> = Deserialize::deserialize(word)?;
    let lower = |word: String| -> StringDeserializer<D::Error> { word.to_ascii_lowercase().into_deserializer() };
    word.map(|word| T::deserialize(lower(word))).transpose()
}

/// `application/json` and its relatives, whatever their parameters (RFC 8259, section 11; RFC 6839, section 3.1).
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// All of a body. Of one that is too large the rest is still taken in, as far as it is not absurd: whoever is sending
/// does not hear the answer before the end.
async fn collect(mut payload: Payload) -> Result<Vec<u8>, Problem> {
    let (mut body, mut length) = (Vec::new(), 0);
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|_| invalid_json("it did not arrive whole"))?;
        length += piece.len();
        if length > MAX_DISCARDED {
            break;
        }
        if length <= MAX_BODY {
            body.extend_from_slice(&piece);
        }
    }
    if length > MAX_BODY {
        let detail = format!("The body is too large: expected at most {MAX_BODY} bytes");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, RejectCode::MessageTooLarge.as_str(), detail));
    }
    Ok(body)
}

fn invalid_json(what: &str) -> Problem {
    let detail = format!("The body cannot be read: {what}");
    Problem::new(StatusCode::BAD_REQUEST, RejectCode::InvalidJson.as_str(), detail)
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<Body<T>, Problem> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| invalid_json(&format!("expected a JSON object: {error}")))?;
    if !value.is_object() {
        return Err(invalid_json("expected a JSON object"));
    }
    let canonical = value.to_string();
    match serde_path_to_error::deserialize(value) {
        Ok(value) => Ok(Body { value, canonical }),
        Err(error) => Err(wrong(&error.path().to_string(), &error.inner().to_string())),
    }
}

/// What serde found, told of the field that is at fault.
fn wrong(path: &str, what: &str) -> Problem {
    let twice = what.strip_prefix("duplicate field `").and_then(|rest| rest.split('`').next());
    if let Some(field) = twice {
        return Problem::invalid(field.to_owned(), format!("{field}: expected once, in one spelling"));
    }
    let missing = what.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    let field = match (missing, path) {
        (Some(field), ".") => field.to_owned(),
        (Some(field), path) => format!("{path}.{field}"),
        (None, path) => path.to_owned(),
    };
    let detail = if missing.is_some() { format!("{field}: expected, and missing") } else { format!("{field}: {what}") };
    Problem::invalid(field, detail)
}

/// The query of a URL. Parameters that are not known are ignored.
#[derive(Debug)]
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest for Params<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let pairs = form_urlencoded::parse(request.query_string().as_bytes());
        let read = serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs));
        ready(read.map(Self).map_err(|error| wrong(&error.path().to_string(), &error.inner().to_string())))
    }
}

/// The ids of a path. What is no id is the id of nothing.
#[derive(Debug)]
pub(crate) struct At<T>(pub(crate) T);

impl<T: DeserializeOwned + 'static> FromRequest for At<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let found = Path::<T>::from_request(request, payload).into_inner();
        ready(found.map(|path| Self(path.into_inner())).map_err(|_| {
            let detail = "There is nothing here: expected a UUID in the path";
            Problem::new(StatusCode::NOT_FOUND, RejectCode::NotFound.as_str(), detail)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "only how it is read matters")]
    struct Thing {
        name: String,
        inner: Option<Inner>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "only how it is read matters")]
    struct Inner {
        count: u32,
    }

    fn refused(body: &str) -> (Option<String>, &'static str, String) {
        let problem = read::<Thing>(body.as_bytes()).expect_err("refused");
        (problem.field.map(Into::into), problem.code, problem.detail.into())
    }

    #[test]
    fn what_is_wrong_is_told_of_its_field() {
        assert!(read::<Thing>(br#"{"name":"a","unknown":1,"inner":{"count":1}}"#).is_ok());
        let (field, code, detail) = refused(r#"{"name":1}"#);
        assert_eq!((field.as_deref(), code), (Some("name"), "invalid_payload"));
        assert!(detail.starts_with("name: ") && detail.contains("expected a string"), "{detail}");
        assert_eq!(refused("{}").0.as_deref(), Some("name"));
        assert_eq!(refused(r#"{"name":"a","inner":{}}"#).0.as_deref(), Some("inner.count"));
        assert_eq!(refused(r#"{"name":"a","inner":{"count":-1}}"#).0.as_deref(), Some("inner.count"));
        for body in ["", "[]", "\"name\"", "{", "null"] {
            assert_eq!(refused(body).1, "invalid_json", "{body}");
        }
    }

    #[test]
    fn the_order_of_fields_means_nothing() {
        let canonical = |body: &str| read::<Thing>(body.as_bytes()).expect("a body").canonical;
        assert_eq!(canonical(r#"{"name":"a","x":1}"#), canonical("{ \"x\": 1, \"name\": \"a\" }"));
    }

    #[test]
    fn json_has_relatives() {
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"] {
            assert!(is_json(good), "{good}");
        }
        for bad in ["", "text/plain", "text/json", "multipart/form-data; boundary=x", "application/xml"] {
            assert!(!is_json(bad), "{bad}");
        }
    }
}
