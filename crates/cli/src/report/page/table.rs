//! The rows of the tables.

use url::Url;

use crate::report::by::{By, Key};
use crate::report::coverage::Coverage;
use crate::report::numbers::{UNKNOWN, cost, count, duration, interval, rate};
use crate::report::row::ReportRow;
use crate::report::tally::Figures;
use crate::report::totals::Grouping;
use crate::report::words::{minute, second};

/// A group, such as an Actor.
#[derive(Default)]
pub(super) struct GroupRow {
    pub(super) name: String,
    /// If it is not its name.
    pub(super) id: Option<String>,
    pub(super) link: Option<String>,
    pub(super) runs: String,
    pub(super) failures: String,
    pub(super) rate: String,
    pub(super) rate_value: String,
    pub(super) interval: String,
    pub(super) cost: String,
    pub(super) cost_value: String,
    pub(super) unknown_costs: String,
    pub(super) median: String,
    pub(super) median_value: String,
    pub(super) p95: String,
    pub(super) p95_value: String,
    pub(super) unfinished: String,
    pub(super) last: String,
}

/// A day.
pub(super) struct DayRow {
    pub(super) day: String,
    pub(super) figures: GroupRow,
}

/// A run that has failed.
pub(super) struct FailureRow {
    pub(super) id: String,
    pub(super) link: String,
    pub(super) actor: String,
    pub(super) status: String,
    pub(super) class: &'static str,
    pub(super) started: String,
    pub(super) duration: String,
    pub(super) cost: String,
    pub(super) origin: String,
}

impl GroupRow {
    fn new(figures: &Figures) -> Self {
        let value = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        Self {
            runs: count(figures.runs),
            failures: count(figures.failures),
            rate: rate(figures.failure_rate),
            rate_value: value(figures.failure_rate.map(|rate| rate.rate)),
            interval: figures.failure_rate.map_or_else(String::new, interval),
            cost: cost(figures.cost),
            cost_value: value(figures.cost),
            unknown_costs: count(figures.unknown_cost_runs),
            median: duration(figures.median_millis),
            median_value: value(figures.median_millis.map(f64::from)),
            p95: duration(figures.p95_millis),
            p95_value: value(figures.p95_millis.map(f64::from)),
            unfinished: count(figures.unfinished),
            last: figures
                .last_started_at
                .map_or_else(|| UNKNOWN.into(), minute),
            ..Self::default()
        }
    }

    /// The row of all runs.
    pub(super) fn all(figures: &Figures) -> Self {
        Self {
            name: "All runs".into(),
            ..Self::new(figures)
        }
    }
}

/// The first `most` groups.
pub(super) fn group_rows(grouping: &Grouping, coverage: &Coverage, most: usize) -> Vec<GroupRow> {
    let groups = grouping.sorted().into_iter().take(most);
    let row = |(key, tally): (&Key, &crate::report::tally::Tally)| {
        let (name, id) = names(key, coverage);
        let link = match (key, grouping.by) {
            (Key::Text(id), By::Actor) => console(&["actors", id]),
            _ => None,
        };
        GroupRow {
            name,
            id,
            link,
            ..GroupRow::new(&tally.figures())
        }
    };
    groups.map(row).collect()
}

/// What a group is called, and its ID if that is something else.
pub(super) fn names(key: &Key, coverage: &Coverage) -> (String, Option<String>) {
    let text = key.text().map_or_else(|| UNKNOWN.into(), Into::into);
    match key {
        Key::Text(id) => match coverage.name(id) {
            Some(name) => (name, Some(text)),
            None => (text, None),
        },
        _ => (text, None),
    }
}

pub(super) fn day_rows(days: &Grouping) -> Vec<DayRow> {
    let groups = days.sorted().into_iter();
    let row = |(key, tally): (&Key, &crate::report::tally::Tally)| DayRow {
        day: key.text().map_or_else(|| UNKNOWN.into(), Into::into),
        figures: GroupRow::new(&tally.figures()),
    };
    groups.map(row).collect()
}

pub(super) fn failure_rows(failures: &[ReportRow], coverage: &Coverage) -> Vec<FailureRow> {
    let row = |run: &ReportRow| {
        let actor = By::Actor.key(run);
        let link = match &run.actor {
            Some(actor) => console(&["actors", actor, "runs", &run.id]),
            None => console(&["view", "runs", &run.id]),
        };
        FailureRow {
            id: run.id.to_string(),
            link: link.unwrap_or_default(),
            actor: names(&actor, coverage).0,
            status: run.status.to_string(),
            class: match run.status.as_str() {
                "FAILED" => "failed",
                "TIMED-OUT" => "timed-out",
                _ => "aborted",
            },
            started: run.started_at.map_or_else(|| UNKNOWN.into(), second),
            duration: duration(run.duration_millis()),
            cost: cost(run.cost),
            origin: run
                .origin
                .as_ref()
                .map_or_else(|| UNKNOWN.into(), ToString::to_string),
        }
    };
    failures.iter().map(row).collect()
}

/// A page of Apify Console. `None` if there is no URL of it.
fn console(path: &[&str]) -> Option<String> {
    let mut url = Url::parse("https://console.apify.com").ok()?;
    // An ID is one segment, whatever is in it.
    url.path_segments_mut().ok()?.clear().extend(path);
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_one_segment_of_a_link() {
        assert_eq!(
            console(&["actors", "a/b?c#d\"<", "runs", "x"]).unwrap(),
            "https://console.apify.com/actors/a%2Fb%3Fc%23d%22%3C/runs/x"
        );
    }
}
