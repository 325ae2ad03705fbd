//! The facts about a run in an alert.

use std::time::Duration;

use apify_runs::RunSummary;
use serde::{Deserialize, Serialize};

use crate::counts::lasted;
use crate::times::shown;

/// The facts about a run. What is not known is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunFacts {
    pub(crate) run: String,
    pub(crate) actor: Option<String>,
    pub(crate) status: String,
    pub(crate) started_at: Option<String>,
    pub(crate) finished_at: Option<String>,
    /// For an unfinished run, until it was seen.
    pub(crate) duration_seconds: Option<f64>,
    pub(crate) cost_usd: Option<f64>,
    /// The run in Apify Console.
    pub(crate) url: String,
}

impl RunFacts {
    pub(crate) fn new(run: &RunSummary, duration_seconds: Option<f64>) -> Self {
        Self {
            run: run.id.to_string(),
            actor: run.act_id.as_deref().map(String::from),
            status: run.status.to_string(),
            started_at: run.started_at.map(shown),
            finished_at: run.finished_at.map(shown),
            duration_seconds,
            cost_usd: run.usage_total_usd,
            url: format!("https://console.apify.com/actors/runs/{}", run.id),
        }
    }

    /// For a person, on one line.
    pub(crate) fn line(&self) -> String {
        let unknown = || "unknown".to_owned();
        let duration = self.duration_seconds.and_then(duration);
        let took = match (&self.finished_at, duration) {
            (_, None) => String::new(),
            (Some(_), Some(took)) => format!(", took {took}"),
            (None, Some(so_far)) => format!(", not finished after {so_far}"),
        };
        let cost = match self.cost_usd {
            Some(usd) => format!(", cost ${usd:.4}"),
            None => String::new(),
        };
        format!(
            "{}: run {} of Actor {}, started {}{took}{cost} {}",
            self.status,
            self.run,
            self.actor.clone().unwrap_or_else(unknown),
            self.started_at.clone().unwrap_or_else(unknown),
            self.url,
        )
    }
}

fn duration(seconds: f64) -> Option<String> {
    Duration::try_from_secs_f64(seconds).ok().map(lasted)
}
