//! A report as CSV.

use csv::Writer;

use super::by::Key;
use super::coverage::Coverage;
use super::json::{seconds, usd};
use super::tally::Figures;
use super::totals::Totals;
use crate::exit::{Exit, Failure};
use crate::times::shown;

const HEADER: [&str; 15] = [
    "by",
    "key",
    "name",
    "runs",
    "finished",
    "unfinished",
    "failures",
    "failure_rate",
    "failure_rate_low",
    "failure_rate_high",
    "cost_usd",
    "unknown_cost_runs",
    "median_seconds",
    "p95_seconds",
    "last_started_at",
];

/// A record for each group. What is not known is empty.
pub(crate) fn records(totals: &Totals, coverage: &Coverage) -> Result<Vec<u8>, Failure> {
    let mut writer = Writer::from_writer(Vec::new());
    let failed = |error: &dyn std::fmt::Display| Failure::new(Exit::Failed, error.to_string());
    writer.write_record(HEADER).map_err(|it| failed(&it))?;
    for grouping in &totals.groupings {
        for (key, tally) in grouping.sorted() {
            let name = match key {
                Key::Text(id) => coverage.name(id),
                _ => None,
            };
            let record = record(grouping.by.name(), key, name, &tally.figures());
            writer.write_record(record).map_err(|it| failed(&it))?;
        }
    }
    writer.into_inner().map_err(|it| failed(&it))
}

fn record(by: &str, key: &Key, name: Option<String>, figures: &Figures) -> [String; 15] {
    let number = |number: Option<f64>| number.map_or_else(String::new, |it| it.to_string());
    let rate = figures.failure_rate;
    [
        by.to_owned(),
        key.text().unwrap_or_default().into_owned(),
        name.unwrap_or_default(),
        figures.runs.to_string(),
        figures.finished.to_string(),
        figures.unfinished.to_string(),
        figures.failures.to_string(),
        number(rate.map(|rate| rate.rate)),
        number(rate.map(|rate| rate.low)),
        number(rate.map(|rate| rate.high)),
        number(figures.cost.map(usd)),
        figures.unknown_cost_runs.to_string(),
        number(seconds(figures.median_millis)),
        number(seconds(figures.p95_millis)),
        figures.last_started_at.map_or_else(String::new, shown),
    ]
}
