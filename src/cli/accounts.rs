//! What `tertulia user` and `tertulia key` stand on: the accounts in the database, beside a running hub or without one.
//!
//! A hub on the same database finds out by itself, within a second.

use std::io::{self, Read as _};
use std::sync::Arc;

use super::{Failure, data_dir};
use crate::auth::Directory;
use crate::auth::accounts::{self, Accounts, Nobody, generated_password};
use crate::config::Config;
use crate::domain::{OrgId, Reject, RejectCode};
use crate::metrics::Metrics;
use crate::store::{Options, SqlStore};

/// No password is longer, whatever its alphabet.
const MAX_PASSWORD_BYTES: u64 = 4_096;

impl From<Reject> for Failure {
    fn from(reject: Reject) -> Self {
        match reject.code {
            RejectCode::InvalidPayload => Self::Usage(reject.message.into_owned()),
            _ => Self::Runtime(reject.message.into_owned()),
        }
    }
}

/// Opens the database that the configuration names, and does `work` there.
pub(super) fn with_accounts<T>(
    config: &Config,
    work: impl AsyncFnOnce(&Accounts) -> Result<T, Failure>,
) -> Result<T, Failure> {
    config.make_data_dir().map_err(|error| data_dir(config, &error))?;
    let secret = config.jwt_secret().map_err(|error| data_dir(config, &error))?;
    let options = accounts::Options {
        secret: secret.expose().as_bytes(),
        audience: config.auth.audience.as_deref().map(Into::into),
        registration: config.auth.registration,
        default_organization: config.auth.default_organization.map(OrgId),
    };
    let database =
        Options { workers: 1, migrate: config.database.migrate, ..Options::new(config.database_url().expose()) };
    actix_rt::System::new().block_on(async {
        let metrics = Arc::new(Metrics::new());
        let store = SqlStore::open(&database, metrics.clone()).map_err(|error| Failure::Runtime(error.to_string()))?;
        let accounts = Accounts::new(&options, store, Arc::new(Directory::default()), Arc::new(Nobody), metrics);
        work(&accounts).await
    })
}

/// A password from standard input, or a generated one. The second tells which.
pub(super) fn password(from_stdin: bool) -> Result<(Box<str>, bool), Failure> {
    if !from_stdin {
        return Ok((generated_password()?, true));
    }
    let mut text = String::new();
    let read = io::stdin().lock().take(MAX_PASSWORD_BYTES).read_to_string(&mut text);
    read.map_err(|error| Failure::Usage(format!("the password on standard input: {error}")))?;
    Ok((text.trim_end_matches(['\r', '\n']).into(), false))
}
