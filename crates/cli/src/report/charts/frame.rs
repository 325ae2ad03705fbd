//! What all charts over time have in common: ticks, and texts under the pointer.

use super::axis::Axis;
use super::timeline::{Scale, Timeline};
use super::{px, y};

/// The ticks of a chart over time, and a text for each of its columns.
pub(super) struct Frame {
    /// Positions and labels.
    pub(super) y_ticks: Vec<(String, String)>,
    pub(super) x_ticks: Vec<(String, String)>,
    pub(super) hovers: Vec<Hover>,
}

/// The text that is shown while the pointer is over a column.
pub(super) struct Hover {
    pub(super) x: String,
    pub(super) width: String,
    pub(super) text: String,
}

impl Frame {
    /// `hover` returns the text of a column.
    pub(super) fn new(
        axis: &Axis,
        timeline: Timeline,
        scale: Scale,
        hover: impl Fn(usize) -> String,
    ) -> Self {
        let y_ticks = axis.ticks();
        let y_ticks = y_ticks.map(|(share, label)| (px(y(share)), label.into()));
        let x_ticks = timeline.ticks().into_iter();
        let x_ticks = x_ticks.map(|(column, label)| (px(scale.x(column)), label));
        let width = px(scale.column);
        let hovers = (0..timeline.columns()).map(|column| Hover {
            x: px(scale.x(column as f64)),
            width: width.clone(),
            text: hover(column),
        });
        Self {
            y_ticks: y_ticks.collect(),
            x_ticks: x_ticks.collect(),
            hovers: hovers.collect(),
        }
    }
}
