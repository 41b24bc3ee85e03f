//! What every program that measures takes on its command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use clap::{Args, Subcommand};

use super::tables::Named;
use super::{Result, child};

/// Within the repository.
const TABLES: &str = "docs/performance";

#[derive(Args, Debug)]
pub struct Usual {
    /// How often each workload is measured; what hardly varies and takes long, at most twice.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub rounds: u16,
    /// One short round, to see whether everything works. Its figures mean little.
    #[arg(long)]
    pub quick: bool,
    /// For results, logs and data. Without it, a directory of this program's name in target.
    #[arg(long, value_name = "DIRECTORY")]
    pub out: Option<PathBuf>,
    /// Where the tables go. Without it, docs/performance; beside the results after a quick run or with --out.
    #[arg(long, value_name = "DIRECTORY")]
    pub to: Option<PathBuf>,
}

impl Usual {
    pub fn rounds(&self) -> usize {
        if self.quick { 1 } else { usize::from(self.rounds) }
    }

    /// Where the results go.
    pub fn out(&self, root: &Path, program: &str) -> PathBuf {
        results_of(root, program, self.out.as_deref())
    }

    /// Where the tables go.
    pub fn to(&self, root: &Path, out: &Path) -> PathBuf {
        match &self.to {
            Some(to) => to.clone(),
            None if self.quick || self.out.is_some() => out.to_owned(),
            None => root.join(TABLES),
        }
    }
}

#[derive(Subcommand, Debug)]
pub enum UsualTask {
    /// Writes the tables again from what was measured.
    Report {
        /// Where the results are. Without it, a directory of this program's name in target.
        #[arg(long, value_name = "DIRECTORY")]
        out: Option<PathBuf>,
        /// Where the tables go. Without it, docs/performance.
        #[arg(long, value_name = "DIRECTORY")]
        to: Option<PathBuf>,
        /// Of this run alone, as the results name it. Without it, the newest run of each workload.
        #[arg(long, value_name = "ID")]
        run: Option<String>,
    },
    /// Becomes another program, which is killed when the one that started it ends.
    #[command(hide = true)]
    Start {
        parent: i32,
        #[arg(last = true)]
        program: Vec<String>,
    },
}

impl UsualTask {
    /// `write` makes the tables: from what is in a directory, into another, of one run or of all.
    pub fn run(
        &self,
        root: &Path,
        program: &str,
        write: impl FnOnce(&Path, &Path, Option<&str>) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Report { out, to, run } => {
                let to = to.clone().unwrap_or_else(|| root.join(TABLES));
                write(&results_of(root, program, out.as_deref()), &to, run.as_deref())
            }
            Self::Start { parent, program } => child::become_a_server(*parent, program),
        }
    }
}

/// Those that are asked for by their names, or by the name of a group of them; all where none is.
pub fn chosen<T: Named + PartialEq + FromStr<Err = String>>(
    asked: &[String],
    all: &[T],
    group: (&str, &[T]),
) -> std::result::Result<Vec<T>, String> {
    let mut chosen = Vec::new();
    for name in asked {
        if name == group.0 {
            chosen.extend(group.1);
        } else {
            chosen.push(name.parse()?);
        }
    }
    Ok(all.iter().copied().filter(|it| asked.is_empty() || chosen.contains(it)).collect())
}

/// How a program ends.
pub fn ended(program: &str, outcome: Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{program}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn results_of(root: &Path, program: &str, out: Option<&Path>) -> PathBuf {
    out.map_or_else(|| root.join("target").join(program), Path::to_path_buf)
}
