//! Sums of runs, and what follows from them.

use chrono::{DateTime, Utc};

use super::row::ReportRow;

/// The quantile of the normal distribution that leaves out 2.5 % at each end.
const Z_95: f64 = 1.959_963_984_540_054;

/// A sum that does not depend on the order of what is added, but for its last digit: by Neumaier.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    pub(crate) fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        self.lost += match self.sum.abs() >= value.abs() {
            true => (self.sum - sum) + value,
            false => (value - sum) + self.sum,
        };
        self.sum = sum;
    }

    pub(crate) fn value(self) -> f64 {
        self.sum + self.lost
    }
}

/// The runs of a group.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) runs: u64,
    pub(crate) finished: u64,
    pub(crate) failures: u64,
    known_costs: u64,
    cost: Sum,
    /// In milliseconds, in no order.
    durations: Vec<u32>,
    pub(crate) last_started_at: Option<DateTime<Utc>>,
}

impl Tally {
    pub(crate) fn add(&mut self, row: &ReportRow) {
        self.runs += 1;
        self.finished += u64::from(row.is_finished());
        self.failures += u64::from(row.is_failure());
        if let Some(cost) = row.cost {
            self.known_costs += 1;
            self.cost.add(cost);
        }
        self.durations.extend(row.duration_millis());
        self.last_started_at = self.last_started_at.max(row.started_at);
    }

    /// Adds the runs of another group.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.runs += other.runs;
        self.finished += other.finished;
        self.failures += other.failures;
        self.known_costs += other.known_costs;
        self.cost.add(other.cost.sum);
        self.cost.add(other.cost.lost);
        self.durations.extend(&other.durations);
        self.last_started_at = self.last_started_at.max(other.last_started_at);
    }

    /// What is known to have been spent. `None` if the cost of no run is known.
    pub(crate) fn cost(&self) -> Option<f64> {
        (self.known_costs > 0).then(|| self.cost.value())
    }

    /// How many runs have a cost that is not known.
    pub(crate) fn unknown_costs(&self) -> u64 {
        self.runs - self.known_costs
    }

    pub(crate) fn figures(&self) -> Figures {
        let mut durations = self.durations.clone();
        let mut seconds = |percent| percentile(&mut durations, percent);
        Figures {
            runs: self.runs,
            finished: self.finished,
            unfinished: self.runs - self.finished,
            failures: self.failures,
            failure_rate: Rate::new(self.failures, self.finished),
            cost: self.cost(),
            unknown_cost_runs: self.unknown_costs(),
            median_millis: seconds(50),
            p95_millis: seconds(95),
            last_started_at: self.last_started_at,
        }
    }
}

/// What is shown of a group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figures {
    pub(crate) runs: u64,
    pub(crate) finished: u64,
    pub(crate) unfinished: u64,
    pub(crate) failures: u64,
    /// `None` if no run has finished.
    pub(crate) failure_rate: Option<Rate>,
    /// In US dollars, of the runs whose cost is known. `None` if it is of none.
    pub(crate) cost: Option<f64>,
    pub(crate) unknown_cost_runs: u64,
    pub(crate) median_millis: Option<u32>,
    pub(crate) p95_millis: Option<u32>,
    pub(crate) last_started_at: Option<DateTime<Utc>>,
}

/// A share, and the interval of 95 % confidence around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate {
    pub(crate) rate: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Rate {
    /// The share of `part` in `whole`, with Wilson's interval. `None` of nothing.
    fn new(part: u64, whole: u64) -> Option<Self> {
        if whole == 0 {
            return None;
        }
        let count = whole as f64;
        let rate = part as f64 / count;
        let z2 = Z_95 * Z_95;
        let center = rate + z2 / (2.0 * count);
        let margin = Z_95 * (rate * (1.0 - rate) / count + z2 / (4.0 * count * count)).sqrt();
        let scale = 1.0 + z2 / count;
        let bound = |bound: f64| (bound / scale).clamp(0.0, 1.0);
        Some(Self {
            rate,
            // The ends are exact, where the formula leaves some 1e-17.
            low: if part == 0 {
                0.0
            } else {
                bound(center - margin)
            },
            high: if part == whole {
                1.0
            } else {
                bound(center + margin)
            },
        })
    }
}

/// The nearest-rank percentile: the least value such that at least `percent` of the values are no
/// greater.
fn percentile(values: &mut [u32], percent: usize) -> Option<u32> {
    let rank = (values.len() * percent).div_ceil(100);
    let place = rank.checked_sub(1)?;
    let (_, value, _) = values.select_nth_unstable(place);
    Some(*value)
}

#[cfg(test)]
mod tests {
    use apify_runs::RunStatus;

    use super::*;

