//! Where Socket.IO clients connect to.

use std::time::Duration;

use super::value::{Value, duration};

/// A path of the hub that clients are served at; it ends with a slash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SocketPath(Box<str>);

/// A namespace besides `/`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Namespace(Box<str>);

/// A span of time that is never zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span(pub Duration);

impl SocketPath {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Namespace {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether `text` is a slash and something behind it that needs no escapes.
fn is_path(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    text.len() > 1 && text.starts_with('/') && !text.contains("//") && text.bytes().all(is_plain)
}

impl Value for SocketPath {
    fn parse(text: &str) -> Result<Self, String> {
        let trimmed = text.strip_suffix('/').unwrap_or(text);
        if is_path(trimmed) {
            Ok(Self(format!("{trimmed}/").into()))
        } else {
            Err("a path such as `/socket.io/`".to_owned())
        }
    }
}

impl Value for Namespace {
    fn parse(text: &str) -> Result<Self, String> {
        if is_path(text) { Ok(Self(text.into())) } else { Err("a namespace such as `/desk`".to_owned()) }
    }
}

impl Value for Span {
    fn parse(text: &str) -> Result<Self, String> {
        let span = duration(text).filter(|it| !it.is_zero());
        span.map(Self).ok_or_else(|| "a duration such as `500ms`, `25s` or `2m`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_begins_and_ends_with_a_slash() {
        let path = |text| SocketPath::parse(text).ok().map(|it| it.as_str().to_owned());
        assert_eq!(path("/socket.io/").as_deref(), Some("/socket.io/"));
        assert_eq!(path("/live/socket.io").as_deref(), Some("/live/socket.io/"));
        for wrong in ["", "/", "//", "socket.io", "/a//b", "/a?b", "/a b", "/é"] {
            assert_eq!(path(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_namespace_has_a_name() {
        assert!(Namespace::parse("/desk").is_ok());
        for wrong in ["", "/", "desk", "/a,b", "/a?b"] {
            assert!(Namespace::parse(wrong).is_err(), "{wrong}");
        }
    }
}
