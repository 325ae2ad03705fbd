//! The walk, run by run.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use chrono::TimeDelta;
use futures_core::Stream;
use futures_core::stream::FusedStream;

use crate::client::Client;
use crate::cursor::Cursor;
use crate::emit::Emit;
use crate::error::{Error, Result};
use crate::limits::DEFAULT_LOOKBACK;
use crate::query::RunQuery;
use crate::run::RunSummary;
use crate::setting::check_duration;
use crate::stream::pages::RunPages;
use crate::stream::stats::WalkStats;
use crate::walk::Rules;

/// The shortest interval at which a list is followed.
const MIN_INTERVAL: Duration = Duration::from_millis(100);
/// The longest interval, and the longest lookback.
const MAX_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
const DEFAULT_CONCURRENCY: usize = 8;
const MAX_CONCURRENCY: usize = 64;

/// A walk over a list of runs that has not started yet: [`Client::runs`].
///
/// Nothing is checked or sent before the stream it ends in is polled. A query or a setting
/// that is wrong is that stream's first item: an `Err` of kind
/// [`Config`](crate::ErrorKind::Config) that names it, or of kind
/// [`CursorMismatch`](crate::ErrorKind::CursorMismatch).
///
/// # Example: each run once, when it has finished, for ever
///
/// ```no_run
/// # async fn example(client: apify_runs::Client, stored: Option<&str>) -> apify_runs::Result<()> {
/// use std::time::Duration;
///
/// use apify_runs::{Cursor, Emit};
/// use futures::StreamExt;
///
/// let cursor = stored.map_or_else(|| Ok(Cursor::default()), str::parse)?;
/// let mut runs = client
///     .runs("janedoe~my-actor")
///     .emit(Emit::Finished)
///     .follow(Duration::from_secs(10))
///     .resume(cursor)
///     .stream();
/// while let Some(run) = runs.next().await {
///     // An error of kind `Item` is about one row, and no reason to stop.
///     println!("{run:?}");
///     println!("store this with it: {}", runs.cursor());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a walk does nothing until it ends in `stream()` or `pages()`, and is polled"]
pub struct Runs {
    pub(crate) client: Client,
    pub(crate) query: RunQuery,
    pub(crate) concurrency: usize,
    pub(crate) emit: Emit,
    pub(crate) follow: Option<Duration>,
    lookback: Duration,
    pub(crate) resume: Cursor,
    /// Whether rows come with the text they were received as.
    pub(crate) keeps_raw_rows: bool,
}

impl Runs {
    pub(crate) fn new(client: Client, query: RunQuery) -> Self {
        Self {
            client,
            query,
            concurrency: DEFAULT_CONCURRENCY,
            emit: Emit::default(),
            follow: None,
            lookback: DEFAULT_LOOKBACK,
            resume: Cursor::default(),
            keeps_raw_rows: false,
        }
    }

    /// How many pages are in flight, or wait to be handed out, at a time. From 1 to 64.
    /// Default 8.
    ///
    /// The first page tells how long the list is, and comes alone. From then on, pages are
    /// asked for before those in front of them are there, fetched and decoded by tasks of
    /// their own while the consumer is busy, and handed out in the order of the list. Each is
    /// still checked against the one before it: if the list has moved, what is in flight is
    /// dropped, and the walk goes on as it would with one. No page is asked for behind the end
    /// of the list, and none while the consumer stays away. A page takes about 1 MB while it
    /// is in flight.
    ///
    /// 8 pages in flight reach the 30 requests a second that a client
    /// [sends at most](crate::ClientBuilder::max_requests_per_second) if none takes longer
    /// than 260 ms. With 1, a page is asked for when the rows before it have been handed out:
    /// right where only the first rows are wanted, though a [`limit`](RunQuery::limit) serves
    /// as well.
    pub fn concurrency(mut self, pages: usize) -> Self {
        self.concurrency = pages;
        self
    }

    /// When a run is handed out. Default [`Emit::Snapshot`]: once, as it is then.
    pub fn emit(mut self, emit: Emit) -> Self {
        self.emit = emit;
        self
    }

    /// Does not end with the list, but waits this long and then looks for new runs, again and
    /// again. From 100 ms to 24 hours. Default: the stream ends with the list.
    ///
    /// A run that starts comes out within one interval and a request. Each look begins a
    /// [`lookback`](Self::lookback) before the last run, and costs one request if there is
    /// nothing new, and one more or a few if unfinished runs are to be read again. What fails
    /// is retried under the client's [`RetryPolicy`](crate::RetryPolicy), and if that does not
    /// help, the stream ends with the error.
    ///
    /// Otherwise it ends when the query's [`limit`](RunQuery::limit) is reached, and when its
    /// [`started_before`](RunQuery::started_before) has passed by more than the lookback, by
    /// this machine's clock and by the `Date` of the response if there is one, and no run is left
    /// to be read again. A descending walk cannot follow.
    ///
    /// While nothing comes, the cursor may still move, over runs that are not handed out. To
    /// store it then, wrap `next()` in a timeout.
    pub fn follow(mut self, interval: Duration) -> Self {
        self.follow = Some(interval);
        self
    }

