//! Times and durations as people write them.

use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, SecondsFormat, TimeDelta, Utc};

/// A time on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum When {
    /// A whole day, in UTC.
    Day(NaiveDate),
    At(DateTime<Utc>),
    /// So long before the first start, as it was written.
    Ago(Duration, String),
}

impl When {
    /// The first instant of a window that begins here. `None` if no clock can show it.
    pub(crate) fn begin(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Day(date) => Some(midnight(*date)),
            Self::At(time) => Some(*time),
            Self::Ago(ago, _) => Utc::now().checked_sub_signed(TimeDelta::from_std(*ago).ok()?),
        }
    }

    /// The first instant behind a window that ends here. `None` if no clock can show it.
    pub(crate) fn end(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Day(date) => Some(midnight(date.checked_add_days(Days::new(1))?)),
            Self::At(_) | Self::Ago(..) => self.begin(),
        }
    }

    /// What was written, if it means another time on another day.
    pub(crate) fn relative(&self) -> Option<&str> {
        match self {
            Self::Day(_) | Self::At(_) => None,
            Self::Ago(_, text) => Some(text),
        }
    }
}

fn midnight(date: NaiveDate) -> DateTime<Utc> {
    date.and_time(Default::default()).and_utc()
}

/// Reads a date, a time, or a duration before now.
pub(crate) fn when(text: &str) -> Result<When, String> {
    if let Some(date) = date(text) {
        return Ok(When::Day(date));
    }
    if let Some(time) = time(text) {
        return Ok(When::At(time));
    }
    let ago = match text {
        "now" => Some(Duration::ZERO),
        _ => humantime::parse_duration(text).ok(),
    };
    let ago = ago.map(|ago| When::Ago(ago, text.into()));
    let ago = ago.filter(|ago| ago.begin().is_some());
    ago.ok_or_else(|| {
        "it must be a date such as 2025-09-01, a time such as 2025-09-01T10:00:00Z, a time before \
         now such as 30d or 12h, or now"
            .into()
    })
}

/// Reads a date whose year, month and day have all their digits: 25-09-01 is no day of the year 25.
fn date(text: &str) -> Option<NaiveDate> {
    let date = text.parse::<NaiveDate>().ok();
    date.filter(|date| date.to_string() == text)
}

/// Reads a time. Without a zone it is in UTC.
fn time(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    let (day, clock) = text.split_once(['T', ' '])?;
    date(day)?;
    let text = format!("{day}T{clock}");
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    let time = forms
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok());
    time.map(|time| time.and_utc())
}

/// Reads a duration.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "it must be a duration such as 500ms, 30s, 5m or 1h".into())
}

/// A time as messages show it.
pub(crate) fn shown(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    #[test]
    fn windows_of_days_meet() {
        let day = when("2025-09-01").unwrap();
        assert_eq!(day.begin(), Some(at("2025-09-01T00:00:00Z")));
        assert_eq!(day.end(), when("2025-09-02").unwrap().begin());
    }

    #[test]
    fn a_time_without_a_zone_is_in_utc() {
        for (text, expected) in [
            ("2025-09-01T10:00:00+02:00", "2025-09-01T08:00:00Z"),
            ("2025-09-01T10:00:00", "2025-09-01T10:00:00Z"),
            ("2025-09-01T10:00", "2025-09-01T10:00:00Z"),
            ("2025-09-01 10:00:00.25", "2025-09-01T10:00:00.250Z"),
        ] {
            assert_eq!(when(text), Ok(When::At(at(expected))), "{text}");
        }
    }

    #[test]
    fn other_words_are_a_time_before_now() {
        let thirty_days = Duration::from_secs(30 * 24 * 60 * 60);
        assert_eq!(when("30d"), Ok(When::Ago(thirty_days, "30d".into())));
        assert_eq!(when("now"), Ok(When::Ago(Duration::ZERO, "now".into())));
        let time = when("12h").unwrap().begin().unwrap();
        let minutes = (Utc::now() - time).num_minutes();
        assert!((719..=721).contains(&minutes), "{minutes}");
        for text in [
            "",
            "yesterday",
            "25-09-01",
            "25-09-01T10:00",
            "2025-9-1",
            "2025-13-01",
            "2025-09-01T25:00",
            "02025-09-01",
            "-3h",
            "400000y",
        ] {
            assert!(when(text).is_err(), "{text}");
        }
    }
}
