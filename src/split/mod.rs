//! A query cut into parts that can be read at the same time, by processes of their own.

mod partition;

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::excerpt::excerpt;
use crate::http::fetch;
use crate::limits::DEFAULT_LOOKBACK;
use crate::page::{Entry, Page};
use crate::query::{RunQuery, RunSource};
use crate::walk::PageRequest;
use partition::Partition;

const MAX_SPLITS: usize = 10_000;
/// How many requests are in flight while a list is cut.
const CONCURRENCY: usize = 8;
/// How many lists are cut at once.
const LISTS_AT_A_TIME: usize = 64;
/// The form in which a split is stored.
const VERSION: u64 = 1;

/// A part of a query that can be read on its own, in another process or on another machine:
/// [`Client::split`].
///
/// It is a window of time with the query's other settings. The window is half open: it includes
/// its beginning, and ends before its end, which is where the next one begins. The window of the
/// newest runs ends where the query does. (Splits that an earlier version has stored end a
/// millisecond before the next one, and include that.)
///
/// A split is plain data without a client or a token in it, and made to be sent elsewhere: with
/// `serde`, or as one line of JSON with `Display` and `FromStr`. [`Client::runs`] takes it in
/// place of a query. The walk has a [`Cursor`](crate::Cursor) of its own.
///
/// Readers of one list share the requests that the service allows for it, wherever they run: each
/// slows down when it is refused (429), until all of them have about equal rates. See
/// [`max_requests_per_second`](crate::ClientBuilder::max_requests_per_second).
///
/// [`RunPages`](crate::RunPages) of the split that has the runs without a start may begin with a
/// page of the whole list, which shows them.
///
/// # Example: the parts of a list, one after the other
///
/// ```no_run
/// # async fn example(client: apify_runs::Client) -> apify_runs::Result<()> {
/// use apify_runs::{RunQuery, Split};
/// use futures::StreamExt;
///
/// for split in client.split(&RunQuery::actor("janedoe/my-actor"), 4).await? {
///     let line = split.to_string();
///     // … in another process:
///     let split: Split = line.parse()?;
///     let mut runs = client.runs(split).stream();
///     while let Some(run) = runs.next().await {
///         println!("{}", run?.id);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Split {
    source: RunSource,
    rows: u64,
}

/// A split as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: u64,
    rows: u64,
    query: RunSource,
}

impl Split {
    /// About how many runs there were in it when the list was cut.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Which runs are in it. To read them, pass the split itself to [`Client::runs`]: that also
    /// finds runs without a start.
    ///
    /// If another window follows, the query [excludes its end](RunQuery::excludes_end). A request
    /// includes its bounds, and so what the service says or lists ([`Client::count`],
    /// [`Client::page`], [`WalkStats::total`](crate::WalkStats::total)) may have runs that start
    /// exactly at the end; a walk skips them. [`Client::split`] puts the end where there are
    /// none, if the list has room.
    pub fn query(&self) -> &RunQuery {
        &self.source.query
    }

    /// How many new runs its reader requests per page: see [`RunQuery::page_size`].
    pub fn page_size(mut self, page_size: u32) -> Self {
        self.source.query.page_size = page_size;
        self
    }
}

impl From<Split> for RunSource {
    fn from(split: Split) -> Self {
        split.source
    }
}

impl From<&Split> for RunSource {
    fn from(split: &Split) -> Self {
        split.source.clone()
    }
}

/// One line of JSON.
impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        f.write_str(&json)
    }
}

/// Reads what `Display` has written.
///
/// # Errors
///
/// [`ErrorKind::Config`](crate::ErrorKind::Config) if the text is damaged, or of a version this
/// crate does not know.
impl FromStr for Split {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| {
            let shown = format!("{:?}", excerpt(text));
            Error::config("split", shown, &excerpt(&error.to_string()))
        })
    }
}

impl Serialize for Split {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form = Form {
            version: VERSION,
            rows: self.rows,
            query: self.source.clone(),
        };
        form.serialize(serializer)
    }
}

/// The version is checked first: the fields of another version are not known.
impl<'de> Deserialize<'de> for Split {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match value.get("version").map(Value::as_u64) {
            Some(Some(VERSION)) => {}
            Some(Some(version)) => {
                return Err(D::Error::custom(format!(
                    "it is of version {version}, and this version of the crate knows only {VERSION}"
                )));
            }
            _ => return Err(D::Error::custom("it has no version")),
        }
        let form: Form = serde_json::from_value(value).map_err(D::Error::custom)?;
        Ok(Self {
            source: form.query,
            rows: form.rows,
        })
    }
}

