//! Which runs to read: the query and its URL.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Datelike, SubsecRound, Utc};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::http::token::Token;
pub(crate) use crate::limits::MAX_PAGE_SIZE;
use crate::run::RunStatus;
use crate::split::Share;
use crate::timestamp;
use crate::walk::{Direction, PageRequest};

/// More bytes than any name has, and less than an address holds.
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

/// Which runs to read, in which order, in pages of which size.
///
/// Plain data without a client in it: it can be compared, stored and sent elsewhere. What
/// is wrong with it is said by [`validate`](Self::validate), and by every operation that
/// takes it, before anything is sent.
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
/// # Ok::<(), apify_runs::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use]
pub struct RunQuery {
    pub(crate) scope: Scope,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    statuses: Vec<RunStatus>,
    #[serde(
        default,
        with = "timestamp::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) started_after: Option<DateTime<Utc>>,
    #[serde(
        default,
        with = "timestamp::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) started_before: Option<DateTime<Utc>>,
    /// Whether `started_before` itself is no longer in: where a split ends and the next one
    /// begins. It is exact then, and no longer one in milliseconds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    excludes_end: bool,
    #[serde(default)]
    pub(crate) descending: bool,
    #[serde(default)]
    pub(crate) offset: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<u64>,
    #[serde(default = "default_page_size")]
    pub(crate) page_size: u32,
    /// Whether the walk begins with the runs that have no start, wherever they are listed. Set
    /// where a split has a bound that hides them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) undated_first: bool,
    /// What part of the pace a split may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) share: Option<Share>,
}