    /// How late a run may become visible and still be found. From 0 to 24 hours. Default 60 s.
    ///
    /// The service's list is not always complete at its end: a run may appear in it after
    /// others that started later. A walk that resumes, and each look of one that follows,
    /// therefore begins this long before the last run. The IDs of the runs in between are in
    /// the cursor, about 65 bytes for each, or 100 where runs are read again.
    ///
    /// A walk that resumes cannot look back further than the walk that wrote the cursor did.
    pub fn lookback(mut self, lookback: Duration) -> Self {
        self.lookback = lookback;
        self
    }

    /// Goes on where another walk was, instead of at the beginning of the list: see
    /// [`Cursor`]. [`Cursor::default`] is the beginning.
    ///
    /// It must be a walk of the same query, times included, to the millisecond, and of the
    /// same [`emit`](Self::emit): store a time that is relative to now with the cursor.
    /// `page_size`, `limit` and the [`lookback`](Self::lookback) may be others; the `limit` counts
    /// what was handed out before too. The query's `offset` has been applied and is not again.
    pub fn resume(mut self, cursor: Cursor) -> Self {
        self.resume = cursor;
        self
    }

    /// The runs, one by one.
    pub fn stream(self) -> RunStream {
        let most = |limit: u64| limit.max(self.resume.rows().saturating_add(1));
        RunStream {
            most: self.query.limit.map(most),
            rows: VecDeque::new(),
            pages: self.pages(),
        }
    }

    /// The runs, page by page.
    pub fn pages(self) -> RunPages {
        RunPages::new(self)
    }

    /// The cursor at the beginning of the walk, if it can begin.
    pub(crate) fn begin(&self) -> Result<Cursor> {
        self.query.reject_token(&self.client.settings().token)?;
        self.query.validate()?;
        if !(1..=MAX_CONCURRENCY).contains(&self.concurrency) {
            let expected = format!("it must be from 1 to {MAX_CONCURRENCY}");
            return Err(Error::config("concurrency", self.concurrency, &expected));
        }
        if let Some(interval) = self.follow {
            check_duration("follow", interval, MIN_INTERVAL..=MAX_INTERVAL)?;
            if self.query.descending {
                let expected = "a descending walk cannot follow the list";
                return Err(Error::config("follow", format!("{interval:?}"), expected));
            }
        }
        check_duration("lookback", self.lookback, Duration::ZERO..=MAX_INTERVAL)?;
        if self.emit == Emit::Finished && self.query.wants_only_unfinished() {
            let expected = "the query lets only unfinished runs through";
            return Err(Error::config("emit", "Finished", expected));
        }
        self.resume.bind(&self.query, self.emit)
    }

    pub(crate) fn rules(&self) -> Rules {
        Rules {
            emit: self.emit,
            // Checked to be short when the walk begins.
            lookback: TimeDelta::from_std(self.lookback).unwrap_or_default(),
            follow: self.follow.is_some(),
        }
    }

    /// The query as it is sent. A filter by status must not hide runs that will pass it
    /// later, but from a descending walk, which usually does not come back, for which those
    /// that run now would come first.
    pub(crate) fn wire_query(&self) -> RunQuery {
        let comes_back = self.emit != Emit::Snapshot || self.resume != Cursor::default();
        if self.query.descending && !comes_back {
            return self.query.clone();
        }
        self.query.clone().widened()
    }
}

