//! The trait of a database.

use std::error::Error as StdError;
use std::fmt;

use super::batch::SyncBatch;
use super::list::SyncList;
use crate::cursor::Cursor;
use crate::error::{Error, ErrorKind};
use crate::run::Id;

/// The result of a method of a [`SyncTarget`].
pub type TargetResult<T> = std::result::Result<T, TargetError>;

/// Where a [`SyncJob`](super::SyncJob) writes: a database that holds rows together with the cursor
/// after them.
///
/// [`Database`](super::Database) has targets for SQLite and PostgreSQL. Implement this trait to get
/// the same guarantee in another database: it has each run once, as it is listed last, after any
/// number of stops, crashes and lost connections.
///
/// # Contract
///
/// - **Atomic.** [`commit`](Self::commit) stores all rows of a batch and its cursor, or nothing, in
///   one transaction.
/// - **Upsert.** A row replaces the one with the same ID. The rows of one batch have different IDs.
/// - **Idempotent.** The same batch may be committed twice in a row.
/// - **Durable.** What [`load`](Self::load) returns is what the last commit that succeeded has
///   stored, in this process or another. After a crash of the machine it may be an older one, if
///   the rows are as old.
/// - **Alone.** From `load` to [`close`](Self::close), no other job commits to the same list. A
///   lock must not outlive its process. A target without locks must not be used by two jobs at
///   once.
///
/// # A commit whose result is unknown
///
/// If the connection is lost during a commit, the target does not know whether it has succeeded.
/// It returns a [transient](TargetError::transient) error. The job waits, and calls `load`, which
/// has to connect and lock again:
///
/// - if it returns the cursor of the batch, the commit has succeeded, and the job continues;
/// - if it returns the cursor before that, the job commits the batch again;
/// - if it returns any other cursor, another job has taken over, and this one fails with
///   [`ErrorKind::Locked`].
///
/// It waits 250 ms at first, then twice as long each time, up to 30 s. After five minutes, the job
/// fails with the first error.
///
/// # Cancel safety
///
/// A job that is dropped drops the future of the method that it has called, and then the target. A
/// transaction in progress may succeed or fail, but must not be partly committed.
///
/// # Example: a table in memory
///
/// ```
/// use std::collections::BTreeMap;
/// use std::sync::{Arc, Mutex};
///
/// use apify_runs::emulator::Emulator;
/// use apify_runs::sync::{Committed, SyncBatch, SyncJob, SyncList, SyncTarget, TargetResult, Written};
/// use apify_runs::{Id, RunSummary};
///
/// #[derive(Clone, Default)]
/// struct Table(Arc<Mutex<(BTreeMap<Id, RunSummary>, Committed)>>);
///
/// impl SyncTarget for Table {
///     async fn load(&mut self, _list: &SyncList) -> TargetResult<Committed> {
///         Ok(self.0.lock().unwrap().1.clone())
///     }
///
///     async fn commit(&mut self, _list: &SyncList, batch: &SyncBatch) -> TargetResult<Written> {
///         let (rows, committed) = &mut *self.0.lock().unwrap();
///         let before = rows.len();
///         rows.extend(batch.runs().iter().map(|run| (run.id.clone(), run.clone())));
///         let new = (rows.len() - before) as u64;
///         *committed = Committed::new(batch.cursor().clone(), rows.len() as u64);
///         Ok(Written::new(new, batch.runs().len() as u64 - new))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> apify_runs::Result<()> {
/// let emulator = Emulator::builder().runs(2500).start().await?;
/// let table = Table::default();
/// for expected in [2500, 0] {
///     let job = SyncJob::new(emulator.client().runs("janedoe/my-actor"), table.clone());
///     assert_eq!(job.run().await?.rows, expected);
/// }
/// # Ok(())
/// # }
/// ```
pub trait SyncTarget: Send {
    /// Connects and locks, if that has not been done, and returns what is committed.
    /// [`Committed::default`] if nothing is.
    ///
    /// # Errors
    ///
    /// The job ends with the error, unless it is [transient](TargetError::transient).
    fn load(&mut self, list: &SyncList) -> impl Future<Output = TargetResult<Committed>> + Send;

    /// Stores the rows of a batch and its cursor in one transaction. A batch may have no rows.
    ///
    /// # Errors
    ///
    /// Nothing may be stored then, unless the error is [transient](TargetError::transient).
    fn commit(
        &mut self,
        list: &SyncList,
        batch: &SyncBatch,
    ) -> impl Future<Output = TargetResult<Written>> + Send;

    /// Begins to collect the IDs of all runs that are on the list, for
    /// [`mark_deleted`](Self::mark_deleted). IDs that were collected before are discarded.
    ///
    /// Only jobs that [reconcile](super::SyncJob::reconcile) call this method and the next two.
    ///
    /// # Errors
    ///
    /// By default, an error that says that the target cannot reconcile.
    fn begin_listing(&mut self, list: &SyncList) -> impl Future<Output = TargetResult<()>> + Send {
        let _ = list;
        async { Err(cannot_reconcile()) }
    }

