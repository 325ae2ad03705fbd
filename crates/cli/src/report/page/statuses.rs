//! Runs over time, stacked by status.

use apify_runs::RunStatus;
use askama::Template;

use super::panel::{Panel, Series, lines, most, timeline};
use crate::counts::counted;
use crate::report::charts::{Bars, Stack, Timeline, Unit};
use crate::report::coverage::Coverage;
use crate::report::numbers::count;
use crate::report::totals::Totals;
use crate::report::words::period;

/// Statuses that have a colour: its class, what it is called, and whether a status belongs to it.
type Part = (&'static str, &'static str, fn(&RunStatus) -> bool);

const PARTS: [Part; 6] = [
    ("succeeded", "Succeeded", |it| *it == RunStatus::Succeeded),
    ("failed", "Failed", |it| *it == RunStatus::Failed),
    ("timed-out", "Timed out", |it| *it == RunStatus::TimedOut),
    ("aborted", "Aborted", |it| *it == RunStatus::Aborted),
    ("unfinished", "Not finished", |it| {
        !it.is_finished() && !matches!(it, RunStatus::Other(_))
    }),
    ("other", "Other", |it| matches!(it, RunStatus::Other(_))),
];

pub(super) fn panel(totals: &Totals, _: &Coverage) -> Option<Panel> {
    let timeline = timeline(totals)?;
    let series = series(totals, timeline);
    let runs = |column: usize| series.iter().map(|it| it.at(column)).sum::<f64>();
    let shown = |runs: f64| counted(runs as u64, "run");
    let hover = |column: usize| {
        let first = format!("{}: {}", timeline.name(column), shown(runs(column)));
        let parts = series.iter().filter(|it| it.at(column) > 0.0);
        lines(
            first,
            parts.map(|it| format!("{} {}", it.name, count(it.at(column) as u64))),
        )
    };
    let all: Vec<f64> = (0..timeline.columns()).map(runs).collect();
    let description = format!(
        "{}. {} in all. {}",
        period(totals),
        counted(totals.all.runs, "run"),
        most(&all, timeline, shown)
    );
    let title = format!("Runs per {}", timeline.unit());
    let bars = Bars::new(
        ("statuses", format!("{title} by status"), description),
        Unit::Count,
        timeline,
        series.iter().map(|series| &series.stack),
        hover,
    );
    Some(Panel {
        id: "statuses",
        title,
        note: "Number of runs, by status".into(),
        is_full: true,
        svg: bars.render().ok(),
        legend: series.iter().map(Series::entry).collect(),
    })
}

/// How many runs of each status there are in each column. Statuses that no run has are left out.
fn series(totals: &Totals, timeline: Timeline) -> Vec<Series> {
    let mut parts = PARTS.map(|_| vec![0_u64; timeline.columns()]);
    for (day, statuses) in &totals.details.statuses {
        for (status, runs) in statuses {
            let status = RunStatus::from(status.as_str());
            let part = PARTS.iter().position(|(.., holds)| holds(&status));
            let part = part.and_then(|part| parts.get_mut(part));
            if let Some(value) = part.and_then(|part| part.get_mut(timeline.column(*day))) {
                *value += runs;
            }
        }
    }
    let parts = PARTS.iter().zip(parts);
    let parts = parts.filter(|(_, values)| values.iter().any(|runs| *runs > 0));
    parts
        .map(|((class, name, _), values)| Series {
            name: (*name).into(),
            value: count(values.iter().sum()),
            stack: Stack {
                class: (*class).into(),
                values: values.iter().map(|runs| *runs as f64).collect(),
            },
        })
        .collect()
}
