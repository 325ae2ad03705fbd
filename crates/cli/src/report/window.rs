//! The period of a report.

use chrono::{DateTime, Utc};

use crate::exit::Failure;
use crate::flags;
use crate::times::{When, shown};

/// From when to when runs have started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) since: Option<DateTime<Utc>>,
    /// The first instant after it.
    pub(crate) until: Option<DateTime<Utc>>,
}

impl Window {
    /// The window that the arguments describe.
    pub(crate) fn new(since: Option<&When>, until: Option<&When>) -> Result<Self, Failure> {
        let out_of_range = |flag: &str| Failure::usage(format!("{flag} is out of range"));
        let since = since.map(|since| since.begin().ok_or_else(|| out_of_range("--since")));
        let until = until.map(|until| until.end().ok_or_else(|| out_of_range("--until")));
        let (since, until) = (since.transpose()?, until.transpose()?);
        if let (Some(since), Some(until)) = (since, until)
            && since >= until
        {
            let expected = format!("it must be before --until, {}", shown(until));
            let message = flags::invalid("--since", &shown(since), &expected);
            return Err(Failure::usage(message));
        }
        Ok(Self { since, until })
    }

    pub(crate) fn has_bounds(&self) -> bool {
        self.since.is_some() || self.until.is_some()
    }

    /// Whether it contains a run with this start. Without bounds, it contains every run.
    pub(crate) fn contains(&self, started_at: Option<DateTime<Utc>>) -> bool {
        let Some(time) = started_at else {
            return !self.has_bounds();
        };
        self.since.is_none_or(|since| since <= time) && self.until.is_none_or(|until| time < until)
    }
}
