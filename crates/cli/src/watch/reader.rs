//! From a list into the outbox.

use std::sync::Once;
use std::time::Duration;

use apify_runs::{
    Client, Emit, Error, ErrorKind, RunPage, RunPages, RunQuery, RunStatus, RunSummary,
};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, TryStreamExt};
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::alert::Alert;
use super::outbox::Outbox;
use crate::arguments::WatchArguments;
use crate::console::{Console, Level};
use crate::exit::Failure;
use crate::metrics::Metrics;
use crate::signals::StopSignal;

/// How often the place in a list is stored while nothing comes from it.
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
    /// How a run ends that raises an alert.
    pub(crate) statuses: &'a [RunStatus],
    pub(crate) client: &'a Client,
    pub(crate) outbox: &'a Outbox,
    pub(crate) metrics: &'a Metrics,
    pub(crate) stop: &'a StopSignal,
    pub(crate) console: &'a Console,
    /// Whether it was said that nothing is read because too much is to be delivered.
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
    /// Reads a list to its end, or on and on until the program is told to stop. Returns how many rows
    /// could not be read.
    pub(crate) async fn read(&self, list: &List) -> Result<u64, Failure> {
        let mut unreadable = 0;
        loop {
            let result = self.walk(list, &mut unreadable).await;
            match result {
                Err(error) if error.is_transient() && !self.arguments.once => {
                    let failure = Failure::from(error);
                    let text = format!("{}: {}; trying again", list.name, failure.message);
                    let fields = json!({"list": list.name});
                    self.console.log(Level::Warning, &text, fields);
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

    /// One walk from where the last one was. Its end is the end of the list, or the request to stop.
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
                // Nothing has come, but perhaps over runs that are not finished.
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

    /// What comes next, if something comes soon and the program is not told to stop.
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

    /// Looks for runs that have not finished for long: once, or again and again.
    pub(crate) async fn look_for_running(&self, list: &List) -> Result<(), Failure> {
        let Some(max) = self.arguments.max_running else {
            return Ok(());
        };
        while self.stop.signal() == 0 {
            let look = self.look(list, max);
            let looked = tokio::select! {
                looked = look => looked,
                () = self.stop.requested() => break,
            };
            match looked {
                // The walk of the list says it, too.
                Err(error) if error.is_transient() && !self.arguments.once => {}
                Err(error) => return Err(error.into()),
                Ok(()) if self.arguments.once => break,
                Ok(()) => {}
            }
            self.pause(self.arguments.interval).await;
        }
        Ok(())
    }

    async fn look(&self, list: &List, max: Duration) -> Result<(), Error> {
        let now = Utc::now();
        // Checked to be short when the watch begins.
        let latest = now - TimeDelta::from_std(max).unwrap_or_default();
        let query = list.query.clone().statuses(UNFINISHED);
        let runs = self.client.runs(query.started_before(latest)).stream();
        // The walk of the list tells of rows that cannot be read.
        let runs = runs.filter(|run| {
            let is_row = !matches!(run, Err(error) if error.kind() == ErrorKind::Item);
            std::future::ready(is_row)
        });
        let runs: Vec<RunSummary> = runs.try_collect().await?;
        let unfinished = runs.iter().filter(|run| !run.is_finished());
        let alerts = unfinished.map(|run| (run.id.to_string(), Alert::running(run, now)));
        self.outbox.running(&list.name, alerts.collect(), now);
        Ok(())
    }

    async fn pause(&self, time: Duration) {
        tokio::select! {
            () = sleep(time) => {}
            () = self.stop.requested() => {}
        }
    }

    fn say_full(&self) {
        self.is_full.call_once(|| {
            let text = "too many alerts are not delivered: no more runs are read until they are";
            self.console.log(Level::Warning, text, json!({}));
        });
    }

    fn say_unreadable(&self, list: &List, error: &Error) {
        let text = format!("{}: no alert for a row: {error}", list.name);
        let fields = json!({"list": list.name, "row": error.row()});
        self.console.log(Level::Warning, &text, fields);
    }
}