impl Client {
    /// Cuts a query into `n` parts of about equal length that can be read in parallel: windows of
    /// time, in the order of the list. `n` is from 1 to 10,000.
    ///
    /// Together, the parts have exactly the runs that a walk of the whole query returns. A window
    /// includes its begin and excludes its end, and both are whole milliseconds, so that each run
    /// is in exactly one window, even if starts are finer than a millisecond. The first and the
    /// last window have the query's own bounds, if there are any. Runs that start later are in the
    /// last window, or in the first if the query is descending.
    ///
    /// The window of the newest runs begins at least 60 s before the newest start, since runs may
    /// still appear there. A run that appears, or gets its start, when a run that started more than
    /// 60 s after it is already on the list may be read twice or not at all. No clock is used.
    ///
    /// If the query has no bounds, runs without a start are in the window of the newest runs, and
    /// are returned first. No other window has them.
    ///
    /// A part has 80 to 120 % of the average length if the list allows it. The part with the
    /// newest runs may be twice as long or more; there may be fewer parts then. If many runs
    /// started in the same millisecond, there are fewer parts, and their lengths differ more, but
    /// none is empty. If all runs started within a minute, the service ignores bounds, or the list
    /// is empty, there is one part with the whole list.
    ///
    /// It takes `n + 1` requests for one row each if the runs start evenly, and up to `4 n + 62` if
    /// they do not.
    ///
    /// # Errors
    ///
    /// Any kind but `Item`; [`ErrorKind::Config`](crate::ErrorKind::Config) if `n` is out of
    /// bounds, if the query has an [`offset`](RunQuery::offset) or a [`limit`](RunQuery::limit),
    /// which the reader of one part cannot apply, or if it is the query of a split.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts the requests; nothing is kept.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    pub async fn split(&self, source: impl Into<RunSource>, n: usize) -> Result<Vec<Split>> {
        let mut splits = self.split_all([source], n).await?;
        splits.pop().unwrap_or_else(|| Ok(Vec::new()))
    }

    /// Cuts the lists of several queries into about `n` parts in all. The longest lists are cut
    /// into the most parts. Returns the parts of each query, at least one, or the error of that
    /// list, in the order of the queries. A list that is not cut takes one request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), as [`split`](Self::split). Nothing has been
    /// sent then.
    ///
    /// # Cancel safety
    ///
    /// As [`split`](Self::split).
    ///
    /// # Panics
    ///
    /// As [`split`](Self::split).
    pub async fn split_all<T: Into<RunSource>>(
        &self,
        sources: impl IntoIterator<Item = T>,
        n: usize,
    ) -> Result<Vec<Result<Vec<Split>>>> {
        let sources: Vec<RunSource> = sources.into_iter().map(Into::into).collect();
        if !(1..=MAX_SPLITS).contains(&n) {
            return Err(Error::config("n", n, "it must be from 1 to 10000"));
        }
        for source in &sources {
            self.settings().token.reject_in_query(&source.query)?;
            can_be_split(source)?;
        }
        let queries: Vec<_> = sources.iter().map(|source| &source.query).collect();
        // As vectors: a closure in the stream would tie the future to one thread.
        let probes: Vec<_> = queries.iter().map(|query| self.oldest(query)).collect();
        let beginnings: Vec<Result<Option<Edge>>> = stream::iter(probes)
            .buffered(LISTS_AT_A_TIME)
            .collect()
            .await;

        let rows = |edge: &Result<Option<Edge>>| match edge {
            Ok(Some(edge)) => edge.rows,
            Ok(None) | Err(_) => 0,
        };
        let all: u64 = beginnings.iter().map(rows).fold(0, u64::saturating_add);
        let parts = |edge: &Result<Option<Edge>>| {
            let parts = n as f64 * rows(edge) as f64 / all.max(1) as f64;
            (parts.round() as usize).clamp(1, n)
        };
        let lists = queries.iter().zip(beginnings);
        let cuts: Vec<_> = lists
            .map(|(query, oldest)| {
                let parts = parts(&oldest);
                async move { self.cut(query, oldest?, parts).await }
            })
            .collect();
        Ok(stream::iter(cuts).buffered(LISTS_AT_A_TIME).collect().await)
    }

    /// Cuts one list.
    async fn cut(&self, query: &RunQuery, oldest: Option<Edge>, n: usize) -> Result<Vec<Split>> {
        let whole = || vec![self.whole(query, oldest.map_or(0, |edge| edge.rows))];
        let (Some(oldest), 2..) = (oldest, n) else {
            return Ok(whole());
        };
        let Some(newest) = self.newest(query).await? else {
            return Ok(whole());
        };
        if ![oldest.start, newest.start]
            .map(time)
            .iter()
            .all(|start| query.spans(*start))
        {
            // The service ignores bounds.
            return Ok(whole());
        }
        let latest = newest.latest_cut();
        let mut partition = Partition::new(oldest.rows, oldest.start, newest.start, latest, n);
        loop {
            let times = partition.probes();
            if times.is_empty() {
                break;
            }
            let probes = times.into_iter().map(|time| self.beginning_at(query, time));
            let mut beginnings = stream::iter(probes).buffered(CONCURRENCY);
            while let Some(beginning) = beginnings.try_next().await? {
                if beginning.ignores_bound {
                    return Ok(whole());
                }
                partition.take(beginning.time, beginning.rows, beginning.first);
            }
        }
        Ok(self.windows(query, &partition))
    }

    /// The windows between the cuts.
    fn windows(&self, query: &RunQuery, partition: &Partition) -> Vec<Split> {
        let parts = partition.parts();
        let ends = parts.iter().skip(1).map(|part| time(part.from));
        let windows = parts.iter().zip(ends.chain([None])).enumerate();
        let mut splits: Vec<_> = windows
            .map(|(index, (part, end))| {
                let mut split = self.whole(query, part.rows);
                if index > 0 {
                    split.source.query.started_after = time(part.from);
                }
                match end {
                    Some(end) => split.source.query = split.source.query.ends_before(end),
                    // Its lower bound hides runs without a start, which the query does not.
                    None => split.source.undated_first = index > 0 && !query.has_bounds(),
                }
                split
            })
            .collect();
        if query.descending {
            splits.reverse();
        }
        splits
    }

    /// The whole query as one part.
    fn whole(&self, query: &RunQuery, rows: u64) -> Split {
        let source = RunSource {
            from_split: true,
            ..query.into()
        };
        Split { source, rows }
    }

    /// The beginning of the list. `None` if there is no run with a start.
    async fn oldest(&self, query: &RunQuery) -> Result<Option<Edge>> {
        let query = dated(query).descending(false);
        let after = query.started_after.map(|time| time.timestamp_millis());
        let page = self.first_row(query).await?;
        // The first run may be one that cannot be read. A list of unknown length is not cut.
        let start = first_start(&page)
            .or(after)
            .filter(|_| page.total.is_some_and(|total| total > 0));
        Ok(start.map(|start| Edge::of(&page, start)))
    }

    /// The end of the list. `None` if it is unknown when the last run started.
    async fn newest(&self, query: &RunQuery) -> Result<Option<Edge>> {
        let page = self.first_row(dated(query).descending(true)).await?;
        Ok(first_start(&page).map(|start| Edge::of(&page, start)))
    }

    /// What the list has from this time on.
    async fn beginning_at(&self, query: &RunQuery, from: i64) -> Result<Beginning> {
        let mut query = query.clone().descending(false);
        query.started_after = time(from);
        let page = self.first_row(query).await?;
        let first = first_start(&page);
        let is_undated = |entry: Entry<'_>| entry.run.is_some() && entry.start.is_none();
        Ok(Beginning {
            time: from,
            rows: page.total.unwrap_or(0),
            first,
            ignores_bound: first.is_some_and(|first| first < from)
                || page.entries().next().is_some_and(is_undated),
        })
    }

    async fn first_row(&self, query: RunQuery) -> Result<Page> {
        fetch::single_page(self.settings(), query.into(), PageRequest::rows(0, 1)).await
    }
}

