//! Where settings come from: flags over environment over file over defaults, merged into one flat table of texts.
//!
//! `default.toml` is the registry: a key exists if it stands there, and is a list or a table if its default is one.
//! Every text remembers its source, so that an error can say whose it is.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::{ConfigError, suggestion};
use super::value::Value;

/// The defaults, with a comment for each.
pub const DEFAULTS: &str = include_str!("default.toml");

/// Environment variables that mean a key besides `TERTULIA_SECTION_KEY`, which is stronger; the first of several wins.
const NAMED: &[(&str, &[&str])] = &[
    ("server.listen", &["TERTULIA_LISTEN"]),
    ("server.metrics_listen", &["TERTULIA_METRICS_LISTEN"]),
    ("server.data_dir", &["TERTULIA_DATA_DIR"]),
    ("server.workers", &["TERTULIA_WORKERS"]),
    ("server.allowed_origins", &["ALLOWED_ORIGINS"]),
    ("server.trusted_proxies", &["TRUSTED_PROXIES"]),
    ("server.dev", &["TERTULIA_DEV"]),
    ("tls.cert", &["TLS_CERT"]),
    ("tls.key", &["TLS_KEY"]),
    ("database.url", &["DATABASE_URL"]),
    ("database.workers", &["TERTULIA_DB_WORKERS"]),
    ("redis.url", &["REDIS_URL", "REDIS_CONNECTION_STRING"]),
    ("auth.jwt_secret", &["JWT_SECRET", "JWT_SECRET_KEY"]),
    ("gateway.upstreams", &["CHAT_API_URL"]),
    ("log.filter", &["RUST_LOG"]),
    ("log.format", &["TERTULIA_LOG_FORMAT"]),
];

/// Names the file, so it is no setting in it.
pub const CONFIG_VARIABLE: &str = "TERTULIA_CONFIG";

/// Values that no message shows, since they are or hold secrets.
pub(super) const SECRETS: &[&str] = &["auth.jwt_secret", "database.url", "redis.url"];

/// Who set a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    Default,
    File(PathBuf),
    Environment(String),
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A value before it has a type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Raw {
    One(String),
    Many(Vec<String>),
    Pairs(BTreeMap<String, String>),
}

/// A flag that was given: the key that it sets, and its texts.
#[derive(Clone, Debug)]
pub struct Flag {
    pub key: String,
    /// As the person wrote it, for messages.
    pub name: String,
    pub values: Vec<String>,
}

/// All keys, each with the text of its strongest source.
pub(super) struct Settings(BTreeMap<String, (Raw, Source)>);

impl Settings {
    pub(super) fn defaults() -> Result<Self, ConfigError> {
        let mut settings = Self(BTreeMap::new());
        for (key, value) in flatten(&parse(DEFAULTS, Path::new("default.toml"))?) {
            let raw = match &value {
                toml::Value::Array(_) => Raw::Many(Vec::new()),
                toml::Value::Table(_) => Raw::Pairs(BTreeMap::new()),
                _ => Raw::One(String::new()),
            };
            settings.0.insert(key.clone(), (raw, Source::Default));
            settings.put_toml(&key, value, Source::Default)?;
        }
        Ok(settings)
    }

