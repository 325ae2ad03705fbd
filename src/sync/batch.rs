//! The rows of one commit.

use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

use crate::compact::compact;
use crate::cursor::Cursor;
use crate::run::{Id, RunSummary};
use crate::stream::batch::RawBatch;

/// The maximum memory of the rows of a batch, in bytes.
const MAX_BYTES: usize = 64 << 20;
/// The memory of a row besides `RunSummary` itself: fields that are stored on the heap.
const ROW_EXTRA_BYTES: usize = 128;

/// What a [`SyncTarget`](super::SyncTarget) commits in one transaction: rows, and the cursor after
/// them. A clone is cheap, and shares the rows.
#[derive(Clone)]
pub struct SyncBatch(Arc<Content>);

struct Content {
    runs: Vec<RunSummary>,
    raw_rows: Option<Vec<String>>,
    cursor: Cursor,
    skipped: u64,
    is_full: bool,
    is_complete: bool,
}

impl SyncBatch {
    /// The rows, sorted by ID: an index on IDs is faster to write in this order, and transactions
    /// that store the same runs lock them in the same order. No two have the same ID. There may be
    /// none, if only the cursor has moved.
    pub fn runs(&self) -> &[RunSummary] {
        &self.0.runs
    }

    /// The row at a place of [`runs`](Self::runs) as it was received, without insignificant
    /// whitespace. `None` if [`SyncJob::raw`](super::SyncJob::raw) is not set.
    pub fn raw_row(&self, place: usize) -> Option<&str> {
        self.0.raw_rows.as_ref()?.get(place).map(String::as_str)
    }

    /// The cursor after these rows.
    pub fn cursor(&self) -> &Cursor {
        &self.0.cursor
    }

    /// How many rows could not be read, and are not among these.
    pub fn skipped(&self) -> u64 {
        self.0.skipped
    }

    /// Whether no more rows fit into it: they come faster than batches are due.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(super) fn is_full(&self) -> bool {
        self.0.is_full
    }

    /// Whether the list ends after these rows.
    pub fn is_complete(&self) -> bool {
        self.0.is_complete
    }
}

impl fmt::Debug for SyncBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncBatch")
            .field("runs", &self.0.runs.len())
            .field("cursor", &self.0.cursor)
            .field("is_complete", &self.0.is_complete)
            .finish_non_exhaustive()
    }
}

/// Rows that wait for a commit.
#[derive(Default)]
pub(super) struct PendingRows {
    runs: Vec<RunSummary>,
    raw_rows: Vec<String>,
    bytes: usize,
    skipped: u64,
    /// When the first of them was added.
    pub(super) since: Option<Instant>,
}

impl PendingRows {
    pub(super) fn is_full(&self, max_rows: usize) -> bool {
        self.runs.len() >= max_rows || self.bytes >= MAX_BYTES
    }

    /// Adds rows of a page.
    pub(super) fn add(
        &mut self,
        rows: impl ExactSizeIterator<Item = RunSummary>,
        raw_rows: Option<&RawBatch>,
    ) {
        self.since.get_or_insert_with(Instant::now);
        self.bytes += rows.len() * (size_of::<RunSummary>() + ROW_EXTRA_BYTES);
        self.runs.extend(rows);
        for row in raw_rows.into_iter().flat_map(RawBatch::iter) {
            let mut text = Vec::new();
            compact(row, &mut text);
            self.bytes += text.len();
            let text = String::from_utf8(text);
            self.raw_rows.push(text.unwrap_or_default());
        }
    }

    /// A row that cannot be read.
    pub(super) fn skip(&mut self) {
        self.since.get_or_insert_with(Instant::now);
        self.skipped += 1;
    }

    /// Takes all rows. Only the last row of each ID is kept.
    pub(super) fn take(
        &mut self,
        cursor: Cursor,
        max_rows: usize,
        has_raw: bool,
        is_complete: bool,
    ) -> SyncBatch {
        let is_full = self.is_full(max_rows);
        let Self {
            mut runs,
            mut raw_rows,
            skipped,
            ..
        } = std::mem::take(self);
        if has_raw {
            debug_assert_eq!(runs.len(), raw_rows.len());
            let mut rows: Vec<_> = runs.into_iter().zip(raw_rows).collect();
            sort(&mut rows, |(run, _)| &run.id);
            (runs, raw_rows) = rows.into_iter().unzip();
        } else {
            sort(&mut runs, |run| &run.id);
        }
        SyncBatch(Arc::new(Content {
            runs,
            raw_rows: has_raw.then_some(raw_rows),
            cursor,
            skipped,
            is_full,
            is_complete,
        }))
    }
}

/// Sorts rows by ID. Of rows with the same ID, only the last is kept.
fn sort<T>(rows: &mut Vec<T>, id: impl Fn(&T) -> &Id) {
    // Copies of the IDs lie side by side in memory: comparing them is faster than reading the rows.
    rows.sort_by_cached_key(|row| id(row).clone());
    rows.dedup_by(|next, row| {
        let is_same = id(next) == id(row);
        if is_same {
            std::mem::swap(next, row);
        }
        is_same
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: &str, status: &str) -> RunSummary {
        let row = serde_json::json!({"id": id, "status": status});
        serde_json::from_value(row).unwrap()
    }

    #[test]
    fn rows_are_sorted_and_the_last_of_each_id_is_taken() {
        let mut pending = PendingRows::default();
        let rows = [run("a", "READY"), run("b", "FAILED"), run("a", "SUCCEEDED")];
        pending.add(rows.into_iter(), None);
        pending.raw_rows = ["1", "2", "3"].map(String::from).into();
        let batch = pending.take(Cursor::default(), 3, true, false);
        let rows: Vec<_> = batch.runs().iter().map(|run| run.id.as_str()).collect();
        assert_eq!(rows, ["a", "b"]);
        assert_eq!((batch.raw_row(0), batch.raw_row(1)), (Some("3"), Some("2")));
        assert!(pending.runs.is_empty());
    }
}
