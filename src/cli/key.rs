//! `tertulia key`: API keys, without the web UI.

use super::Failure;
use super::account_args::KeyCommand;
use super::accounts::with_accounts;
use crate::auth::accounts::{Accounts, KeyRequest};
use crate::config::Config;
use crate::domain::{OrgId, Scope, Scopes, UserId};

pub(super) fn key(config: &Config, command: &KeyCommand) -> Result<(), Failure> {
    with_accounts(config, async |accounts: &Accounts| match command {
        KeyCommand::Create { user, user_id, org, name, scopes, expires } => {
            let (organization, user) = match (user, user_id, org) {
                (Some(email), _, _) => {
                    let profile = accounts.find(email).await?.profile;
                    (profile.organization, profile.user)
                }
                (None, Some(id), Some(org)) => (OrgId(*org), UserId(*id)),
                _ => return Err(Failure::Usage("expected --user EMAIL, or --user-id and --org".to_owned())),
            };
            let request = KeyRequest {
                name: name.as_deref().map(Into::into),
                user: Some(user),
                scopes: scopes.as_deref().map(read_scopes).transpose()?,
                lifetime: *expires,
            };
            let made = accounts.make_key(organization, user, None, request).await?;
            let until =
                made.key.expires_at.map_or_else(|| "until it is revoked".to_owned(), |at| format!("until {at}"));
            eprintln!(
                "key {} of user {user}, for {}, good {until}; it is shown this once:",
                made.key.id,
                spelled(made.key.scopes)
            );
            println!("{}", made.text);
            Ok(())
        }
        KeyCommand::List { org } => {
            let keys = accounts.all_keys(org.map(OrgId)).await?;
            if keys.is_empty() {
                println!("no keys");
            }
            for key in keys {
                let until = key.expires_at.map_or_else(|| "-".to_owned(), |at| at.to_string());
                let (id, hint, user, organization, name) = (key.id, key.hint, key.user, key.organization, key.name);
                println!("{id}  {hint}…  {user}  {organization}  {}  {until}  {name}", spelled(key.scopes));
            }
            Ok(())
        }
        KeyCommand::Revoke { id } => {
            let ended = accounts.revoke_any_key(*id).await?;
            println!("revoked {id} of user {}", ended.user);
            Ok(())
        }
    })
}

fn read_scopes(text: &str) -> Result<Scopes, Failure> {
    text.split(',').map(|scope| scope.trim().parse::<Scope>().map_err(Failure::Usage)).collect()
}

fn spelled(scopes: Scopes) -> String {
    scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(",")
}