    /// Adds runs that are on the list. An ID may be added more than once.
    ///
    /// # Errors
    ///
    /// As [`begin_listing`](Self::begin_listing). The job ends with the error, transient or not.
    fn add_listed(
        &mut self,
        list: &SyncList,
        ids: &[Id],
    ) -> impl Future<Output = TargetResult<()>> + Send {
        let _ = (list, ids);
        async { Err(cannot_reconcile()) }
    }

    /// Marks the stored runs of the list as deleted whose IDs were not collected, and removes the
    /// mark from those that were. It is called at the end of a complete walk, and never after one
    /// that failed.
    ///
    /// Only runs are marked that have a start and were stored by this list at least five minutes
    /// before [`begin_listing`](Self::begin_listing) was called: a response may be out of date.
    ///
    /// # Errors
    ///
    /// As [`begin_listing`](Self::begin_listing). The job ends with the error, transient or not.
    fn mark_deleted(
        &mut self,
        list: &SyncList,
    ) -> impl Future<Output = TargetResult<Reconciled>> + Send {
        let _ = list;
        async { Err(cannot_reconcile()) }
    }

    /// Releases what `load` has locked. It is called at the end of a job, also of one that failed,
    /// but not if the job is dropped. By default, it does nothing.
    ///
    /// # Errors
    ///
    /// The job ends with the error if it has no other one.
    fn close(&mut self, list: &SyncList) -> impl Future<Output = TargetResult<()>> + Send {
        let _ = list;
        async { Ok(()) }
    }
}

fn cannot_reconcile() -> TargetError {
    Error::config("reconcile", "true", "this target cannot do that").into()
}

/// What a target holds of a list.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Committed {
    /// The cursor of the last commit: [`SyncBatch::cursor`].
    pub cursor: Cursor,
    /// How many runs this list has added, over all jobs. A target that does not count them may
    /// return [`Cursor::rows`].
    pub rows: u64,
}

impl Committed {
    /// What is held after a commit with this cursor.
    pub fn new(cursor: Cursor, rows: u64) -> Self {
        Self { cursor, rows }
    }
}

/// What a commit has written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// Rows that were inserted.
    pub new: u64,
    /// Rows that replaced one with the same ID.
    pub updated: u64,
}

impl Written {
    /// What a commit of these numbers of rows has written. A target that does not count new rows
    /// passes zeros.
    pub fn new(new: u64, updated: u64) -> Self {
        Self { new, updated }
    }
}

/// What [`SyncTarget::mark_deleted`] has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reconciled {
    /// Runs that are gone from the list, and were not marked before.
    pub deleted: u64,
    /// Runs that are on the list, and were marked as deleted.
    pub restored: u64,
}

impl Reconciled {
    /// These numbers of runs.
    pub fn new(deleted: u64, restored: u64) -> Self {
        Self { deleted, restored }
    }
}

/// Why a method of a [`SyncTarget`] failed.
///
/// Any error converts into it, with `?`. The job ends with an [`Error`] of kind
/// [`Output`](ErrorKind::Output) then, whose [source](StdError::source) it is; an [`Error`] of this
/// crate is passed on as it is.
pub struct TargetError {
    cause: Box<dyn StdError + Send + Sync>,
    is_transient: bool,
}

impl TargetError {
    /// An error that may go away: a lost connection, a server that restarts, a transaction that has
    /// to be retried. The operation may have succeeded. See [`SyncTarget`].
    pub fn transient(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            cause: cause.into(),
            is_transient: true,
        }
    }

    /// A permanent error.
    pub fn new(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            cause: cause.into(),
            is_transient: false,
        }
    }

    /// Whether the job tries again.
    pub fn is_transient(&self) -> bool {
        self.is_transient
    }

    /// Whether it says that another job has the lock.
    pub(super) fn is_locked(&self) -> bool {
        let error = self.cause.downcast_ref::<Error>();
        error.is_some_and(|error| error.kind() == ErrorKind::Locked)
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for TargetError {
    fn from(cause: E) -> Self {
        Self::new(cause)
    }
}

impl From<TargetError> for Error {
    fn from(error: TargetError) -> Self {
        let ours = match error.cause.downcast::<Self>() {
            Ok(ours) => *ours,
            Err(cause) => {
                Self::new(ErrorKind::Output, "the sync cannot be written").with_source(cause)
            }
        };
        match error.is_transient && ours.kind() == ErrorKind::Output {
            true => ours.transient(),
            false => ours,
        }
    }
}

impl fmt::Debug for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TargetError")
            .field("cause", &self.cause)
            .field("is_transient", &self.is_transient)
            .finish()
    }
}
