//! Holds the code to the map in `docs/ARCHITECTURE.md`: who may import whom, and how long a file may be.
//!
//! The checker reads tokens rather than syntax trees, so paths inside macros count like any others. It follows
//! `crate::…`, `self::…` and `super::…` to the module that they name, and knows other crates from Cargo.toml.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "architecture/checker.rs"]
mod checker;

use std::fs;
use std::path::{Path, PathBuf};

use checker::{Target, imports};

/// Longer files hold more than one idea.
const MAX_LINES: usize = 500;

/// Tests are lists: one more on the end does not make them harder to read.
const MAX_TEST_LINES: usize = 800;

/// Who may import whom. A module may always import what is inside itself; modules that are not listed may import
/// everything, and are imported by nobody but those that list them.
///
/// Where a row names crates, the module may use these and `std` only.
const TABLE: &[Row] = &[
    Row { module: "clock", imports: &["domain"], crates: None },
    Row { module: "domain", imports: &[], crates: Some(&["serde", "bytes", "uuid", "chrono"]) },
    Row { module: "metrics", imports: &[], crates: None },
    Row { module: "config", imports: &[], crates: None },
    Row { module: "hub", imports: &["domain", "clock", "metrics"], crates: None },
    Row { module: "session", imports: &["domain", "clock", "metrics", "hub::handle", "transport"], crates: None },
    Row { module: "transport", imports: &["domain", "clock", "metrics", "hub::handle", "session"], crates: None },
    Row { module: "auth", imports: &["domain", "config", "clock", "metrics"], crates: None },
    Row { module: "socketio", imports: &["domain", "clock", "metrics", "session", "transport"], crates: None },
    Row {
        module: "dialects",
        imports: &["domain", "session", "transport", "socketio", "hub::handle", "auth", "clock"],
        crates: None,
    },
    Row { module: "sse", imports: &["domain", "clock", "session", "transport", "hub::handle"], crates: None },
    Row { module: "relay", imports: &["domain", "clock", "metrics", "hub::ports"], crates: None },
    Row { module: "store", imports: &["domain", "clock", "metrics", "hub::ports", "auth::ports"], crates: None },
    Row {
        module: "api",
        imports: &["domain", "hub::handle", "auth", "store::read", "metrics", "clock", "sse"],
        crates: None,
    },
    Row {
        module: "gateway",
        imports: &[
            "domain",
            "clock",
            "metrics",
            "auth",
            "transport",
            "api::Limiter",
            "api::Problem",
            "api::counts",
            "api::one_host",
            "api::read_only",
            "api::request_id",
        ],
        crates: None,
    },
    Row { module: "web", imports: &["api::read_only"], crates: None },
    Row { module: "logging", imports: &["config", "clock"], crates: None },
    Row {
        module: "cli",
        imports: &[
            "run",
            "run_gateway",
            "RunError",
            "auth",
            "clock",
            "config",
            "domain",
            "gateway::dial::explained",
            "logging",
            "metrics",
            "store",
        ],
        crates: None,
    },
];

struct Row {
    module: &'static str,
    imports: &'static [&'static str],
    crates: Option<&'static [&'static str]>,
}

/// What is wrong in the source of one module, a line for each import that the table does not allow.
fn violations(module: &str, source: &str, crates: &[String]) -> Vec<String> {
    let Some(row) = TABLE.iter().find(|row| is_within(module, row.module)) else { return Vec::new() };
    let mut wrong: Vec<String> = imports(module, source, crates)
        .into_iter()
        .filter(|target| !allowed(row, module, target))
        .map(|target| format!("{module} imports {target}"))
        .collect();
    wrong.sort();
    wrong.dedup();
    wrong
}

fn allowed(row: &Row, module: &str, target: &Target) -> bool {
    match target {
        Target::Crate(name) => row.crates.is_none_or(|crates| crates.contains(&name.as_str())),
        Target::Module(path) if is_within(path, row.module) => !between_dialects(module, path),
        Target::Module(path) => row.imports.iter().any(|allowed| is_within(path, allowed)),
    }
}

/// A dialect knows its registry's words and itself, never another dialect. The registry knows them all.
fn between_dialects(module: &str, path: &str) -> bool {
    let dialect = |path: &str| path.split("::").nth(1).map(str::to_owned);
    let folder = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dialects").join(name).is_dir();
    match (dialect(module), dialect(path)) {
        (Some(own), Some(other)) if module.starts_with("dialects::") && path.starts_with("dialects::") => {
            own != other && folder(&other)
        }
        _ => false,
    }
}

