//! How long runs take, over time.

use askama::Template;

use super::panel::{Entry, Panel, columns, timeline};
use crate::report::by::By;
use crate::report::charts::{Line, Lines, Timeline, Unit};
use crate::report::coverage::Coverage;
use crate::report::numbers::duration;
use crate::report::tally::{Figures, Tally};
use crate::report::totals::Totals;
use crate::report::words::period;

pub(super) fn panel(totals: &Totals, _: &Coverage) -> Option<Panel> {
    let timeline = timeline(totals)?;
    let panel = Panel {
        id: "durations",
        title: "Duration".into(),
        note: format!("Median and 95th percentile per {}", timeline.unit()),
        is_full: false,
        svg: None,
        legend: Vec::new(),
    };
    let all = totals.all.figures();
    if all.median_millis.is_none() {
        let note = "The duration of no run is known.".into();
        return Some(Panel { note, ..panel });
    }
    let columns = columns(totals.by(By::Day)?, timeline);
    let columns: Vec<Figures> = columns.iter().map(Tally::figures).collect();
    let (median, p95) = (duration(all.median_millis), duration(all.p95_millis));
    let description = format!(
        "{}. In all, the median is {median} and the 95th percentile {p95}.",
        period(totals)
    );
    let title = format!(
        "Duration of runs: median and 95th percentile per {}",
        timeline.unit()
    );
    let chart = Lines::new(
        (panel.id, title, description),
        Unit::Seconds,
        timeline,
        &[
            line("p95", &columns, |figures| figures.p95_millis),
            line("median", &columns, |figures| figures.median_millis),
        ],
        |column| hover(timeline, column, &columns),
    );
    let entry = |class: &str, name: &str, value| Entry {
        class: class.into(),
        name: name.into(),
        value,
    };
    Some(Panel {
        svg: chart.render().ok(),
        legend: vec![
            entry("median", "Median", median),
            entry("p95", "95th percentile", p95),
        ],
        ..panel
    })
}

/// A percentile in seconds.
fn line(class: &'static str, columns: &[Figures], get: fn(&Figures) -> Option<u32>) -> Line {
    let seconds = |figures| get(figures).map(|millis| f64::from(millis) / 1000.0);
    Line {
        class,
        values: columns.iter().map(seconds).collect(),
    }
}

fn hover(timeline: Timeline, column: usize, columns: &[Figures]) -> String {
    let name = timeline.name(column);
    match columns.get(column) {
        Some(figures) if figures.median_millis.is_some() => format!(
            "{name}\nMedian {}\n95th percentile {}",
            duration(figures.median_millis),
            duration(figures.p95_millis)
        ),
        _ => format!("{name}: no run has finished"),
    }
}
