//! What is wrong with a configuration, in one line that names the key, the value, who set it, and what was expected.

use std::fmt;
use std::path::PathBuf;

use super::layers::Source;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConfigError {
    /// A value that does not parse, or does not fit. `given` is `None` where it may be a secret.
    Value { key: String, given: Option<String>, source: Source, expected: String },
    /// A key that does not exist; `hint` is empty or says which one was meant.
    Unknown { key: String, source: Source, hint: String },
    /// A file that cannot be read or is no TOML.
    File { path: PathBuf, what: String },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { key, given: Some(given), source, expected } => {
                let given: String = given.chars().take(80).collect();
                write!(f, "{key} = {given:?} ({source}): expected {expected}")
            }
            Self::Value { key, given: None, source, expected } => write!(f, "{key} ({source}): expected {expected}"),
            Self::Unknown { key, source, hint } => {
                write!(f, "{key:?} ({source}): expected a known setting, and there is none of that name{hint}")
            }
            Self::File { path, what } => write!(f, "{}: {what}", path.display()),
        }
    }
}

impl std::error::Error for ConfigError {}

/// `; did you mean …?` where one of `known` is near, else nothing.
pub(super) fn suggestion<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> String {
    let bare = |name: &'a str| name.rsplit('.').next().unwrap_or(name);
    let nearness = |name: &'a str| {
        // `listen` outside its section is as good as `server.listen` mistyped.
        let whole = strsim::damerau_levenshtein(given, name);
        if given.contains('.') { whole } else { whole.min(strsim::damerau_levenshtein(given, bare(name))) }
    };
    let same_name = |name: &'a str| given.rsplit('.').next() == Some(bare(name));
    let best = known.map(|name| (if same_name(name) { 0 } else { nearness(name) }, name)).min();
    match best {
        Some((distance, name)) if distance <= given.len() / 4 + 1 => format!("; did you mean {name}?"),
        _ => String::new(),
    }
}
