//! What the charts of the page have in common.

use chrono::NaiveDate;

use super::table::names;
use crate::report::by::{By, Key};
use crate::report::charts::{Stack, Timeline};
use crate::report::coverage::Coverage;
use crate::report::tally::Tally;
use crate::report::totals::{Grouping, Totals};

/// How many are named in words, where many are drawn.
pub(super) const MAX_NAMED: usize = 3;

/// A chart with its heading.
pub(super) struct Panel {
    pub(super) id: &'static str,
    pub(super) title: String,
    pub(super) note: String,
    /// Whether it has a row of its own.
    pub(super) is_full: bool,
    /// `None` if there is nothing to draw, as the note says.
    pub(super) svg: Option<String>,
    pub(super) legend: Vec<Entry>,
}

/// A colour, and what it means.
pub(super) struct Entry {
    pub(super) class: String,
    pub(super) name: String,
    pub(super) value: String,
}

/// A part of stacked bars, what it is, and what it adds up to.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) stack: Stack,
}

impl Series {
    /// Its value in a column.
    pub(super) fn at(&self, column: usize) -> f64 {
        self.stack.values.get(column).copied().unwrap_or(0.0)
    }

    pub(super) fn entry(&self) -> Entry {
        Entry {
            class: self.stack.class.clone(),
            name: self.name.clone(),
            value: self.value.clone(),
        }
    }
}

/// From the first day that has runs to the last one. `None` if no run has a start.
pub(super) fn timeline(totals: &Totals) -> Option<Timeline> {
    let mut days = totals
        .by(By::Day)?
        .days()
        .map(|(day, _): (NaiveDate, _)| day);
    let first = days.next()?;
    Some(Timeline::new(first, days.last().unwrap_or(first)))
}

/// The runs of each column.
pub(super) fn columns(days: &Grouping, timeline: Timeline) -> Vec<Tally> {
    let mut columns = vec![Tally::default(); timeline.columns()];
    for (day, tally) in days.days() {
        if let Some(column) = columns.get_mut(timeline.column(day)) {
            column.merge(tally);
        }
    }
    columns
}

/// The column with the greatest value, in words.
pub(super) fn most(values: &[f64], timeline: Timeline, shown: impl Fn(f64) -> String) -> String {
    let columns = values.iter().enumerate();
    let most = columns.max_by(|(_, one), (_, other)| one.total_cmp(other));
    most.map_or_else(String::new, |(column, value)| {
        format!("The most on {}: {}.", timeline.name(column), shown(*value))
    })
}

/// What an Actor is called in a chart.
pub(super) fn actor_name(key: &Key, coverage: &Coverage) -> String {
    match key {
        Key::Unknown => "unknown Actor".into(),
        key => names(key, coverage).0,
    }
}

/// A line, and others below it.
pub(super) fn lines(first: String, others: impl Iterator<Item = String>) -> String {
    let lines: Vec<_> = [first].into_iter().chain(others).collect();
    lines.join("\n")
}
