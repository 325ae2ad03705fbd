//! One run, as the list shows it.

mod id;
mod meta;
mod row;
mod status;
mod text;

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

pub use id::Id;
pub use meta::RunMeta;
pub(crate) use row::{MAX_ROWS, RowsInto};
pub use status::{RunOrigin, RunStatus};

use crate::timestamp;

/// One run of an Actor, as a row of the list.
///
/// Every field of the [API reference](https://docs.apify.com/api/v2/act-runs-get). Only
/// [`id`](Self::id) is certain to be there; what the service leaves out or sends as `null`
/// is `None`. Fields that the service adds later are ignored. Serializes back to the API's
/// own JSON names, without the fields that are `None`.
///
/// A row of a run that is not [finished](Self::is_finished) is a snapshot: its status,
/// `finished_at` and `usage_total_usd` will change.
///
/// # Example: read one row
///
/// ```
/// use apify_runs::{RunStatus, RunSummary};
///
/// let run: RunSummary = serde_json::from_str(
///     r#"{"id": "HG7ML7M8z78YcAPEB", "status": "SUCCEEDED",
///         "startedAt": "2019-11-30T07:34:24.202Z", "finishedAt": "2019-11-30T07:35:24.202Z"}"#,
/// )?;
/// assert_eq!(run.id, "HG7ML7M8z78YcAPEB");
/// assert_eq!(run.status, RunStatus::Succeeded);
/// assert_eq!(run.duration().map(|d| d.as_secs()), Some(60));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RunSummary {
    /// The run's ID: 17 letters and digits.
    pub id: Id,
    /// The Actor that ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act_id: Option<Id>,
    /// Who started the run. Often absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Id>,
    /// The task the run was started from, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor_task_id: Option<Id>,
    /// Where the run is in its life. An empty [`RunStatus::Other`] if the row has none.
    #[serde(skip_serializing_if = "RunStatus::is_empty")]
    pub status: RunStatus,
    /// When the run started. Sorts the list. May be absent for a moment on a new run.
    #[serde(
        serialize_with = "timestamp::optional::serialize",
        skip_serializing_if = "Option::is_none"
    )]
    pub started_at: Option<DateTime<Utc>>,
    /// When the run finished. `None` while it runs.
    #[serde(
        serialize_with = "timestamp::optional::serialize",
        skip_serializing_if = "Option::is_none"
    )]
    pub finished_at: Option<DateTime<Utc>>,
    /// The build that ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_id: Option<Id>,
    /// The build's number as text, such as `0.0.377`. Of any shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_number: Option<Id>,
    /// The build's number as one integer, if the service gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_number_int: Option<i64>,
    /// How the run was started. Empty if the row has none.
    #[serde(skip_serializing_if = "RunMeta::is_empty")]
    pub meta: RunMeta,
    /// What the run cost, in US dollars, at the prices of the moment of the request.
    ///
    /// Absent for runs of other people's pay-per-event Actors. Settles about ten seconds
    /// after the run has finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_total_usd: Option<f64>,
    /// The run's default key-value store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_key_value_store_id: Option<Id>,
    /// The run's default dataset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_dataset_id: Option<Id>,
    /// The run's default request queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_request_queue_id: Option<Id>,
}

impl RunSummary {
    /// Whether the run has reached its end: by its status, or, if the status is unknown to
    /// this crate, by having a [`finished_at`](Self::finished_at).
    pub fn is_finished(&self) -> bool {
        match &self.status {
            RunStatus::Other(_) => self.finished_at.is_some(),
            status => status.is_finished(),
        }
    }

    /// From start to finish. `None` while the run goes on, or if the times contradict
    /// each other.
    pub fn duration(&self) -> Option<Duration> {
        (self.finished_at? - self.started_at?).to_std().ok()
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn a_row_stays_small() {
        // A page holds a thousand rows and each is moved several times: a field that makes
        // the row larger is a decision, not an accident.
        assert_eq!(size_of::<Id>(), 24);
        assert_eq!(size_of::<RunStatus>(), 24);
        assert!(
            size_of::<RunSummary>() <= 328,
            "{}",
            size_of::<RunSummary>()
        );
        assert_eq!(size_of::<Option<RunSummary>>(), size_of::<RunSummary>());
    }

    #[test]
    fn known_values_go_both_ways_and_unknown_ones_stay() {
        for text in [
            "READY",
            "RUNNING",
            "SUCCEEDED",
            "FAILED",
            "TIMING-OUT",
            "TIMED-OUT",
            "ABORTING",
            "ABORTED",
        ] {
            let status = RunStatus::from(text);
            assert!(!matches!(status, RunStatus::Other(_)), "{text}");
            assert_eq!(status.as_str(), text);
        }
        for text in [
            "DEVELOPMENT",
            "WEB",
            "API",
            "SCHEDULER",
            "TEST",
            "WEBHOOK",
            "ACTOR",
            "CLI",
            "STANDBY",
        ] {
            let origin = RunOrigin::from(text);
            assert!(!matches!(origin, RunOrigin::Other(_)), "{text}");
            assert_eq!(origin.as_str(), text);
        }
        assert_eq!(RunOrigin::from("MCP"), RunOrigin::Other("MCP".into()));
        assert_eq!(RunStatus::from("ready").as_str(), "ready");
    }

    #[test]
    fn an_unknown_status_is_finished_once_it_has_an_end() {
        let run = |json: &str| serde_json::from_str::<RunSummary>(json).unwrap();
        assert!(!run(r#"{"id":"a","status":"MIGRATED"}"#).is_finished());
        assert!(
            run(r#"{"id":"a","status":"MIGRATED","finishedAt":"2025-01-01T00:00:00.000Z"}"#)
                .is_finished()
        );
        assert!(run(r#"{"id":"a","status":"FAILED"}"#).is_finished());
        assert!(!run(r#"{"id":"a","status":"ABORTING"}"#).is_finished());
    }
}
