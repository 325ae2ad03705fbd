//! Which runs to read.

mod source;
mod stored;

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Datelike, SubsecRound, Utc};
use serde::{Deserialize, Serialize};

pub use source::RunSource;

use crate::direction::Direction;
use crate::limits::MAX_PAGE_SIZE;
use crate::run::RunStatus;
use crate::setting::InvalidSetting;
use crate::timestamp;

/// The maximum length of a name in bytes: longer than any, and short enough for a URL.
const MAX_NAME_BYTES: usize = 1000;

/// Whose runs a query is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scope {
    /// The runs of one Actor, by its ID or name.
    Actor(String),
    /// The runs of one task, by its ID or name.
    Task(String),
    /// All runs of the account the token belongs to.
    Account,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Actor(id) => write!(f, "actor {id:?}"),
            Self::Task(id) => write!(f, "task {id:?}"),
            Self::Account => f.write_str("account"),
        }
    }
}

/// Which runs to read, in which order, and the size of a page.
///
/// It is plain data that can be compared, stored and sent elsewhere. Methods set its fields, which
/// are public. Every operation that takes a query checks it with [`validate`](Self::validate)
/// before it sends anything.
///
/// # Example: last week's failures, newest first
///
/// ```
/// use apify_runs::{RunQuery, RunStatus};
/// use chrono::{TimeDelta, Utc};
///
/// let query = RunQuery::actor("janedoe/my-actor")
///     .statuses([RunStatus::Failed, RunStatus::TimedOut])
///     .started_after(Utc::now() - TimeDelta::days(7))
///     .descending(true);
/// query.validate()?;
/// assert!(query.descending && query.limit.is_none());
/// # Ok::<(), apify_runs::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "stored::StoredQuery", into = "stored::StoredQuery")]
#[non_exhaustive]
#[must_use]
pub struct RunQuery {
    /// Whose runs: [`actor`](Self::actor), [`task`](Self::task) or [`account`](Self::account).
    pub scope: Scope,
    /// Only runs with one of these statuses; all runs if it is empty:
    /// [`statuses`](Self::statuses).
    pub statuses: Vec<RunStatus>,
    /// Only runs that started at this time or later: [`started_after`](Self::started_after).
    pub started_after: Option<DateTime<Utc>>,
    /// Only runs that started at this time or earlier: [`started_before`](Self::started_before).
    pub started_before: Option<DateTime<Utc>>,
    /// Whether `started_before` itself is excluded. True in the query of a
    /// [`Split`](crate::Split) that is not the last one. The end is then exact, not rounded to
    /// milliseconds.
    pub excludes_end: bool,
    /// Newest first: [`descending`](Self::descending).
    pub descending: bool,
    /// How many runs at the beginning of the list to leave out: [`offset`](Self::offset).
    pub offset: u64,
    /// The maximum number of runs to read: [`limit`](Self::limit).
    pub limit: Option<u64>,
    /// How many new runs to request per page: [`page_size`](Self::page_size).
    pub page_size: u32,
}

impl RunQuery {
    /// The runs of one Actor: its ID, `username~actor-name` or `username/actor-name`. At most
    /// 1000 bytes, without control characters.
    pub fn actor(id: impl Into<String>) -> Self {
        Self::new(Scope::Actor(id.into()))
    }

    /// The runs of one task: its ID, `username~task-name` or `username/task-name`. At most 1000
    /// bytes, without control characters.
    ///
    /// The API reference documents no filters by time for this list. If the service ignores them, a
    /// walk reads the whole list and leaves out the runs outside of
    /// [`started_after`](Self::started_after) and [`started_before`](Self::started_before).
    /// [`Client::count`](crate::Client::count) and [`Client::page`](crate::Client::page) then
    /// include these runs.
    pub fn task(id: impl Into<String>) -> Self {
        Self::new(Scope::Task(id.into()))
    }

