//! A report for a terminal.

use std::fmt::Write;

use super::by::{By, Key};
use super::coverage::Coverage;
use super::numbers::{UNKNOWN, cost, count, duration, interval, rate};
use super::tally::Figures;
use super::totals::{Grouping, Totals};
use super::words::{lists, notes, period};
use crate::counts::counted;

/// How many days are shown, the last ones.
const DAYS: usize = 14;
/// How many other groups are shown, those that cost most.
const GROUPS: usize = 20;
/// The most columns of a sparkline.
const SPARKS: usize = 73;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The page. `shows_all` is to leave out no group.
pub(crate) fn page(totals: &Totals, coverage: &Coverage, shows_all: bool) -> String {
    // What others have named may hold characters that move the cursor.
    let moves = |char: char| char.is_control() && char != '\n';
    text(totals, coverage, shows_all).replace(moves, "\u{fffd}")
}

fn text(totals: &Totals, coverage: &Coverage, shows_all: bool) -> String {
    let mut page = String::new();
    // Writing to a `String` does not fail.
    let _ = writeln!(page, "Runs in {}", coverage.source);
    let _ = writeln!(page, "{}", lists(coverage));
    if totals.all.runs == 0 {
        let what = match totals.window.has_bounds() {
            true => "No run has started in this time.",
            false => "There are no runs.",
        };
        let _ = writeln!(page, "\n{what}");
        return page;
    }
    let _ = writeln!(page, "{}\n", period(totals));
    page.push_str(&key_figures(&totals.all.figures()));
    if let Some(days) = totals.by(By::Day) {
        page.push_str(&sparklines(days));
    }
    for note in notes(totals, coverage) {
        let _ = writeln!(page, "  note: {note}");
    }
    for grouping in &totals.groupings {
        page.push_str(&table(grouping, coverage, shows_all));
    }
    page
}

fn key_figures(all: &Figures) -> String {
    let failures = all.failure_rate.map_or_else(
        || "no run has finished".into(),
        |it| {
            format!(
                "{} of those finished, 95% interval {}",
                rate(Some(it)),
                interval(it)
            )
        },
    );
    let costs = match all.unknown_cost_runs {
        0 => String::new(),
        unknown => format!(
            "of {}; unknown of {}",
            counted(all.runs - unknown, "run"),
            count(unknown)
        ),
    };
    let lines = [
        (
            "runs",
            count(all.runs),
            format!("{} unfinished", count(all.unfinished)),
        ),
        ("failures", count(all.failures), failures),
        ("cost", cost(all.cost), costs),
        (
            "duration",
            duration(all.median_millis),
            format!("median; 95th percentile {}", duration(all.p95_millis)),
        ),
    ];
    let width = lines
        .iter()
        .map(|(_, value, _)| value.chars().count())
        .max();
    let width = width.unwrap_or(0);
    let line = |(name, value, rest): &(&str, String, String)| {
        format!("  {name:9} {value:>width$}  {rest}")
            .trim_end()
            .to_owned()
            + "\n"
    };
    lines.iter().map(line).collect()
}

/// Cost, runs and failures over time.
fn sparklines(days: &Grouping) -> String {
    let days: Vec<_> = days.days().collect();
    let (Some((first, _)), Some((last, _))) = (days.first(), days.last()) else {
        return String::new();
    };
    let span = (*last - *first).num_days() as usize + 1;
    if span < 2 {
        return String::new();
    }
    let step = span.div_ceil(SPARKS);
    let mut columns = vec![(None, 0, 0); span.div_ceil(step)];
    for (day, tally) in &days {
        let place = (*day - *first).num_days() as usize / step;
        if let Some((cost, runs, failures)) = columns.get_mut(place) {
            if let Some(known) = tally.cost() {
                *cost = Some(cost.unwrap_or(0.0) + known);
            }
            *runs += tally.runs;
            *failures += tally.failures;
        }
    }
    let costs: Vec<_> = columns
        .iter()
        .map(|(cost, runs, _)| cost.or((*runs == 0).then_some(0.0)))
        .collect();
    let known = columns.iter().filter_map(|(cost, ..)| *cost);
    let most_cost = known.reduce(f64::max);
    let runs: Vec<_> = columns
        .iter()
        .map(|(_, runs, _)| Some(*runs as f64))
        .collect();
    let failures: Vec<_> = columns
        .iter()
        .map(|(.., failures)| Some(*failures as f64))
        .collect();
    let unit = match step {
        1 => "a day".into(),
        step => format!("in {step} days"),
    };
    let line = |name, values: &[Option<f64>], most: String| {
        let most = match most.as_str() {
            UNKNOWN => most,
            most => format!("up to {most} {unit}"),
        };
        format!("  {name:9} {}  {most}\n", sparkline(values))
    };
    [
        "\n".into(),
        line("cost", &costs, cost(most_cost)),
        line("runs", &runs, count(most(&runs) as u64)),
        line("failures", &failures, count(most(&failures) as u64)),
        "\n".into(),
    ]
    .concat()
}

