//! An alert about a run, or about several.

use apify_runs::RunSummary;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::digest::Digest;
use super::facts::RunFacts;
use crate::times::shown;

/// An alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Alert {
    /// Unique to this alert, and the same whenever it is sent again.
    pub(crate) id: String,
    #[serde(flatten)]
    pub(crate) content: Content,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Content {
    /// A run has ended.
    Ended(RunFacts),
    /// A run has not finished within `--max-running`.
    Running(RunFacts),
    /// The alerts in a span of time.
    Summary(Digest),
}

impl Alert {
    /// For a run that has ended. If it is resurrected and ends again, that is another alert.
    pub(crate) fn ended(run: &RunSummary) -> Self {
        let facts = RunFacts::new(run, run.duration().map(|took| took.as_secs_f64()));
        let id = match &facts.finished_at {
            Some(finished_at) => format!("{}:{}:{finished_at}", facts.run, facts.status),
            None => format!("{}:{}", facts.run, facts.status),
        };
        Self {
            id,
            content: Content::Ended(facts),
        }
    }

    /// For a run that has not finished yet.
    pub(crate) fn running(run: &RunSummary, now: DateTime<Utc>) -> Self {
        let so_far = run.started_at.and_then(|start| (now - start).to_std().ok());
        let mut facts = RunFacts::new(run, so_far.map(|so_far| so_far.as_secs_f64()));
        // It is not the final cost.
        facts.cost_usd = None;
        Self {
            id: format!("{}:running", facts.run),
            content: Content::Running(facts),
        }
    }

    pub(crate) fn summary(digest: Digest) -> Self {
        Self {
            // With its end: after a kill, the next summary begins at the same time and has more runs.
            id: format!("summary:{}:{}", shown(digest.from), shown(digest.to)),
            content: Content::Summary(digest),
        }
    }

    /// Text for a person: one line, or several for a summary.
    pub(crate) fn text(&self) -> String {
        match &self.content {
            Content::Ended(facts) | Content::Running(facts) => facts.line(),
            Content::Summary(digest) => digest.text(),
        }
    }

    /// The alert as JSON.
    pub(crate) fn fields(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(json: &str) -> RunSummary {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn an_alert_is_the_same_after_it_was_stored() {
        let ended = Alert::ended(&run(
            r#"{"id": "a", "actId": "x", "status": "FAILED", "usageTotalUsd": 0.1,
                "startedAt": "2025-09-01T10:00:00Z", "finishedAt": "2025-09-01T10:01:05.5Z"}"#,
        ));
        assert_eq!(ended.id, "a:FAILED:2025-09-01T10:01:05.500Z");
        let stored = serde_json::to_string(&ended).unwrap();
        assert_eq!(serde_json::from_str::<Alert>(&stored).unwrap(), ended);
        assert_eq!(
            ended.text(),
            "FAILED: run a of Actor x, started 2025-09-01T10:00:00.000Z, took 1m05s, cost $0.1000 \
             https://console.apify.com/actors/runs/a"
        );
    }

    #[test]
    fn what_is_not_known_is_not_shown_as_nothing() {
        let ended = Alert::ended(&run(r#"{"id": "a", "status": "ABORTED"}"#));
        assert_eq!(ended.id, "a:ABORTED");
        assert_eq!(
            ended.text(),
            "ABORTED: run a of Actor unknown, started unknown \
             https://console.apify.com/actors/runs/a"
        );
        let fields = ended.fields();
        assert_eq!(fields["kind"], "ended");
        assert!(fields["cost_usd"].is_null() && fields["duration_seconds"].is_null());
    }

    #[test]
    fn a_run_that_goes_on_has_no_cost_yet() {
        let run = run(
            r#"{"id": "a", "status": "RUNNING", "startedAt": "2025-09-01T10:00:00Z",
                "usageTotalUsd": 0.1}"#,
        );
        let now = DateTime::parse_from_rfc3339("2025-09-01T12:03:00Z").unwrap();
        let alert = Alert::running(&run, now.to_utc());
        assert_eq!(alert.id, "a:running");
        let text = alert.text();
        assert!(text.contains("not finished after 2h03m "), "{text}");
        assert!(alert.fields()["cost_usd"].is_null());
    }
}
