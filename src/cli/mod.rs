//! The command line: what was asked for, with which settings, and with which exit code it ends.
//!
//! Standard output is for results (a token, a table, the banner); what goes wrong is said on standard error, in a line.

mod account_args;
mod accounts;
mod args;
mod banner;
mod check;
mod gateway;
mod health;
mod key;
mod serve;
mod token;
mod upstreams;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;

use crate::config::{Config, ConfigError, Flag, Loaded, Sources};
use crate::store;
use account_args::DatabaseArgs;
use args::{Cli, Command, SettingArgs};

/// Why a command did not do what was asked.
#[derive(Debug)]
enum Failure {
    /// Exit code 2: the command line or the configuration has to change.
    Usage(String),
    /// Exit code 1: the same may work another time.
    Runtime(String),
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

/// Runs the command that the process's arguments name.
pub fn main() -> ExitCode {
    let Cli { settings, command } = Cli::parse();
    let outcome = match command {
        None => with_settings(&[&settings], serve::serve),
        Some(Command::Serve(more)) => with_settings(&[&settings, &more], serve::serve),
        Some(Command::Gateway(args)) => {
            let (file, flags) = named(&[&settings, &args.settings], args.flags());
            let again = move || load(file.clone(), flags.clone());
            with_flags(&[&settings, &args.settings], args.flags(), |loaded| gateway::gateway(loaded, again))
        }
        Some(Command::Migrate(more)) => with_settings(&[&settings, &more], migrate),
        Some(Command::Check(args)) => {
            let has_upstreams = args.names_upstreams();
            let settings = [&settings, &args.settings];
            with_flags(&settings, args.flags(), |loaded| check::check(loaded, has_upstreams))
        }
        Some(Command::Health(args)) => {
            with_settings(&[&settings, &args.settings], |loaded| health::health(&loaded, args.url.as_deref()))
        }
        Some(Command::Token(args)) => {
            let file = args.secret.config.clone().or_else(|| settings.config.clone());
            let flags = [settings.flags(), args.secret.flags()].concat();
            load(file, flags).map_err(Failure::from).and_then(|loaded| token::token(&loaded.config, &args))
        }
        Some(Command::User(args)) => {
            with_database(&settings, &args.database, |config| user::user(config, &args.command))
        }
        Some(Command::Key(args)) => with_database(&settings, &args.database, |config| key::key(config, &args.command)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(line)) => complain(&line, 2),
        Err(Failure::Runtime(line)) => complain(&line, 1),
    }
}

fn complain(line: &str, code: u8) -> ExitCode {
    eprintln!("tertulia: {}", one_line(line));
    ExitCode::from(code)
}

/// Drivers like to say things in several lines.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Runs `command` with the settings that stand before and after its name, the latter being stronger.
fn with_settings(args: &[&SettingArgs], command: impl FnOnce(Loaded) -> Result<(), Failure>) -> Result<(), Failure> {
    with_flags(args, Vec::new(), command)
}

/// As [`with_settings`], with flags of the command's own on top.
fn with_flags(
    args: &[&SettingArgs],
    own: Vec<Flag>,
    command: impl FnOnce(Loaded) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (file, flags) = named(args, own);
    let loaded = load(file, flags)?;
    if args.iter().any(|args| args.print_config) {
        print!("{}", loaded.printed);
        return Ok(());
    }
    command(loaded)
}

/// The file and the flags that the command line names, weakest first.
fn named(args: &[&SettingArgs], own: Vec<Flag>) -> (Option<PathBuf>, Vec<Flag>) {
    let file = args.iter().rev().find_map(|args| args.config.clone());
    (file, args.iter().flat_map(|args| args.flags()).chain(own).collect())
}

/// Runs `command` on the database that is named, the settings after its name being stronger.
fn with_database(
    settings: &SettingArgs,
    args: &DatabaseArgs,
    command: impl FnOnce(&Config) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let file = args.config.clone().or_else(|| settings.config.clone());
    let loaded = load(file, [settings.flags(), args.flags()].concat())?;
    command(&loaded.config)
}

fn load(file: Option<PathBuf>, flags: Vec<Flag>) -> Result<Loaded, ConfigError> {
    // Names and values that are no text are none of ours.
    let environment =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Config::load(Sources { flags, environment: environment.collect(), file })
}

fn migrate(loaded: Loaded) -> Result<(), Failure> {
    let config = loaded.config;
    config.make_data_dir().map_err(|error| data_dir(&config, &error))?;
    let report = store::migrate(config.database_url().expose()).map_err(|error| Failure::Runtime(error.to_string()))?;
    if report.applied.is_empty() {
        println!("{}: up to date, nothing to do", report.target);
    }
    for name in &report.applied {
        println!("{}: applied {name}", report.target);
    }
    Ok(())
}

fn data_dir(config: &Config, error: &std::io::Error) -> Failure {
    Failure::Runtime(format!("the data directory {}: {error}", config.server.data_dir.display()))
}