/// The greatest value.
fn most(values: &[Option<f64>]) -> f64 {
    values.iter().copied().flatten().fold(0.0, f64::max)
}

/// A character for each value, by its share in the greatest one. Nothing is a space.
fn sparkline(values: &[Option<f64>]) -> String {
    let most = most(values);
    let bar = |value: &Option<f64>| {
        let Some(value) = *value else { return '?' };
        if value <= 0.0 {
            return ' ';
        }
        let place = (value / most * BARS.len() as f64).ceil() as usize;
        BARS[place.clamp(1, BARS.len()) - 1]
    };
    values.iter().map(bar).collect()
}

fn table(grouping: &Grouping, coverage: &Coverage, shows_all: bool) -> String {
    let by = grouping.by;
    let mut groups = grouping.sorted();
    let all = groups.len();
    let most = match (shows_all, by.is_time()) {
        (true, _) => all,
        (false, true) => DAYS,
        (false, false) => GROUPS,
    };
    let mut heading = format!("\nBy {}", if by == By::Actor { "Actor" } else { by.name() });
    if all > most {
        let which = match by.is_time() {
            true => "the last",
            false => "those that cost most,",
        };
        heading += &format!(" ({which} {most} of {})", count(all as u64));
        match by.is_time() {
            true => drop(groups.drain(..all - most)),
            false => groups.truncate(most),
        }
    }
    let header = [
        "",
        "RUNS",
        "FAILURES",
        "RATE",
        "95% INTERVAL",
        "COST",
        "COST UNKNOWN",
        "MEDIAN",
        "P95",
    ];
    let mut rows = vec![header.map(String::from)];
    rows[0][0] = by.title().to_uppercase();
    rows.extend(
        groups
            .iter()
            .map(|(key, tally)| row(key, &tally.figures(), coverage)),
    );
    let mut widths = [0; 9];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut table = heading + "\n";
    for row in rows {
        let cells = row.iter().zip(widths).enumerate();
        let cells = cells.map(|(place, (cell, width))| match place {
            0 => format!("{cell:width$}"),
            _ => format!("{cell:>width$}"),
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        table += &format!("  {}\n", line.trim_end());
    }
    table
}

fn row(key: &Key, figures: &Figures, coverage: &Coverage) -> [String; 9] {
    let name = match key {
        Key::Text(id) => coverage.name(id).unwrap_or_else(|| id.to_string()),
        key => key.text().map_or_else(|| UNKNOWN.into(), Into::into),
    };
    [
        // A name is one line.
        name.replace('\n', "\u{fffd}"),
        count(figures.runs),
        count(figures.failures),
        rate(figures.failure_rate),
        figures.failure_rate.map_or_else(String::new, interval),
        cost(figures.cost),
        count(figures.unknown_cost_runs),
        duration(figures.median_millis),
        duration(figures.p95_millis),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_shows_little_but_not_as_nothing() {
        let values = [Some(0.0), Some(0.001), None, Some(4.0), Some(8.0)];
        assert_eq!(sparkline(&values), " ▁?▄█");
        assert_eq!(sparkline(&[Some(0.0)]), " ");
        assert_eq!(sparkline(&[]), "");
    }
}
