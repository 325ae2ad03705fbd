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

    /// How many pages are in flight, or wait to be handed out, at a time. From 1 to 64.
    ///
    /// By default, as many as the [rate](crate::ClientBuilder::max_requests_per_second) of the list
    /// needs: requests a second times the seconds that a request takes, and a quarter more, up to 64
    /// and up to [`max_buffered_bytes`](Self::max_buffered_bytes). Where nothing limits the rate, 8.
    ///
    /// The first page has the length of the list, and is requested alone. From then on, pages are
    /// asked for before those in front of them are there, fetched and decoded by tasks of
    /// their own while the consumer is busy, and handed out in the order of the list. Each is
    /// still checked against the one before it: if the list has moved, what is in flight is
    /// dropped, and the walk continues as it would with one. No page is asked for behind the end
    /// of the list, and none while the consumer stays away.
    ///
    /// With 1, a page is asked for when the rows before it have been handed out: right where only
    /// the first rows are wanted, though a [`limit`](crate::RunQuery::limit) serves as well.
    pub fn concurrency(mut self, pages: usize) -> Self {
        self.options.concurrency = Concurrency::Fixed(pages);
        self
    }

    /// The maximum size of the bodies of all pages in flight, in bytes. Default 64 MiB; from 1 KiB to
    /// 1 GiB. One page is read whatever its size. A page of 1000 runs has about 0.5 MB.
    ///
    /// It limits the pages in flight where their number is not fixed, and undoes an earlier
    /// [`concurrency`](Self::concurrency).
    pub fn max_buffered_bytes(mut self, bytes: usize) -> Self {
        self.options.concurrency = Concurrency::Adaptive { max_bytes: bytes };
        self
    }

    /// When a run is handed out. Default [`Emit::Snapshot`]: once, as it is then.
    pub fn emit(mut self, emit: Emit) -> Self {
        self.options.emit = emit;
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
    /// Otherwise it ends when the query's [`limit`](crate::RunQuery::limit) is reached, and when
    /// its [`started_before`](crate::RunQuery::started_before) has passed by more than the lookback, by
    /// this machine's clock and by the `Date` of the response if there is one, and no run is left
    /// to be read again. A descending walk cannot follow.
    ///
    /// While nothing comes, the cursor may still move, over runs that are not handed out. To
    /// store it then, wrap `next()` in a timeout.
    pub fn follow(mut self, interval: Duration) -> Self {
        self.options.follow = Some(interval);
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
        self.options.lookback = lookback;
        self
    }

    /// Goes on where another walk was, instead of at the beginning of the list: see
    /// [`Cursor`](crate::Cursor). [`Cursor::default`] is the beginning.
    ///
    /// It must be a walk of the same query, times included, to the millisecond, and of the
    /// same [`emit`](Self::emit): store a time that is relative to now with the cursor.
    /// `page_size`, `limit` and the [`lookback`](Self::lookback) may be others; the `limit` counts
    /// what was handed out before too. The query's `offset` has been applied and is not again.
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
