//! What was measured, a line of JSON each, in a file that only grows.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Result;

/// By name; the names are those of [`super::workloads`].
pub type Figures = BTreeMap<String, f64>;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum Line {
    Run(Run),
    Visit(Visit),
}

impl Line {
    /// The run that it belongs to.
    pub fn run(&self) -> &str {
        match self {
            Self::Run(run) => &run.id,
            Self::Visit(visit) => &visit.run,
        }
    }
}

/// Under what circumstances a run was made.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Run {
    #[serde(rename = "run")]
    pub id: String,
    pub at: String,
    pub commit: String,
    pub machine: String,
    pub workers: usize,
    pub quick: bool,
    pub versions: Vec<String>,
    /// Servers that were left out, and why.
    pub absent: BTreeMap<String, String>,
}

/// One server under one workload, once.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Visit {
    pub run: String,
    pub round: usize,
    pub workload: String,
    pub server: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    pub figures: Figures,
}

/// The file of a directory.
pub struct Results(PathBuf);

impl Results {
    pub fn within(directory: &Path) -> Self {
        Self(directory.join("results.jsonl"))
    }

    pub fn append(&self, line: &Line) -> Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        OpenOptions::new().create(true).append(true).open(&self.0)?.write_all(text.as_bytes())?;
        Ok(())
    }

    pub fn read(&self) -> Result<Vec<Line>> {
        let text = fs::read_to_string(&self.0).map_err(|error| format!("{}: {error}", self.0.display()))?;
        let mut lines = Vec::new();
        for (nth, line) in text.lines().enumerate() {
            let read = serde_json::from_str(line);
            lines.push(read.map_err(|error| format!("{}, line {}: {error}", self.0.display(), nth + 1))?);
        }
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written() {
        let directory = tempfile::tempdir().unwrap();
        let results = Results::within(directory.path());
        let run = Line::Run(Run { id: "r".to_owned(), workers: 2, ..Run::default() });
        let visit = Line::Visit(Visit {
            run: "r".to_owned(),
            round: 1,
            workload: "wide".to_owned(),
            server: "hub".to_owned(),
            failure: None,
            figures: Figures::from([("cpu_us".to_owned(), 1.5)]),
        });
        results.append(&run).unwrap();
        results.append(&visit).unwrap();
        assert_eq!(results.read().unwrap(), [run, visit]);
    }

    #[test]
    fn a_broken_line_is_named() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("results.jsonl"), "{\n").unwrap();
        let error = Results::within(directory.path()).read().unwrap_err().to_string();
        assert!(error.contains("line 1"), "{error}");
    }
}