    fn row(status: &str, seconds: Option<i64>, cost: Option<f64>) -> ReportRow {
        let start = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        ReportRow {
            id: "a".into(),
            status: RunStatus::from(status),
            started_at: Some(start),
            finished_at: seconds.map(|it| start + chrono::TimeDelta::seconds(it)),
            cost,
            ..ReportRow::default()
        }
    }

    fn tally(rows: &[ReportRow]) -> Tally {
        let mut tally = Tally::default();
        rows.iter().for_each(|row| tally.add(row));
        tally
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let of = |values: &[u32], percent| percentile(&mut values.to_vec(), percent);
        assert_eq!(of(&[], 50), None);
        assert_eq!(of(&[7], 50), Some(7));
        assert_eq!(of(&[7], 95), Some(7));
        assert_eq!(of(&[40, 10, 30, 20], 50), Some(20));
        assert_eq!(of(&[3, 1, 2], 50), Some(2));
        let hundred: Vec<u32> = (1..=100).rev().collect();
        assert_eq!((of(&hundred, 50), of(&hundred, 95)), (Some(50), Some(95)));
        assert_eq!(of(&(1..=21).collect::<Vec<_>>(), 95), Some(20));
    }

    #[test]
    fn an_interval_is_wide_for_few_runs() {
        let rounded = |part, whole| {
            let Rate { rate, low, high } = Rate::new(part, whole).unwrap();
            [rate, low, high].map(|share| (share * 10_000.0).round() / 10_000.0)
        };
        // Checked with statsmodels' proportion_confint(…, method="wilson").
        assert_eq!(rounded(1, 2), [0.5, 0.0945, 0.9055]);
        assert_eq!(rounded(0, 10), [0.0, 0.0, 0.2775]);
        assert_eq!(rounded(10, 10), [1.0, 0.7225, 1.0]);
        assert_eq!(rounded(500, 10_000), [0.05, 0.0459, 0.0544]);
        assert_eq!(Rate::new(0, 0), None);
    }

    #[test]
    fn runs_that_have_not_finished_are_neither_failures_nor_have_a_duration() {
        let figures = tally(&[
            row("SUCCEEDED", Some(10), None),
            row("FAILED", Some(20), None),
            row("TIMED-OUT", Some(30), None),
            row("ABORTED", None, None),
            row("RUNNING", None, None),
            // Times of a run that was resurrected.
            row("RUNNING", Some(5), None),
            row("ABORTING", None, None),
            row("PAUSED", None, None),
            row("RETIRED", Some(40), None),
        ])
        .figures();
        assert_eq!(
            (figures.runs, figures.finished, figures.unfinished),
            (9, 5, 4)
        );
        assert_eq!(figures.failures, 3);
        assert_eq!(figures.failure_rate.unwrap().rate, 0.6);
        assert_eq!(
            (figures.median_millis, figures.p95_millis),
            (Some(20_000), Some(40_000))
        );
    }

    #[test]
    fn a_cost_that_is_unknown_is_not_zero() {
        let none = tally(&[row("SUCCEEDED", None, None)]).figures();
        assert_eq!((none.cost, none.unknown_cost_runs), (None, 1));
        let zero = tally(&[row("SUCCEEDED", None, Some(0.0))]).figures();
        assert_eq!((zero.cost, zero.unknown_cost_runs), (Some(0.0), 0));
        let some = tally(&[row("FAILED", None, None), row("FAILED", None, Some(1.5))]).figures();
        assert_eq!((some.cost, some.unknown_cost_runs), (Some(1.5), 1));
        assert_eq!(Tally::default().figures().cost, None);
    }

    #[test]
    fn a_sum_does_not_depend_on_its_order() {
        let mut values = vec![1e16, 0.1, -1e16, 0.2, 3e-9];
        let sum = |values: &[f64]| {
            let mut sum = Sum::default();
            values.iter().for_each(|value| sum.add(*value));
            sum.value()
        };
        let forwards = sum(&values);
        values.reverse();
        assert_eq!(forwards, sum(&values));
        assert!((forwards - 0.300_000_003).abs() < 1e-12, "{forwards}");
    }

    #[test]
    fn groups_that_are_merged_are_as_if_they_had_been_one() {
        let rows = [
            row("SUCCEEDED", Some(10), Some(0.1)),
            row("FAILED", Some(20), Some(0.2)),
            row("READY", None, None),
        ];
        let mut merged = tally(&rows[..1]);
        merged.merge(&tally(&rows[1..]));
        assert_eq!(merged.figures(), tally(&rows).figures());
    }

    #[test]
    fn times_that_contradict_each_other_are_no_duration() {
        assert_eq!(row("SUCCEEDED", Some(-1), None).duration_millis(), None);
        assert_eq!(row("SUCCEEDED", Some(0), None).duration_millis(), Some(0));
    }
}
