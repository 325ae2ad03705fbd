//! The fields of a run that a report uses.

use apify_runs::sync::StoredRun;
use apify_runs::{Id, RunOrigin, RunStatus};
use chrono::{DateTime, Utc};

/// One run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ReportRow {
    pub(crate) id: Id,
    pub(crate) actor: Option<Id>,
    pub(crate) task: Option<Id>,
    pub(crate) status: RunStatus,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
    pub(crate) origin: Option<RunOrigin>,
    /// In US dollars. `None` if it is not known.
    pub(crate) cost: Option<f64>,
}

impl ReportRow {
    /// Whether it has reached its end: by its status, or, if that is unknown, by having a finish.
    pub(crate) fn is_finished(&self) -> bool {
        match self.status {
            RunStatus::Other(_) => self.finished_at.is_some(),
            _ => self.status.is_finished(),
        }
    }

    /// Whether it counts as a failure: as in the view `failures` of a database.
    pub(crate) fn is_failure(&self) -> bool {
        matches!(
            self.status,
            RunStatus::Failed | RunStatus::TimedOut | RunStatus::Aborted
        )
    }

    /// From start to finish, in milliseconds. `None` if it has not finished, or if the times are not
    /// known or contradict each other.
    pub(crate) fn duration_millis(&self) -> Option<u32> {
        let finished_at = self.finished_at.filter(|_| self.is_finished())?;
        let millis = (finished_at - self.started_at?).num_milliseconds();
        (millis >= 0).then(|| u32::try_from(millis).unwrap_or(u32::MAX))
    }
}

impl From<StoredRun> for ReportRow {
    fn from(run: StoredRun) -> Self {
        Self {
            id: run.id,
            actor: run.act_id,
            task: run.actor_task_id,
            status: run.status,
            started_at: run.started_at,
            finished_at: run.finished_at,
            origin: run.origin,
            cost: run.usage_total_usd,
        }
    }
}