/// Every run of a query, one by one: [`Runs::stream`].
///
/// Runs come in the order of the list, by ascending
/// [`started_at`](RunSummary::started_at) unless the query says
/// [`descending`](RunQuery::descending). Several pages are
/// [in flight](Runs::concurrency) at a time, no more than the client's
/// [pace](crate::ClientBuilder::max_requests_per_second) allows, and each is repeated under the
/// client's [`RetryPolicy`](crate::RetryPolicy) when something fails on the way.
///
/// # Errors
///
/// An `Err` of kind [`Item`](crate::ErrorKind::Item) stands in the place of one row that
/// cannot be read; the stream goes on after it. After an `Err` of any other kind it is
/// over: `None` for ever. Rows that came before an error are handed out before it.
///
/// # A list that moves
///
/// Runs are deleted and added while the list is read, so that rows change their offsets. Pages
/// therefore overlap: each one has to begin with a run that started before the last run of the
/// page before. If it does not, the list moved, and the walk asks for the runs that started with
/// that last run or after it. Runs that it has dealt with are left out. What is guaranteed, and
/// what is not: [front page](crate#what-exactly-once-means-here).
///
/// The walk ends with an error of kind [`Protocol`](crate::ErrorKind::Protocol) in these cases:
///
/// - The list moves 100 times before the walk gets any further. This error is
///   [transient](crate::Error::is_transient).
/// - The service says that there is more, and it does not come; or 1000 pages bring neither a new
///   run nor a later start.
/// - Five responses in a row are not sorted by start.
///
/// # Cancel safety
///
/// `next()` may be dropped at any await, as in `select!`: no row is lost, and the next call
/// goes on where it was. Dropping the stream aborts the requests in flight.
///
/// # Panics
///
/// Polling panics outside of a tokio runtime with I/O and time enabled.
///
/// # Example: what a walk costs
///
/// ```no_run
/// # async fn example(client: apify_runs::Client) -> apify_runs::Result<()> {
/// use futures::StreamExt;
///
/// let mut runs = client.runs("janedoe~my-actor").stream();
/// let mut usd = 0.0;
/// while let Some(run) = runs.next().await {
///     usd += run?.usage_total_usd.unwrap_or_default();
/// }
/// println!("{usd} USD, by {} requests", runs.stats().requests);
/// # Ok(())
/// # }
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct RunStream {
    pages: RunPages,
    /// Rows that have arrived and were not handed out yet.
    rows: VecDeque<RunSummary>,
    /// The most items there can be, over all walks that led here. An error takes the place of a
    /// row, so even a walk that fails keeps to it.
    most: Option<u64>,
}

impl RunStream {
    /// Where to go on after exactly the items that have been handed out. Before the first one
    /// it is the cursor the walk began with; after an error it is where the error struck.
    ///
    /// It is made when it is asked for, in time that depends on how many runs started within
    /// the lookback, and on how many are to be read again: after each row is fine on usual
    /// lists, and after each page or second on any.
    pub fn cursor(&self) -> &Cursor {
        self.pages.cursor()
    }

    /// What the walk has done so far. A row counts when it is handed out.
    pub fn stats(&self) -> WalkStats {
        let mut stats = self.pages.stats();
        stats.rows -= self.rows.len() as u64;
        stats
    }

    /// Hands out the first item of the next page.
    fn poll_page(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<RunSummary>>> {
        loop {
            match ready!(self.pages.poll_batch(cx)) {
                Some(Ok(batch)) => {
                    let before = std::mem::replace(&mut self.rows, batch.rows);
                    self.pages.recycle(before);
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
            if let Some(run) = self.rows.pop_front() {
                self.pages.hand_out();
                return Poll::Ready(Some(Ok(run)));
            }
        }
    }
}

impl Stream for RunStream {
    type Item = Result<RunSummary>;

    // A row is large: inlined, it goes to its place without a copy on the way.
    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(run) = self.rows.pop_front() {
            self.pages.hand_out();
            return Poll::Ready(Some(Ok(run)));
        }
        self.poll_page(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let buffered = self.rows.len();
        if self.pages.is_terminated() {
            return (buffered, Some(buffered));
        }
        let left = self
            .most
            .map(|most| most.saturating_sub(self.pages.items()));
        (buffered, left.and_then(|left| usize::try_from(left).ok()))
    }
}

impl FusedStream for RunStream {
    fn is_terminated(&self) -> bool {
        self.rows.is_empty() && self.pages.is_terminated()
    }
}

impl fmt::Debug for RunStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunStream")
            .field("stats", &self.stats())
            .field("buffered", &self.rows.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};

    use super::*;

    #[test]
    fn rows_that_wait_keep_it_from_being_terminated() {
        let client = Client::builder().base_url("http://localhost").token("t");
        let mut runs = client.build().unwrap().runs("").stream();
        let only_item = runs.next().now_or_never().unwrap();
        assert!(only_item.unwrap().is_err(), "an empty name is no Actor");
        assert!(runs.is_terminated());

        let row: RunSummary = serde_json::from_str(r#"{"id": "a"}"#).unwrap();
        runs.rows = vec![row].into();
        assert!(!runs.is_terminated());
        assert_eq!(runs.size_hint(), (1, Some(1)));
        assert!(runs.next().now_or_never().unwrap().unwrap().is_ok());
        assert!(runs.is_terminated());
    }
}
