//! `Idempotency-Key`: a request that is sent again, because nobody knows what became of it, is the same request
//! (draft-ietf-httpapi-idempotency-key-header).

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;
use sha2::{Digest as _, Sha256};

use super::Problem;
use super::input::Body;
use crate::domain::Idempotency;

pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that this is the answer to a request that was done before.
pub(super) const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

const MAX_KEY_BYTES: usize = 255;

/// The caller's name for this request, if there is one.
///
/// # Errors
/// Where the header is there and is no name.
pub(super) fn key<T>(request: &HttpRequest, body: &Body<T>) -> Result<Option<Idempotency>, Problem> {
    let mut lines = request.headers().get_all(IDEMPOTENCY_KEY);
    let Some(line) = lines.next() else { return Ok(None) };
    let expected = || {
        let detail = "Idempotency-Key: expected one key of 1 to 255 visible ASCII characters, in quotes or without";
        Problem::invalid("Idempotency-Key", detail)
    };
    if lines.next().is_some() {
        return Err(expected());
    }
    let key = line.to_str().ok().and_then(bare).ok_or_else(expected)?;
    let mut hash = Sha256::new();
    for part in [request.path(), "\n", &body.canonical] {
        hash.update(part.as_bytes());
    }
    Ok(Some(Idempotency { key: key.into(), fingerprint: hash.finalize().into() }))
}

/// The key without the quotes of a structured field (RFC 8941, section 3.3.3).
fn bare(value: &str) -> Option<&str> {
    let value = value.trim();
    let key = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let fits = (1..=MAX_KEY_BYTES).contains(&key.len());
    (fits && key.bytes().all(|it| it.is_ascii_graphic() && it != b'"')).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_stand_in_quotes() {
        assert_eq!(bare("\"8e03978e\""), Some("8e03978e"));
        assert_eq!(bare(" 8e03978e "), Some("8e03978e"));
        let long = "x".repeat(256);
        for bad in ["", "\"\"", "a b", "\"", "a\"b", "é", &long] {
            assert_eq!(bare(bad), None, "{bad}");
        }
    }
}
