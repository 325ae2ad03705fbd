//! Charts as SVG.

mod axis;
mod bars;
mod frame;
mod intervals;
mod lines;
mod timeline;

pub(crate) use axis::Unit;
pub(crate) use bars::{Bars, Stack};
pub(crate) use intervals::{IntervalRow, Intervals};
pub(crate) use lines::{Line, Lines};
pub(crate) use timeline::Timeline;

/// The width of a chart that shares a row with another, and of one that does not.
const WIDTH: f64 = 560.0;
const FULL_WIDTH: f64 = 1160.0;
/// The height of a chart over time, and where its plot is.
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 58.0;
const MARGIN: f64 = 6.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 232.0;

/// The place of a share of the height of the plot.
fn y(share: f64) -> f64 {
    BOTTOM - share * (BOTTOM - TOP)
}

/// A length with one decimal, or none if that is 0.
fn px(length: f64) -> String {
    let text = format!("{length:.1}");
    match text.strip_suffix(".0") {
        Some("-0") => "0".into(),
        Some(whole) => whole.into(),
        None => text,
    }
}
