//! What the requests of a walk add up to.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the requests of a walk add up to so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RequestCounts {
    pub(crate) requests: u64,
    pub(crate) retries: u64,
    pub(crate) bytes: u64,
    /// How many rows the list has, by the last response that says so of the whole of it.
    pub(crate) total: Option<u64>,
}

/// Counts requests that are in flight at the same time.
#[derive(Debug, Default)]
pub(crate) struct RequestCounters(Mutex<RequestCounts>);

impl RequestCounters {
    fn lock(&self) -> MutexGuard<'_, RequestCounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn sent(&self) {
        self.lock().requests += 1;
    }

    pub(crate) fn retried(&self) {
        self.lock().retries += 1;
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.lock().bytes += bytes as u64;
    }

    pub(crate) fn listed(&self, total: u64) {
        self.lock().total = Some(total);
    }

    pub(crate) fn counts(&self) -> RequestCounts {
        *self.lock()
    }
}
