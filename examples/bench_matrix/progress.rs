//! Says on standard error how far a run has come.

use std::time::{Duration, Instant};

use super::Result;
use super::results::Figures;

/// Keeps the time.
pub struct Progress {
    start: Instant,
    done: f64,
    total: f64,
}

impl Progress {
    /// `total` is about how many seconds it will take.
    pub fn new(total: f64) -> Self {
        Self { start: Instant::now(), done: 0.0, total }
    }

    /// What came of a visit that should have taken so many seconds.
    pub fn report(&mut self, seconds: f64, what: &str, outcome: &Result<Figures>) {
        self.done += seconds;
        let pace = self.start.elapsed().as_secs_f64() / self.done;
        let left = Duration::from_secs_f64(((self.total - self.done) * pace).max(0.0)).as_secs();
        let said = match outcome {
            Ok(figures) => in_a_line(figures),
            Err(error) => format!("FAILED: {error}"),
        };
        eprintln!("{}:{:02} left, {what}: {said}", left / 60, left % 60);
    }
}

fn in_a_line(figures: &Figures) -> String {
    figures.iter().map(|(name, figure)| format!("{name} {figure:.2}")).collect::<Vec<_>>().join(", ")
}
