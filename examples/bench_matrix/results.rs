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

/// Writes down what a run brings, and whether anything in it went wrong.
pub struct Record {
    results: Results,
    run: String,
    failed: usize,
    at_fault: usize,
}

impl Record {
    pub fn begin(directory: &Path, run: &Run) -> Result<Self> {
        let results = Results::within(directory);
        results.append(&Line::Run(run.clone()))?;
        Ok(Self { results, run: run.id.clone(), failed: 0, at_fault: 0 })
    }

    /// What came of one visit.
    pub fn visit(&mut self, round: usize, workload: &str, server: &str, outcome: &Result<Figures>) -> Result<()> {
        let figures = outcome.as_ref().ok().cloned().unwrap_or_default();
        self.failed += usize::from(outcome.is_err());
        let has_fault = ["lost", "disorder"].iter().any(|it| figures.get(*it).is_some_and(|it| *it > 0.0));
        self.at_fault += usize::from(has_fault);
        self.results.append(&Line::Visit(Visit {
            run: self.run.clone(),
            round,
            workload: workload.to_owned(),
            server: server.to_owned(),
            failure: outcome.as_ref().err().map(ToString::to_string),
            figures,
        }))
    }

    /// An error if anything failed or was lost.
    pub fn verdict(&self) -> Result<()> {
        let Self { failed, at_fault, .. } = self;
        if failed + at_fault > 0 {
            return Err(format!("{failed} visits failed, and in {at_fault} something was lost or out of order").into());
        }
        Ok(())
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
    fn a_run_that_lost_something_is_not_well() {
        let directory = tempfile::tempdir().unwrap();
        let mut record = Record::begin(directory.path(), &Run::default()).unwrap();
        let lost = |count| Ok(Figures::from([("lost".to_owned(), count)]));
        record.visit(1, "wide", "hub", &lost(0.0)).unwrap();
        assert!(record.verdict().is_ok());
        record.visit(1, "wide", "floor", &lost(1.0)).unwrap();
        record.visit(1, "wide", "bun", &Err("it does not start".into())).unwrap();
        let verdict = record.verdict().unwrap_err().to_string();
        assert!(verdict.starts_with("1 visits failed, and in 1 something"), "{verdict}");
        assert_eq!(Results::within(directory.path()).read().unwrap().len(), 4);
    }

    #[test]
    fn a_broken_line_is_named() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("results.jsonl"), "{\n").unwrap();
        let error = Results::within(directory.path()).read().unwrap_err().to_string();
        assert!(error.contains("line 1"), "{error}");
    }
}
