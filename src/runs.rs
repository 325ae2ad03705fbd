//! A walk before it starts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::cursor::Cursor;
use crate::emit::Emit;
use crate::http::settings::Settings;
use crate::query::RunSource;
use crate::stream::monitor::WalkMonitor;
use crate::stream::options::{Concurrency, WalkOptions};
use crate::stream::pages::RunPages;
use crate::stream::rows::RunStream;

/// A walk over a list of runs that has not started yet: [`Client::runs`](crate::Client::runs).
///
/// Nothing is checked or sent before the stream is polled. If the query or a setting is wrong, the
/// stream's first item is an `Err` of kind [`Config`](crate::ErrorKind::Config) that names it, or
/// of kind [`CursorMismatch`](crate::ErrorKind::CursorMismatch).
///
/// # Example: each run once, when it has finished, without end
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
#[derive(Clone)]
#[must_use = "a walk does nothing until it ends in `stream()` or `pages()`, and is polled"]
pub struct Runs {
    pub(crate) settings: Arc<Settings>,
    pub(crate) options: WalkOptions,
}

impl Runs {
    pub(crate) fn new(settings: Arc<Settings>, source: RunSource) -> Self {
        Self {
            settings,
            options: WalkOptions::new(source),
        }
    }

    /// The maximum number of pages that are in flight, or have arrived and were not returned yet.
    /// From 1 to 64.
    ///
    /// By default, as many as the [rate](crate::ClientBuilder::max_requests_per_second) of the
    /// list needs: requests a second times the seconds that a request takes, and a quarter more,
    /// up to 64 and up to [`max_buffered_bytes`](Self::max_buffered_bytes). If the rate has no
    /// limit, 8.
    ///
    /// The first page has the length of the list, and is requested alone. From then on, pages are
    /// requested in parallel, fetched and decoded by tasks of their own while the consumer is busy,
    /// and returned in the order of the list. Each is still checked against the one before it: if
    /// the list moved, the pages in flight are dropped, and the walk continues from the last run
    /// returned. No page is requested beyond the end of the list, and none while the consumer does
    /// not poll.
    ///
    /// With 1, a page is requested when the rows before it have been returned. That suits a program
    /// that needs only the first rows; so does a [`limit`](crate::RunQuery::limit).
    pub fn concurrency(mut self, pages: usize) -> Self {
        self.options.concurrency = Concurrency::Fixed(pages);
        self
    }

    /// The maximum size of the bodies of all pages in flight, in bytes. Default 64 MiB; from 1 KiB
    /// to 1 GiB. One page is read whatever its size. A page of 1000 runs has about 0.6 MB.
    ///
    /// It limits the default number of pages in flight, and replaces an earlier
    /// [`concurrency`](Self::concurrency).
    pub fn max_buffered_bytes(mut self, bytes: usize) -> Self {
        self.options.concurrency = Concurrency::Adaptive { max_bytes: bytes };
        self
    }

    /// When a run is returned. Default [`Emit::Snapshot`]: once, as it is when it is read.
    pub fn emit(mut self, emit: Emit) -> Self {
        self.options.emit = emit;
        self
    }

    /// Follows the list: at its end, the stream waits for this interval and then looks for new
    /// runs, without end. From 100 ms to 24 hours. Default: the stream ends with the list.
    ///
    /// A new run is returned within one interval and a request. Each pass begins a
    /// [`lookback`](Self::lookback) before the last run. It takes one request if there is nothing
    /// new, and a few more if unfinished runs are to be read again. Failed requests are retried
    /// under the client's [`RetryPolicy`](crate::RetryPolicy); if that does not help, the stream
    /// ends with the error.
    ///
    /// The stream also ends when the query's [`limit`](crate::RunQuery::limit) is reached, and
    /// when its [`started_before`](crate::RunQuery::started_before) is further back than the
    /// lookback and no run is left to be read again. Both this machine's clock and the `Date`
    /// header of the response, if there is one, must have passed that time. A descending walk
    /// cannot follow.
    ///
    /// While no run is returned, the cursor may still advance over runs that the query leaves out.
    /// To store it then, wrap `next()` in a timeout.
    pub fn follow(mut self, interval: Duration) -> Self {
        self.options.follow = Some(interval);
        self
    }

    /// How late a run may become visible and still be found. From 0 to 24 hours. Default 60 s.
    ///
    /// The end of the service's list is not always complete: a run may appear after others that
    /// started later. A walk that resumes, and each pass of one that follows, therefore begins this
    /// long before the last run. The cursor has the IDs of the runs in between, about 65 bytes for
    /// each, or 100 if runs are read again.
    ///
    /// The lookback of a walk that resumes is at most that of the walk that wrote the cursor.
    pub fn lookback(mut self, lookback: Duration) -> Self {
        self.options.lookback = lookback;
        self
    }

    /// Resumes another walk from its [`Cursor`](crate::Cursor). Default [`Cursor::default`], the
    /// beginning of the list.
    ///
    /// The other walk must have had the same query, times included, to the millisecond, and the
    /// same [`emit`](Self::emit). If a time was computed from the current one, store it with the
    /// cursor. `page_size`, `limit` and the [`lookback`](Self::lookback) may differ; the `limit`
    /// includes what was returned before. The query's `offset` is not applied a second time.
    pub fn resume(mut self, cursor: Cursor) -> Self {
        self.options.resume = cursor;
        self
    }

    /// Lets a monitor observe the walk while a stream, an export or a sync reads it.
    pub fn monitor(mut self, monitor: &WalkMonitor) -> Self {
        self.options.monitor = Some(monitor.clone());
        self
    }

    /// The runs, one by one.
    pub fn stream(self) -> RunStream {
        RunStream::new(self.settings, self.options)
    }

    /// The runs, page by page.
    pub fn pages(self) -> RunPages {
        RunPages::new(self.settings, self.options)
    }
}

impl fmt::Debug for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runs")
            .field("query", &self.options.source.query)
            .field("concurrency", &self.options.concurrency)
            .field("emit", &self.options.emit)
            .field("follow", &self.options.follow)
            .field("lookback", &self.options.lookback)
            .field("resume", &self.options.resume)
            .finish_non_exhaustive()
    }
}
