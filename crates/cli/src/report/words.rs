//! The sentences that describe a report.

use chrono::{DateTime, TimeDelta, Utc};

use super::by::By;
use super::coverage::Coverage;
use super::totals::Totals;
use crate::counts::counted;
use crate::times::shown;

/// From when to when: the window, and where it has no bound, the first and last run.
pub(crate) fn period(totals: &Totals) -> String {
    let first = totals.window.since.or(totals.first_started_at);
    let last = totals.window.until.or(totals.all.last_started_at);
    match (first, last) {
        (Some(first), Some(last)) => {
            let is_window_end = totals.window.until.is_some();
            format!("{} to {} (UTC)", begin(first), end(last, is_window_end))
        }
        _ => "no period: no run has a start".into(),
    }
}

fn begin(time: DateTime<Utc>) -> String {
    minute(time)
}

/// An end that is a midnight is that of the day before.
fn end(time: DateTime<Utc>, is_window_end: bool) -> String {
    let midnight = time.date_naive().and_time(Default::default()).and_utc();
    match is_window_end && time == midnight {
        true => format!("the end of {}", (time - TimeDelta::days(1)).date_naive()),
        false => minute(time),
    }
}

/// A time to the minute.
pub(crate) fn minute(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M").to_string()
}

/// Which lists, and how new they are.
pub(crate) fn lists(coverage: &Coverage) -> String {
    let lists = match &coverage.lists[..] {
        [] => "no known list".into(),
        [list] => list.query.clone(),
        lists => counted(lists.len() as u64, "list"),
    };
    match coverage.synced_at() {
        Some(time) if coverage.lists.len() > 1 => {
            format!("{lists}, all synced at {} or later", minute(time))
        }
        Some(time) => format!("{lists}, synced at {}", minute(time)),
        None => lists,
    }
}

/// Notes that explain why runs or figures are missing.
pub(crate) fn notes(totals: &Totals, coverage: &Coverage) -> Vec<String> {
    let mut notes = Vec::new();
    let all = &totals.all.figures();
    if totals.undated > 0 {
        notes.push(format!(
            "{} without a start left out, as --since or --until is given",
            counted(totals.undated, "run")
        ));
    }
    for field in &coverage.missing_fields {
        let what = match *field {
            "actId" => "Actors are",
            "finishedAt" => "durations are",
            "usageTotalUsd" => "costs are",
            "actorTaskId" if totals.by(By::Task).is_some() => "tasks are",
            "meta.origin" if totals.by(By::Origin).is_some() => "origins are",
            _ => continue,
        };
        notes.push(format!("no row has the field {field}: {what} unknown"));
    }
    if all.unknown_cost_runs > 0 && !coverage.missing_fields.contains(&"usageTotalUsd") {
        notes.push(format!(
            "the cost of {} is unknown, and not included in sums",
            counted(all.unknown_cost_runs, "run")
        ));
    }
    if all.unfinished > 0 {
        notes.push(format!(
            "{} had not finished: they have no duration, and do not count as failures",
            counted(all.unfinished, "run")
        ));
    }
    notes
}

/// A time as the list of failures shows it.
pub(crate) fn second(time: DateTime<Utc>) -> String {
    let text = shown(time);
    text.get(..19)
        .map_or(text.clone(), |text| text.replace('T', " "))
}