fn is_within(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[test]
fn modules_import_only_what_the_map_allows() {
    let crates = dependencies();
    let wrong: Vec<_> = sources().iter().flat_map(|file| violations(&module(file), &read(file), &crates)).collect();
    assert!(wrong.is_empty(), "see the import table in docs/ARCHITECTURE.md:\n{}", wrong.join("\n"));
}

#[test]
fn files_hold_one_idea() {
    let long = |file: &PathBuf| {
        let lines = read(file).lines().count();
        let most = if is_tests(file) { MAX_TEST_LINES } else { MAX_LINES };
        (lines > most).then(|| format!("{}: {lines} lines, and {most} are the most", file.display()))
    };
    let wrong: Vec<_> = sources().iter().filter_map(long).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_opens_with_a_sentence() {
    let mute =
        |file: &PathBuf| !is_tests(file) && !file.ends_with("main.rs") && !read(file).trim_start().starts_with("//!");
    let wrong: Vec<_> = sources().into_iter().filter(mute).collect();
    assert!(wrong.is_empty(), "no module documentation: {wrong:?}");
}

#[test]
fn the_checker_finds_what_is_forbidden() {
    let crates = ["actix".to_owned(), "serde".to_owned(), "actix_web".to_owned()];
    let found = |module: &str, source: &str| violations(module, source, &crates);

    assert_eq!(found("domain::room", "use serde::Serialize; use std::fmt;"), [""; 0]);
    assert_eq!(found("domain::room", "use actix::Addr;"), ["domain::room imports actix (a crate)"]);
    assert_eq!(found("domain::room", "fn f(a: actix::Addr<X>) {}"), ["domain::room imports actix (a crate)"]);
    assert_eq!(found("domain", "use crate::clock::now;"), ["domain imports clock::now"]);
    assert_eq!(found("domain", "#[derive(actix::Message)] struct X;"), ["domain imports actix (a crate)"]);

    assert_eq!(found("session::actor", "use crate::hub::handle::Hub;"), [""; 0]);
    assert_eq!(found("session::actor", "use crate::hub::state::State;"), ["session::actor imports hub::state::State"]);
    assert_eq!(
        found("session::actor", "use crate::{clock, hub::{handle::Hub, ports::{self, Store}}};"),
        ["session::actor imports hub::ports", "session::actor imports hub::ports::Store"]
    );
    assert_eq!(found("session::actor", "use super::super::store::Store;"), ["session::actor imports store::Store"]);
    assert_eq!(found("session::actor", "use super::outbox::Outbox;"), [""; 0]);
    assert_eq!(found("hub::state", "vec![crate::auth::KEY]"), ["hub::state imports auth::KEY"]);
    assert_eq!(
        found("hub::state", "mod tests { use super::super::super::auth::KEY; }"),
        ["hub::state imports auth::KEY"]
    );
    assert_eq!(found("hub::state", "// use crate::auth::KEY;\nlet x = \"crate::auth::KEY\";"), [""; 0]);
    assert_eq!(found("api::stats", "use crate::store::writer::Writer;"), ["api::stats imports store::writer::Writer"]);
    assert_eq!(found("app", "use crate::store::writer::Writer;"), [""; 0]);
    assert_eq!(found("auth", "use crate::app::run;"), ["auth imports app::run"]);
}

#[test]
fn every_module_of_the_library_has_a_row_or_is_the_composition_root() {
    let tops = sources().into_iter().map(|file| module(&file).split("::").next().unwrap_or_default().to_owned());
    for top in tops {
        let is_known = TABLE.iter().any(|row| row.module == top) || ["app", "lib", "main"].contains(&top.as_str());
        assert!(is_known, "{top} has no row in the import table");
    }
}

fn is_tests(file: &Path) -> bool {
    file.file_stem().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with("tests"))
}

fn sources() -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap()
}

/// `src/hub/state.rs` → `hub::state`, `src/hub/mod.rs` → `hub`
fn module(file: &Path) -> String {
    let path = file.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap().with_extension("");
    let mut parts: Vec<_> = path.iter().map(|part| part.to_str().unwrap()).collect();
    if parts.last() == Some(&"mod") {
        parts.pop();
    }
    parts.join("::")
}

/// The crates that the library may use at all, as they are named in code.
fn dependencies() -> Vec<String> {
    let manifest: toml::Table = include_str!("../Cargo.toml").parse().unwrap();
    manifest["dependencies"].as_table().unwrap().keys().map(|name| name.replace('-', "_")).collect()
}
