//! Reads lists, and adds alerts to the outbox.

use std::sync::Once;
use std::time::Duration;

use apify_runs::{
    Client, Emit, Error, ErrorKind, RunPage, RunPages, RunQuery, RunStatus, RunSummary,
};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::alert::Alert;
use super::outbox::Outbox;
use crate::arguments::WatchArguments;
use crate::console::{Console, Level};
use crate::exit::Failure;
use crate::metrics::Metrics;
use crate::signals::StopSignal;

/// How often the cursor of a list is stored while no page arrives.
const PLACE_INTERVAL: Duration = Duration::from_secs(10);
const UNFINISHED: [RunStatus; 4] = [
    RunStatus::Ready,
    RunStatus::Running,
    RunStatus::TimingOut,
    RunStatus::Aborting,
];

/// What the lists of one watch have in common.
pub(crate) struct Reader<'a> {
    pub(crate) arguments: &'a WatchArguments,
    /// The final statuses that raise an alert.
    pub(crate) statuses: &'a [RunStatus],
    pub(crate) client: &'a Client,
    pub(crate) outbox: &'a Outbox,
    pub(crate) metrics: &'a Metrics,
    pub(crate) stop: &'a StopSignal,
    pub(crate) console: &'a Console,
    /// Whether it was reported that reading pauses.
    pub(crate) is_full: Once,
}

/// A list to watch.
pub(crate) struct List {
    /// Its name in the state and in messages.
    pub(crate) name: String,
    /// All of its runs.
    pub(crate) query: RunQuery,
}

