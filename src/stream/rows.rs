//! The walk, run by run.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::stream::FusedStream;

use super::options::WalkOptions;
use super::pages::RunPages;
use super::stats::WalkStats;
use crate::cursor::Cursor;
use crate::error::Result;
use crate::http::settings::Settings;
use crate::run::RunSummary;

/// Every run of a query, one by one: [`Runs::stream`](crate::Runs::stream).
///
/// Runs are returned in the order of the list, by ascending
/// [`started_at`](RunSummary::started_at) unless the query is
/// [`descending`](crate::RunQuery::descending). Several pages are
/// [in flight](crate::Runs::concurrency) at once, within the client's
/// [rate](crate::ClientBuilder::max_requests_per_second). Failed requests are retried under the
/// client's [`RetryPolicy`](crate::RetryPolicy).
///
/// # Errors
///
/// An `Err` of kind [`Item`](crate::ErrorKind::Item) takes the place of one row that cannot be
/// read; the stream continues after it. An `Err` of any other kind is the last item. Rows received
/// before an error are returned before it.
///
/// # A list that moves
///
/// Runs are deleted and added while the list is read, so that rows change their offsets. Pages
/// therefore overlap: each one has to begin with a run that started before the last run of the
/// page before. If it does not, the list moved, and the walk requests the runs that started with
/// that last run or after it. Runs that it has processed are left out. The conditions are in
/// [guarantees](crate#guarantees).
///
/// The walk ends with an error of kind [`Protocol`](crate::ErrorKind::Protocol) in these cases:
///
/// - The list moves 100 times before the walk gets any further. This error is
///   [transient](crate::Error::is_transient).
/// - The service says that there are more runs, and does not return them; or 1000 pages have
///   neither a new run nor a later start.
/// - Five responses in a row are not sorted by start.
///
/// # Cancel safety
///
/// `next()` may be dropped at any await, as in `select!`: no row is lost, and the next call
/// continues. Dropping the stream aborts the requests in flight.
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
    /// Rows that have arrived and were not returned yet.
    rows: VecDeque<RunSummary>,
    /// The maximum number of items, with those of the walks that were resumed. An error takes the
    /// place of a row, so that a walk that fails does not exceed it.
    max_items: Option<u64>,
}

impl RunStream {
    pub(crate) fn new(settings: Arc<Settings>, options: WalkOptions) -> Self {
        let handed_out = options.resume.rows();
        let limit = options.source.query.limit;
        Self {
            max_items: limit.map(|limit| limit.max(handed_out.saturating_add(1))),
            rows: VecDeque::new(),
            pages: RunPages::new(settings, options),
        }
    }

    /// Where to resume after exactly the items that have been returned. Before the first item it is
    /// the cursor that the walk resumed from; after an error it is the place of the error.
    ///
    /// It is computed by this call. The time depends on how many runs started within the lookback,
    /// and how many are to be read again. On most lists it can be called after each row; once a
    /// page or once a second is fast enough on any list.
    pub fn cursor(&self) -> &Cursor {
        self.pages.cursor()
    }

    /// Counts of what the walk has done. A row counts when it is returned.
    pub fn stats(&self) -> WalkStats {
        let mut stats = self.pages.stats();
        stats.rows -= self.rows.len() as u64;
        stats
    }

    /// Returns the first item of the next page.
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
            .max_items
            .map(|max| max.saturating_sub(self.pages.items()));
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
    use crate::client::Client;

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
