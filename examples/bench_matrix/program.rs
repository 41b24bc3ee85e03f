//! Which program is measured, and of which version it and others are.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Result;

/// The hub's program: the one that was named, or the repository's own, built now.
pub fn hub_program(root: &Path, named: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(path) = named {
        return path.canonicalize().map_err(|error| format!("--hub {}: {error}", path.display()).into());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--locked", "--bin", "tertulia"]).current_dir(root);
    let status = command.status().map_err(|error| format!("cargo: {error}; --hub names a program that is there"))?;
    if !status.success() {
        return Err("the hub does not build".into());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("release/tertulia"))
}

/// The first line of what a program says about itself.
pub fn said(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    // Some say it on standard error.
    let text = String::from_utf8([output.stdout, output.stderr].concat()).ok()?;
    Some(text.lines().next()?.trim().to_owned())
}

/// Of the repository, as git names it.
pub fn commit(root: &Path) -> Option<String> {
    let mut git = Command::new("git");
    let output = git.args(["describe", "--always", "--dirty"]).current_dir(root).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|it| !it.is_empty())
}
