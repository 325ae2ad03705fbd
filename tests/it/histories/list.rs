//! The list as the emulator has it, kept a second time for the judge.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use apify_runs::RunStatus;
use apify_runs::emulator::Store;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

/// When the first run may start, in milliseconds since 1970: 2025-03-01T00:00:00Z. Times are
/// milliseconds after it here.
const EPOCH: i64 = 1_740_787_200_000;
/// How long after a run's end its usage is added up.
const SETTLING: i64 = 10_000;
/// How long ago a finish has to be by every clock.
const SETTLED: i64 = 60_000;

/// One run on the service.
#[derive(Clone, PartialEq)]
pub(super) struct Run {
    pub(super) id: String,
    pub(super) start: Option<i64>,
    pub(super) status: RunStatus,
    pub(super) finished: Option<i64>,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, finished) = (self.start, self.finished);
        let (id, status) = (&self.id, &self.status);
        write!(f, "{id} {status} start {start:?} finish {finished:?}")
    }
}

/// One thing that happens to the list. Places are taken modulo its length.
#[derive(Debug, Clone)]
pub(super) enum Change {
    DeleteOldest(usize),
    DeleteNewest(usize),
    DeleteAt(usize),
    /// A run becomes visible that started so long after the last one.
    Start(i64),
    /// A run starts now.
    StartNow,
    /// A run becomes visible that started with the one at this place.
    AppearLate(usize, RunStatus),
    /// A run starts of which the service does not know when, yet.
    StartUndated,
    /// Such runs get a start.
    Date,
    Finish(usize, RunStatus),
    Resurrect(usize),
}

/// The runs in ascending order.
#[derive(Clone, Default)]
pub(super) struct List {
    pub(super) runs: Vec<Run>,
    /// What each run costs in the end, also of those that were deleted.
    costs: HashMap<String, f64>,
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.runs.fmt(f)
    }
}

pub(super) fn millis(time: DateTime<Utc>) -> i64 {
    time.timestamp_millis() - EPOCH
}

pub(super) fn time(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(EPOCH + millis).unwrap()
}

