//! `Idempotency-Key`: a request that is sent again, because nobody knows what became of it, is the same request
//! (draft-ietf-httpapi-idempotency-key-header).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use sha2::{Digest as _, Sha256};

use super::Problem;
use super::input::Body;
use crate::domain::{Idempotency, OrgId, Reject, RejectCode, UserId};

pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

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
    Ok(Some(named(key.into(), request, body)))
}

/// Says that this is the answer to a request that was done before.
pub(super) fn tell_replayed(response: &mut HttpResponse) {
    response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
}

/// This request under a name that its caller gave it in another way.
pub(super) fn named<T>(key: Box<str>, request: &HttpRequest, body: &Body<T>) -> Idempotency {
    let mut hash = Sha256::new();
    for part in [request.path(), "\n", &body.canonical] {
        hash.update(part.as_bytes());
    }
    Idempotency { key, fingerprint: hash.finalize().into() }
}

/// The requests with a key that are being done now. When they are done, the store knows of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Underway(Arc<Mutex<HashMap<Name, [u8; 32]>>>);

/// Keys are their sender's own.
type Name = (OrgId, UserId, Box<str>);

/// While this lives, its request is under way.
#[derive(Debug)]
pub(super) struct Begun {
    underway: Underway,
    name: Name,
}

impl Underway {
    /// # Errors
    /// Where a request with this key is under way already.
    pub(super) fn begin(&self, sender: (OrgId, UserId), request: &Idempotency) -> Result<Begun, Reject> {
        let name = (sender.0, sender.1, request.key.clone());
        match self.lock().entry(name.clone()) {
            Entry::Vacant(place) => place.insert(request.fingerprint),
            Entry::Occupied(first) if *first.get() == request.fingerprint => return Err(in_use()),
            Entry::Occupied(_) => return Err(Reject::idempotency_key_reused()),
        };
        Ok(Begun { underway: self.clone(), name })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, [u8; 32]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.underway.lock().remove(&self.name);
    }
}

fn in_use() -> Reject {
    let message = "The first request with this Idempotency-Key is still being done: ask again shortly";
    Reject { retry_after_ms: Some(1_000), ..Reject::new(RejectCode::IdempotencyKeyInUse, message) }
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
    fn a_request_is_under_way_once_until_it_is_done() {
        let underway = Underway::default();
        let sender = |n| (OrgId(uuid::Uuid::from_u128(1)), UserId(uuid::Uuid::from_u128(n)));
        let request = |fingerprint| Idempotency { key: "k".into(), fingerprint: [fingerprint; 32] };
        let first = underway.begin(sender(1), &request(1)).expect("nobody has it");
        let code = |refused: Result<Begun, Reject>| refused.expect_err("it is taken").code;
        assert_eq!(code(underway.begin(sender(1), &request(1))), RejectCode::IdempotencyKeyInUse);
        assert_eq!(code(underway.begin(sender(1), &request(2))), RejectCode::IdempotencyKeyReused);
        assert!(underway.begin(sender(2), &request(2)).is_ok(), "another sender's keys are others");
        drop(first);
        assert!(underway.begin(sender(1), &request(2)).is_ok());
        assert!(underway.lock().is_empty());
    }

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
