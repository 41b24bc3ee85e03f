//! Entity tags: whether what a caller knows of a resource is still so (RFC 9110, sections 8.8.3 and 13).
//!
//! A tag is the version that updates are compared by, then a hash of everything that was told. `If-Match` compares the
//! version only: that somebody has read a message in between is no reason to refuse its edit. `If-None-Match` compares
//! all of it.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::Problem;
use crate::domain::{Reject, RejectCode};

/// How much of the hash is told.
const HASH_BYTES: usize = 9;

/// The tag of a representation: `"v3-…"`.
pub(crate) fn tag(version: &str, representation: &[u8]) -> String {
    let hash = Sha256::digest(representation);
    format!("\"{version}-{}\"", URL_SAFE_NO_PAD.encode(&hash[..HASH_BYTES]))
}

/// Whether the caller has this representation already.
pub(crate) fn is_known(request: &HttpRequest, tag: &str) -> bool {
    tags(request.headers(), &IF_NONE_MATCH).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

/// The version after `letter` that `If-Match` asks for. `None`: any.
///
/// # Errors
/// `precondition_failed` where only tags are named that this resource cannot have, or several: nobody knows several
/// versions at once.
pub(crate) fn wanted(request: &HttpRequest, letter: char) -> Result<Option<u64>, Problem> {
    let mut wanted = None;
    let mut named = false;
    for tag in tags(request.headers(), &IF_MATCH) {
        if tag == "*" {
            return Ok(None);
        }
        named = true;
        let Some(version) = version(tag, letter) else { continue };
        if wanted.replace(version).is_some_and(|other| other != version) {
            let detail = "If-Match: expected one tag, as it came in ETag";
            return Err(Problem::new(StatusCode::BAD_REQUEST, RejectCode::InvalidPayload.as_str(), detail));
        }
    }
    if named && wanted.is_none() {
        return Err(Reject::precondition_failed().into());
    }
    Ok(wanted)
}

fn tags<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> + use<'a> {
    let lines = headers.get_all(name).map(|line| line.to_str().unwrap_or("-"));
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|tag| !tag.is_empty())
}

/// Weak tags do not match here (RFC 9110, section 13.1.1).
fn version(tag: &str, letter: char) -> Option<u64> {
    let inside = tag.strip_prefix('"')?.strip_suffix('"')?.strip_prefix(letter)?;
    let digits = inside.split('-').next()?;
    digits.bytes().all(|it| it.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn matching(header: &str) -> Result<Option<u64>, Problem> {
        wanted(&TestRequest::get().insert_header((IF_MATCH, header)).to_http_request(), 'v')
    }

    #[test]
    fn an_update_is_compared_by_version_alone() {
        assert_eq!(matching(&tag("v7", b"now")), Ok(Some(7)));
        assert_eq!(matching("\"v7\""), Ok(Some(7)));
        assert_eq!(matching("*"), Ok(None));
        assert_eq!(matching("\"c7\", \"v8-x\""), Ok(Some(8)));
        assert_eq!(wanted(&TestRequest::get().to_http_request(), 'v'), Ok(None));
        for nothing in ["\"c7\"", "v7", "W/\"v7\"", "\"v\"", "\"v+7\"", "\"v99999999999999999999\"", "\"\""] {
            assert_eq!(matching(nothing).unwrap_err().status, StatusCode::PRECONDITION_FAILED, "{nothing}");
        }
        assert_eq!(matching("\"v1\", \"v2\"").unwrap_err().status, StatusCode::BAD_REQUEST);
    }

    #[test]
    fn what_is_known_is_everything_that_was_told() {
        let tag = tag("v7", b"now");
        let asks = |header: &str| TestRequest::get().insert_header((IF_NONE_MATCH, header)).to_http_request();
        for header in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
            assert!(is_known(&asks(&header), &tag), "{header}");
        }
        for header in ["\"v7\"", "", "x"] {
            assert!(!is_known(&asks(header), &tag), "{header}");
        }
        assert_ne!(tag, super::tag("v7", b"later"));
    }
}
