//! What a walk has cost so far.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::walk::Incidents;

/// What a walk has done so far: [`RunStream::stats`](crate::RunStream::stats).
///
/// ```
/// use apify_runs::emulator::{Emulator, Fault};
/// use futures::TryStreamExt;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> apify_runs::Result<()> {
/// let builder = Emulator::builder().runs(2500).fault(2..=2, Fault::status(503));
/// let emulator = builder.virtual_time().start().await?;
/// let mut runs = emulator.client().runs("janedoe/my-actor").stream();
/// while let Some(_run) = runs.try_next().await? {}
/// let stats = runs.stats();
/// assert_eq!((stats.rows, stats.requests, stats.retries), (2500, 4, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WalkStats {
    /// Rows handed out.
    pub rows: u64,
    /// Requests sent, retries included.
    pub requests: u64,
    /// Requests sent again after one failed.
    pub retries: u64,
    /// Bytes of all bodies received to their end, and of what was read of those of errors, after
    /// decompression.
    pub bytes: u64,
    /// How often the list moved while it was read.
    pub drifts: u64,
    /// How often the walk took the start of the last run as its new anchor: because the list
    /// moved, or because the offset had grown deep (from 20,000 rows on).
    pub reanchors: u64,
    /// Rows left out because they had been dealt with before, or were known to be unfinished
    /// and still are: after the list moved, and in the lookback. The rows in which
    /// each page overlaps with the page before do not count.
    pub duplicates: u64,
    /// Rows handed out that appeared behind the watermark, within the lookback.
    pub late: u64,
    /// Runs to be read again that have not been on the list for five minutes.
    pub vanished: u64,
    /// Runs that are to be read again: see [`Cursor::unfinished`](crate::Cursor::unfinished).
    pub unfinished: u64,
    /// How many rows the list has in all, by the service's last answer that says so of the whole
    /// of it (after the list moved, answers are about a part). Filters count, and with a filter by
    /// status the unfinished runs that it may let through later; the query's own `offset` and
    /// `limit` do not.
    pub total: Option<u64>,
}

/// What the requests of a walk add up to while it goes on. Its rows are counted elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<WalkStats>);

impl Counters {
    fn stats(&self) -> MutexGuard<'_, WalkStats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn sent(&self) {
        self.stats().requests += 1;
    }

    pub(crate) fn retried(&self) {
        self.stats().retries += 1;
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.stats().bytes += bytes as u64;
    }

    pub(crate) fn listed(&self, total: u64) {
        self.stats().total = Some(total);
    }

    /// Takes over what the walk has met.
    pub(crate) fn met(&self, incidents: Incidents, unfinished: usize) {
        let mut stats = self.stats();
        stats.drifts = incidents.drifts;
        stats.reanchors = incidents.reanchors;
        stats.duplicates = incidents.duplicates;
        stats.late = incidents.late;
        stats.vanished = incidents.vanished;
        stats.unfinished = unfinished as u64;
    }

    pub(crate) fn snapshot(&self, rows: u64) -> WalkStats {
        WalkStats {
            rows,
            ..*self.stats()
        }
    }
}
