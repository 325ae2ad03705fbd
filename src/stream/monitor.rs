//! What a walk does, for those who do not read it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use super::stats::Meter;
use crate::http::pace::Pacer;

/// A view of a walk that somebody else reads, such as an export: [`Runs::monitor`].
///
/// All clones are of the same walk. Should several walks have it, one after the other, what is
/// counted goes on from one to the next.
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

/// What a walk does: [`WalkMonitor::status`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct WalkStatus {
    /// Rows read. They count when their page is handed out.
    pub rows: u64,
    /// Requests sent, retries included.
    pub requests: u64,
    /// Requests sent again after one failed.
    pub retries: u64,
    /// How often the walk has come to the end of the list. One that follows the list comes there
    /// with each look.
    pub passes: u64,
    /// When the walk was at the end of the list last, by this machine's clock.
    pub last_pass: Option<DateTime<Utc>>,
    /// The start of the latest run that the walk has come to (the earliest, if it is descending).
    pub newest_start: Option<DateTime<Utc>>,
    /// Runs that are to be read again: see [`Cursor::unfinished`](crate::Cursor::unfinished).
    pub unfinished: u64,
    /// How many rows the list has: see [`WalkStats::total`](crate::WalkStats::total).
    pub total: Option<u64>,
    /// How many requests a second are sent for the list at most, as it is now. All walks of the list
    /// by this client share it. `None` before the walk has begun, and where nothing limits it.
    pub max_rate: Option<f64>,
}

#[derive(Default)]
struct Observed {
    /// Of earlier walks and of this one: what it counts itself.
    status: WalkStatus,
    /// What the walk counts, and the pace of its list.
    walk: Option<(Arc<Meter>, Arc<Pacer>)>,
}

impl WalkMonitor {
    /// What the walk does now.
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

    /// The walk has handed out rows, and has come to a run that started then.
    pub(crate) fn came(&self, rows: usize, newest_start: Option<DateTime<Utc>>) {
        let status = &mut self.lock().status;
        status.rows += rows as u64;
        status.newest_start = newest_start;
    }

    /// The walk is at the end of the list.
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
