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
/// Runs come in the order of the list, by ascending
/// [`started_at`](RunSummary::started_at) unless the query says
/// [`descending`](crate::RunQuery::descending). Several pages are
/// [in flight](crate::Runs::concurrency) at a time, no more than the client's
/// [pace](crate::ClientBuilder::max_requests_per_second) allows, and each is repeated under the
/// client's [`RetryPolicy`](crate::RetryPolicy) when something fails on the way.
///
/// # Errors
///
/// An `Err` of kind [`Item`](crate::ErrorKind::Item) stands in the place of one row that
/// cannot be read; the stream continues after it. After an `Err` of any other kind it is
/// over: `None` for ever. Rows that came before an error are handed out before it.
///
/// # A list that moves
///
/// Runs are deleted and added while the list is read, so that rows change their offsets. Pages
/// therefore overlap: each one has to begin with a run that started before the last run of the
/// page before. If it does not, the list moved, and the walk asks for the runs that started with
/// that last run or after it. Runs that it has processed are left out. What is guaranteed, and
/// what is not: [guarantees](crate#guarantees).
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
/// continues where it was. Dropping the stream aborts the requests in flight.
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

    /// Where to resume after exactly the items that have been handed out. Before the first one
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
