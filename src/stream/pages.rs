//! The walk, page by page.

use std::collections::VecDeque;
use std::fmt;
#[cfg(any(feature = "export", feature = "sync"))]
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::stream::FusedStream;
use futures_util::stream::empty;

use super::batch::Batch;
use super::monitor::WalkMonitor;
use super::options::WalkOptions;
use super::pieces::{Piece, pieces};
use super::run_page::RunPage;
use super::stats::{Meter, WalkStats};
use crate::cursor::{Cursor, CursorTracker};
#[cfg(feature = "export")]
use crate::cursor::{CursorUpdate, Retention};
use crate::error::{ErrorKind, Result};
use crate::http::settings::Settings;
use crate::pool::Pool;
use crate::run::RunSummary;

/// Every run of a query, page by page: [`Runs::pages`](crate::Runs::pages).
///
/// It is the walk of [`RunStream`](crate::RunStream), a page for each item. A row that cannot be
/// read ends its page early and is an `Err` of kind [`Item`](ErrorKind::Item) after it; the
/// rest of the page follows. An `Err` of any other kind is the last item.
///
/// Nothing is requested before the first poll. Dropping it aborts the requests in flight.
///
/// # Cancel safety
///
/// `next()` may be dropped at any await, as in `select!`: no page is lost, and the next call
/// continues.
///
/// # Panics
///
/// Polling panics outside of a tokio runtime with I/O and time enabled.
///
/// # Example: a row group for each page
///
/// ```
/// use apify_runs::RunQuery;
/// use apify_runs::emulator::Emulator;
/// use futures::TryStreamExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> apify_runs::Result<()> {
/// let emulator = Emulator::builder().runs(2500).start().await?;
/// let mut pages = emulator.client().runs("janedoe/my-actor").pages();
/// let mut sizes = Vec::new();
/// while let Some(page) = pages.try_next().await? {
///     sizes.push(page.items.len());
/// }
/// assert_eq!(sizes.len(), 3);
/// assert_eq!(sizes.iter().sum::<usize>(), 2500);
/// # Ok(())
/// # }
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct RunPages {
    pieces: Pin<Box<dyn Stream<Item = Piece> + Send>>,
    tracker: CursorTracker,
    meter: Arc<Meter>,
    monitor: Option<WalkMonitor>,
    /// Memory for the rows of the next pages.
    pool: Arc<Pool<RunSummary>>,
    /// The updates since the last commit, if they are kept.
    #[cfg(feature = "export")]
    updates: Option<Vec<CursorUpdate>>,
    rows: u64,
    is_over: bool,
}

impl RunPages {
    pub(crate) fn new(settings: Arc<Settings>, options: WalkOptions) -> Self {
        let meter = Arc::new(Meter::default());
        let retention = options.rules().retention(&options.source.query);
        let pool = Arc::default();
        let monitor = options.monitor.clone();
        let begun = options.begin(&settings.token);
        // A walk that cannot begin leaves the cursor as it was.
        let cursor = begun.as_ref().unwrap_or(&options.resume).clone();
        Self {
            pieces: Box::pin(pieces(
                settings,
                options,
                begun,
                Arc::clone(&meter),
                Arc::clone(&pool),
            )),
            tracker: CursorTracker::new(cursor, retention),
            meter,
            monitor,
            pool,
            #[cfg(feature = "export")]
            updates: None,
            rows: 0,
            is_over: false,
        }
    }

    /// Where to resume after exactly the pages that have been returned: see [`Cursor`]. Before the
    /// first page it is the cursor that the walk resumed from.
    pub fn cursor(&self) -> &Cursor {
        self.tracker.cursor()
    }

    /// Counts of what the walk has done. Rows count when their page is returned.
    pub fn stats(&self) -> WalkStats {
        self.meter.stats(self.rows)
    }

    /// The next rows of the walk. `None` after its end. The rows before count as returned.
    pub(crate) fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Batch>>> {
        loop {
            if self.is_over {
                return Poll::Ready(None);
            }
            self.finish();
            let Some(piece) = ready!(self.pieces.as_mut().poll_next(cx)) else {
                self.is_over = true;
                continue;
            };
            self.tracker.extend(piece.updates);
            if let Some(monitor) = &self.monitor {
                let rows = piece.batch.as_ref().map_or(0, |batch| batch.rows.len());
                monitor.came(rows, self.tracker.newest());
            }
            match piece.batch {
                // Rows that only the cursor has to know of.
                Ok(batch) if batch.rows.is_empty() => {}
                Ok(batch) => {
                    self.rows += batch.rows.len() as u64;
                    return Poll::Ready(Some(Ok(batch)));
                }
                Err(error) => {
                    self.finish();
                    if error.kind() != ErrorKind::Item {
                        self.is_over = true;
                        // What is in flight is given up now, not when the stream is dropped.
                        self.pieces = Box::pin(empty());
                    }
                    return Poll::Ready(Some(Err(error.with_cursor(self.tracker.cursor()))));
                }
            }
        }
    }

    /// All that has come counts as handed out.
    fn finish(&mut self) {
        let _updates = self.tracker.finish();
        #[cfg(feature = "export")]
        if let Some(updates) = &mut self.updates {
            updates.extend(_updates);
        }
    }

    /// Keeps what the next batches do to the cursor, so that a copy of it can follow. Returns
    /// that copy, and which runs it remembers.
    #[cfg(feature = "export")]
    pub(crate) fn keep_updates(&mut self) -> (Cursor, Retention) {
        self.updates.get_or_insert_default();
        (self.cursor().clone(), self.tracker.retention())
    }

    /// What was kept since the last call.
    #[cfg(feature = "export")]
    pub(crate) fn take_updates(&mut self) -> Vec<CursorUpdate> {
        self.updates
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// The next rows, or the error in their place. They count as handed out.
    #[cfg(any(feature = "export", feature = "sync"))]
    pub(crate) async fn next_batch(&mut self) -> Option<Result<Batch>> {
        let batch = poll_fn(|cx| self.poll_batch(cx)).await;
        self.finish();
        batch
    }

    /// Where the memory of rows goes that have been handed out.
    #[cfg(feature = "export")]
    pub(crate) fn pool(&self) -> Arc<Pool<RunSummary>> {
        Arc::clone(&self.pool)
    }

    /// Takes back the memory of rows that have been handed out.
    pub(crate) fn recycle(&self, rows: VecDeque<RunSummary>) {
        self.pool.keep(rows.into());
    }

    /// How many items have been handed out, over all walks that led here: rows, and errors
    /// in the place of rows.
    pub(crate) fn items(&self) -> u64 {
        self.tracker.rows()
    }

    /// One row of the batch that came last has been handed out.
    #[inline]
    pub(crate) fn hand_out(&mut self) {
        self.tracker.hand_out();
    }
}

impl Stream for RunPages {
    type Item = Result<RunPage>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_batch(cx).map_ok(|batch| {
            self.finish();
            RunPage {
                total: batch.head.total,
                offset: batch.offset,
                limit: batch.head.limit,
                desc: batch.head.desc,
                items: batch.rows.into(),
            }
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.is_over.then_some(0))
    }
}

impl FusedStream for RunPages {
    fn is_terminated(&self) -> bool {
        self.is_over
    }
}

impl fmt::Debug for RunPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunPages")
            .field("stats", &self.stats())
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}