/// The first or the last run of a list, and how long the list is.
#[derive(Debug, Clone, Copy)]
struct Edge {
    start: i64,
    rows: u64,
}

impl Edge {
    fn of(page: &Page, start: i64) -> Self {
        Self {
            start,
            rows: page.total.unwrap_or(0),
        }
    }

    /// When a part may begin at the latest, if this is the last run: a lookback before it. What
    /// started later than that may still be joined by runs that appear late, or that get their
    /// start late: all of these are in the last part. No clock is asked, neither the service's
    /// nor this machine's.
    fn latest_cut(&self) -> i64 {
        let lookback = DEFAULT_LOOKBACK.as_millis() as i64;
        self.start.saturating_sub(lookback)
    }
}

/// What a list has from `time` on.
struct Beginning {
    time: i64,
    rows: u64,
    first: Option<i64>,
    /// Whether it has a run from before.
    ignores_bound: bool,
}

fn can_be_split(source: &RunSource) -> Result<()> {
    source.validate()?;
    let query = &source.query;
    if source.is_split() {
        let expected = "it is a part already: cut the whole query into more";
        return Err(Error::config("query", query, expected));
    }
    if query.offset > 0 {
        let expected = "a query that is split cannot leave out the first runs";
        return Err(Error::config("offset", query.offset, expected));
    }
    if let Some(limit) = query.limit {
        let expected = "a query that is split cannot have a limit";
        return Err(Error::config("limit", limit, expected));
    }
    Ok(())
}

/// The same query without runs that have no start: any bound hides them.
fn dated(query: &RunQuery) -> RunQuery {
    match query.has_bounds() {
        true => query.clone(),
        false => query.clone().started_after(DateTime::UNIX_EPOCH),
    }
}

fn first_start(page: &Page) -> Option<i64> {
    let start = page.entries().next()?.start?;
    Some(start.timestamp_millis())
}

fn time(millis: i64) -> Option<DateTime<Utc>> {
    DateTime::UNIX_EPOCH.checked_add_signed(TimeDelta::try_milliseconds(millis)?)
}
