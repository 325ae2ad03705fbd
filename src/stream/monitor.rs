//! The status of a walk, for observers that do not read it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use super::stats::Meter;
use crate::http::pace::Pacer;

/// Observes a walk that is read elsewhere, such as in an export: [`Runs::monitor`].
///
/// All clones observe the same walk. If several walks use it, one after the other, the counts
/// continue from one to the next.
///
/// [`Runs::monitor`]: crate::Runs::monitor
///
/// ```
/// use apify_runs::WalkMonitor;
/// use apify_runs::emulator::Emulator;
/// use futures::TryStreamExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> apify_runs::Result<()> {
/// let emulator = Emulator::builder().runs(2500).start().await?;
/// let monitor = WalkMonitor::default();
/// let runs = emulator.client().runs("janedoe/my-actor").monitor(&monitor);
/// let _rows: Vec<_> = runs.stream().try_collect().await?;
/// let status = monitor.status();
/// assert_eq!((status.rows, status.requests, status.passes), (2500, 3, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct WalkMonitor(Arc<Mutex<Observed>>);

/// The status of a walk: [`WalkMonitor::status`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct WalkStatus {
    /// Rows read. They count when their page is returned.
    pub rows: u64,
    /// Requests sent, retries included.
    pub requests: u64,
    /// Requests sent again after one failed.
    pub retries: u64,
    /// How often the walk has reached the end of the list. A walk that follows the list reaches it
    /// in each pass.
    pub passes: u64,
    /// When the walk last reached the end of the list, by this machine's clock.
    pub last_pass: Option<DateTime<Utc>>,
    /// The start of the latest run that the walk has read (the earliest, if it is descending).
    pub newest_start: Option<DateTime<Utc>>,
    /// Runs that are to be read again: see [`Cursor::unfinished`](crate::Cursor::unfinished).
    pub unfinished: u64,
    /// How many rows the list has: see [`WalkStats::total`](crate::WalkStats::total).
    pub total: Option<u64>,
    /// The current limit of requests a second for the list. All walks of the list by this client
    /// share it. `None` before the walk has begun, and if there is no limit.
    pub max_rate: Option<f64>,
}

#[derive(Default)]
struct Observed {
    /// Totals of earlier walks, and what the monitor counts of this one.
    status: WalkStatus,
    /// The counters of this walk, and the pace of its list.
    walk: Option<(Arc<Meter>, Arc<Pacer>)>,
}

impl WalkMonitor {
    /// The current status of the walk.
    pub fn status(&self) -> WalkStatus {
        self.lock().status()
    }

    fn lock(&self) -> MutexGuard<'_, Observed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A walk begins.
    pub(crate) fn begin(&self, meter: Arc<Meter>, pacer: Arc<Pacer>) {
        let mut observed = self.lock();
        observed.status = observed.status();
        observed.walk = Some((meter, pacer));
    }

    /// The walk has returned rows, up to a run that started then.
    pub(crate) fn came(&self, rows: usize, newest_start: Option<DateTime<Utc>>) {
        let status = &mut self.lock().status;
        status.rows += rows as u64;
        status.newest_start = newest_start;
    }

    /// The walk has reached the end of the list.
    pub(crate) fn passed(&self) {
        let status = &mut self.lock().status;
        status.passes += 1;
        status.last_pass = Some(Utc::now());
    }
}

impl Observed {
    fn status(&self) -> WalkStatus {
        let Some((meter, pacer)) = &self.walk else {
            return self.status;
        };
        let stats = meter.stats(0);
        WalkStatus {
            requests: self.status.requests + stats.requests,
            retries: self.status.retries + stats.retries,
            unfinished: stats.unfinished,
            total: stats.total,
            max_rate: pacer.max_rate(),
            ..self.status
        }
    }
}

impl std::fmt::Debug for WalkMonitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("WalkMonitor").field(&self.status()).finish()
    }
}
