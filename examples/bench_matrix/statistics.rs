//! Medians, spreads and percentiles of figures that were measured.

/// What several measurements of one thing come to.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Summary {
    pub count: usize,
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Summary {
    /// `None` where nothing was measured.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.into_iter().filter(|it| it.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median =
            if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
        Some(Self { count: sorted.len(), median, least, most })
    }
}

/// The least of the sorted `values` that at least `share` of them do not exceed.
pub fn percentile(sorted: &[u32], share: f64) -> Option<u32> {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_does_not_mind_the_order() {
        let odd = Summary::of([3.0, 1.0, 2.0]).unwrap();
        assert_eq!(odd, Summary { count: 3, median: 2.0, least: 1.0, most: 3.0 });
        let even = Summary::of([4.0, 1.0, 2.0, 9.0]).unwrap();
        assert_eq!(even, Summary { count: 4, median: 3.0, least: 1.0, most: 9.0 });
    }

    #[test]
    fn what_is_not_a_number_does_not_count() {
        assert_eq!(Summary::of([]), None);
        assert_eq!(Summary::of([f64::NAN]), None);
        assert_eq!(Summary::of([f64::INFINITY, 5.0]), Summary::of([5.0]));
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<u32> = (1..=100).collect();
        assert_eq!(percentile(&values, 0.5), Some(50));
        assert_eq!(percentile(&values, 0.99), Some(99));
        assert_eq!(percentile(&values, 1.0), Some(100));
        assert_eq!(percentile(&values, 0.0), Some(1));
        assert_eq!(percentile(&[7], 0.99), Some(7));
        assert_eq!(percentile(&[], 0.5), None);
    }
}