    /// All runs of the account the token belongs to.
    pub fn account() -> Self {
        Self::new(Scope::Account)
    }

    fn new(scope: Scope) -> Self {
        Self {
            scope,
            statuses: Vec::new(),
            started_after: None,
            started_before: None,
            excludes_end: false,
            descending: false,
            offset: 0,
            limit: None,
            page_size: MAX_PAGE_SIZE,
        }
    }

    /// Only runs with this status. Replaces earlier statuses. Default: any status.
    pub fn status(self, status: RunStatus) -> Self {
        self.statuses([status])
    }

    /// Only runs with one of these statuses. Replaces earlier statuses. Default: any status, as
    /// with an empty list. A status must not be empty or contain a comma.
    pub fn statuses(mut self, statuses: impl IntoIterator<Item = RunStatus>) -> Self {
        self.statuses = statuses.into_iter().collect();
        self
    }

    /// Only runs that started at this time or later. Sent in milliseconds. Its year must be
    /// from 0 to 9999, and it may not be later than [`started_before`](Self::started_before).
    pub fn started_after(mut self, time: DateTime<Utc>) -> Self {
        self.started_after = Some(time);
        self
    }

    /// Only runs that started at this time or earlier. Sent in milliseconds. Its year must be
    /// from 0 to 9999.
    pub fn started_before(mut self, time: DateTime<Utc>) -> Self {
        self.started_before = Some(time);
        self.excludes_end = false;
        self
    }

    /// Only runs that started before this time.
    pub(crate) fn ends_before(mut self, time: DateTime<Utc>) -> Self {
        self.started_before = Some(time);
        self.excludes_end = true;
        self
    }

    /// Newest first (`true`) or oldest first (`false`, the default).
    pub fn descending(mut self, descending: bool) -> Self {
        self.descending = descending;
        self
    }

    /// How many runs at the beginning of the list to leave out, at most 2⁶³ − 1. Default 0.
    ///
    /// They are counted when the walk begins. If more than 500 of them started in the same
    /// millisecond as the first run that is not left out, some of these may be returned when the
    /// list moves later. If the service ignores filters by time, the offset counts from the
    /// beginning of the whole list.
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// The maximum number of runs to read, at least 1. Default: no maximum. A row that cannot be
    /// read counts.
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// How many new runs to request per page, 1 to 1000. Default 1000.
    ///
    /// Each page after the first also has at least the last two runs of the page before, so that
    /// the walk notices when the list moved. At 1000, the service's maximum, a page has 998 new
    /// runs. If more than a page of runs started in one millisecond, pages may be larger.
    pub fn page_size(mut self, page_size: u32) -> Self {
        self.page_size = page_size;
        self
    }

