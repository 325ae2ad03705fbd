//! The progress of an export, and its summary.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::checkpoint::Checkpoint;
use super::writer_thread::Written;
use crate::stream::stats::WalkStats;

/// The progress of an export: [`Export::on_progress`](super::Export::on_progress).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Rows received for the output, including those of earlier starts.
    pub rows: u64,
    /// Rows of these that are committed.
    pub committed_rows: u64,
    /// How many runs were on the list when the export started. `None` if the service did not say.
    pub total: Option<u64>,
    /// Counts of the walk of this start.
    pub stats: WalkStats,
}

/// What an export has done, with the counts that show whether anything is missing.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// Whether it was stopped before its end.
    pub interrupted: bool,
    /// Rows written by this start.
    pub rows: u64,
    /// Rows in the output, including those of earlier starts.
    pub output_rows: u64,
    /// How many different IDs the rows of this start have. Under
    /// [`Emit::Changes`](crate::Emit::Changes) there may be fewer than rows, and under
    /// [`Emit::Finished`](crate::Emit::Finished) if a run was resurrected and has finished again.
    /// A row without an ID counts as one of its own. `None` after more than 16,777,216 rows,
    /// which are too many to compare.
    pub distinct_ids: Option<u64>,
    /// Rows that could not be read and that the format cannot hold, those of earlier starts
    /// included.
    pub skipped: u64,
    /// Rows of this start that show a run before its end, and that no later start will update:
    /// they are written once under [`Emit::Snapshot`](crate::Emit::Snapshot). 0 under the others.
    pub frozen_rows: u64,
    /// The earliest start of a run in the output.
    pub first_started_at: Option<DateTime<Utc>>,
    /// The latest start of a run in the output.
    pub last_started_at: Option<DateTime<Utc>>,
    /// How many runs the list had before, by the service's count. `None` if the service did not
    /// say, or if the export was stopped before it had.
    pub total_before: Option<u64>,
    /// How many it had after. `None` if the export was interrupted, or the service did not say.
    pub total_after: Option<u64>,
    /// What the walk has done: requests, retries, how often the list moved, late rows.
    pub stats: WalkStats,
    /// Bytes written by this start, after compression.
    pub bytes: u64,
    /// How long this start took.
    pub elapsed: Duration,
}

impl Summary {
    pub(super) fn new(
        before: &Checkpoint,
        written: Written,
        total_before: Option<u64>,
        stats: WalkStats,
        begun: Instant,
    ) -> Self {
        let committed = written.committed;
        Self {
            interrupted: false,
            rows: committed.rows - before.rows(),
            output_rows: committed.rows,
            distinct_ids: written.distinct_ids,
            skipped: committed.skipped,
            frozen_rows: 0,
            first_started_at: committed.first_started_at,
            last_started_at: committed.last_started_at,
            total_before,
            total_after: None,
            stats,
            bytes: written.bytes,
            elapsed: begun.elapsed(),
        }
    }

    /// Of an export that was stopped before it opened its output.
    pub(super) fn nothing(there: Option<&Checkpoint>, begun: Instant) -> Self {
        let committed = there.map(|there| there.committed).unwrap_or_default();
        Self {
            interrupted: true,
            rows: 0,
            output_rows: committed.rows,
            distinct_ids: Some(0),
            skipped: committed.skipped,
            frozen_rows: 0,
            first_started_at: committed.first_started_at,
            last_started_at: committed.last_started_at,
            total_before: None,
            total_after: None,
            stats: WalkStats::default(),
            bytes: 0,
            elapsed: begun.elapsed(),
        }
    }
}
