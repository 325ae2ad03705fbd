//! The progress of a sync, and its summary.

use std::time::Duration;

use crate::stream::stats::WalkStats;

/// How far a sync has come: [`SyncJob::on_progress`](super::SyncJob::on_progress).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct SyncProgress {
    /// Rows received by this start.
    pub rows: u64,
    /// Rows written and committed by this start.
    pub committed_rows: u64,
    /// Whether the list is read from its beginning, to find the runs that are gone:
    /// [`SyncJob::reconcile`](super::SyncJob::reconcile). `rows` then are those of that walk.
    pub is_reconciling: bool,
    /// What the walk has done. It has the number of runs on the list, once the service has said it.
    pub stats: WalkStats,
}

/// What a sync has done.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct SyncSummary {
    /// Whether it was stopped before its end.
    pub interrupted: bool,
    /// Rows written by this start: [`new`](Self::new) and [`updated`](Self::updated) ones. A run that
    /// comes twice within one commit is written once.
    pub rows: u64,
    /// Runs that the table did not have.
    pub new: u64,
    /// Runs that it had.
    pub updated: u64,
    /// Runs that were found to be gone from the list and are marked as deleted. 0 unless the sync
    /// [reconciles](super::SyncJob::reconcile).
    pub deleted: u64,
    /// Runs that were marked as deleted and are on the list again.
    pub restored: u64,
    /// Rows that could not be read. They are not written.
    pub skipped: u64,
    /// How many runs this list has added, earlier starts included. `None` if the sync was stopped
    /// before it knew.
    pub list_rows: Option<u64>,
    /// Runs that have not finished. The next sync reads them again.
    pub unfinished: u64,
    /// How many transactions were committed.
    pub commits: u64,
    /// What the walk has done: requests, retries, the number of runs on the list, late rows.
    pub stats: WalkStats,
    /// What the walk has done that looked for runs that are gone, if there was one.
    pub reconcile_stats: Option<WalkStats>,
    /// How long it took.
    pub elapsed: Duration,
}
