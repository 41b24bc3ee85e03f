//! Where a token may stand in a request, and how it is kept out of logs.
//!
//! The first place that holds one decides: a bad token there is refused, not overruled by a good one elsewhere.
//! An empty value counts as none.

use std::borrow::Cow;

use memchr::memchr2;
use url::form_urlencoded;

use super::{dev, secrets};

/// Query parameters that carry a token, in their order of precedence.
const PARAMETERS: [&str; 2] = ["token", "access_token"];
/// A Socket.IO session's name: whoever knows it can speak for its client.
const SESSION: &str = "sid";
/// Offered as a subprotocol, it announces that the next one is a token (browsers cannot set headers).
const SUBPROTOCOL: &str = "bearer";

/// The token of any request: the header `Authorization: Bearer`, the query's `token`, or its `access_token`.
pub fn find<'a>(authorization: Option<Cow<'a, str>>, query: &'a str) -> Option<Cow<'a, str>> {
    authorization.and_then(bearer).or_else(|| PARAMETERS.iter().find_map(|name| parameter(query, name)))
}

/// Whether this is an API key, rather than a token that says itself who its bearer is.
pub fn is_key(token: &str) -> bool {
    token.starts_with(secrets::KEY_PREFIX) || token == dev::KEY
}

fn bearer(authorization: Cow<'_, str>) -> Option<Cow<'_, str>> {
    match authorization {
        Cow::Borrowed(value) => bearer_token(value).map(Cow::Borrowed),
        Cow::Owned(value) => bearer_token(&value).map(|token| Cow::Owned(token.to_owned())),
    }
}

/// RFC 6750, section 2.1; the scheme's name is case-insensitive (RFC 9110, section 11.1).
fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    query.split('&').filter_map(pair).find_map(|(key, value)| (key == name && !value.is_empty()).then_some(value))
}

/// A pair of a query, decoded; in a token nothing is encoded.
fn pair(pair: &str) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    if memchr2(b'%', b'+', pair.as_bytes()).is_some() {
        return form_urlencoded::parse(pair.as_bytes()).next();
    }
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    Some((key.into(), value.into()))
}

/// The token that follows `bearer` among the offered subprotocols: the last place of all.
pub fn offered<'a>(lines: impl Iterator<Item = Cow<'a, str>>) -> Option<Cow<'a, str>> {
    let mut announced = false;
    for line in lines {
        for item in line.split(',').map(str::trim) {
            if announced {
                return (!item.is_empty()).then(|| Cow::Owned(item.to_owned()));
            }
            announced = item == SUBPROTOCOL;
        }
    }
    None
}

/// A query string as it may be logged: the values of parameters that carry tokens, or name a session, are left out.
pub fn redact(query: &str) -> Cow<'_, str> {
    if !query.split('&').any(carries_secret) {
        return Cow::Borrowed(query);
    }
    let pairs: Vec<_> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if carries_secret(pair) => Cow::Owned(format!("{name}=[redacted]")),
            _ => Cow::Borrowed(pair),
        })
        .collect();
    Cow::Owned(pairs.join("&"))
}

/// Compares the decoded name, because `%74oken` is read as `token` too.
fn carries_secret(pair: &str) -> bool {
    form_urlencoded::parse(pair.as_bytes())
        .next()
        .is_some_and(|(name, _)| name == SESSION || PARAMETERS.contains(&&*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(authorization: Option<&str>, query: &str, protocols: &[&str]) -> Option<String> {
        let lines = protocols.iter().map(|line| Cow::Owned((*line).to_owned()));
        let authorization = authorization.map(|value| Cow::Owned(value.to_owned()));
        find(authorization, query).or_else(|| offered(lines)).map(Cow::into_owned)
    }

    #[test]
    fn the_first_place_that_holds_a_token_wins() {
        let places = (Some("Bearer one"), "access_token=three&token=two", &["bearer, four"][..]);
        assert_eq!(found(places.0, places.1, places.2).as_deref(), Some("one"));
        assert_eq!(found(None, places.1, places.2).as_deref(), Some("two"));
        assert_eq!(found(None, "x=1&access_token=three", places.2).as_deref(), Some("three"));
        assert_eq!(found(None, "x=1", places.2).as_deref(), Some("four"));
        assert_eq!(found(None, "", &[]), None);
    }

    #[test]
    fn of_a_repeated_parameter_the_first_with_a_value_counts() {
        assert_eq!(found(None, "token=&token=a&token=b", &[]).as_deref(), Some("a"));
    }

    #[test]
    fn parameters_are_percent_decoded() {
        assert_eq!(found(None, "%74oken=a%2Eb%2ec", &[]).as_deref(), Some("a.b.c"));
        assert_eq!(found(None, "token=a%00b", &[]).as_deref(), Some("a\0b"));
        assert_eq!(found(None, "token=%zz&Token=b", &[]).as_deref(), Some("%zz"));
    }

    #[test]
    fn other_schemes_and_empty_values_are_no_tokens() {
        for header in ["Basic dXNlcjpwYXNz", "Bearer", "Bearer ", "Bearer   ", "bearertoken", ""] {
            assert_eq!(found(Some(header), "", &[]), None, "{header:?}");
        }
        assert_eq!(found(Some("bearer  a.b.c "), "", &[]).as_deref(), Some("a.b.c"));
    }

    #[test]
    fn a_subprotocol_is_a_token_only_after_bearer() {
        assert_eq!(found(None, "", &["chat, bearer , tok"]).as_deref(), Some("tok"));
        assert_eq!(found(None, "", &["chat", "bearer", "tok"]).as_deref(), Some("tok"));
        for line in ["bearer", "tok", "chat, tok", "tok, bearer", "bearer,", "Bearer, tok"] {
            assert_eq!(found(None, "", &[line]), None, "{line:?}");
        }
    }

    #[test]
    fn tokens_are_left_out_of_logged_queries() {
        assert_eq!(redact("a=1&b=2"), "a=1&b=2");
        assert_eq!(redact(""), "");
        assert_eq!(redact("a=1&token=s3cret&b=2"), "a=1&token=[redacted]&b=2");
        assert_eq!(redact("EIO=4&sid=s3cret&%73id=s3cret"), "EIO=4&sid=[redacted]&%73id=[redacted]");
        assert_eq!(
            redact("%74oken=s3cret&access_token=s3cret&token=x=s3cret"),
            "%74oken=[redacted]&access_token=[redacted]&token=[redacted]"
        );
    }
}
