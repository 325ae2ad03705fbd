//! Lines over time.

use std::fmt::Write;

use askama::Template;

use super::axis::{Axis, Unit};
use super::frame::Frame;
use super::timeline::Timeline;
use super::{BOTTOM, HEIGHT, LEFT, MARGIN, WIDTH, px, y};

/// A line: a value for each column, or none.
pub(crate) struct Line {
    /// What gives it its colour.
    pub(crate) class: &'static str,
    pub(crate) values: Vec<Option<f64>>,
}

/// A chart of lines.
#[derive(Template)]
#[template(path = "report/lines.svg")]
pub(crate) struct Lines {
    id: &'static str,
    title: String,
    description: String,
    frame: Frame,
    lines: Vec<(&'static str, String)>,
    /// Values that have none beside them.
    dots: Vec<(&'static str, String, String)>,
}

impl Lines {
    /// `hover` returns the text of a column.
    pub(crate) fn new(
        (id, title, description): (&'static str, String, String),
        unit: Unit,
        timeline: Timeline,
        lines: &[Line],
        hover: impl Fn(usize) -> String,
    ) -> Self {
        let values = lines.iter().flat_map(|line| line.values.iter().flatten());
        let axis = Axis::new(unit, values.copied().fold(0.0, f64::max));
        let scale = timeline.scale(WIDTH);
        let x = |column: usize| scale.x(column as f64 + 0.5);
        let (mut paths, mut dots) = (Vec::new(), Vec::new());
        for line in lines {
            let mut path = String::new();
            for (column, value) in line.values.iter().enumerate() {
                let Some(value) = value else { continue };
                let at = |place: Option<usize>| {
                    place
                        .and_then(|place| line.values.get(place))
                        .copied()
                        .flatten()
                };
                let is_first = at(column.checked_sub(1)).is_none();
                let (x, y) = (px(x(column)), px(y(axis.share(*value))));
                // Writing to a `String` does not fail.
                let _ = write!(path, "{}{x} {y}", if is_first { 'M' } else { 'L' });
                if is_first && at(Some(column + 1)).is_none() {
                    dots.push((line.class, x, y));
                }
            }
            paths.push((line.class, path));
        }
        Self {
            id,
            title,
            description,
            frame: Frame::new(&axis, timeline, scale, hover),
            lines: paths,
            dots,
        }
    }
}
