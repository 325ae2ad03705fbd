//! The walk, run by run.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::stream::FusedStream;

use crate::client::Client;
use crate::error::Result;
use crate::pages::RunPages;
use crate::query::RunQuery;
use crate::run::RunSummary;
use crate::stats::WalkStats;

/// A walk over a list of runs that has not started yet: [`Client::runs`].
///
/// Nothing is checked or sent before the stream it ends in is polled. A query that is
/// wrong is that stream's first item: an `Err` of kind
/// [`Config`](crate::ErrorKind::Config).
#[derive(Debug, Clone)]
#[must_use = "a walk does nothing until it ends in `stream()` or `pages()`, and is polled"]
pub struct Runs {
    client: Client,
    query: RunQuery,
}

impl Runs {
    pub(crate) fn new(client: Client, query: RunQuery) -> Self {
        Self { client, query }
    }

    /// The runs, one by one.
    pub fn stream(self) -> RunStream {
        RunStream {
            limit: self.query.limit,
            handed_out: 0,
            rows: Vec::new().into_iter(),
            pages: self.pages(),
        }
    }

    /// The runs, page by page.
    pub fn pages(self) -> RunPages {
        RunPages::new(self.client, self.query)
    }
}

/// Every run of a query, one by one: [`Runs::stream`].
///
/// Runs come in the order of the list, by ascending
/// [`started_at`](RunSummary::started_at) unless the query says
/// [`descending`](RunQuery::descending). Pages are fetched one after the other, each when
/// the rows of the one before have been handed out, and repeated under the client's
/// [`RetryPolicy`](crate::RetryPolicy) when something fails on the way.
///
/// # Errors
///
/// An `Err` of kind [`Item`](crate::ErrorKind::Item) stands in the place of one row that
/// cannot be read; the stream goes on after it. After an `Err` of any other kind it is
/// over: `None` for ever. Rows that came before an error are handed out before it.
///
/// # A list that moves
///
/// Runs are deleted and added while the list is read, so that rows change their offsets.
/// Each page therefore begins with the last row of the one before. If it does not, the walk
/// goes on from its watermark, the start of the last run handed out: it asks for the runs
/// that started there or beyond it, and leaves out those it has handed out. Every run that
/// is on the list from the first request to the last comes once, as long as the service
/// sorts the list by the runs' start, and does not change the order of runs that started in
/// the same millisecond just when another one next to them is deleted.
///
/// Not found are runs that appear behind the walk's back: with a start before the
/// watermark, or without a start after the walk has gone on from one. A row without a
/// readable ID may be reported twice when the list moves. Only where no run
/// handed out has a start at all, a list that moved is an error of kind
/// [`Protocol`](crate::ErrorKind::Protocol).
///
/// # Cancel safety
///
/// `next()` may be dropped at any await, as in `select!`: no row is lost, and the next call
/// goes on where it was. Dropping the stream aborts the request in flight.
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
    rows: std::vec::IntoIter<RunSummary>,
    /// Items handed out: rows, and errors in the place of rows.
    handed_out: u64,
    limit: Option<u64>,
}

impl RunStream {
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
                    self.pages.handed_out(batch.rows.len());
                    self.rows = batch.rows;
                }
                Some(Err(error)) => {
                    self.handed_out += 1;
                    return Poll::Ready(Some(Err(error)));
                }
                None => return Poll::Ready(None),
            }
            if let Some(run) = self.rows.next() {
                self.handed_out += 1;
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
        if let Some(run) = self.rows.next() {
            self.handed_out += 1;
            return Poll::Ready(Some(Ok(run)));
        }
        self.poll_page(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let buffered = self.rows.len();
        if self.pages.is_terminated() {
            return (buffered, Some(buffered));
        }
        // An error takes the place of a row, so even a walk that fails keeps to the limit.
        let left = self
            .limit
            .map(|limit| limit.max(1) - self.handed_out.min(limit));
        (buffered, left.and_then(|left| usize::try_from(left).ok()))
    }
}

impl FusedStream for RunStream {
    fn is_terminated(&self) -> bool {
        self.rows.len() == 0 && self.pages.is_terminated()
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
        runs.rows = vec![row].into_iter();
        assert!(!runs.is_terminated());
        assert_eq!(runs.size_hint(), (1, Some(1)));
        assert!(runs.next().now_or_never().unwrap().unwrap().is_ok());
        assert!(runs.is_terminated());
    }
}
