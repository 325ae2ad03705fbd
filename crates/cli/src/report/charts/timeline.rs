//! The columns of a chart: days, or weeks if there are many.

use chrono::{Datelike, Days, NaiveDate};

use super::{LEFT, MARGIN};
use crate::report::by::monday;

/// The most columns of a chart.
const MAX_COLUMNS: i64 = 400;

/// Where the columns of a chart are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    /// How wide a column is.
    pub(super) column: f64,
}

impl Scale {
    /// Where a column begins.
    pub(super) fn x(self, column: f64) -> f64 {
        LEFT + column * self.column
    }
}

/// With more days, labels name months.
const MAX_LABELLED_DAYS: i64 = 70;
/// With more months, labels name years.
const MAX_MONTHS: i64 = 40;

/// The columns of a chart over time: a day each, or some weeks if there are too many days.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeline {
    first: NaiveDate,
    last: NaiveDate,
    /// The number of days in a column.
    step: i64,
}

impl Timeline {
    pub(crate) fn new(first: NaiveDate, last: NaiveDate) -> Self {
        let days = (last - first).num_days() + 1;
        if days <= MAX_COLUMNS {
            let step = 1;
            return Self { first, last, step };
        }
        let monday = monday(first);
        let weeks = ((last - monday).num_days() + 7) / 7;
        Self {
            first: monday,
            last,
            step: 7 * ((weeks + MAX_COLUMNS - 1) / MAX_COLUMNS),
        }
    }

    /// How many columns there are.
    pub(crate) fn columns(&self) -> usize {
        ((self.last - self.first).num_days() / self.step + 1) as usize
    }

    /// The column of a day.
    pub(crate) fn column(&self, day: NaiveDate) -> usize {
        ((day - self.first).num_days().max(0) / self.step) as usize
    }

    /// What a column is called.
    pub(crate) fn name(&self, column: usize) -> String {
        let day = self.day(column as i64 * self.step);
        match self.step {
            1 => day.to_string(),
            _ => format!(
                "{day} to {}",
                self.day(column as i64 * self.step + self.step - 1)
            ),
        }
    }

    /// What a column stands for.
    pub(crate) fn unit(&self) -> String {
        match self.step / 7 {
            0 => "day".into(),
            1 => "week".into(),
            weeks => format!("{weeks} weeks"),
        }
    }

    fn day(&self, number: i64) -> NaiveDate {
        let days = Days::new(number.max(0).cast_unsigned());
        self.first.checked_add_days(days).unwrap_or(self.last)
    }

    /// Where the columns are in a chart of this width.
    pub(super) fn scale(&self, width: f64) -> Scale {
        Scale {
            column: (width - MARGIN - LEFT) / self.columns() as f64,
        }
    }

    /// Columns, which need be none of their own, and names of days that are easy to find: each day,
    /// some Mondays, or the first days of months or of years.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let days = (self.last - self.first).num_days() + 1;
        let label = labels(self.first, days);
        let mut ticks = Vec::new();
        for day in self.first.iter_days().take_while(|day| *day <= self.last) {
            if let Some(label) = label(day) {
                let place = (day - self.first).num_days() as f64 / self.step as f64;
                // A label of a day stands below the middle of its column.
                let middle = if days > MAX_LABELLED_DAYS { 0.0 } else { 0.5 };
                ticks.push((place + middle, label));
            }
        }
        ticks
    }
}

/// Which of the days after a first one are named, and how.
fn labels(first: NaiveDate, days: i64) -> Box<dyn Fn(NaiveDate) -> Option<String>> {
    let shown = |day: NaiveDate, format| day.format(format).to_string();
    if days < 10 {
        return Box::new(move |day| Some(shown(day, "%b %-d")));
    }
    if days <= MAX_LABELLED_DAYS {
        let weeks = (days / 7 + 6) / 7;
        let monday = monday(first);
        return Box::new(move |day| {
            let is_named = (day - monday).num_days() % (7 * weeks) == 0;
            is_named.then(|| shown(day, "%b %-d"))
        });
    }
    if days <= MAX_MONTHS * 30 {
        let least = (days / 30 + 6) / 7;
        let months = [1, 2, 3, 6].into_iter().find(|months| *months >= least);
        let months = months.unwrap_or(6) as u32;
        return Box::new(move |day| match (day.day(), day.month0()) {
            (1, 0) => Some(shown(day, "%Y")),
            (1, month) if month % months == 0 => Some(shown(day, "%b")),
            _ => None,
        });
    }
    let years = (days / 365 / 8 + 1) as i32;
    Box::new(move |day| {
        let is_named = day.ordinal() == 1 && day.year() % years == 0;
        is_named.then(|| shown(day, "%Y"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(first: &str, last: &str) -> Timeline {
        Timeline::new(first.parse().unwrap(), last.parse().unwrap())
    }

    fn labels(timeline: &Timeline) -> Vec<String> {
        timeline
            .ticks()
            .into_iter()
            .map(|(_, label)| label)
            .collect()
    }

    #[test]
    fn a_day_is_a_column_until_there_are_too_many() {
        let year = timeline("2025-01-01", "2025-12-31");
        assert_eq!((year.columns(), year.unit()), (365, "day".into()));
        assert_eq!(year.name(364), "2025-12-31");
        assert_eq!(year.column("2025-01-02".parse().unwrap()), 1);
        let years = timeline("2024-01-03", "2025-12-31");
        assert_eq!((years.columns(), years.unit()), (105, "week".into()));
        assert_eq!(years.name(0), "2024-01-01 to 2024-01-07");
        for last in ["2033-05-05", "2400-01-01"] {
            let long = timeline("2024-01-01", last);
            assert!(long.columns() <= 400 && long.columns() > 150, "{long:?}");
            assert!(long.column(last.parse().unwrap()) < long.columns());
        }
        assert_eq!(timeline("2025-01-01", "2025-01-01").columns(), 1);
    }

    #[test]
    fn ticks_are_few_and_easy_to_find() {
        assert_eq!(
            labels(&timeline("2025-03-01", "2025-03-03")),
            ["Mar 1", "Mar 2", "Mar 3"]
        );
        assert_eq!(
            labels(&timeline("2025-03-01", "2025-03-20")),
            ["Mar 3", "Mar 10", "Mar 17"]
        );
        let year = labels(&timeline("2025-01-01", "2025-12-31"));
        assert_eq!(year, ["2025", "Mar", "May", "Jul", "Sep", "Nov"]);
        assert_eq!(labels(&timeline("2020-01-01", "2025-12-31")).len(), 6);
        for days in 1..2000 {
            let first: NaiveDate = "2024-02-05".parse().unwrap();
            let timeline = Timeline::new(first, first + Days::new(days));
            let count = timeline.ticks().len();
            assert!((1..=10).contains(&count), "{days}: {count}");
        }
    }
}