    /// Checks every setting. Called by every operation that takes a query.
    ///
    /// # Errors
    ///
    /// The first setting that is out of its bounds.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        match &self.scope {
            Scope::Actor(id) => validate_name("actor", id)?,
            Scope::Task(id) => validate_name("task", id)?,
            Scope::Account => {}
        }
        for status in &self.statuses {
            let text = status.as_str();
            if text.is_empty() || text.contains(',') {
                let expected = "it must be one status, without a comma";
                return Err(InvalidSetting::new("status", format!("{text:?}"), expected));
            }
        }
        validate_time("started_after", self.started_after)?;
        validate_time("started_before", self.started_before)?;
        if let (Some(after), Some(before)) = (self.started_after, self.started_before)
            && after > before
        {
            let expected = format!(
                "it is later than started_before {}",
                timestamp::to_query(before)
            );
            let after = timestamp::to_query(after);
            return Err(InvalidSetting::new("started_after", after, expected));
        }
        if self.limit == Some(0) {
            return Err(InvalidSetting::new("limit", 0, "it must be at least 1"));
        }
        if !(1..=MAX_PAGE_SIZE).contains(&self.page_size) {
            let expected = "it must be from 1 to 1000";
            return Err(InvalidSetting::new("page_size", self.page_size, expected));
        }
        // The walk adds whole pages to the offset; far beyond any real list.
        if self.offset > u64::MAX / 2 {
            let expected = "it is beyond the end of any list";
            return Err(InvalidSetting::new("offset", self.offset, expected));
        }
        Ok(())
    }

    /// What a cursor stores of a query: all that decides which runs are returned, and in which
    /// order, in a canonical form.
    pub(crate) fn identity(&self) -> Self {
        let scope = match &self.scope {
            Scope::Actor(id) => Scope::Actor(with_tilde(id).into_owned()),
            Scope::Task(id) => Scope::Task(with_tilde(id).into_owned()),
            Scope::Account => Scope::Account,
        };
        let mut statuses = self.statuses.clone();
        statuses.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        statuses.dedup();
        Self {
            scope,
            statuses,
            started_after: self.started_after.map(|time| time.trunc_subsecs(3)),
            started_before: match self.excludes_end {
                true => self.started_before,
                false => self.started_before.map(|time| time.trunc_subsecs(3)),
            },
            excludes_end: self.excludes_end && self.started_before.is_some(),
            limit: None,
            page_size: MAX_PAGE_SIZE,
            ..self.clone()
        }
    }

    /// What is different in another query, and how. Both are identities.
    pub(crate) fn differences(&self, now: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        let mut compare = |name: &str, theirs: String, ours: String| {
            if theirs != ours {
                differences.push(format!("{name} {theirs} (now {ours})"));
            }
        };
        let time =
            |time: Option<DateTime<Utc>>| time.map_or("none".into(), |time| time.to_rfc3339());
        compare("scope", self.scope.to_string(), now.scope.to_string());
        compare("statuses", self.shown_statuses(), now.shown_statuses());
        compare(
            "started_after",
            time(self.started_after),
            time(now.started_after),
        );
        let end = |query: &Self| {
            let excluded = if query.excludes_end { ", excluded" } else { "" };
            time(query.started_before) + excluded
        };
        compare("started_before", end(self), end(now));
        compare(
            "descending",
            self.descending.to_string(),
            now.descending.to_string(),
        );
        compare("offset", self.offset.to_string(), now.offset.to_string());
        differences
    }

    fn shown_statuses(&self) -> String {
        if self.statuses.is_empty() {
            return "any".into();
        }
        self.joined_statuses()
    }

    pub(crate) fn joined_statuses(&self) -> String {
        let statuses: Vec<_> = self.statuses.iter().map(RunStatus::as_str).collect();
        statuses.join(",")
    }

    /// The same query, with the unfinished statuses let through if there is a filter: a run
    /// that is running now may have a status that is wanted later.
    pub(crate) fn widened(mut self) -> Self {
        if self.statuses.is_empty() {
            return self;
        }
        for status in RunStatus::UNFINISHED {
            if !self.statuses.contains(&status) {
                self.statuses.push(status);
            }
        }
        self
    }

    /// Whether the filter by status lets a run through.
    pub(crate) fn wants(&self, status: &RunStatus) -> bool {
        self.statuses.is_empty() || self.statuses.contains(status)
    }

    /// Whether a start is within the query's times, in the milliseconds in which they are sent.
    /// An end that is excluded is compared exactly.
    pub(crate) fn spans(&self, start: Option<DateTime<Utc>>) -> bool {
        let Some(start) = start else { return true };
        let is_after = |time: DateTime<Utc>| start.timestamp_millis() >= time.timestamp_millis();
        let is_before = |time: DateTime<Utc>| match self.excludes_end {
            true => start < time,
            false => start.timestamp_millis() <= time.timestamp_millis(),
        };
        self.started_after.is_none_or(is_after) && self.started_before.is_none_or(is_before)
    }

    /// The upper bound as it is sent, which the service includes. Where the query does not, it
    /// is the first whole millisecond that is not before it: there is none between the last
    /// start that is wanted and the end.
    pub(crate) fn last_bound(&self) -> Option<DateTime<Utc>> {
        match self.excludes_end {
            true => self
                .started_before
                .map(|end| Direction::Ascending.bound_behind(end)),
            false => self.started_before,
        }
    }

    /// Whether there is a bound in time. A bound hides runs without a start.
    pub(crate) fn has_bounds(&self) -> bool {
        self.started_after.is_some() || self.started_before.is_some()
    }

    /// Whether there is a filter by status.
    pub(crate) fn has_filter(&self) -> bool {
        !self.statuses.is_empty()
    }

    /// Whether the filter by status lets only runs through that have not finished.
    pub(crate) fn wants_only_unfinished(&self) -> bool {
        self.has_filter()
            && self
                .statuses
                .iter()
                .all(|status| RunStatus::UNFINISHED.contains(status))
    }
}

