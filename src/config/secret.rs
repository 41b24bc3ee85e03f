//! Secrets: kept out of every log line, and made where none is given.

use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::value::Value;

/// The file in the data directory that keeps a generated secret.
pub const SECRET_FILE: &str = "jwt-secret";

/// HS256 wants a key as long as its hash (RFC 7518, section 3.2).
const MIN_BYTES: usize = 32;

/// A text that `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The literal text, for the one who needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Value for Option<Secret> {
    fn parse(text: &str) -> Result<Self, String> {
        match text.len() {
            0 => Ok(None),
            1..MIN_BYTES => Err(format!("at least {MIN_BYTES} bytes, and these are {}", text.len())),
            _ => Ok(Some(Secret::new(text))),
        }
    }
}

/// The secret kept in `data_dir`, made now if there is none: 32 random bytes in hexadecimal, readable by the owner only.
///
/// Two processes that start at once get the same one.
pub(super) fn kept_in(data_dir: &Path) -> io::Result<Secret> {
    let path = data_dir.join(SECRET_FILE);
    match read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => make(data_dir, &path),
        read => read,
    }
}

/// Makes the data directory if it is missing, for its owner only.
pub(super) fn make_dir(data_dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(data_dir)
}

fn read(path: &Path) -> io::Result<Secret> {
    let text = fs::read_to_string(path)?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.len() < MIN_BYTES {
        let what = format!("holds {} bytes, and at least {MIN_BYTES} are needed; delete it for a new one", text.len());
        return Err(io::Error::new(ErrorKind::InvalidData, what));
    }
    Ok(Secret::new(text))
}

fn make(data_dir: &Path, path: &Path) -> io::Result<Secret> {
    let word = || getrandom::u64().map_err(io::Error::other);
    let secret = format!("{:016x}{:016x}{:016x}{:016x}", word()?, word()?, word()?, word()?);

    // Whole or not at all: the file gets its name when it is complete, and a name that is taken wins.
    let draft = data_dir.join(format!("{SECRET_FILE}.{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(secret.as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => read(path),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn is_made_once_for_the_owner_only() {
        let dir = tempfile::tempdir().expect("a directory");
        let data = dir.path().join("deep/data");
        make_dir(&data).expect("made");
        let first = kept_in(&data).expect("made");
        assert_eq!(kept_in(&data).expect("read"), first);
        assert_eq!(first.expose().len(), 64);
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&data), mode(&data.join(SECRET_FILE))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&data).expect("read").count(), 1, "no draft is left behind");
    }

    #[test]
    fn a_short_one_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join(SECRET_FILE), "short\n").expect("written");
        let error = kept_in(dir.path()).expect_err("refused").to_string();
        assert!(error.contains("5 bytes") && error.contains("delete it"), "{error}");
    }

    #[test]
    fn is_never_shown_by_debug() {
        assert_eq!(format!("{:?}", Secret::new("hush")), "Secret(…)");
    }
}
