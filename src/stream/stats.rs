//! What a walk has cost so far.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::http::counters::RequestCounters;
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
    /// Rows left out because they had been processed before, or were known to be unfinished
    /// and still are: after the list moved, and in the lookback. The rows in which
    /// each page overlaps with the page before do not count.
    pub duplicates: u64,
    /// Rows handed out that appeared behind the watermark, within the lookback.
    pub late: u64,
    /// Runs to be read again that have not been on the list for five minutes.
    pub vanished: u64,
    /// Runs that are to be read again: see [`Cursor::unfinished`](crate::Cursor::unfinished).
    pub unfinished: u64,
    /// How many rows the list has in all, by the service's last response that says so of the whole
    /// of it (after the list moved, responses are about a part). Filters count, and with a filter by
    /// status the unfinished runs that it may let through later; the query's own `offset` and
    /// `limit` do not.
    pub total: Option<u64>,
}

/// What a walk has done so far, as its parts count it. Rows are counted where they are handed out.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(crate) requests: Arc<RequestCounters>,
    walk: Mutex<(Incidents, u64)>,
}

impl Meter {
    fn walk(&self) -> MutexGuard<'_, (Incidents, u64)> {
        self.walk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what the walk has met, and how many runs it is to read again.
    pub(crate) fn met(&self, incidents: Incidents, unfinished: usize) {
        *self.walk() = (incidents, unfinished as u64);
    }

    pub(crate) fn stats(&self, rows: u64) -> WalkStats {
        let (requests, (incidents, unfinished)) = (self.requests.counts(), *self.walk());
        WalkStats {
            rows,
            requests: requests.requests,
            retries: requests.retries,
            bytes: requests.bytes,
            drifts: incidents.drifts,
            reanchors: incidents.reanchors,
            duplicates: incidents.duplicates,
            late: incidents.late,
            vanished: incidents.vanished,
            unfinished,
            total: requests.total,
        }
    }
}