fn text(millis: i64) -> String {
    time(millis).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// By a clock that shows whole seconds, as in HTTP's `Date`.
pub(super) fn has_settled(finished: i64, now: i64) -> bool {
    now - finished >= SETTLING
}

impl Run {
    fn json(&self, cost: f64) -> Value {
        let mut row = json!({"id": self.id, "status": self.status, "usageTotalUsd": cost});
        for (name, time) in [("startedAt", self.start), ("finishedAt", self.finished)] {
            if let Some(time) = time {
                row[name] = text(time).into();
            }
        }
        row
    }

    /// Whether its finish is a minute ago, by a clock that shows whole seconds, as in HTTP's
    /// `Date`.
    pub(super) fn is_final(&self, now: i64) -> bool {
        let now = now.div_euclid(1000) * 1000;
        self.finished
            .is_some_and(|finished| now - finished >= SETTLED)
    }
}

impl List {
    /// Runs with so many milliseconds between them, the finished ones long settled.
    pub(super) fn new(runs: &[(i64, RunStatus)]) -> Self {
        let mut list = Self::default();
        let mut start = 0;
        for (gap, status) in runs {
            start += gap;
            list.make(Some(start), status.clone());
        }
        list
    }

    pub(super) fn rows(&self) -> Vec<Value> {
        let rows = self.runs.iter();
        rows.map(|run| run.json(self.costs[&run.id])).collect()
    }

    /// What a run costs in the end.
    pub(super) fn cost(&self, id: &str) -> Option<f64> {
        self.costs.get(id).copied()
    }

    /// Whether the emulator has the same runs in the same order.
    pub(super) fn is_that_of(&self, store: &Store) -> bool {
        let mut places = self.runs.iter().zip(0..);
        store.len() == self.runs.len() as u64
            && places.all(|(run, place)| store.place_of(&run.id) == Some(place))
    }

    /// Runs of one start change places, here and on the service.
    pub(super) fn shuffle_ties(&mut self, seed: u64, store: &mut Store) {
        store.shuffle_ties(seed);
        self.runs.sort_by_key(|run| store.place_of(&run.id));
    }

    /// Changes the list here and on the service.
    pub(super) fn apply(&mut self, change: &Change, store: &mut Store) {
        let count = self.runs.len();
        match change {
            Change::Start(gap) => {
                return self.insert(Some(self.last() + gap), RunStatus::Running, store);
            }
            Change::StartNow => return self.start_now(store),
            Change::StartUndated => return self.insert(None, RunStatus::Ready, store),
            _ if count == 0 => return,
            _ => {}
        }
        match change {
            Change::DeleteOldest(some) => self.delete(0, count.min(*some), store),
            Change::DeleteNewest(some) => self.delete(count - count.min(*some), count, store),
            Change::DeleteAt(at) => self.delete(at % count, at % count + 1, store),
            Change::AppearLate(at, status) => {
                let start = self.runs[at % count].start.unwrap_or(0);
                self.insert(Some(start), status.clone(), store);
            }
            Change::Date => self.date(store),
            Change::Finish(at, status) => self.finish(at % count, status, store),
            Change::Resurrect(at) => {
                let run = &mut self.runs[at % count];
                (run.status, run.finished) = (RunStatus::Running, None);
                store.resurrect((at % count) as u64);
            }
            Change::Start(_) | Change::StartNow | Change::StartUndated => {}
        }
    }

    /// The run a change resurrects.
    pub(super) fn resurrected(&self, change: &Change) -> Option<&Run> {
        match change {
            Change::Resurrect(at) => self.runs.get(at % self.runs.len().max(1)),
            _ => None,
        }
    }

    fn last(&self) -> i64 {
        self.runs
            .iter()
            .rev()
            .find_map(|run| run.start)
            .unwrap_or(0)
    }

    fn make(&mut self, start: Option<i64>, status: RunStatus) -> Value {
        let number = self.costs.len();
        let run = Run {
            id: format!("run{number}"),
            start,
            finished: start.filter(|_| status.is_finished()),
            status,
        };
        let cost = number as f64 + 1.0;
        let row = run.json(cost);
        self.costs.insert(run.id.clone(), cost);
        self.put(run);
        row
    }

    /// Puts a run behind those that started at the same time or before.
    fn put(&mut self, run: Run) {
        let is_before = |other: &Run| match (other.start, run.start) {
            (Some(other), Some(start)) => other <= start,
            (other, _) => other.is_some() || run.start.is_none(),
        };
        let place = self.runs.partition_point(is_before);
        self.runs.insert(place, run);
    }

    fn insert(&mut self, start: Option<i64>, status: RunStatus, store: &mut Store) {
        let row = self.make(start, status);
        store.insert(&row);
    }

    fn start_now(&mut self, store: &mut Store) {
        let id = format!("run{}", self.costs.len());
        let start = Some(millis(store.now()));
        store.start_run(&id);
        let row = store.place_of(&id).and_then(|place| store.run(place));
        let cost = row.unwrap()["usageTotalUsd"].as_f64().unwrap();
        self.costs.insert(id.clone(), cost);
        let (status, finished) = (RunStatus::Running, None);
        self.put(Run {
            id,
            start,
            status,
            finished,
        });
    }

    fn delete(&mut self, from: usize, to: usize, store: &mut Store) {
        self.runs.drain(from..to);
        store.delete(from as u64..to as u64);
    }

    fn date(&mut self, store: &mut Store) {
        let last = self.last();
        let undated: Vec<_> = self
            .runs
            .extract_if(.., |run| run.start.is_none())
            .collect();
        for mut run in undated {
            run.start = Some(last);
            let place = store.place_of(&run.id).unwrap();
            store.update(place, |row| row["startedAt"] = text(last).into());
            self.put(run);
        }
    }

    fn finish(&mut self, at: usize, status: &RunStatus, store: &mut Store) {
        let run = &mut self.runs[at];
        if !run.status.is_finished() {
            (run.status, run.finished) = (status.clone(), Some(millis(store.now())));
            store.finish(at as u64, status.as_str());
        }
    }
}

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
