//! The Actors whose runs fail most often, as far as the number of their runs shows.

use askama::Template;

use super::panel::{MAX_NAMED, Panel, actor_name};
use crate::report::by::{By, Key};
use crate::report::charts::{IntervalRow, Intervals};
use crate::report::coverage::Coverage;
use crate::report::numbers::{count, interval, percent};
use crate::report::tally::Figures;
use crate::report::totals::Totals;

/// How many Actors are compared.
const MAX_ROWS: usize = 12;

pub(super) fn panel(totals: &Totals, coverage: &Coverage) -> Option<Panel> {
    let actors = totals.by(By::Actor)?.sorted().into_iter();
    let failing = actors.filter(|(_, tally)| tally.failures > 0);
    let mut rates: Vec<_> = failing.map(|(key, tally)| (key, tally.figures())).collect();
    let low = |figures: &Figures| figures.failure_rate.map_or(0.0, |rate| rate.low);
    rates.sort_by(|(_, one), (_, other)| low(other).total_cmp(&low(one)));
    let panel = Panel {
        id: "failure-rates",
        title: "Failure rate per Actor".into(),
        note: match rates.len() {
            0 => "No run has failed.".into(),
            all if all > MAX_ROWS => format!(
                "95% interval; the {MAX_ROWS} of {} with the highest lower end",
                count(all as u64)
            ),
            _ => "95% interval; the highest lower end comes first".into(),
        },
        is_full: false,
        svg: None,
        legend: Vec::new(),
    };
    let rates = rates.iter().take(MAX_ROWS);
    let rows: Vec<_> = rates
        .filter_map(|(key, figures)| row(key, figures, coverage))
        .collect();
    if rows.is_empty() {
        return Some(panel);
    }
    let named = rows
        .iter()
        .take(MAX_NAMED)
        .map(|IntervalRow { name, rate, .. }| {
            format!("{name} {} ({})", percent(rate.rate), interval(*rate))
        });
    let description = format!(
        "Few runs have a wide interval. Highest: {}.",
        named.collect::<Vec<_>>().join("; ")
    );
    let title = "Failure rate per Actor, with 95% intervals".to_owned();
    let chart = Intervals::new((panel.id, title, description), &rows);
    let svg = chart.render().ok();
    Some(Panel { svg, ..panel })
}

fn row(key: &Key, figures: &Figures, coverage: &Coverage) -> Option<IntervalRow> {
    let rate = figures.failure_rate?;
    let name = actor_name(key, coverage);
    let hover = format!(
        "{name}: {} ({})\n{} of {} finished runs",
        percent(rate.rate),
        interval(rate),
        count(figures.failures),
        count(figures.finished)
    );
    Some(IntervalRow { name, rate, hover })
}
