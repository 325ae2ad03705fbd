//! Times and durations as people write them.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

/// A time on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum When {
    At(DateTime<Utc>),
    /// So long before the first start, as it was written.
    Ago(Duration, String),
}

impl When {
    /// The time that is meant, if now is the first start.
    pub(crate) fn time(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::At(time) => Some(*time),
            Self::Ago(ago, _) => Utc::now().checked_sub_signed(TimeDelta::from_std(*ago).ok()?),
        }
    }

    /// What was written, if it means another time on another day.
    pub(crate) fn relative(&self) -> Option<&str> {
        match self {
            Self::At(_) => None,
            Self::Ago(_, text) => Some(text),
        }
    }
}

/// Reads a date, a time, or a duration before now.
pub(crate) fn when(text: &str) -> Result<When, String> {
    if let Some(date) = date(text) {
        return Ok(When::At(date.and_time(Default::default()).and_utc()));
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(When::At(time.to_utc()));
    }
    let ago = humantime::parse_duration(text).ok();
    let ago = ago.map(|ago| When::Ago(ago, text.into()));
    let ago = ago.filter(|ago| ago.time().is_some());
    ago.ok_or_else(|| {
        "it must be a date such as 2025-09-01, a time such as 2025-09-01T10:00:00Z, or a time \
         before now such as 30d or 12h"
            .into()
    })
}

/// Reads a date whose year, month and day have all their digits: 25-09-01 is no day of the year 25.
fn date(text: &str) -> Option<NaiveDate> {
    let date = text.parse::<NaiveDate>().ok();
    date.filter(|date| date.to_string() == text)
}

/// Reads a duration.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "it must be a duration such as 500ms, 30s, 5m or 1h".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_its_first_moment() {
        let time = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().to_utc();
        let at = |text: &str| When::At(time(text));
        assert_eq!(when("2025-09-01"), Ok(at("2025-09-01T00:00:00Z")));
        assert_eq!(
            when("2025-09-01T10:00:00+02:00"),
            Ok(at("2025-09-01T08:00:00Z"))
        );
    }

    #[test]
    fn other_words_are_a_time_before_now() {
        let thirty_days = Duration::from_secs(30 * 24 * 60 * 60);
        assert_eq!(when("30d"), Ok(When::Ago(thirty_days, "30d".into())));
        let time = when("12h").unwrap().time().unwrap();
        let hours = (Utc::now() - time).num_minutes();
        assert!((719..=721).contains(&hours), "{hours}");
        for text in [
            "",
            "yesterday",
            "25-09-01",
            "2025-9-1",
            "2025-13-01",
            "02025-09-01",
            "2025-09-01 10:00",
            "-3h",
            "400000y",
        ] {
            assert!(when(text).is_err(), "{text}");
        }
    }
}