/// In words, on one line.
impl fmt::Display for RunQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.scope)?;
        if self.has_filter() {
            write!(f, ", {}", self.joined_statuses())?;
        }
        if let Some(time) = self.started_after {
            write!(f, ", from {}", timestamp::to_query(time))?;
        }
        if let Some(time) = self.started_before {
            match self.excludes_end {
                true => write!(f, ", before {}", timestamp::to_text(time))?,
                false => write!(f, ", until {}", timestamp::to_query(time))?,
            }
        }
        if self.descending {
            f.write_str(", newest first")?;
        }
        if self.offset > 0 {
            write!(f, ", without the first {}", self.offset)?;
        }
        Ok(())
    }
}

/// The runs of an Actor.
impl From<&str> for RunQuery {
    fn from(actor: &str) -> Self {
        Self::actor(actor)
    }
}

/// The runs of an Actor.
impl From<String> for RunQuery {
    fn from(actor: String) -> Self {
        Self::actor(actor)
    }
}

impl From<&RunQuery> for RunQuery {
    fn from(query: &RunQuery) -> Self {
        query.clone()
    }
}

/// People write `user/name`; the API wants `user~name`.
pub(crate) fn with_tilde(id: &str) -> Cow<'_, str> {
    match id.split_once('/') {
        Some((user, name)) => Cow::Owned(format!("{user}~{name}")),
        None => Cow::Borrowed(id),
    }
}

fn validate_name(setting: &'static str, id: &str) -> Result<(), InvalidSetting> {
    let expected = "it must be an ID, user~name or user/name";
    let is_too_long = id.len() > MAX_NAME_BYTES;
    // Who pastes an address may paste a secret with it.
    let shown = if is_too_long || id.contains(['@', '?', '#']) {
        "(not shown)".into()
    } else {
        format!("{id:?}")
    };
    let refuse = || Err(InvalidSetting::new(setting, &shown, expected));
    // A path may not contain `.` and `..`, and a URL drops tabs and line ends.
    let is_no_segment = id.trim().is_empty() || id == "." || id == "..";
    if is_no_segment || is_too_long || id.contains(char::is_control) {
        return refuse();
    }
    match id.split_once('/') {
        None => Ok(()),
        Some((user, name)) if user.is_empty() || name.is_empty() || name.contains('/') => refuse(),
        Some(_) => Ok(()),
    }
}