impl Reader<'_> {
    /// Reads a list to its end with `--once`, or else until the program is to stop. Returns how many
    /// rows could not be read.
    pub(crate) async fn read(&self, list: &List) -> Result<u64, Failure> {
        let mut unreadable = 0;
        loop {
            let result = self.walk(list, &mut unreadable).await;
            match result {
                Err(error) if error.is_transient() && !self.arguments.once => {
                    self.say_trying_again(list, &list.name, error);
                    self.pause(self.arguments.interval).await;
                }
                Err(error) => return Err(error.into()),
                Ok(()) => return Ok(unreadable),
            }
            if self.stop.signal() != 0 {
                return Ok(unreadable);
            }
        }
    }

    /// One walk from the stored cursor to the end of the list, or until the program is to stop.
    async fn walk(&self, list: &List, unreadable: &mut u64) -> Result<(), Error> {
        let arguments = self.arguments;
        let Some((started_after, ended_after, cursor)) = self.outbox.list(&list.name, |list| {
            (list.started_after, list.ended_after, list.cursor.clone())
        }) else {
            return Ok(());
        };
        let query = list.query.clone().started_after(started_after);
        let runs = self.client.runs(query).emit(Emit::Finished);
        let runs = runs.lookback(arguments.lookback).resume(cursor);
        let runs = match arguments.once {
            true => runs,
            false => runs.follow(arguments.interval),
        };
        let mut pages = self.metrics.monitored(&list.name, runs).pages();
        while self.stop.signal() == 0 {
            if !arguments.once {
                tokio::select! {
                    () = self.outbox.room(|| self.say_full()) => {}
                    () = self.stop.requested() => break,
                }
            }
            let Some(page) = self.next(&mut pages).await else {
                // No page, but the walk may have passed runs that are not finished.
                self.outbox.advance(&list.name, Vec::new(), pages.cursor());
                continue;
            };
            let alerts = match page {
                Some(Ok(page)) => self.alerts(&page.items, ended_after),
                Some(Err(error)) if error.kind() == ErrorKind::Item => {
                    *unreadable += 1;
                    self.say_unreadable(list, &error);
                    Vec::new()
                }
                Some(Err(error)) => {
                    self.outbox.advance(&list.name, Vec::new(), pages.cursor());
                    return Err(error);
                }
                None => {
                    self.outbox.advance(&list.name, Vec::new(), pages.cursor());
                    break;
                }
            };
            self.outbox.advance(&list.name, alerts, pages.cursor());
        }
        Ok(())
    }

    /// The next item. `None` if there is none soon, or if the program is to stop.
    async fn next(&self, pages: &mut RunPages) -> Option<Option<Result<RunPage, Error>>> {
        tokio::select! {
            page = timeout(PLACE_INTERVAL, pages.next()) => page.ok(),
            () = self.stop.requested() => None,
        }
    }

    fn alerts(&self, runs: &[RunSummary], ended_after: DateTime<Utc>) -> Vec<Alert> {
        let is_old = |run: &RunSummary| run.finished_at.is_some_and(|end| end < ended_after);
        let wanted = runs
            .iter()
            .filter(|run| self.statuses.contains(&run.status) && !is_old(run));
        wanted.map(Alert::ended).collect()
    }

    /// Alerts for runs that have not finished within `--max-running`: once, or at each interval.
    /// Returns how many rows could not be read in the last pass.
    pub(crate) async fn check_running(&self, list: &List) -> Result<u64, Failure> {
        let mut unreadable = 0;
        let Some(max) = self.arguments.max_running else {
            return Ok(unreadable);
        };
        while self.stop.signal() == 0 {
            let checked = tokio::select! {
                checked = self.add_running(list, max) => checked,
                () = self.stop.requested() => break,
            };
            match checked {
                Err(error) if error.is_transient() && !self.arguments.once => {
                    let name = format!("{}, unfinished runs", list.name);
                    self.say_trying_again(list, &name, error);
                }
                Err(error) => return Err(error.into()),
                Ok(errors) => {
                    let count = errors.len() as u64;
                    // The same rows are met in each pass.
                    if count > unreadable {
                        errors
                            .iter()
                            .for_each(|error| self.say_unreadable(list, error));
                    }
                    unreadable = count;
                    if self.arguments.once {
                        break;
                    }
                }
            }
            self.pause(self.arguments.interval).await;
        }
        Ok(unreadable)
    }

    /// One pass over the unfinished runs. Returns the errors of rows that cannot be read.
    async fn add_running(&self, list: &List, max: Duration) -> Result<Vec<Error>, Error> {
        let now = Utc::now();
        // `check_times` has limited it.
        let latest = now - TimeDelta::from_std(max).unwrap_or_default();
        let query = list.query.clone().statuses(UNFINISHED);
        let mut runs = self.client.runs(query.started_before(latest)).stream();
        let (mut alerts, mut unreadable) = (Vec::new(), Vec::new());
        while let Some(run) = runs.next().await {
            match run {
                Ok(run) if run.is_finished() => {}
                Ok(run) => alerts.push((run.id.to_string(), Alert::running(&run, now))),
                Err(error) if error.kind() == ErrorKind::Item => unreadable.push(error),
                Err(error) => return Err(error),
            }
        }
        self.outbox.running(&list.name, alerts, now);
        Ok(unreadable)
    }

    async fn pause(&self, time: Duration) {
        tokio::select! {
            () = sleep(time) => {}
            () = self.stop.requested() => {}
        }
    }

    fn say_full(&self) {
        self.is_full.call_once(|| {
            let text = "too many alerts wait for delivery: reading of runs pauses until some are delivered";
            self.console.log(Level::Warning, text, json!({}));
        });
    }

    fn say_trying_again(&self, list: &List, what: &str, error: Error) {
        let text = format!("{what}: {}; trying again", Failure::from(error).message);
        let fields = json!({"list": list.name});
        self.console.log(Level::Warning, &text, fields);
    }

    fn say_unreadable(&self, list: &List, error: &Error) {
        let text = format!("{}: no alert for a row: {error}", list.name);
        let fields = json!({"list": list.name, "row": error.row()});
        self.console.log(Level::Warning, &text, fields);
    }
}
