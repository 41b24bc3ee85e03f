//! Tables of what was measured, whatever it was: medians, the least and the most, how the hub compares, which targets are met.

use std::fmt::Write;

use super::Result;
use super::results::{Line, Run, Visit};
use super::statistics::Summary;

/// Something that stands in the results by its name.
pub trait Named: Copy {
    fn name(self) -> &'static str;
}

/// The one of that name; `more` are names that would also have done.
pub fn named<T: Named>(what: &str, all: &[T], more: &str, name: &str) -> std::result::Result<T, String> {
    let known = || all.iter().map(|it| it.name()).collect::<Vec<_>>().join(", ");
    let found = all.iter().copied().find(|it| it.name() == name);
    found.ok_or_else(|| format!("no {what} of that name; there are {more}{}", known()))
}

/// The newest measurements of each workload. All servers of a workload are from one run: only then they compare.
pub struct Measured<'a> {
    /// In the order of the page.
    runs: Vec<(&'static str, &'a Run)>,
    visits: Vec<&'a Visit>,
}

impl<'a> Measured<'a> {
    /// Full runs hide quick ones.
    pub fn newest(lines: &'a [Line], workloads: &[impl Named]) -> Result<Self> {
        let runs: Vec<&Run> =
            lines.iter().filter_map(|line| if let Line::Run(run) = line { Some(run) } else { None }).collect();
        let visits: Vec<&Visit> =
            lines.iter().filter_map(|line| if let Line::Visit(visit) = line { Some(visit) } else { None }).collect();
        let any_full = visits.iter().any(|visit| runs.iter().any(|run| run.id == visit.run && !run.quick));
        let mut newest: Vec<(&'static str, &Run)> = Vec::new();
        for workload in workloads.iter().map(|it| it.name()) {
            let has = |run: &&&Run| visits.iter().any(|it| it.run == run.id && it.workload == workload);
            if let Some(run) = runs.iter().rev().filter(|run| !(any_full && run.quick)).find(has) {
                newest.push((workload, run));
            }
        }
        if newest.is_empty() {
            return Err("nothing was measured yet".into());
        }
        let is_newest =
            |visit: &&Visit| newest.iter().any(|(name, run)| visit.workload == *name && run.id == visit.run);
        Ok(Self { visits: visits.into_iter().filter(is_newest).collect(), runs: newest })
    }

    fn visits(&self, workload: impl Named, server: impl Named) -> impl Iterator<Item = &Visit> {
        let wanted = move |it: &&&Visit| it.workload == workload.name() && it.server == server.name();
        self.visits.iter().filter(wanted).copied()
    }

    pub fn has(&self, workload: impl Named, server: impl Named) -> bool {
        self.visits(workload, server).next().is_some()
    }

    pub fn summary(&self, workload: impl Named, server: impl Named, figure: &str) -> Option<Summary> {
        Summary::of(self.visits(workload, server).filter_map(|visit| visit.figures.get(figure).copied()))
    }

    /// A figure in units of `over`.
    pub fn reached(&self, workload: impl Named, server: impl Named, figure: &str, over: f64) -> Reached {
        let summary = self.summary(workload, server, figure);
        Reached { median: summary.map(|it| it.median / over), least: summary.map(|it| it.least / over) }
    }

    /// A figure of the first server over the same of the second.
    pub fn ratio<S: Named>(&self, workload: impl Named, figure: &str, (one, other): (S, S)) -> Reached {
        let pair = self.summary(workload, one, figure).zip(self.summary(workload, other, figure));
        Reached {
            median: pair.map(|(one, other)| one.median / other.median),
            least: pair.map(|(one, other)| one.least / other.least),
        }
    }

    /// The run in which a workload was measured.
    pub fn run(&self, workload: impl Named) -> Option<&Run> {
        self.runs.iter().find(|(name, _)| *name == workload.name()).map(|(_, run)| *run)
    }

    pub fn is_quick(&self) -> bool {
        self.runs.iter().all(|(_, run)| run.quick)
    }

    /// Where and when; workloads that were measured in the same run share a line.
    pub fn circumstances(&self) -> String {
        let mut by_run: Vec<(&Run, Vec<&str>)> = Vec::new();
        for (workload, run) in &self.runs {
            match by_run.iter_mut().find(|(it, _)| it.id == run.id) {
                Some((_, workloads)) => workloads.push(workload),
                None => by_run.push((run, vec![workload])),
            }
        }
        let mut text = String::new();
        for (run, workloads) in by_run {
            let quick = if run.quick { " **A quick run: these figures mean little.**" } else { "" };
            let _ = writeln!(
                text,
                "{} at commit {}, workers: {}, on {} ({}). {}.{quick}",
                run.at,
                run.commit,
                run.workers,
                run.machine,
                workloads.join(", "),
                run.versions.join(", ")
            );
            for (server, reason) in &run.absent {
                let _ = writeln!(text, "Left out: {server} ({reason}).");
            }
            text.push('\n');
        }
        text
    }

    /// A list of what failed, if anything did.
    pub fn failures(&self) -> String {
        let mut text = String::new();
        for visit in &self.visits {
            let Some(failure) = &visit.failure else { continue };
            if text.is_empty() {
                text.push_str("\n## What failed\n\n");
            }
            let _ = writeln!(text, "- {}, {}, round {}: {failure}", visit.workload, visit.server, visit.round);
        }
        text
    }
}

/// A goal, and what was measured for it.
pub struct Target {
    pub what: String,
    pub goal: String,
    pub reached: Reached,
    pub unit: &'static str,
    pub limit: f64,
    /// Whether more is better.
    pub rising: bool,
}

/// By the medians, and by the least of each; `None` where something was not measured.
#[derive(Clone, Copy)]
pub struct Reached {
    pub median: Option<f64>,
    pub least: Option<f64>,
}

impl Target {
    pub fn at_most(limit: f64, unit: &'static str, reached: Reached, what: &str, goal: String) -> Self {
        Self { what: what.to_owned(), goal, reached, unit, limit, rising: false }
    }

