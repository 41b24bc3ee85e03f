//! What may stand on the command line after `user` and `key`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::args::{flag, ttl};
use crate::config::Flag;

pub(super) const USER_EXAMPLES: &str = "\
Examples:
  tertulia user add --email ana@example.com --name Ana          the first is the administrator; prints a password
  tertulia user add --email rui@example.com --name Rui --role agent --password-stdin < password.txt
  tertulia user invite --role agent                             prints an invitation, good once, for 7 days
  tertulia user disable rui@example.com                         ends his logins, and keeps him and his keys out
  tertulia user list

The database is that of the configuration: run it with the same settings as the hub.";

pub(super) const KEY_EXAMPLES: &str = "\
Examples:
  TOKEN=$(tertulia key create --user ana@example.com --name backup --scopes chat:read --expires 30d)
  tertulia key create --user-id $USER_ID --org $ORG_ID --scopes chat:read,chat:write,messages:write
  tertulia key list
  tertulia key revoke 01a201d3-e88c-72de-842f-00a6eaf8d2b3

A key is used wherever a token is. Scopes: chat:read, chat:write, messages:write, admin.";

const ROLES: [&str; 4] = ["admin", "agent", "member", "bot"];

#[derive(Args, Debug)]
pub struct UserArgs {
    #[command(subcommand)]
    pub command: UserCommand,
    #[command(flatten)]
    pub database: DatabaseArgs,
}

#[derive(Subcommand, Debug)]
pub enum UserCommand {
    /// Make an account
    Add {
        /// The address to log in with
        #[arg(long)]
        email: String,
        /// The name that others see
        #[arg(long)]
        name: String,
        /// What the user is in the organization; default: admin for the first account, member for others
        #[arg(long, value_parser = ROLES)]
        role: Option<String>,
        /// The organization's id; default: where the others are
        #[arg(long, value_name = "UUID")]
        org: Option<Uuid>,
        /// Take the password from standard input, instead of making one and printing it
        #[arg(long)]
        password_stdin: bool,
    },
    /// Print all accounts: id, organization, role, state, address, name
    List,
    /// Change what somebody is in the organization
    Role {
        email: String,
        #[arg(value_parser = ROLES)]
        role: String,
    },
    /// Give somebody another password, and end the logins made with the old one
    Password {
        email: String,
        /// Take the password from standard input, instead of making one and printing it
        #[arg(long)]
        password_stdin: bool,
    },
    /// Keep somebody out: logins end, tokens and keys are refused
    Disable { email: String },
    /// Let somebody in again
    Enable { email: String },
    /// Print an invitation, good once, for 7 days
    Invite {
        /// What the new user will be in the organization
        #[arg(long, default_value = "member", value_parser = ROLES)]
        role: String,
        /// The organization's id; default: where the others are
        #[arg(long, value_name = "UUID")]
        org: Option<Uuid>,
    },
}

#[derive(Args, Debug)]
pub struct KeyArgs {
    #[command(subcommand)]
    pub command: KeyCommand,
    #[command(flatten)]
    pub database: DatabaseArgs,
}

#[derive(Subcommand, Debug)]
pub enum KeyCommand {
    /// Make a key, and print it
    Create {
        /// Whom it stands for, by address
        #[arg(long, value_name = "EMAIL", conflicts_with = "user_id")]
        user: Option<String>,
        /// Whom it stands for, by id
        #[arg(long, value_name = "UUID", requires = "org")]
        user_id: Option<Uuid>,
        /// The organization of --user-id
        #[arg(long, value_name = "UUID")]
        org: Option<Uuid>,
        /// What it is for
        #[arg(long)]
        name: Option<String>,
        /// What it may do, default chat:read,chat:write
        #[arg(long, value_name = "SCOPE,…")]
        scopes: Option<String>,
        /// How long it is good: `1h`, `30d`; default: until it is revoked
        #[arg(long, value_name = "DURATION", value_parser = ttl)]
        expires: Option<std::time::Duration>,
    },
    /// Print all keys: id, how it begins, user, organization, scopes, end, name
    List {
        /// Only those of this organization
        #[arg(long, value_name = "UUID")]
        org: Option<Uuid>,
    },
    /// Revoke a key; its connections are closed
    Revoke {
        #[arg(value_name = "ID")]
        id: Uuid,
    },
}

/// Where the accounts are.
#[derive(Args, Debug)]
pub struct DatabaseArgs {
    /// The file to read settings from, instead of tertulia.toml [env: TERTULIA_CONFIG]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Where the SQLite file and the generated secret are [env: TERTULIA_DATA_DIR]
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<String>,
    /// `sqlite:PATH` or `postgres://…` [env: DATABASE_URL]
    #[arg(long, value_name = "URL", global = true)]
    database_url: Option<String>,
}

impl DatabaseArgs {
    pub fn flags(&self) -> Vec<Flag> {
        let given =
            [("server.data_dir", "--data-dir", &self.data_dir), ("database.url", "--database-url", &self.database_url)];
        given.into_iter().filter_map(|(key, name, value)| Some(flag(key, name, vec![value.clone()?]))).collect()
    }
}
