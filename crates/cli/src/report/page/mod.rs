//! A report as one HTML page.

mod costs;
mod durations;
mod failure_rates;
mod panel;
mod statuses;
mod table;

use askama::Template;
use chrono::{DateTime, Utc};

use self::panel::Panel;
use self::table::{DayRow, FailureRow, GroupRow, day_rows, failure_rows, group_rows};
use super::by::By;
use super::coverage::Coverage;
use super::numbers::{cost, count, duration, interval, rate};
use super::totals::Totals;
use super::words::{lists, minute, notes, period};
use crate::counts::counted;
use crate::exit::{Exit, Failure};

/// How each page begins.
pub(crate) const BEGINNING: &str = "<!doctype html>";
const STYLE: &str = include_str!("../../../templates/report/style.css");
const SCRIPT: &str = include_str!("../../../templates/report/script.js");
/// More groups would make a page that no browser likes.
const MAX_GROUPS: usize = 1000;

#[derive(Template)]
#[template(path = "report/page.html", whitespace = "minimize")]
struct Page<'a> {
    coverage: &'a Coverage,
    period: String,
    lists: String,
    notes: Vec<String>,
    empty: Option<&'static str>,
    figures: Vec<KeyFigure>,
    panels: Vec<Panel>,
    by: &'static str,
    by_plural: String,
    is_by_time: bool,
    groups: Vec<GroupRow>,
    left_out: usize,
    all: Option<GroupRow>,
    days: Vec<DayRow>,
    failures: Vec<FailureRow>,
    covered: Vec<CoveredRow>,
    made_at: String,
}

/// A figure that stands out.
struct KeyFigure {
    name: &'static str,
    value: String,
    rest: String,
}

/// A list that the report covers.
struct CoveredRow {
    query: String,
    rows: String,
    synced_at: String,
}

/// The page, with a table of what `by` names, or else of Actors.
pub(crate) fn render(
    totals: &mut Totals,
    coverage: &Coverage,
    by: Option<By>,
    now: DateTime<Utc>,
) -> Result<String, Failure> {
    let failures = failure_rows(totals.details.latest_failures(), coverage);
    let totals = &*totals;
    let by = by.unwrap_or(By::Actor);
    let groups = totals.by(by).map(|it| group_rows(it, coverage, MAX_GROUPS));
    let grouped = totals.by(by).map_or(0, |grouping| grouping.len());
    let groups = groups.unwrap_or_default();
    let panels = match totals.all.runs {
        0 => Vec::new(),
        _ => [
            costs::panel,
            statuses::panel,
            failure_rates::panel,
            durations::panel,
        ]
        .into_iter()
        .flat_map(|panel| panel(totals, coverage))
        .collect(),
    };
    let covered = coverage.lists.iter().map(|list| CoveredRow {
        query: list.query.clone(),
        rows: count(list.rows),
        synced_at: list.synced_at.map_or_else(|| "not known".into(), minute),
    });
    let page = Page {
        coverage,
        period: period(totals),
        lists: lists(coverage),
        notes: notes(totals, coverage),
        empty: match (totals.all.runs, totals.window.has_bounds()) {
            (0, true) => Some("No run has started in this time."),
            (0, false) => Some("There are no runs."),
            _ => None,
        },
        figures: key_figures(totals),
        panels,
        by: by.title(),
        is_by_time: by.is_time(),
        by_plural: match by {
            By::Status => "Statuses".into(),
            by => format!("{}s", by.title()),
        },
        left_out: grouped - groups.len(),
        groups,
        all: (totals.all.runs > 0).then(|| GroupRow::all(&totals.all.figures())),
        days: totals.by(By::Day).map(day_rows).unwrap_or_default(),
        failures,
        covered: covered.collect(),
        made_at: minute(now),
    };
    page.render()
        .map_err(|error| Failure::new(Exit::Failed, format!("no page can be made: {error}")))
}

fn key_figures(totals: &Totals) -> Vec<KeyFigure> {
    let all = totals.all.figures();
    if all.runs == 0 {
        return Vec::new();
    }
    let figure = |name, value, rest| KeyFigure { name, value, rest };
    let interval = all.failure_rate.map_or_else(
        || "no run has finished".into(),
        |it| format!("95% interval {}", interval(it)),
    );
    let or_unknown = |words: &str| match all.median_millis {
        Some(_) => words.to_owned(),
        None => "no duration is known".into(),
    };
    let unknown = match all.unknown_cost_runs {
        0 => "of all runs".into(),
        unknown if unknown == all.runs => "of all runs".into(),
        unknown => format!("and {} of unknown cost", counted(unknown, "run")),
    };
    vec![
        figure("Cost", cost(all.cost), unknown),
        figure(
            "Runs",
            count(all.runs),
            format!("{} not finished", count(all.unfinished)),
        ),
        figure(
            "Failures",
            count(all.failures),
            format!("of {} finished", count(all.finished)),
        ),
        figure("Failure rate", rate(all.failure_rate), interval),
        figure(
            "Median duration",
            duration(all.median_millis),
            or_unknown("half of all runs are faster"),
        ),
        figure(
            "95th percentile",
            duration(all.p95_millis),
            or_unknown("one run in 20 takes longer"),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use apify_runs::RunStatus;
    use chrono::TimeDelta;

    use super::*;
    use crate::report::row::ReportRow;
    use crate::report::window::Window;

    const MAX_BYTES: usize = 1_000_000;

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_735_689_600, 0).unwrap()
    }

    /// The page of runs of so many Actors, each of which runs every day.
    fn page(actors: u32, days: i64) -> String {
        let by = [By::Day, By::Actor];
        let mut totals = Totals::new(Window::default(), &by);
        for day in 0..days {
            for actor in 0..actors {
                let started_at = start() + TimeDelta::days(day) + TimeDelta::seconds(actor.into());
                let seconds = i64::from(actor) * 7 % 900 + day;
                totals.add(&ReportRow {
                    id: format!("run{day:06}x{actor:07}").as_str().into(),
                    actor: Some(format!("Actor0000000{actor:05}").as_str().into()),
                    status: match (actor + day as u32) % 20 {
                        0 => RunStatus::Failed,
                        1 => RunStatus::TimedOut,
                        2 => RunStatus::Aborted,
                        _ => RunStatus::Succeeded,
                    },
                    started_at: Some(started_at),
                    finished_at: Some(started_at + TimeDelta::seconds(seconds)),
                    cost: (actor % 50 > 0).then_some(f64::from(actor) * 0.0123),
                    ..ReportRow::default()
                });
            }
        }
        render(&mut totals, &Coverage::default(), None, start()).unwrap()
    }

    #[test]
    fn a_year_of_400_actors_is_less_than_a_megabyte() {
        let page = page(400, 365);
        assert!(page.len() < MAX_BYTES, "{} bytes", page.len());
        assert_eq!(page.matches("<svg").count(), 4);
        assert!(page.contains("<strong>146,000</strong>"));
        assert!(page.contains("382 others"));
    }

    #[test]
    fn a_page_of_many_years_and_actors_stays_small() {
        assert!(page(1, 9000).len() < 4 * MAX_BYTES);
        let page = page(1200, 2);
        assert!(page.len() < MAX_BYTES, "{} bytes", page.len());
        assert!(page.contains("The first 1000; 200 more are not shown."));
    }

    #[test]
    fn one_run_makes_a_page() {
        let page = page(1, 1);
        assert!(page.contains("<strong>1</strong>"));
        assert!(page.contains("2025-01-01"));
    }
}
