//! Metrics of the program for Prometheus: `--metrics`.

mod server;
mod text;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use apify_runs::{Runs, WalkMonitor};
use serde_json::json;

use crate::arguments::MetricsArguments;
use crate::console::{Console, Level};
use crate::exit::Failure;
use crate::flags;

/// The metrics of all lists and sinks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    lists: BTreeMap<String, WalkMonitor>,
    sinks: BTreeMap<&'static str, AlertCounts>,
}

/// The numbers of alerts of one sink.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AlertCounts {
    pub(crate) delivered: u64,
    /// Attempts that have failed.
    pub(crate) failures: u64,
    /// Alerts that are not delivered yet.
    pub(crate) waiting: u64,
}

impl Metrics {
    /// Serves metrics if `--metrics` is given. They are counted in any case.
    pub(crate) async fn start(
        arguments: &MetricsArguments,
        console: &Console,
    ) -> Result<Self, Failure> {
        let metrics = Self::default();
        let Some(address) = arguments.metrics else {
            return Ok(metrics);
        };
        if !address.ip().is_loopback() && !arguments.metrics_public {
            let expected = "other machines reach it: name a loopback address such as \
                            127.0.0.1:9464, or give --metrics-public, too";
            let message = flags::invalid("--metrics", &address.to_string(), expected);
            return Err(Failure::usage(message));
        }
        let address = server::start(address, metrics.clone()).await?;
        let text = format!("metrics are at http://{address}/metrics");
        console.log(Level::Info, &text, json!({"metrics": address.to_string()}));
        Ok(metrics)
    }

    /// Adds the walk of a list to the metrics.
    pub(crate) fn monitored(&self, list: &str, runs: Runs) -> Runs {
        let mut counts = self.lock();
        runs.monitor(counts.lists.entry(list.to_owned()).or_default())
    }

    /// Changes the numbers of alerts of a sink.
    pub(crate) fn count_alerts(&self, sink: &'static str, count: impl FnOnce(&mut AlertCounts)) {
        count(self.lock().sinks.entry(sink).or_default());
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