    pub(super) fn merge_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|error| ConfigError::File { path: path.to_owned(), what: format!("cannot be read: {error}") })?;
        for (key, value) in flatten(&parse(&text, path)?) {
            self.put_toml(&key, value, Source::File(path.to_owned()))?;
        }
        Ok(())
    }

    /// Returns what is worth a warning: variables that look like settings and are none.
    pub(super) fn merge_environment(&mut self, environment: &[(String, String)]) -> Result<Vec<String>, ConfigError> {
        // An empty variable is one that is not set: that is how container files leave it out.
        let set = |name: &str| environment.iter().find(|(it, value)| it == name && !value.trim().is_empty());
        for key in self.keys() {
            let named = NAMED.iter().find(|(it, _)| *it == key).map_or(&[][..], |(_, names)| names);
            let general = variable(&key);
            if let Some((name, value)) = std::iter::once(&*general).chain(named.iter().copied()).find_map(set) {
                self.put(&key, vec![value.clone()], Source::Environment(name.clone()))?;
            }
        }
        let known: Vec<String> = self.variables();
        let unknown = environment.iter().filter(|(name, _)| name.starts_with("TERTULIA_") && !known.contains(name));
        let warning = |(name, _): &(String, String)| {
            let hint = suggestion(name, known.iter().map(String::as_str));
            format!("the environment variable {name} is no setting of this version{hint}")
        };
        Ok(unknown.map(warning).collect())
    }

    pub(super) fn merge_flags(&mut self, flags: Vec<Flag>) -> Result<(), ConfigError> {
        flags.into_iter().try_for_each(|flag| self.put(&flag.key, flag.values, Source::Flag(flag.name)))
    }

    /// Sets a key from texts: lists and tables may be written in one, with commas.
    fn put(&mut self, key: &str, texts: Vec<String>, source: Source) -> Result<(), ConfigError> {
        let Some(entry) = self.0.get_mut(key) else { return Err(self.unknown(key, source)) };
        let parts = || texts.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|part| !part.is_empty());
        let raw = match &entry.0 {
            Raw::One(_) => Raw::One(texts.last().map(|text| text.trim().to_owned()).unwrap_or_default()),
            Raw::Many(_) => Raw::Many(parts().map(str::to_owned).collect()),
            Raw::Pairs(_) => {
                let pair = |part: &str| part.split_once('=').map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned()));
                match parts().map(pair).collect() {
                    Some(pairs) => Raw::Pairs(pairs),
                    None => return Err(Self::wrong(key, &texts.join(","), source, "`name=value,name=value`")),
                }
            }
        };
        *entry = (raw, source);
        Ok(())
    }

    fn put_toml(&mut self, key: &str, value: toml::Value, source: Source) -> Result<(), ConfigError> {
        let Some((kind, _)) = self.0.get(key) else { return Err(self.unknown(key, source)) };
        let raw = match (kind, value) {
            (Raw::Many(_), toml::Value::Array(items)) => items.iter().map(scalar).collect::<Option<_>>().map(Raw::Many),
            (Raw::Pairs(_), toml::Value::Table(table)) => {
                table.iter().map(|(name, it)| Some((name.clone(), scalar(it)?))).collect::<Option<_>>().map(Raw::Pairs)
            }
            (Raw::One(_) | Raw::Many(_), value) => match scalar(&value) {
                Some(text) => return self.put(key, vec![text], source),
                None => None,
            },
            _ => None,
        };
        let expected = match kind {
            Raw::One(_) => "a single value",
            Raw::Many(_) => "a list of texts: [\"…\", \"…\"]",
            Raw::Pairs(_) => "a table of texts: { name = \"value\" }",
        };
        let raw = raw.ok_or_else(|| Self::wrong(key, "…", source.clone(), expected))?;
        self.0.insert(key.to_owned(), (raw, source));
        Ok(())
    }

    /// Whether anything but the defaults names it.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.0.get(key).is_some_and(|(_, source)| *source != Source::Default)
    }

    pub(super) fn raw(&self, key: &str) -> Option<&Raw> {
        self.0.get(key).map(|(raw, _)| raw)
    }

    /// An error about the value of a key that has parsed and still is not right.
    pub(super) fn refuse(&self, key: &str, expected: &str) -> ConfigError {
        let (text, source) = match self.0.get(key) {
            Some((Raw::One(text), source)) => (text.clone(), source.clone()),
            Some((Raw::Many(texts), source)) => (texts.join(", "), source.clone()),
            Some((Raw::Pairs(_), source)) => ("…".to_owned(), source.clone()),
            None => (String::new(), Source::Default),
        };
        Self::wrong(key, &text, source, expected)
    }

    fn wrong(key: &str, given: &str, source: Source, expected: &str) -> ConfigError {
        let given = (!SECRETS.contains(&key)).then(|| without_user(given));
        ConfigError::Value { key: key.to_owned(), given, source, expected: expected.to_owned() }
    }

    fn unknown(&self, key: &str, source: Source) -> ConfigError {
        let hint = suggestion(key, self.0.keys().map(String::as_str));
        ConfigError::Unknown { key: key.to_owned(), source, hint }
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn variables(&self) -> Vec<String> {
        let named = NAMED.iter().flat_map(|(_, names)| names.iter().map(|&name| name.to_owned()));
        self.0.keys().map(|key| variable(key)).chain(named).chain([CONFIG_VARIABLE.to_owned()]).collect()
    }
}

