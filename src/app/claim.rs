//! One hub per SQLite file: a second one would not hear of what the first one stores.

use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use super::RunError;
use crate::store::Target;

/// A claim on the database; it ends with the value, or with the process.
#[derive(Debug)]
pub(super) struct Claim(#[expect(dead_code, reason = "held for the lock on it")] Option<File>);

/// Claims the database of `url` for this process. Postgres is for several hubs, and is not claimed.
pub(super) fn claim(url: &str) -> Result<Claim, RunError> {
    let Ok(Target::Sqlite(path)) = url.parse() else { return Ok(Claim(None)) };
    let mut name = path.clone().into_os_string();
    name.push(".lock");
    let name = PathBuf::from(name);
    let unusable = |error| RunError::Claim(name.clone(), error);
    if let Some(directory) = name.parent().filter(|it| !it.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(unusable)?;
    }
    let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(&name).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(Claim(Some(file))),
        Err(TryLockError::WouldBlock) => Err(RunError::Taken(path)),
        Err(TryLockError::Error(error)) => Err(unusable(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_hub_on_the_same_file_is_refused_until_the_first_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("new/hub.db").display());
        let first = claim(&url).unwrap();
        let refused = claim(&url).unwrap_err().to_string();
        assert!(refused.contains("another hub"), "{refused}");
        drop(first);
        claim(&url).unwrap();
    }
}