fn validate_time(setting: &'static str, time: Option<DateTime<Utc>>) -> Result<(), InvalidSetting> {
    match time {
        Some(time) if !(0..=9999).contains(&time.year()) => {
            let expected = "its year must be from 0 to 9999";
            Err(InvalidSetting::new(setting, time.to_rfc3339(), expected))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        timestamp::parse(text).unwrap()
    }

    #[test]
    fn an_excluded_end_is_exact() {
        for end in ["2025-09-17T10:00:00.001Z", "2025-09-17T10:00:00.0005Z"] {
            let end = time(end);
            let query = RunQuery::actor("a").ends_before(end);
            let spans = |nanos| query.spans(Some(end + TimeDelta::nanoseconds(nanos)));
            assert_eq!([-1, 0, 1].map(spans), [true, false, false]);
            let json = serde_json::to_string(&query).unwrap();
            assert_eq!(serde_json::from_str::<RunQuery>(&json).unwrap(), query);
            let inclusive = query.clone().started_before(end).identity();
            let json = serde_json::to_string(&inclusive).unwrap();
            assert!(!json.contains("excludes_end"), "{json}");
            let differences = query.identity().differences(&inclusive);
            assert_eq!(differences.len(), 1, "{differences:?}");
            let shown = format!("actor \"a\", before {}", timestamp::to_text(end));
            assert_eq!(query.to_string(), shown);
        }
        // Milliseconds are all that an ordinary query knows.
        let query = RunQuery::actor("a").started_before(time("2025-09-17T10:00:00.001Z"));
        assert!(query.spans(Some(time("2025-09-17T10:00:00.0015Z"))));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_value() {
        let message = |query: RunQuery| query.validate().unwrap_err().to_string();
        let query = || RunQuery::actor("a");

        for name in [
            "",
            "  ",
            ".",
            "..",
            "a/",
            "/a",
            "a/b/c",
            "https://apify.com/a/b",
            "a\tb\n",
        ] {
            let expected =
                format!("invalid actor {name:?}: it must be an ID, user~name or user/name");
            assert_eq!(message(RunQuery::actor(name)), expected);
        }
        assert!(message(RunQuery::task("")).starts_with("invalid task \"\""));
        let address = "https://api.apify.com/v2/acts/x/runs?token=apify_api_x";
        for name in [address, &"x".repeat(1001)] {
            let expected = "invalid actor (not shown): it must be an ID";
            assert!(message(RunQuery::actor(name)).starts_with(expected));
        }
        RunQuery::actor("x".repeat(1000)).validate().unwrap();
        assert_eq!(
            message(query().page_size(0)),
            "invalid page_size 0: it must be from 1 to 1000"
        );
        assert!(message(query().page_size(1001)).starts_with("invalid page_size 1001"));
        assert_eq!(
            message(query().limit(0)),
            "invalid limit 0: it must be at least 1"
        );
        assert!(message(query().offset(u64::MAX)).starts_with("invalid offset"));
        assert!(message(query().status("A,B".into())).starts_with("invalid status \"A,B\""));
        assert!(message(query().status("".into())).starts_with("invalid status \"\""));
        assert!(
            message(query().started_after(DateTime::<Utc>::MAX_UTC))
                .starts_with("invalid started_after +262142")
        );
        let backwards = query()
            .started_after(time("2025-09-02T00:00:00Z"))
            .started_before(time("2025-09-01T00:00:00Z"));
        assert_eq!(
            message(backwards),
            "invalid started_after 2025-09-02T00:00:00.000Z: \
             it is later than started_before 2025-09-01T00:00:00.000Z"
        );
    }

    #[test]
    fn a_query_survives_json() {
        let query = RunQuery::task("user/name")
            .status(RunStatus::Running)
            .started_after(time("2025-09-01T00:00:00.123Z"))
            .descending(true)
            .offset(5)
            .limit(10)
            .page_size(7);
        let json = serde_json::to_string(&query).unwrap();
        assert_eq!(serde_json::from_str::<RunQuery>(&json).unwrap(), query);

        let short = r#"{"scope":{"actor":"a"}}"#;
        assert_eq!(
            serde_json::from_str::<RunQuery>(short).unwrap(),
            RunQuery::actor("a")
        );
        let misspelled = r#"{"scope":"account","status":"FAILED"}"#;
        assert!(serde_json::from_str::<RunQuery>(misspelled).is_err());
    }
}
