//! What runs are summed up by.

use std::borrow::Cow;

use apify_runs::Id;
use chrono::{Datelike, NaiveDate};
use clap::ValueEnum;

use super::row::ReportRow;

/// What runs have in common that are summed up together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    Actor,
    Task,
    Status,
    Origin,
    Day,
    Week,
}

/// The key of a group. Days sort by time, and unknown keys sort last.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    Day(NaiveDate),
    /// By its Monday.
    Week(NaiveDate),
    Text(Id),
    Unknown,
}

impl By {
    /// The group of a run.
    pub(crate) fn key(self, row: &ReportRow) -> Key {
        let text = |id: &Option<Id>| id.clone().map_or(Key::Unknown, Key::Text);
        let day = || row.started_at.map(|time| time.date_naive());
        match self {
            Self::Actor => text(&row.actor),
            Self::Task => text(&row.task),
            Self::Status => match row.status.as_str() {
                "" => Key::Unknown,
                status => Key::Text(status.into()),
            },
            Self::Origin => {
                let origin = row.origin.as_ref();
                origin.map_or(Key::Unknown, |origin| Key::Text(origin.as_str().into()))
            }
            Self::Day => day().map_or(Key::Unknown, Key::Day),
            Self::Week => day().map_or(Key::Unknown, |day| Key::Week(monday(day))),
        }
    }

    /// Whether groups are sorted by time, and not by cost.
    pub(crate) fn is_time(self) -> bool {
        matches!(self, Self::Day | Self::Week)
    }

    /// Its name in JSON, in CSV and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Actor => "actor",
            Self::Task => "task",
            Self::Status => "status",
            Self::Origin => "origin",
            Self::Day => "day",
            Self::Week => "week",
        }
    }

    /// Its name in a heading.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Actor => "Actor",
            Self::Task => "Task",
            Self::Status => "Status",
            Self::Origin => "Origin",
            Self::Day => "Day",
            Self::Week => "Week",
        }
    }
}

impl Key {
    /// As text. `None` if it is not known.
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Day(day) => Some(day.to_string().into()),
            Self::Week(monday) => {
                let week = monday.iso_week();
                Some(format!("{}-W{:02}", week.year(), week.week()).into())
            }
            Self::Text(text) => Some(text.as_str().into()),
            Self::Unknown => None,
        }
    }
}

/// The first day of the week of a day.
pub(crate) fn monday(day: NaiveDate) -> NaiveDate {
    let first = day.week(chrono::Weekday::Mon).checked_first_day();
    first.unwrap_or(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_is_one_of_iso_8601() {
        let text = |day: &str| {
            Key::Week(monday(day.parse().unwrap()))
                .text()
                .unwrap()
                .into_owned()
        };
        assert_eq!(text("2024-12-29"), "2024-W52");
        assert_eq!(text("2024-12-30"), "2025-W01");
        assert_eq!(text("2025-01-05"), "2025-W01");
        assert_eq!(text("2025-01-06"), "2025-W02");
    }
}