    pub fn is_met(&self) -> Option<bool> {
        self.reached.median.map(|it| if self.rising { it >= self.limit } else { it <= self.limit })
    }

    fn median(&self) -> String {
        self.written(self.reached.median)
    }

    fn of_the_minima(&self) -> String {
        self.written(self.reached.least)
    }

    fn written(&self, figure: Option<f64>) -> String {
        match (figure, self.unit) {
            (None, _) => "–".to_owned(),
            (Some(figure), "×") => format!("{figure:.2} ×"),
            (Some(figure), "%") => format!("{:.0} %", figure * 100.0),
            (Some(figure), unit) => format!("{} {unit}", number(figure)),
        }
    }
}

/// The targets, and whether each is met.
pub fn verdicts(targets: &[Target]) -> String {
    let mut table =
        "## Targets\n\nMeasured: the ratio of the medians, or the median; of the minima: the same of the least of each.\n\n\
                     | what | target | measured | of the minima | |\n|---|---|---|---|---|\n"
            .to_owned();
    for target in targets {
        let verdict = match target.is_met() {
            None => "not measured",
            Some(true) => "met",
            Some(false) => "**not met**",
        };
        let (median, least) = (target.median(), target.of_the_minima());
        let _ = writeln!(table, "| {} | {} | {median} | {least} | {verdict} |", target.what, target.goal);
    }
    table
}

/// A column: its heading, the figure in it, what that is divided by, and whether the hub is compared by it.
#[derive(Clone, Copy)]
pub struct Column {
    heading: &'static str,
    figure: &'static str,
    over: f64,
    compared: bool,
}

pub const fn column(heading: &'static str, figure: &'static str) -> Column {
    Column { heading, figure, over: 1.0, compared: false }
}

pub const fn compared(heading: &'static str, figure: &'static str) -> Column {
    Column { heading, figure, over: 1.0, compared: true }
}

pub const fn milliseconds(heading: &'static str, figure: &'static str) -> Column {
    Column { heading, figure, over: 1000.0, compared: false }
}

/// A row for each of the servers, which are named by their titles; `hub` is the one that is compared with the others.
pub fn rows<S: Named>(
    measured: &Measured<'_>,
    workload: impl Named,
    servers: &[(S, &str)],
    hub: S,
    columns: &[Column],
) -> String {
    let mut table = String::new();
    table.push_str("| |");
    for column in columns {
        let _ = write!(table, " {} |", column.heading);
        if column.compared {
            table.push_str(" Tertulia ÷ this |");
        }
    }
    table.push_str(" lost, disordered | rounds |\n|---|");
    let count = columns.len() + columns.iter().filter(|it| it.compared).count() + 2;
    table.push_str(&"---|".repeat(count));
    table.push('\n');
    for (server, title) in servers.iter().copied() {
        let _ = write!(table, "| {title} |");
        for column in columns {
            let summary = measured.summary(workload, server, column.figure);
            let _ = write!(table, " {} |", spread(summary, column.over));
            if column.compared {
                let own = measured.summary(workload, hub, column.figure);
                let ratio = own.zip(summary).filter(|(_, it)| server.name() != hub.name() && it.median > 0.0);
                let ratio = ratio.map_or_else(|| "–".to_owned(), |(own, it)| format!("{:.2}", own.median / it.median));
                let _ = write!(table, " {ratio} |");
            }
        }
        let bad = |figure| measured.summary(workload, server, figure).map(|it| it.most);
        let lost = match (bad("lost"), bad("disorder")) {
            (Some(lost), Some(disorder)) if lost == 0.0 && disorder == 0.0 => "0".to_owned(),
            (Some(lost), Some(disorder)) => format!("**{lost}, {disorder}**"),
            _ => "–".to_owned(),
        };
        let rounds = measured.visits(workload, server).filter(|it| it.failure.is_none()).count();
        let _ = writeln!(table, " {lost} | {rounds} |");
    }
    table
}

/// The median, and the least and the most where there are several.
fn spread(summary: Option<Summary>, over: f64) -> String {
    match summary {
        None => "–".to_owned(),
        Some(it) if it.count == 1 => number(it.median / over),
        Some(it) => {
            format!("{} ({}–{})", number(it.median / over), number(it.least / over), number(it.most / over))
        }
    }
}

/// As many digits as mean something, with a comma between thousands.
pub fn number(figure: f64) -> String {
    if figure.abs() < 10.0 {
        return format!("{figure:.2}");
    }
    if figure.abs() < 100.0 {
        return format!("{figure:.1}");
    }
    let digits = format!("{figure:.0}");
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |digits| ("-", digits));
    let mut written = sign.to_owned();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            written.push(',');
        }
        written.push(digit);
    }
    written
}
