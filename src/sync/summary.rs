//! The progress of a sync, and its summary.

use std::time::Duration;

use crate::stream::stats::WalkStats;

/// The progress of a sync: [`SyncJob::on_progress`](super::SyncJob::on_progress).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct SyncProgress {
    /// Rows received by this start.
    pub rows: u64,
    /// Rows written and committed by this start.
    pub committed_rows: u64,
    /// Whether the list is being read a second time, to find runs that were deleted:
    /// [`SyncJob::reconcile`](super::SyncJob::reconcile). `rows` then counts those of that walk.
    pub is_reconciling: bool,
    /// Counts of the walk, with the number of runs on the list once the service has returned it.
    pub stats: WalkStats,
}

/// What a sync has done.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct SyncSummary {
    /// Whether it was stopped before its end.
    pub interrupted: bool,
    /// Rows written by this start: [`new`](Self::new) and [`updated`](Self::updated) ones. A run
    /// that is read twice within one commit is written once.
    pub rows: u64,
    /// Runs that were inserted into the table.
    pub new: u64,
    /// Runs that the table already had.
    pub updated: u64,
    /// Runs that are no longer on the list and were marked as deleted. 0 unless the sync
    /// [reconciles](super::SyncJob::reconcile).
    pub deleted: u64,
    /// Runs that were marked as deleted and are on the list again.
    pub restored: u64,
    /// Rows that could not be read. They are not written.
    pub skipped: u64,
    /// How many runs this list has added, including earlier starts. `None` if the sync was stopped
    /// before it read that number.
    pub list_rows: Option<u64>,
    /// Runs that have not finished. The next sync reads them again.
    pub unfinished: u64,
    /// How many transactions were committed.
    pub commits: u64,
    /// Counts of the walk: requests, retries, the number of runs on the list, late rows.
    pub stats: WalkStats,
    /// Counts of the second walk, if the sync reconciled.
    pub reconcile_stats: Option<WalkStats>,
    /// How long it took.
    pub elapsed: Duration,
}
