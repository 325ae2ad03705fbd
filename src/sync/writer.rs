//! Commits batches, over lost connections.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::batch::SyncBatch;
use super::list::SyncList;
use super::target::{Committed, SyncTarget, TargetError, TargetResult, Written};
use crate::error::{Error, ErrorKind, Result};
use crate::trace::warn;

const FIRST_DELAY: Duration = Duration::from_millis(250);
const MAX_DELAY: Duration = Duration::from_secs(30);
/// How long a target may fail.
const MAX_OUTAGE: Duration = Duration::from_secs(5 * 60);

/// The delays of one outage.
struct Outage {
    since: Instant,
    delay: Duration,
}

impl Outage {
    fn begin() -> Self {
        Self {
            since: Instant::now(),
            delay: FIRST_DELAY,
        }
    }

    /// Waits, and says whether there is time to try again.
    async fn wait(&mut self) -> bool {
        if self.since.elapsed() + self.delay > MAX_OUTAGE {
            return false;
        }
        sleep(self.delay).await;
        self.delay = (self.delay * 2).min(MAX_DELAY);
        true
    }
}

/// A target, and what it holds.
pub(super) struct Writer<T> {
    pub(super) target: T,
    pub(super) list: SyncList,
    pub(super) committed: Committed,
    pub(super) written: Written,
    pub(super) rows: u64,
    pub(super) commits: u64,
}

impl<T: SyncTarget> Writer<T> {
    /// Connects, and reads what is committed.
    pub(super) async fn open(mut target: T, list: SyncList) -> (T, SyncList, Result<Committed>) {
        let committed = open(&mut target, &list).await.map_err(Error::from);
        (target, list, committed)
    }

    pub(super) fn new(target: T, list: SyncList, committed: Committed) -> Self {
        Self {
            target,
            list,
            committed,
            written: Written::default(),
            rows: 0,
            commits: 0,
        }
    }

    /// Commits a batch, and once only.
    pub(super) async fn commit(&mut self, batch: &SyncBatch) -> Result<()> {
        let mut outage = None;
        loop {
            let error = match self.target.commit(&self.list, batch).await {
                Ok(written) => {
                    let rows = self.committed.rows + written.new;
                    self.note(batch, written, rows);
                    return Ok(());
                }
                Err(error) if error.is_transient() => error,
                Err(error) => return Err(error.into()),
            };
            warn!(?error, "a commit failed, and is looked at again");
            let outage = outage.get_or_insert_with(Outage::begin);
            let committed = reload(&mut self.target, &self.list, outage, error).await?;
            if committed.cursor == self.committed.cursor {
                continue;
            }
            if committed.cursor != *batch.cursor() {
                let message = format!("another sync has written the list of {}", self.list);
                return Err(Error::new(ErrorKind::Locked, message));
            }
            // It had been committed.
            let new = committed.rows.saturating_sub(self.committed.rows);
            let updated = (batch.runs().len() as u64).saturating_sub(new);
            self.note(batch, Written { new, updated }, committed.rows);
            return Ok(());
        }
    }

    fn note(&mut self, batch: &SyncBatch, written: Written, rows: u64) {
        self.committed = Committed {
            cursor: batch.cursor().clone(),
            rows,
        };
        self.written.new += written.new;
        self.written.updated += written.updated;
        self.rows += batch.runs().len() as u64;
        self.commits += 1;
    }
}

/// Loads for the first time.
async fn open(target: &mut impl SyncTarget, list: &SyncList) -> TargetResult<Committed> {
    match target.load(list).await {
        Err(error) if error.is_transient() => {
            let mut outage = Outage::begin();
            reload(target, list, &mut outage, error).await
        }
        loaded => loaded,
    }
}

/// Loads again after an error, until the outage has lasted too long. The lock may still be that
/// of the connection that was lost.
async fn reload(
    target: &mut impl SyncTarget,
    list: &SyncList,
    outage: &mut Outage,
    first: TargetError,
) -> TargetResult<Committed> {
    while outage.wait().await {
        match target.load(list).await {
            Err(error) if error.is_transient() || error.is_locked() => {
                warn!(?error, "the target cannot be loaded");
            }
            loaded => return loaded,
        }
    }
    Err(first)
}
