//! The settings of a sync.

use std::fmt;
use std::time::Duration;

use super::summary::SyncProgress;
use super::target::SyncTarget;
use crate::emit::Emit;
use crate::error::{Error, Result};
use crate::runs::Runs;
use crate::setting::check_duration;

const DEFAULT_BATCH_ROWS: usize = 50_000;
const MAX_BATCH_ROWS: usize = 1_000_000;
const DEFAULT_BATCH_INTERVAL: Duration = Duration::from_secs(5);
const MIN_BATCH_INTERVAL: Duration = Duration::from_millis(100);
const MAX_BATCH_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// A walk that is written to a database. It is not started yet.
///
/// Nothing is checked, connected or sent before it [runs](Self::run).
#[must_use = "a sync does nothing until it runs"]
pub struct SyncJob<T> {
    pub(super) runs: Runs,
    pub(super) target: T,
    pub(super) batch_rows: usize,
    pub(super) batch_interval: Duration,
    pub(super) raw: bool,
    pub(super) restart: bool,
    pub(super) reconcile: bool,
    pub(super) on_progress: Option<Box<OnProgress>>,
    pub(super) on_unreadable: Option<Box<OnUnreadable>>,
}

pub(super) type OnProgress = dyn Fn(&SyncProgress) + Send + Sync;
pub(super) type OnUnreadable = dyn Fn(&Error) + Send + Sync;

impl<T: SyncTarget> SyncJob<T> {
    /// A sync of a list into a database.
    ///
    /// The walk resumes from the cursor in the database. Its [`emit`](Runs::emit) is always
    /// [`Changes`](crate::Emit::Changes). Its own [`resume`](Runs::resume) cursor is used only for
    /// a list that the database does not have yet.
    pub fn new(runs: Runs, target: T) -> Self {
        Self {
            runs: runs.emit(Emit::Changes),
            target,
            batch_rows: DEFAULT_BATCH_ROWS,
            batch_interval: DEFAULT_BATCH_INTERVAL,
            raw: false,
            restart: false,
            reconcile: false,
            on_progress: None,
            on_unreadable: None,
        }
    }

    /// The number of rows after which a transaction is committed, or earlier, when their memory
    /// reaches 64 MiB. From 1 to 1,000,000; pages are not divided. Default 50,000. The next rows
    /// are read during the commit, so that up to twice as many are in memory.
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.batch_rows = rows;
        self
    }

    /// The maximum time a row waits until its transaction begins. From 100 ms to an hour. Default
    /// 5 s. The first transaction begins after a second.
    ///
    /// While there are no rows, a cursor that has advanced is committed once a minute.
    pub fn batch_interval(mut self, interval: Duration) -> Self {
        self.batch_interval = interval;
        self
    }

    /// Also stores each row as it was received, in the column `raw`. Default `false`: the column of
    /// the rows that are written is null.
    pub fn raw(mut self, raw: bool) -> Self {
        self.raw = raw;
        self
    }

    /// Reads the list from its beginning, and ignores the cursor in the database. Rows in the
    /// database are replaced one by one, and none is removed. Default `false`.
    pub fn restart(mut self, restart: bool) -> Self {
        self.restart = restart;
        self
    }

    /// Marks the stored runs that are no longer on the list, because the service's retention or a
    /// user has deleted them. Default `false`. Their rows stay; `deleted_at` says since when they
    /// are known to be deleted. The mark is removed from a run that is on the list again.
    ///
    /// At the end of the sync, the whole list is read a second time to collect its IDs, which the
    /// database stores meanwhile. Only runs are marked that have a start and that this list stored
    /// at least five minutes before the second walk. Nothing is marked if that walk fails or is
    /// stopped, or if none of those runs is on the list any more.
    ///
    /// The list must be whole: a query with a status, an offset or a limit, a split, and a walk
    /// that follows the list are refused.
    pub fn reconcile(mut self, reconcile: bool) -> Self {
        self.reconcile = reconcile;
        self
    }

    /// Calls a function after each page and each commit.
    pub fn on_progress(mut self, call: impl Fn(&SyncProgress) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(Box::new(call));
        self
    }

    /// Calls a function for each row that cannot be read, with an error of kind
    /// [`Item`](crate::ErrorKind::Item), which has the [row](Error::row). The row is not stored.
    pub fn on_unreadable(mut self, call: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.on_unreadable = Some(Box::new(call));
        self
    }

    pub(super) fn validate(&self) -> Result<()> {
        let options = &self.runs.options;
        let query = &options.source.query;
        if query.descending {
            let expected = "a sync reads a list from its oldest run";
            return Err(Error::config("descending", true, expected));
        }
        if !(1..=MAX_BATCH_ROWS).contains(&self.batch_rows) {
            let expected = format!("it must be from 1 to {MAX_BATCH_ROWS}");
            return Err(Error::config("batch_rows", self.batch_rows, &expected));
        }
        check_duration(
            "batch_interval",
            self.batch_interval,
            MIN_BATCH_INTERVAL..=MAX_BATCH_INTERVAL,
        )?;
        let is_part = query.has_filter()
            || query.offset > 0
            || query.limit.is_some()
            || options.source.is_split();
        if self.reconcile && is_part {
            let expected = "it needs a whole list: a query without a status, an offset or a limit";
            return Err(Error::config("reconcile", true, expected));
        }
        if self.reconcile && options.follow.is_some() {
            let expected = "a walk that follows its list has no end";
            return Err(Error::config("reconcile", true, expected));
        }
        options.begin(&self.runs.settings.token).map(drop)
    }
}

impl<T> fmt::Debug for SyncJob<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncJob")
            .field("runs", &self.runs)
            .field("batch_rows", &self.batch_rows)
            .field("batch_interval", &self.batch_interval)
            .field("raw", &self.raw)
            .field("restart", &self.restart)
            .field("reconcile", &self.reconcile)
            .finish_non_exhaustive()
    }
}
