//! A report as JSON.

use serde_json::{Map, Value, json};

use super::by::Key;
use super::coverage::Coverage;
use super::tally::Figures;
use super::totals::{Grouping, Totals};
use crate::times::shown;

/// The whole report.
pub(crate) fn object(totals: &Totals, coverage: &Coverage) -> Value {
    let groups = totals.groupings.iter().map(|grouping| {
        let groups = grouping.sorted().into_iter();
        let groups = groups.map(|(key, tally)| group(grouping, key, &tally.figures(), coverage));
        (
            grouping.by.name().to_owned(),
            Value::Array(groups.collect()),
        )
    });
    let lists = coverage.lists.iter().map(|list| {
        json!({
            "query": list.query,
            "rows": list.rows,
            "synced_at": list.synced_at.map(shown),
        })
    });
    json!({
        "source": coverage.source,
        "lists": lists.collect::<Vec<_>>(),
        "complete": coverage.is_complete(),
        "problems": coverage.problems,
        "missing_fields": coverage.missing_fields,
        "since": totals.window.since.map(shown),
        "until": totals.window.until.map(shown),
        "first_started_at": totals.first_started_at.map(shown),
        "left_out_without_start": totals.undated,
        "totals": figures(&totals.all.figures()),
        "by": groups.collect::<Map<_, _>>(),
    })
}

fn group(grouping: &Grouping, key: &Key, of: &Figures, coverage: &Coverage) -> Value {
    let mut group = Map::new();
    group.insert(grouping.by.name().into(), json!(key.text()));
    if let Key::Text(id) = key
        && let Some(name) = coverage.name(id)
    {
        group.insert("name".into(), name.into());
    }
    if let Value::Object(figures) = figures(of) {
        group.extend(figures);
    }
    Value::Object(group)
}

fn figures(figures: &Figures) -> Value {
    let rate = figures.failure_rate;
    json!({
        "runs": figures.runs,
        "finished": figures.finished,
        "unfinished": figures.unfinished,
        "failures": figures.failures,
        "failure_rate": rate.map(|rate| rate.rate),
        "failure_rate_low": rate.map(|rate| rate.low),
        "failure_rate_high": rate.map(|rate| rate.high),
        "cost_usd": figures.cost.map(usd),
        "unknown_cost_runs": figures.unknown_cost_runs,
        "median_seconds": seconds(figures.median_millis),
        "p95_seconds": seconds(figures.p95_millis),
        "last_started_at": figures.last_started_at.map(shown),
    })
}

/// Without the last digits, which depend on the order in which costs were added.
pub(crate) fn usd(cost: f64) -> f64 {
    (cost * 1e9).round() / 1e9
}

pub(crate) fn seconds(millis: Option<u32>) -> Option<f64> {
    millis.map(|millis| f64::from(millis) / 1000.0)
}
