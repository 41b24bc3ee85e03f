//! Where the database and Redis are, as URLs that may hold a password and therefore are shown without it.

use std::fmt;
use std::path::Path;

use super::value::Value;

/// `sqlite:PATH`, `postgres://…` or `postgresql://…`.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Box<str>);

impl DatabaseUrl {
    /// The embedded default: a file in the data directory.
    pub(super) fn in_data_dir(data_dir: &Path) -> Self {
        Self(format!("sqlite:{}", data_dir.join("tertulia.db").display()).into())
    }

    /// Whether several hubs may use it at a time.
    pub fn is_shared(&self) -> bool {
        !self.0.starts_with("sqlite:")
    }

    /// The URL with its password, for the driver.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Value for Option<DatabaseUrl> {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let known = ["sqlite:", "postgres://", "postgresql://"];
        let is_known = known.iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
        if is_known && !text.ends_with(":memory:") {
            Ok(Some(DatabaseUrl(text.into())))
        } else {
            Err("`sqlite:PATH` (a file that several connections share) or `postgres://user:password@host/name`"
                .to_owned())
        }
    }
}

/// `redis://host:port/db` or `rediss://…`; a bare `host:port` is understood.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(Box<str>);

impl RedisUrl {
    /// The URL with its password, for the driver.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Value for Option<RedisUrl> {
    fn parse(text: &str) -> Result<Self, String> {
        let expected = || "`redis://host:port/db`, `rediss://host:port/db` or `host:port`".to_owned();
        match text.split_once("://") {
            None if text.is_empty() => Ok(None),
            Some(("redis" | "rediss", rest)) if !rest.is_empty() => Ok(Some(RedisUrl(text.into()))),
            None if text
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()) =>
            {
                Ok(Some(RedisUrl(format!("redis://{text}").into())))
            }
            _ => Err(expected()),
        }
    }
}

macro_rules! shown_without_password {
    ($($type:ident)*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&without_password(&self.0))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}

shown_without_password! { DatabaseUrl RedisUrl }

/// `postgres://app:secret@host/name?password=secret` as `postgres://app:***@host/name`.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let rest = rest.split('?').next().unwrap_or_default();
    // A password may hold an `@`: the last one ends it.
    match rest.rsplit_once('@') {
        Some((user, place)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:***@{place}")
        }
        None => format!("{scheme}://{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        let shown = |url: &str| DatabaseUrl(url.into()).to_string();
        assert_eq!(shown("postgres://app:s3cr@t@db/name?password=x"), "postgres://app:***@db/name");
        assert_eq!(shown("postgres://db/name"), "postgres://db/name");
        assert_eq!(shown("sqlite:data/tertulia.db"), "sqlite:data/tertulia.db");
        let redis = Option::<RedisUrl>::parse("redis://:s3cret@cache:6379/1").ok().flatten().expect("a URL");
        assert_eq!(format!("{redis} {redis:?}"), "redis://:***@cache:6379/1 redis://:***@cache:6379/1");
    }

    #[test]
    fn a_bare_host_and_port_is_a_redis_url() {
        let url = |text: &str| Option::<RedisUrl>::parse(text).ok().flatten().map(|it| it.expose().to_owned());
        assert_eq!(url("cache:6379").as_deref(), Some("redis://cache:6379"));
        assert_eq!(url(""), None);
        for wrong in ["cache", "http://cache:6379", "redis://", ":6379", "cache:port"] {
            assert!(Option::<RedisUrl>::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_databases_that_exist_here_are_taken() {
        for right in ["sqlite:x.db", "sqlite:///var/x.db", "postgres://h/d", "postgresql://h/d"] {
            assert!(Option::<DatabaseUrl>::parse(right).is_ok_and(|it| it.is_some()), "{right}");
        }
        for wrong in ["mysql://h/d", "sqlite:", "sqlite::memory:", "x.db", "postgres:h"] {
            assert!(Option::<DatabaseUrl>::parse(wrong).is_err(), "{wrong}");
        }
    }
}
