//! The rows of a walk, collected for the next commit.

use std::pin::{Pin, pin};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::time::{Instant, timeout_at};

use super::batch::{PendingRows, SyncBatch};
use super::job::{OnProgress, OnUnreadable};
use super::summary::SyncProgress;
use crate::cursor::Cursor;
use crate::error::{Error, ErrorKind, Result};
use crate::stream::batch::Batch;
use crate::stream::pages::RunPages;
use crate::stream::stats::WalkStats;

/// How long the first rows wait for a commit.
const FIRST_INTERVAL: Duration = Duration::from_secs(1);
/// How often a cursor is committed that has moved without rows.
const QUIET_COMMIT: Duration = Duration::from_secs(60);

/// How a walk ended without an error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ending {
    Complete,
    Stopped,
}

/// What is to be committed, and how the walk ended, if it did.
pub(super) type BatchAndEnd = (Option<SyncBatch>, Option<Result<Ending>>);

/// How long rows are read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Until {
    /// Until a commit is due.
    Due,
    /// Until no more rows fit into a batch.
    Full,
}

/// When rows are committed.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchSize {
    pub(super) rows: usize,
    pub(super) interval: Duration,
}

/// The callbacks of the user.
pub(super) struct Callbacks {
    pub(super) on_progress: Option<Box<OnProgress>>,
    pub(super) on_unreadable: Option<Box<OnUnreadable>>,
}

impl Callbacks {
    pub(super) fn unreadable(&self, error: &Error) {
        if let Some(call) = &self.on_unreadable {
            call(error);
        }
    }

    pub(super) fn progress(&self, progress: &SyncProgress) {
        if let Some(call) = &self.on_progress {
            call(progress);
        }
    }
}

/// The next item of a walk.
pub(super) enum Next {
    Batch(Batch),
    Unreadable(Error),
    /// Nothing until the deadline.
    Nothing,
    End(Result<Ending>),
}

/// Waits for the next rows.
pub(super) async fn next(
    pages: &mut RunPages,
    deadline: Option<Instant>,
    stop: Pin<&mut impl Future<Output = ()>>,
) -> Next {
    let batch = async {
        match deadline {
            Some(deadline) => timeout_at(deadline, pages.next_batch()).await,
            None => Ok(pages.next_batch().await),
        }
    };
    match select(stop, pin!(batch)).await {
        Either::Left(_) => Next::End(Ok(Ending::Stopped)),
        Either::Right((Err(_), _)) => Next::Nothing,
        Either::Right((Ok(None), _)) => Next::End(Ok(Ending::Complete)),
        Either::Right((Ok(Some(Ok(batch))), _)) => Next::Batch(batch),
        Either::Right((Ok(Some(Err(error))), _)) if error.kind() == ErrorKind::Item => {
            Next::Unreadable(error)
        }
        Either::Right((Ok(Some(Err(error))), _)) => Next::End(Err(error)),
    }
}

/// Reads the walk, and collects its rows.
pub(super) struct Reader {
    pages: RunPages,
    has_raw: bool,
    size: BatchSize,
    pending: PendingRows,
    /// The cursor that was taken last, and when.
    taken: (Cursor, Instant),
    is_first: bool,
    rows: u64,
    pub(super) skipped: u64,
    pub(super) committed_rows: u64,
    pub(super) callbacks: Callbacks,
}

impl Reader {
    pub(super) fn new(
        pages: RunPages,
        has_raw: bool,
        size: BatchSize,
        callbacks: Callbacks,
    ) -> Self {
        Self {
            taken: (pages.cursor().clone(), Instant::now()),
            pages,
            has_raw,
            size,
            pending: PendingRows::default(),
            is_first: true,
            rows: 0,
            skipped: 0,
            committed_rows: 0,
            callbacks,
        }
    }

    pub(super) fn stats(&self) -> WalkStats {
        self.pages.stats()
    }

    pub(super) fn unfinished(&self) -> u64 {
        self.pages.cursor().unfinished() as u64
    }

    /// Reads rows until there is a reason to commit them, or until the walk ends, and takes them.
    /// May be dropped at any await: no row is lost.
    pub(super) async fn batch(
        &mut self,
        until: Until,
        stop: Pin<&mut impl Future<Output = ()>>,
    ) -> BatchAndEnd {
        let end = self.read(until, stop).await;
        let is_complete = matches!(end, Some(Ok(Ending::Complete)));
        (self.take(is_complete), end)
    }

    async fn read(
        &mut self,
        until: Until,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Option<Result<Ending>> {
        loop {
            if self.pending.is_full(self.size.rows) {
                return None;
            }
            let deadline = (until == Until::Due).then(|| self.due());
            match next(&mut self.pages, deadline, stop.as_mut()).await {
                Next::Batch(mut batch) => {
                    self.rows += batch.rows.len() as u64;
                    self.pending
                        .add(batch.rows.drain(..), batch.raw_rows.as_ref());
                    self.pages.recycle(batch.rows);
                }
                Next::Unreadable(error) => {
                    self.callbacks.unreadable(&error);
                    self.skipped += 1;
                    self.pending.skip();
                }
                Next::Nothing => return None,
                Next::End(end) => return Some(end),
            }
            self.tell();
        }
    }

    /// When what has come is to be committed.
    fn due(&self) -> Instant {
        match self.pending.since {
            Some(since) if self.is_first => since + FIRST_INTERVAL.min(self.size.interval),
            Some(since) => since + self.size.interval,
            None => self.taken.1 + QUIET_COMMIT,
        }
    }

    /// Takes what has come, if there is anything to commit.
    fn take(&mut self, is_complete: bool) -> Option<SyncBatch> {
        let cursor = self.pages.cursor();
        let has_rows = self.pending.since.is_some();
        let is_needed = has_rows || is_complete || *cursor != self.taken.0;
        self.taken.1 = Instant::now();
        if !is_needed {
            return None;
        }
        self.is_first &= !has_rows;
        self.taken.0 = cursor.clone();
        let cursor = cursor.clone();
        let max_rows = self.size.rows;
        let batch = self
            .pending
            .take(cursor, max_rows, self.has_raw, is_complete);
        Some(batch)
    }

    /// Tells the user how far it is.
    pub(super) fn tell(&self) {
        if self.callbacks.on_progress.is_some() {
            self.callbacks.progress(&SyncProgress {
                rows: self.rows,
                committed_rows: self.committed_rows,
                is_reconciling: false,
                stats: self.stats(),
            });
        }
    }

    pub(super) fn into_callbacks(self) -> Callbacks {
        self.callbacks
    }
}
