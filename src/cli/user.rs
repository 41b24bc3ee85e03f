//! `tertulia user`: accounts, without the web UI.

use super::Failure;
use super::account_args::UserCommand;
use super::accounts::{password, with_accounts};
use crate::auth::accounts::{Accounts, RegistrationRequest};
use crate::auth::ports::{AccountChange, Profile};
use crate::config::Config;
use crate::domain::{OrgId, Role};

pub(super) fn user(config: &Config, command: &UserCommand) -> Result<(), Failure> {
    with_accounts(config, async |accounts: &Accounts| match command {
        UserCommand::Add { email, name, role, org, password_stdin } => {
            let (password, is_generated) = password(*password_stdin)?;
            let request = RegistrationRequest {
                email: email.as_str().into(),
                name: name.as_str().into(),
                password: password.clone(),
                ..RegistrationRequest::default()
            };
            let role = role.as_deref().map(parsed).transpose()?;
            show(&accounts.add(request, org.map(OrgId), role).await?);
            show_password(&password, is_generated);
            Ok(())
        }
        UserCommand::List => list(accounts).await,
        UserCommand::Role { email, role } => {
            show(&accounts.change(email, AccountChange::Role(parsed(role)?)).await?);
            Ok(())
        }
        UserCommand::Password { email, password_stdin } => {
            let (password, is_generated) = password(*password_stdin)?;
            show(&accounts.set_password(email, password.clone()).await?);
            show_password(&password, is_generated);
            Ok(())
        }
        UserCommand::Disable { email } => {
            show(&accounts.change(email, AccountChange::Disabled(true)).await?);
            Ok(())
        }
        UserCommand::Enable { email } => {
            show(&accounts.change(email, AccountChange::Disabled(false)).await?);
            Ok(())
        }
        UserCommand::Invite { role, org } => {
            let home = match org {
                Some(org) => Some(OrgId(*org)),
                None => accounts.home().await?,
            };
            let nowhere = || Failure::Usage("there is no organization yet: make the first account".to_owned());
            let (invite, expires_at) = accounts.invite_to(home.ok_or_else(nowhere)?, parsed(role)?)?;
            eprintln!("good once, until {expires_at}: register with it at http://ADDRESS/?invite=…");
            println!("{invite}");
            Ok(())
        }
    })
}

async fn list(accounts: &Accounts) -> Result<(), Failure> {
    let all = accounts.all().await?;
    if all.is_empty() {
        println!("no accounts");
    }
    for account in all {
        let Profile { user, organization, role, name, email, .. } = account.profile;
        let email = email.as_deref().unwrap_or("-");
        let state = if account.is_disabled { "disabled" } else { "enabled" };
        println!("{user}  {organization}  {role:<6}  {state:<8}  {email}  {name}");
    }
    Ok(())
}

fn show(profile: &Profile) {
    println!("user          {}", profile.user);
    println!("organization  {}", profile.organization);
    println!("email         {}", profile.email.as_deref().unwrap_or("-"));
    println!("name          {}", profile.name);
    println!("role          {}", profile.role);
}

fn show_password(password: &str, is_generated: bool) {
    if is_generated {
        println!("password      {password}");
    }
}

pub(super) fn parsed(role: &str) -> Result<Role, Failure> {
    role.parse().map_err(Failure::Usage)
}
