//! What a walk has cost so far.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::walk::Incidents;

/// What a walk has done so far: [`RunStream::stats`](crate::RunStream::stats).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WalkStats {
    /// Rows handed out.
    pub rows: u64,
    /// Requests sent, retries included.
    pub requests: u64,
    /// Requests sent again after one failed.
    pub retries: u64,
    /// Bytes of all bodies received to their end, after decompression.
    pub bytes: u64,
    /// How often the list moved while it was read.
    pub drifts: u64,
    /// How often the walk took the start of the last run as its new anchor: because the list
    /// moved, or because the offset had grown deep (from 20,000 rows on).
    pub reanchors: u64,
    /// Rows left out because they had been dealt with before, or were known to be unfinished
    /// and still are: after the list moved, and in the lookback. The one row in which each page overlaps with the page before does not
    /// count.
    pub duplicates: u64,
    /// Rows handed out that appeared behind the watermark, within the lookback.
    pub late: u64,
    /// Runs to be read again that were no longer on the list, twice in a row.
    pub vanished: u64,
    /// Runs that are to be read again: see [`Cursor::unfinished`](crate::Cursor::unfinished).
    pub unfinished: u64,
    /// How many rows the list has in all, by the service's last answer about the whole of it
    /// (after the list moved, answers are about a part). Filters count, and with a filter by
    /// status the unfinished runs that it may let through later; the query's own `offset` and
    /// `limit` do not.
    pub total: Option<u64>,
}

/// What the requests of a walk add up to while it goes on.
#[derive(Debug)]
pub(crate) struct Counters {
    requests: AtomicU64,
    retries: AtomicU64,
    bytes: AtomicU64,
    drifts: AtomicU64,
    reanchors: AtomicU64,
    duplicates: AtomicU64,
    late: AtomicU64,
    vanished: AtomicU64,
    unfinished: AtomicU64,
    /// `u64::MAX` until there is an answer.
    total: AtomicU64,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            requests: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            drifts: AtomicU64::new(0),
            reanchors: AtomicU64::new(0),
            duplicates: AtomicU64::new(0),
            late: AtomicU64::new(0),
            vanished: AtomicU64::new(0),
            unfinished: AtomicU64::new(0),
            total: AtomicU64::new(u64::MAX),
        }
    }
}

impl Counters {
    pub(crate) fn sent(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    pub(crate) fn retried(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn listed(&self, total: u64) {
        self.total.store(total, Relaxed);
    }

    /// Takes over what the walk has met.
    pub(crate) fn met(&self, incidents: Incidents, unfinished: usize) {
        self.drifts.store(incidents.drifts, Relaxed);
        self.reanchors.store(incidents.reanchors, Relaxed);
        self.duplicates.store(incidents.duplicates, Relaxed);
        self.late.store(incidents.late, Relaxed);
        self.vanished.store(incidents.vanished, Relaxed);
        self.unfinished.store(unfinished as u64, Relaxed);
    }

    pub(crate) fn snapshot(&self, rows: u64) -> WalkStats {
        let total = self.total.load(Relaxed);
        WalkStats {
            rows,
            requests: self.requests.load(Relaxed),
            retries: self.retries.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            drifts: self.drifts.load(Relaxed),
            reanchors: self.reanchors.load(Relaxed),
            duplicates: self.duplicates.load(Relaxed),
            late: self.late.load(Relaxed),
            vanished: self.vanished.load(Relaxed),
            unfinished: self.unfinished.load(Relaxed),
            total: (total != u64::MAX).then_some(total),
        }
    }
}
