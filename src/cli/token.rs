//! `tertulia token`: a signed token, and nothing else, on standard output.

use super::args::TokenArgs;
use super::{Failure, data_dir};
use crate::auth::{Grant, mint};
use crate::clock;
use crate::config::Config;
use crate::domain::{OrgId, UserId};

pub(super) fn token(config: &Config, args: &TokenArgs) -> Result<(), Failure> {
    if config.makes_secret() {
        eprintln!(
            "tertulia: made a new secret in {}: only a hub with this data directory takes the token",
            config.server.data_dir.display()
        );
    }
    let secret = config.jwt_secret().map_err(|error| data_dir(config, &error))?;
    let grant = Grant {
        user: UserId(args.sub),
        organization: Some(OrgId(args.org)),
        role: args.role.parse().map_err(Failure::Usage)?,
        name: args.name.as_deref(),
        audience: config.auth.audience.as_deref(),
        lifetime: args.ttl,
    };
    let token =
        mint(secret.expose().as_bytes(), &grant, clock::now()).map_err(|error| Failure::Runtime(error.to_string()))?;
    println!("{token}");
    Ok(())
}
