//! Cost over time, stacked by the Actors that cost most.

use askama::Template;

use super::panel::{MAX_NAMED, Panel, Series, actor_name, columns, lines, most, timeline};
use crate::counts::counted;
use crate::report::by::{By, Key};
use crate::report::charts::{Bars, Stack, Timeline, Unit};
use crate::report::coverage::Coverage;
use crate::report::numbers::{cost, count, usd};
use crate::report::tally::Tally;
use crate::report::totals::Totals;
use crate::report::words::period;

/// How many Actors have a colour of their own.
const COLORS: usize = 10;
/// What is less is left of a difference, and is no cost.
const LEAST: f64 = 1e-9;

pub(super) fn panel(totals: &Totals, coverage: &Coverage) -> Option<Panel> {
    let timeline = timeline(totals)?;
    let panel = Panel {
        id: "costs",
        title: format!("Cost per {}", timeline.unit()),
        note: "US dollars, by Actor".into(),
        is_full: true,
        svg: None,
        legend: Vec::new(),
    };
    let Some(all) = totals.all.cost() else {
        let note = "The cost of no run is known.".into();
        return Some(Panel { note, ..panel });
    };
    let columns = columns(totals.by(By::Day)?, timeline);
    let known = |column: &Tally| column.cost().unwrap_or(0.0);
    let known: Vec<f64> = columns.iter().map(known).collect();
    let series = series(totals, coverage, timeline, &known)?;
    let description = format!(
        "{}. {} in all. {}",
        period(totals),
        usd(all),
        most(&known, timeline, usd)
    );
    let title = format!("{} by Actor, in US dollars", panel.title);
    let bars = Bars::new(
        (panel.id, title, description),
        Unit::Usd,
        timeline,
        series.iter().map(|series| &series.stack),
        |column| hover(column, timeline, &columns, &series),
    );
    Some(Panel {
        svg: bars.render().ok(),
        legend: series.iter().map(Series::entry).collect(),
        ..panel
    })
}

/// What Actors cost in each column: those that cost most, and the rest of what is `known`.
fn series(
    totals: &Totals,
    coverage: &Coverage,
    timeline: Timeline,
    known: &[f64],
) -> Option<Vec<Series>> {
    let cost = |tally: &Tally| tally.cost().unwrap_or(0.0);
    let actors = totals.by(By::Actor)?.sorted();
    let costly: Vec<_> = actors
        .iter()
        .filter(|(_, tally)| cost(tally) > 0.0)
        .collect();
    let mut rest = known.to_vec();
    let mut series = Vec::new();
    for (place, (key, tally)) in costly.iter().take(COLORS).enumerate() {
        let values = values(totals, key, timeline);
        for (rest, value) in rest.iter_mut().zip(&values) {
            *rest -= value;
        }
        series.push(Series {
            name: actor_name(key, coverage),
            value: usd(cost(tally)),
            stack: Stack {
                class: format!("c{place}"),
                values,
            },
        });
    }
    let others = costly.len().saturating_sub(COLORS);
    if others > 0 {
        rest.iter_mut()
            .filter(|it| **it < LEAST)
            .for_each(|it| *it = 0.0);
        series.push(Series {
            name: format!("{} others", count(others as u64)),
            value: usd(costly
                .iter()
                .skip(COLORS)
                .map(|(_, tally)| cost(tally))
                .sum()),
            stack: Stack {
                class: "rest".into(),
                values: rest,
            },
        });
    }
    Some(series)
}

/// What an Actor costs in each column.
fn values(totals: &Totals, actor: &Key, timeline: Timeline) -> Vec<f64> {
    let mut values = vec![0.0; timeline.columns()];
    for (day, usd) in totals.details.costs_of(actor) {
        if let Some(value) = values.get_mut(timeline.column(day)) {
            *value += usd;
        }
    }
    values
}

/// What a column is, and which Actors cost most in it.
fn hover(column: usize, timeline: Timeline, columns: &[Tally], series: &[Series]) -> String {
    let runs = columns.get(column).filter(|column| column.runs > 0);
    let total = runs.map_or_else(|| usd(0.0), |runs| cost(runs.cost()));
    let mut first = format!("{}: {total}", timeline.name(column));
    if let Some(unknown) = runs.map(Tally::unknown_costs).filter(|it| *it > 0) {
        first += &format!(", and {} of unknown cost", counted(unknown, "run"));
    }
    let mut parts: Vec<_> = series.iter().filter(|it| it.at(column) > 0.0).collect();
    parts.sort_by(|one, other| other.at(column).total_cmp(&one.at(column)));
    let parts = parts.iter().take(MAX_NAMED);
    lines(
        first,
        parts.map(|it| format!("{} {}", it.name, usd(it.at(column)))),
    )
}