/// How a field of a section is read from the table.
pub(super) trait Read: Sized {
    fn read(settings: &Settings, key: &str) -> Result<Self, ConfigError>;
}

impl<T: Value> Read for T {
    fn read(settings: &Settings, key: &str) -> Result<Self, ConfigError> {
        let Some((Raw::One(text), source)) = settings.0.get(key) else { return Err(settings.refuse(key, "one value")) };
        T::parse(text).map_err(|expected| Settings::wrong(key, text, source.clone(), &expected))
    }
}

impl<T: Value> Read for Vec<T> {
    fn read(settings: &Settings, key: &str) -> Result<Self, ConfigError> {
        let Some((Raw::Many(texts), source)) = settings.0.get(key) else { return Err(settings.refuse(key, "a list")) };
        let each = |text: &String| {
            T::parse(text.trim()).map_err(|expected| Settings::wrong(key, text, source.clone(), &expected))
        };
        texts.iter().map(each).collect()
    }
}

impl<T: Value> Read for BTreeMap<String, T> {
    fn read(settings: &Settings, key: &str) -> Result<Self, ConfigError> {
        let Some((Raw::Pairs(pairs), source)) = settings.0.get(key) else {
            return Err(settings.refuse(key, "a table"));
        };
        let each = |(name, text): (&String, &String)| match T::parse(text.trim()) {
            Ok(value) => Ok((name.clone(), value)),
            Err(expected) => Err(Settings::wrong(&format!("{key}.{name}"), text, source.clone(), &expected)),
        };
        pairs.iter().map(each).collect()
    }
}

/// A URL that may not have a user shows none, nor a password.
fn without_user(given: &str) -> String {
    match (given.find("://"), given.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://…{}", &given[..scheme], &given[at..]),
        _ => given.to_owned(),
    }
}

/// `rooms.auto_create` → `TERTULIA_ROOMS_AUTO_CREATE`
fn variable(key: &str) -> String {
    format!("TERTULIA_{}", key.replace('.', "_").to_ascii_uppercase())
}

fn parse(text: &str, path: &Path) -> Result<toml::Table, ConfigError> {
    text.parse::<toml::Table>().map_err(|error| {
        let line = error.span().map_or(0, |span| text.get(..span.start).unwrap_or(text).matches('\n').count()) + 1;
        let what = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
        ConfigError::File { path: path.to_owned(), what: format!("line {line}: {what}") }
    })
}

/// `section.key` of everything in the file. What stands outside a section keeps its bare name, and so is unknown.
fn flatten(table: &toml::Table) -> Vec<(String, toml::Value)> {
    let mut flat = Vec::new();
    for (section, value) in table {
        match value {
            toml::Value::Table(keys) => {
                flat.extend(keys.iter().map(|(key, value)| (format!("{section}.{key}"), value.clone())));
            }
            value => flat.push((section.clone(), value.clone())),
        }
    }
    flat
}

fn scalar(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(switch) => Some(switch.to_string()),
        _ => None,
    }
}
