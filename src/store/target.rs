//! Which database a URL names, and with which patience it is spoken to.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What every Postgres connection asks of libpq, unless the URL says otherwise: a server that is gone without a word
/// is noticed within seconds, not after TCP's quarter of an hour. Timeouts are in seconds, `tcp_user_timeout` in
/// milliseconds.
const POSTGRES_DEFAULTS: &[(&str, &str)] = &[
    ("application_name", "tertulia"),
    ("connect_timeout", "2"),
    ("keepalives_idle", "5"),
    ("keepalives_interval", "2"),
    ("keepalives_count", "3"),
    ("tcp_user_timeout", "8000"),
];

/// A database, as `--database-url` names it. Shown without user, password and options.
#[derive(Clone, PartialEq, Eq)]
pub enum Target {
    Sqlite(PathBuf),
    /// A libpq connection URI.
    Postgres(String),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        match url.split_once(':') {
            Some(("sqlite", rest)) => sqlite(rest.strip_prefix("//").unwrap_or(rest)),
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => Ok(Self::Postgres(postgres(url))),
            Some((scheme, _)) if is_scheme(scheme) => Err(format!(
                "databases of the kind `{scheme}` are not spoken here: expected sqlite:PATH or postgres://USER@HOST/NAME"
            )),
            _ => Err("no database is named: expected sqlite:PATH or postgres://USER@HOST/NAME".to_owned()),
        }
    }
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

fn sqlite(path: &str) -> Result<Target, String> {
    if path.is_empty() || path == ":memory:" {
        return Err("the store needs a file that several connections can share: expected sqlite:PATH".to_owned());
    }
    Ok(Target::Sqlite(Path::new(path).to_owned()))
}

fn postgres(url: &str) -> String {
    let mut uri = url.to_owned();
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let mut glue = match url.split_once('?') {
        None => '?',
        Some(_) => '&',
    };
    for (name, value) in POSTGRES_DEFAULTS {
        let given = query.split('&').any(|pair| pair.split('=').next() == Some(name));
        if !given {
            uri.push(glue);
            uri.push_str(name);
            uri.push('=');
            uri.push_str(value);
            glue = '&';
        }
    }
    uri
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => {
                let rest = url.split_once("//").map_or("", |(_, rest)| rest);
                let rest = rest.split('?').next().unwrap_or(rest);
                write!(f, "postgres://{}", rest.rsplit_once('@').map_or(rest, |(_, place)| place))
            }
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_follow_the_scheme_with_or_without_slashes() {
        for (url, path) in [("sqlite:data/hub.db", "data/hub.db"), ("sqlite:///var/hub.db", "/var/hub.db")] {
            assert_eq!(url.parse(), Ok(Target::Sqlite(PathBuf::from(path))));
        }
    }

    #[test]
    fn other_databases_are_refused_with_what_would_be_right() {
        for url in ["mysql://host/name", "hub.db", "", "sqlite:", "sqlite::memory:", "postgres:name"] {
            let refusal = url.parse::<Target>().unwrap_err();
            assert!(refusal.contains("expected sqlite:PATH"), "{url}: {refusal}");
        }
    }

    #[test]
    fn the_patience_of_the_url_goes_before_ours() {
        let Ok(Target::Postgres(uri)) = "postgresql://me@host/name?connect_timeout=9".parse() else {
            panic!("a URL of Postgres")
        };
        assert!(uri.starts_with("postgresql://me@host/name?connect_timeout=9&application_name=tertulia&keep"), "{uri}");
        assert_eq!(uri.matches("connect_timeout").count(), 1);
    }

    #[test]
    fn passwords_are_not_shown() {
        let target: Target = "postgres://me:secret@host:5432/name?password=hidden".parse().unwrap();
        assert_eq!(format!("{target} {target:?}"), "postgres://host:5432/name postgres://host:5432/name");
    }
}
