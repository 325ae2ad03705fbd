//! Rates with their intervals, one below the other.

use askama::Template;

use super::axis::{Axis, Unit};
use super::{WIDTH, px};
use crate::report::tally::Rate;

/// Where the plot ends, with room for half a label.
const RIGHT: f64 = WIDTH - 18.0;
/// Names are drawn to the left of this.
const LEFT: f64 = 190.0;
const ROW_HEIGHT: f64 = 22.0;
/// The maximum length of a name, in characters.
const MAX_NAME: usize = 27;

/// A rate, and what it is of.
pub(crate) struct IntervalRow {
    pub(crate) name: String,
    pub(crate) rate: Rate,
    pub(crate) hover: String,
}

/// A chart of rates.
#[derive(Template)]
#[template(path = "report/intervals.svg")]
pub(crate) struct Intervals {
    id: &'static str,
    title: String,
    description: String,
    height: String,
    bottom: String,
    ticks: Vec<(String, String)>,
    rows: Vec<Drawn>,
}

/// A rate as it is drawn.
struct Drawn {
    name: String,
    hover: String,
    y: String,
    top: String,
    low: String,
    high: String,
    rate: String,
}

impl Intervals {
    pub(crate) fn new(
        (id, title, description): (&'static str, String, String),
        rows: &[IntervalRow],
    ) -> Self {
        let most = rows.iter().map(|row| row.rate.high).fold(0.0, f64::max);
        let axis = Axis::new(Unit::Percent, most);
        let x = |value: f64| px(LEFT + axis.share(value) * (RIGHT - LEFT));
        let bottom = ROW_HEIGHT * rows.len() as f64 + 8.0;
        let ticks = axis.ticks();
        let ticks = ticks.map(|(share, label)| (px(LEFT + share * (RIGHT - LEFT)), label.into()));
        let drawn = rows.iter().enumerate().map(|(place, row)| Drawn {
            name: shortened(&row.name),
            hover: row.hover.clone(),
            y: px(ROW_HEIGHT * (place as f64 + 0.5) + 4.0),
            top: px(ROW_HEIGHT * place as f64 + 4.0),
            low: x(row.rate.low),
            high: x(row.rate.high),
            rate: x(row.rate.rate),
        });
        Self {
            id,
            title,
            description,
            height: px(bottom + 28.0),
            bottom: px(bottom),
            ticks: ticks.collect(),
            rows: drawn.collect(),
        }
    }
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= MAX_NAME {
        return name.into();
    }
    let beginning: String = name.chars().take(MAX_NAME - 1).collect();
    beginning + "…"
}
