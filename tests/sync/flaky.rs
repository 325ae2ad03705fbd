//! A target that loses its connection.

use std::io;

use apify_runs::Id;
use apify_runs::sync::{
    Committed, Reconciled, SyncBatch, SyncList, SyncTarget, TargetError, TargetResult, Written,
};

/// What happens at one commit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Loss {
    /// It does not come to the database, and that may be tried again.
    Before,
    /// It succeeds, but nobody hears of it.
    After,
    /// It does not come to the database, and the job is to end.
    Fatal,
}

/// Loses one commit.
pub(crate) struct Flaky<T> {
    pub(crate) target: T,
    pub(crate) loss: Loss,
    /// How many commits come before.
    pub(crate) after: usize,
}

impl<T> Flaky<T> {
    fn is_lost(&mut self) -> Option<Loss> {
        let is_lost = self.after == 0;
        self.after = self.after.wrapping_sub(1);
        is_lost.then_some(self.loss)
    }
}

fn lost() -> TargetError {
    TargetError::transient(io::Error::from(io::ErrorKind::ConnectionReset))
}

impl<T: SyncTarget> SyncTarget for Flaky<T> {
    async fn load(&mut self, list: &SyncList) -> TargetResult<Committed> {
        self.target.load(list).await
    }

    async fn commit(&mut self, list: &SyncList, batch: &SyncBatch) -> TargetResult<Written> {
        let loss = self.is_lost();
        if loss == Some(Loss::Before) {
            return Err(lost());
        }
        if loss == Some(Loss::Fatal) {
            return Err(TargetError::new("the database is gone"));
        }
        let written = self.target.commit(list, batch).await;
        if loss == Some(Loss::After) {
            written?;
            return Err(lost());
        }
        written
    }

    async fn begin_listing(&mut self, list: &SyncList) -> TargetResult<()> {
        self.target.begin_listing(list).await
    }

    async fn add_listed(&mut self, list: &SyncList, ids: &[Id]) -> TargetResult<()> {
        self.target.add_listed(list, ids).await
    }

    async fn mark_deleted(&mut self, list: &SyncList) -> TargetResult<Reconciled> {
        self.target.mark_deleted(list).await
    }

    async fn close(&mut self, list: &SyncList) -> TargetResult<()> {
        self.target.close(list).await
    }
}
