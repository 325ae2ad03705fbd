//! Counts of what a walk has done.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::http::counters::RequestCounters;
use crate::walk::Incidents;

/// Counts of what a walk has done: [`RunStream::stats`](crate::RunStream::stats).
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
    /// Rows returned.
    pub rows: u64,
    /// Requests sent, retries included.
    pub requests: u64,
    /// Requests sent again after one failed.
    pub retries: u64,
    /// Bytes of complete response bodies, and of what was read of the bodies of errors, after
    /// decompression.
    pub bytes: u64,
    /// How often the list moved while it was read.
    pub drifts: u64,
    /// How often the walk requested the list from the start of the last run instead of by offset:
    /// because the list moved, or because the offset had reached 20,000 rows.
    pub reanchors: u64,
    /// Rows left out because they had been processed before, or are still unfinished: after the
    /// list moved, and in the lookback. The rows that each page shares with the page before do not
    /// count.
    pub duplicates: u64,
    /// Rows returned that started before the watermark: late runs, within the lookback.
    pub late: u64,
    /// Runs to be read again that have been missing from the list for five minutes.
    pub vanished: u64,
    /// Runs that are to be read again: see [`Cursor::unfinished`](crate::Cursor::unfinished).
    pub unfinished: u64,
    /// How many rows the list has, as the service's last response about the whole list says. After
    /// the list moved, responses are about a part of it. The query's filters apply; with a filter
    /// by status, unfinished runs count too, since they may match it later. The query's `offset`
    /// and `limit` do not apply.
    pub total: Option<u64>,
}

/// The counters of a walk. Rows are counted where they are returned.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(crate) requests: Arc<RequestCounters>,
    walk: Mutex<(Incidents, u64)>,
}

impl Meter {
    fn walk(&self) -> MutexGuard<'_, (Incidents, u64)> {
        self.walk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores the incidents of the walk, and how many runs it is to read again.
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
