//! Stacked bars over time.

use std::fmt::Write;

use askama::Template;

use super::axis::{Axis, Unit};
use super::frame::Frame;
use super::timeline::{Scale, Timeline};
use super::{BOTTOM, FULL_WIDTH, HEIGHT, LEFT, MARGIN, px, y};

/// Columns that are wider than this have a gap between their bars.
const MIN_WIDTH_WITH_GAP: f64 = 4.0;
/// No bar is wider.
const MAX_WIDTH: f64 = 56.0;

/// A part of each bar: one value for each column.
pub(crate) struct Stack {
    /// What gives it its colour.
    pub(crate) class: String,
    pub(crate) values: Vec<f64>,
}

/// A chart of stacked bars.
#[derive(Template)]
#[template(path = "report/bars.svg")]
pub(crate) struct Bars {
    id: &'static str,
    title: String,
    description: String,
    frame: Frame,
    parts: Vec<(String, String)>,
}

impl Bars {
    /// `hover` returns the text of a column.
    pub(crate) fn new<'a>(
        (id, title, description): (&'static str, String, String),
        unit: Unit,
        timeline: Timeline,
        stacks: impl Iterator<Item = &'a Stack> + Clone,
        hover: impl Fn(usize) -> String,
    ) -> Self {
        let mut ends = vec![0.0; timeline.columns()];
        for stack in stacks.clone() {
            for (end, value) in ends.iter_mut().zip(&stack.values) {
                *end += value.max(0.0);
            }
        }
        let axis = Axis::new(unit, ends.iter().copied().fold(0.0, f64::max));
        let scale = timeline.scale(FULL_WIDTH);
        let mut begins = vec![0.0; timeline.columns()];
        let part = |stack: &Stack| (stack.class.clone(), path(stack, &mut begins, &axis, scale));
        Self {
            id,
            title,
            description,
            frame: Frame::new(&axis, timeline, scale, hover),
            parts: stacks
                .map(part)
                .filter(|(_, path)| !path.is_empty())
                .collect(),
        }
    }
}

/// The outline of one part of all bars, on top of the parts below it.
fn path(stack: &Stack, begins: &mut [f64], axis: &Axis, scale: Scale) -> String {
    let width = scale.column;
    // Bars without a gap overlap a bit, or the background would shine through.
    let drawn = match width > MIN_WIDTH_WITH_GAP {
        true => (width - (width * 0.2).min(3.0)).min(MAX_WIDTH),
        false => width + 0.2,
    };
    let mut path = String::new();
    for (column, (begin, value)) in begins.iter_mut().zip(&stack.values).enumerate() {
        if *value <= 0.0 {
            continue;
        }
        let (bottom, top) = (y(axis.share(*begin)), y(axis.share(*begin + value)));
        *begin += value;
        let x = scale.x(column as f64) + (width - drawn).max(0.0) / 2.0;
        let (bottom, height, drawn) = (px(bottom), px(bottom - top), px(drawn));
        // Writing to a `String` does not fail.
        let _ = write!(path, "M{} {bottom}h{drawn}v-{height}h-{drawn}z", px(x));
    }
    path
}
