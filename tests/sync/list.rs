//! A list of runs that changes.

use std::collections::BTreeMap;
use std::time::Duration;

use apify_runs::emulator::{Emulator, EmulatorBuilder, Store};
use apify_runs::sync::{SyncJob, SyncSummary, SyncTarget};
use apify_runs::{ErrorKind, RunQuery, Runs};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::database::{StoredRun, TestDatabase};

/// Runs that started some hours ago, a second apart, and have finished. Every fourth has no cost.
pub(crate) struct List {
    begin: DateTime<Utc>,
    next: i64,
}

impl List {
    pub(crate) fn new() -> Self {
        Self {
            begin: Utc::now() - TimeDelta::hours(6),
            next: 0,
        }
    }

    /// An emulator with so many runs.
    pub(crate) async fn start(&mut self, runs: usize) -> Emulator {
        self.start_with(runs, Emulator::builder()).await
    }

    pub(crate) async fn start_with(&mut self, runs: usize, builder: EmulatorBuilder) -> Emulator {
        let rows: Vec<_> = (0..runs).map(|_| self.row("SUCCEEDED", 0)).collect();
        builder.rows(rows).start().await.unwrap()
    }

    /// The next run, which starts so many seconds earlier than it is its turn.
    pub(crate) fn row(&mut self, status: &str, earlier: i64) -> Value {
        let number = self.next;
        self.next += 1;
        let start = self.begin + TimeDelta::seconds(number - earlier);
        let mut row = json!({
            "id": format!("run{number:014}"), "actId": format!("act{}", number % 3),
            "status": status, "startedAt": text(start), "buildNumberInt": number,
            "meta": {"origin": "API", "userAgent": format!("agent \"{number}\"\n\\\t")},
        });
        if number % 4 != 0 {
            row["usageTotalUsd"] = (0.25 * (number % 8) as f64).into();
        }
        if status != "RUNNING" {
            row["finishedAt"] = text(start + TimeDelta::seconds(1)).into();
        }
        row
    }

    pub(crate) fn insert(&mut self, store: &mut Store, status: &str, earlier: i64) {
        store.insert(&self.row(status, earlier));
    }
}

/// A time as the service writes it: with milliseconds, even if they are zero.
fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Finishes a run long enough ago that it can no longer change.
pub(crate) fn finish(store: &mut Store, place: u64, status: &str) {
    store.update(place, |run| {
        run["status"] = status.into();
        run["finishedAt"] = text(Utc::now() - TimeDelta::minutes(30)).into();
        run["usageTotalUsd"] = 7.5.into();
    });
}

/// All rows of the list.
pub(crate) fn rows(emulator: &Emulator) -> Vec<Value> {
    let rows = (0..emulator.len()).map(|place| emulator.run(place).unwrap());
    rows.collect()
}

pub(crate) fn runs(emulator: &Emulator) -> Runs {
    emulator.client().runs(RunQuery::actor("a").page_size(100))
}

pub(crate) fn job<T: SyncTarget>(emulator: &Emulator, target: T) -> SyncJob<T> {
    SyncJob::new(runs(emulator), target)
}

/// Checks that each run of the list is stored as it is. Returns what else is stored.
pub(crate) async fn check(
    emulator: &Emulator,
    database: &impl TestDatabase,
) -> BTreeMap<String, StoredRun> {
    let mut stored = database.runs().await;
    for row in rows(emulator) {
        let id = row["id"].as_str().unwrap();
        let run = stored.remove(id);
        assert_eq!(run, Some(StoredRun::of(&row)), "{id}");
    }
    stored
}

/// Runs a sync when no other one has the lock of its list: that of one that was dropped or killed
/// is released a moment later.
pub(crate) async fn run_when_unlocked<T: SyncTarget>(sync: impl Fn() -> SyncJob<T>) -> SyncSummary {
    loop {
        match sync().run().await {
            Err(error) if error.kind() == ErrorKind::Locked => {
                sleep(Duration::from_millis(20)).await;
            }
            ended => break ended.unwrap(),
        }
    }
}
