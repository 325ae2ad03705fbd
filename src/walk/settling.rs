//! When the cost of a finished run has settled.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::clocks::Clocks;
use crate::cursor::Cursor;
use crate::emit::SeenState;
use crate::page::Page;
use crate::run::{Id, RunSummary};

/// How long after its finish the cost of a run may still change.
const SETTLING: Duration = Duration::from_secs(10);
/// How long ago a finish has to be by every clock. Clocks differ by less than that.
const SETTLED: TimeDelta = TimeDelta::seconds(60);

/// When runs finished, and the times that the service has shown.
#[derive(Debug, Default)]
pub(super) struct Settling {
    /// Runs to be read again: the finish that was seen first, and when that was.
    seen: HashMap<Id, (DateTime<Utc>, Duration)>,
    /// The newest time on the list.
    newest: Option<DateTime<Utc>>,
}

impl Settling {
    /// `newest` is a time that is known to be on the list.
    pub(super) fn new(newest: Option<DateTime<Utc>>) -> Self {
        Self {
            seen: HashMap::new(),
            newest,
        }
    }

    /// Whether the cost of a finished run no longer changes.
    pub(super) fn is_over(&self, run: &RunSummary, clocks: Option<Clocks>) -> bool {
        let (Some(finished_at), Some(clocks)) = (run.finished_at, clocks) else {
            return true;
        };
        let seen = self.seen.get(&run.id);
        let seen = seen.filter(|(finish, _)| *finish == finished_at);
        if seen.is_some_and(|(_, at)| clocks.elapsed.saturating_sub(*at) >= SETTLING) {
            return true;
        }
        let now = clocks.earliest(self.newest);
        now.is_some_and(|now| now - finished_at >= SETTLED)
    }

    /// Notes the newest time of a page.
    pub(super) fn note_times(&mut self, page: &Page) {
        let runs = page.rows.iter();
        let times = runs.flat_map(|run| [run.started_at, run.finished_at]);
        self.newest = times.flatten().chain(self.newest).max();
    }

    /// Notes which of the runs to be read again have finished, by a page.
    pub(super) fn note_finishes(&mut self, page: &Page, cursor: &Cursor) {
        if cursor.unfinished() == 0 {
            return self.seen.clear();
        }
        let Some(clocks) = page.clocks else { return };
        for run in &page.rows {
            let is_open = || matches!(cursor.known(&run.id), SeenState::Open(_));
            match run.finished_at.filter(|_| run.is_finished()) {
                Some(finished_at) if is_open() => {
                    let seen = self.seen.entry(run.id.clone());
                    let seen = seen.or_insert((finished_at, clocks.elapsed));
                    if seen.0 != finished_at {
                        *seen = (finished_at, clocks.elapsed);
                    }
                }
                _ => drop(self.seen.remove(&run.id)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(second, 0)
    }

    fn clocks(service: Option<i64>, local: i64, elapsed: u64) -> Option<Clocks> {
        Some(Clocks {
            service: service.and_then(at),
            local: at(local).unwrap(),
            elapsed: Duration::from_secs(elapsed),
        })
    }

    /// A run that finished at second 1000.
    fn run() -> RunSummary {
        let row = json!({"id": "a", "status": "SUCCEEDED", "finishedAt": at(1000)});
        serde_json::from_value(row).unwrap()
    }

    #[test]
    fn a_finish_is_a_minute_ago_by_every_clock() {
        for (service, local, newest, expected) in [
            (Some(1060), 1060, None, true),
            (Some(1059), 9000, Some(9000), false),
            (Some(9000), 1059, Some(9000), false),
            // Clocks that are behind the run.
            (Some(900), 1000, None, false),
            (Some(0), 5000, None, false),
            // The service does not tell the time.
            (None, 9000, Some(1060), true),
            (None, 9000, Some(1059), false),
            (None, 1059, Some(9000), false),
            (None, 9000, None, false),
        ] {
            let settling = Settling::new(newest.and_then(at));
            let is_over = settling.is_over(&run(), clocks(service, local, 0));
            assert_eq!(is_over, expected, "{service:?} {local} {newest:?}");
        }
    }

    #[test]
    fn a_finish_that_the_walk_has_seen_for_ten_seconds_needs_no_clock() {
        let mut settling = Settling::default();
        let seen = (at(1000).unwrap(), Duration::from_secs(5));
        settling.seen.insert("a".into(), seen);
        assert!(!settling.is_over(&run(), clocks(None, 0, 14)));
        assert!(settling.is_over(&run(), clocks(None, 0, 15)));
        settling.seen.insert("a".into(), (at(999).unwrap(), seen.1));
        assert!(
            !settling.is_over(&run(), clocks(None, 0, 15)),
            "resurrected"
        );
    }

    #[test]
    fn without_a_finish_or_a_clock_there_is_nothing_to_wait_for() {
        let settling = Settling::default();
        let run = RunSummary {
            finished_at: None,
            ..run()
        };
        assert!(settling.is_over(&run, clocks(None, 0, 0)));
    }
}