fn default_page_size() -> u32 {
    MAX_PAGE_SIZE
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
    /// The API reference documents no filters by time for this list. Where the service ignores
    /// them, a walk reads the whole list and leaves out what lies outside of
    /// [`started_after`](Self::started_after) and [`started_before`](Self::started_before);
    /// [`Client::count`](crate::Client::count) and [`Client::page`](crate::Client::page) cannot
    /// know.
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
            undated_first: false,
            share: None,
        }
    }

    /// Only runs with this status. Replaces what was set before. Default: any status.
    pub fn status(self, status: RunStatus) -> Self {
        self.statuses([status])
    }

    /// Only runs with one of these statuses. Replaces what was set before. Default, and
    /// with none given: any status. None may be empty or contain a comma.
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

    /// Only runs that started before this time, however shortly.
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
    /// Counted when the walk begins. At most 500 runs that started in the same millisecond as the
    /// first one are left out for good; of more, some may come if the list moves later. Where the
    /// service ignores filters by time, it counts from the beginning of the whole list.
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// How many runs to read in all, at least 1. Default: all there are. A row that cannot
    /// be read counts too.
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// How many new runs to ask for at a time, 1 to 1000. Default 1000.
    ///
    /// Each page after the first also holds at least the last two runs of the page before, by which
    /// a list that moved is recognized. At 1000, the service's maximum, it brings 998 new runs.
    /// Where more runs started in one millisecond, pages may be larger.
    pub fn page_size(mut self, page_size: u32) -> Self {
        self.page_size = page_size;
        self
    }

    /// Whose runs the query is about.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Checks every setting. Called by every operation that takes a query.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), naming the setting and its value.
    pub fn validate(&self) -> Result<()> {
        match &self.scope {
            Scope::Actor(id) => validate_name("actor", id)?,
            Scope::Task(id) => validate_name("task", id)?,
            Scope::Account => {}
        }
        for status in &self.statuses {
            let text = status.as_str();
            if text.is_empty() || text.contains(',') {
                let expected = "it must be one status, without a comma";
                return Err(Error::config("status", format!("{text:?}"), expected));
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
            return Err(Error::config("started_after", after, &expected));
        }
        if self.limit == Some(0) {
            return Err(Error::config("limit", 0, "it must be at least 1"));
        }
        if !(1..=MAX_PAGE_SIZE).contains(&self.page_size) {
            let expected = "it must be from 1 to 1000";
            return Err(Error::config("page_size", self.page_size, expected));
        }
        if let Some(share) = self.share {
            share.validate()?;
        }
        // The walk adds whole pages to the offset; far beyond any real list.
        if self.offset > u64::MAX / 2 {
            let expected = "it is beyond the end of any list";
            return Err(Error::config("offset", self.offset, expected));
        }
        Ok(())
    }

    /// Refuses a query that would show the token: in addresses, errors and cursors.
    pub(crate) fn reject_token(&self, token: &Token) -> Result<()> {
        match &self.scope {
            Scope::Actor(id) => token.reject_in("actor", id)?,
            Scope::Task(id) => token.reject_in("task", id)?,
            Scope::Account => {}
        }
        let mut statuses = self.statuses.iter();
        statuses.try_for_each(|status| token.reject_in("status", status.as_str()))
    }

    /// What a cursor remembers of a query: all that decides which runs come, and in which
    /// order, in one spelling.
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
            share: None,
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
        compare(
            "undated_first",
            self.undated_first.to_string(),
            now.undated_first.to_string(),
        );
        differences
    }

    fn shown_statuses(&self) -> String {
        if self.statuses.is_empty() {
            return "any".into();
        }
        self.joined_statuses()
    }

    fn joined_statuses(&self) -> String {
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
    fn last_bound(&self) -> Option<DateTime<Utc>> {
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

    /// The address of one page below `base_url`, which ends in `/v2`.
    pub(crate) fn url(&self, base_url: &Url, request: PageRequest) -> Url {
        let mut url = base_url.clone();
        // A base URL is checked to be one that has a path.
        if let Ok(mut path) = url.path_segments_mut() {
            match &self.scope {
                Scope::Actor(id) => path.extend(["acts", &with_tilde(id), "runs"]),
                Scope::Task(id) => path.extend(["actor-tasks", &with_tilde(id), "runs"]),
                Scope::Account => path.push("actor-runs"),
            };
        }
        let direction = request.whole.unwrap_or(Direction::new(self.descending));
        let mut pairs = url.query_pairs_mut();
        pairs.append_pair("offset", &request.offset.to_string());
        pairs.append_pair("limit", &request.limit.to_string());
        if direction == Direction::Descending {
            pairs.append_pair("desc", "1");
        }
        if self.has_filter() && request.until.is_none() {
            pairs.append_pair("status", &self.joined_statuses());
        }
        if request.whole.is_some() {
            drop(pairs);
            return url;
        }
        let (from, to) = if self.descending {
            (request.until, request.anchor)
        } else {
            (request.anchor, request.until)
        };
        let after = [self.started_after, from].into_iter().flatten().max();
        let before = [self.last_bound(), to].into_iter().flatten().min();
        if let Some(time) = after {
            pairs.append_pair("startedAfter", &timestamp::to_query(time));
        }
        if let Some(time) = before {
            pairs.append_pair("startedBefore", &timestamp::to_query(time));
        }
        drop(pairs);
        url
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
fn with_tilde(id: &str) -> Cow<'_, str> {
    match id.split_once('/') {
        Some((user, name)) => Cow::Owned(format!("{user}~{name}")),
        None => Cow::Borrowed(id),
    }
}

fn validate_name(setting: &str, id: &str) -> Result<()> {
    let expected = "it must be an ID, user~name or user/name";
    let is_too_long = id.len() > MAX_NAME_BYTES;
    // Who pastes an address may paste a secret with it.
    let shown = if is_too_long || id.contains(['@', '?', '#']) {
        "(not shown)".into()
    } else {
        format!("{id:?}")
    };
    let refuse = || Err(Error::config(setting, &shown, expected));
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

fn validate_time(setting: &str, time: Option<DateTime<Utc>>) -> Result<()> {
    match time {
        Some(time) if !(0..=9999).contains(&time.year()) => {
            let expected = "its year must be from 0 to 9999";
            Err(Error::config(setting, time.to_rfc3339(), expected))
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

    fn url(query: &RunQuery) -> String {
        let base = Url::parse("https://api.apify.com/v2").unwrap();
        query.url(&base, PageRequest::rows(999, 1000)).to_string()
    }

    #[test]
    fn a_plain_query_asks_for_a_page() {
        assert_eq!(
            url(&RunQuery::actor("janedoe/my-actor")),
            "https://api.apify.com/v2/acts/janedoe~my-actor/runs?offset=999&limit=1000"
        );
        assert_eq!(
            url(&RunQuery::task("HG7ML7M8z78YcAPEB")),
            "https://api.apify.com/v2/actor-tasks/HG7ML7M8z78YcAPEB/runs?offset=999&limit=1000"
        );
        assert_eq!(
            url(&RunQuery::account()),
            "https://api.apify.com/v2/actor-runs?offset=999&limit=1000"
        );
    }

    #[test]
    fn filters_are_in_the_query_in_the_apis_own_form() {
        let query = RunQuery::actor("a")
            .statuses([RunStatus::Succeeded, RunStatus::TimedOut])
            .started_after(time("2025-09-01T02:00:00.1239+02:00"))
            .started_before(time("2025-09-17T23:59:59Z"))
            .descending(true);
        let url = Url::parse(&url(&query)).unwrap();
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let expected = [
            ("offset", "999"),
            ("limit", "1000"),
            ("desc", "1"),
            ("status", "SUCCEEDED,TIMED-OUT"),
            ("startedAfter", "2025-09-01T00:00:00.123Z"),
            ("startedBefore", "2025-09-17T23:59:59.000Z"),
        ];
        assert_eq!(pairs, expected.map(|(k, v)| (k.to_string(), v.to_string())));
    }

    #[test]
    fn an_excluded_end_is_exact_and_is_sent_as_the_next_millisecond() {
        for (end, sent) in [
            ("2025-09-17T10:00:00.001Z", "2025-09-17T10:00:00.001Z"),
            ("2025-09-17T10:00:00.0005Z", "2025-09-17T10:00:00.001Z"),
        ] {
            let end = time(end);
            let query = RunQuery::actor("a").ends_before(end);
            let spans = |nanos| query.spans(Some(end + TimeDelta::nanoseconds(nanos)));
            assert_eq!([-1, 0, 1].map(spans), [true, false, false]);
            let url = Url::parse(&url(&query)).unwrap();
            let mut pairs = url.query_pairs();
            assert!(pairs.any(|pair| pair == ("startedBefore".into(), sent.into())));

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
    fn no_name_escapes_its_place_in_the_path() {
        for (name, segment) in [
            ("a b", "a%20b"),
            ("a?token=x", "a%3Ftoken=x"),
            ("a#b", "a%23b"),
            ("a%2Fb", "a%252Fb"),
            ("../../users", ""),
            ("../users", "..~users"),
            ("žluť~actor", "%C5%BElu%C5%A5~actor"),
            ("a\\b", "a\\b"),
        ] {
            let query = RunQuery::actor(name);
            if segment.is_empty() {
                assert!(query.validate().is_err(), "{name}");
                continue;
            }
            query.validate().unwrap();
            let url = Url::parse(&url(&query)).unwrap();
            let segments: Vec<_> = url.path_segments().unwrap().collect();
            assert_eq!(segments.len(), 4, "{url}");
            assert_eq!(segments[2].replace("%5C", "\\"), segment, "{url}");
            assert_eq!(url.query_pairs().count(), 2, "{url}");
        }
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
