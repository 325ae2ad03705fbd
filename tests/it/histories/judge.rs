//! What a reader has to be given, and what it has been given.

use std::collections::{HashMap, HashSet};

use apify_runs::{Emit, RunStatus, RunSummary};

use super::list::{Change, List, has_settled, millis};

/// What the reader asks for.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) statuses: Vec<RunStatus>,
    pub(super) descending: bool,
    pub(super) emit: Emit,
    /// In milliseconds.
    pub(super) lookback: i64,
}

impl Wish {
    fn wants(&self, status: &RunStatus) -> bool {
        self.statuses.is_empty() || self.statuses.contains(status)
    }

    /// Whether a walk comes to one start before it comes to another.
    fn is_before(&self, one: i64, other: i64) -> bool {
        if self.descending {
            one > other
        } else {
            one < other
        }
    }

    /// Where a pass begins that looks for late runs.
    fn floor(&self, watermark: Option<i64>) -> Option<i64> {
        let back = if self.descending {
            self.lookback
        } else {
            -self.lookback
        };
        watermark.map(|mark| mark + back)
    }
}

/// What the reader has to be given by the end of a pass.
#[derive(Debug, Default)]
pub(super) struct Duties {
    /// Runs that were there when the pass began, where the walk looks for them, and are still
    /// there.
    runs: HashMap<String, Duty>,
    /// Runs that were to be given before: the walk has to keep an eye on them.
    kept: HashSet<String>,
    /// Runs that were resurrected since the last pass.
    resurrected: HashSet<String>,
    /// Of those, the ones that nobody looks for any more.
    forgotten: HashSet<String>,
    /// The watermark when the pass began.
    watermark: Option<i64>,
    /// Whether the walk asks for the wanted statuses only, and does not see other runs.
    is_narrow: bool,
}

#[derive(Debug)]
struct Duty {
    start: i64,
    was_wanted_throughout: bool,
    /// The finish that was final when the pass began, if it still is the run's finish.
    finish: Option<i64>,
}

impl Duties {
    /// A walk begins: its first pass does.
    pub(super) fn begin_walk(&mut self, wish: &Wish, is_first: bool) {
        // A descending walk that has nowhere to go on from does not wait for unfinished runs.
        let sees_wanted_only = wish.descending && wish.emit == Emit::Snapshot && is_first;
        self.is_narrow = sees_wanted_only && !wish.statuses.is_empty();
    }

    /// A pass begins.
    pub(super) fn begin(&mut self, wish: &Wish, list: &List, watermark: Option<i64>, now: i64) {
        let floor = wish.floor(watermark);
        self.watermark = watermark;
        let is_ahead = |start| floor.is_none_or(|floor| !wish.is_before(start, floor));
        self.runs.clear();
        for run in &list.runs {
            let Some(start) = run.start else { continue };
            if self.resurrected.contains(&run.id) && !is_ahead(start) {
                self.forgotten.insert(run.id.clone());
            }
            let is_due = is_ahead(start) || self.kept.contains(&run.id);
            if is_due && !self.forgotten.contains(&run.id) {
                let duty = Duty {
                    start,
                    was_wanted_throughout: wish.wants(&run.status),
                    finish: run.finished.filter(|_| run.is_final(now)),
                };
                self.runs.insert(run.id.clone(), duty);
            }
        }
        self.resurrected.clear();
    }

    /// Something is about to happen to the list.
    pub(super) fn expect(&mut self, change: &Change, list: &List) {
        let run = list.resurrected(change);
        self.resurrected.extend(run.map(|run| run.id.clone()));
    }

    /// The list has changed.
    pub(super) fn look(&mut self, wish: &Wish, list: &List) {
        let there: HashMap<_, _> = list.runs.iter().map(|run| (&run.id, run)).collect();
        self.runs.retain(|id, duty| match there.get(id) {
            Some(run) => {
                duty.was_wanted_throughout &= wish.wants(&run.status);
                duty.finish = duty.finish.filter(|finish| run.finished == Some(*finish));
                run.start == Some(duty.start)
            }
            None => false,
        });
    }

    /// The pass has ended: every duty has been met.
    pub(super) fn check(&mut self, wish: &Wish, given: &Given) -> Result<(), String> {
        for (id, duty) in &self.runs {
            let is_due = duty.was_wanted_throughout
                && (wish.emit != Emit::Finished || duty.finish.is_some());
            if !is_due {
                continue;
            }
            let rows = given.rows.get(id).map_or(&[][..], Vec::as_slice);
            let is_final =
                |row: &Row| duty.finish.is_some() && row.finished == duty.finish && row.is_final;
            let is_met = match wish.emit {
                Emit::Snapshot => !rows.is_empty(),
                Emit::Finished => rows.iter().any(is_final),
                _ => !rows.is_empty() && (duty.finish.is_none() || rows.iter().any(is_final)),
            };
            if !is_met {
                return Err(format!("{id} was lost: {duty:?}, given {rows:?}"));
            }
        }
        self.keep(|_| true);
        Ok(())
    }

    /// The walk is stopped in the middle of a pass, and goes on from this watermark later.
    pub(super) fn stop(&mut self, wish: &Wish, watermark: Option<i64>) {
        if let Some(floor) = wish.floor(watermark) {
            self.keep(|start| wish.is_before(start, floor));
        }
    }

    fn keep(&mut self, is_passed: impl Fn(i64) -> bool) {
        let is_seen = |duty: &Duty| duty.was_wanted_throughout || !self.is_narrow;
        let passed = self.runs.iter();
        let passed = passed.filter(|(_, duty)| is_passed(duty.start) && is_seen(duty));
        self.kept.extend(passed.map(|(id, _)| id.clone()));
    }
}

/// What the reader has been given.
#[derive(Debug, Default)]
pub(super) struct Given {
    rows: HashMap<String, Vec<Row>>,
    pub(super) count: u64,
    /// How far the current pass has come.
    pub(super) furthest: Option<i64>,
}

#[derive(Debug)]
struct Row {
    finished: Option<i64>,
    is_final: bool,
}

impl Given {
    /// A row is handed out, from a page the service sent at `answered_at`.
    pub(super) fn take(
        &mut self,
        wish: &Wish,
        duties: &Duties,
        run: &RunSummary,
        (cost, answered_at): (Option<f64>, i64),
    ) -> Result<(), String> {
        self.count += 1;
        let (id, finished) = (run.id.as_str(), run.finished_at.map(millis));
        let is_final = finished.is_some_and(|finished| has_settled(finished, answered_at));
        if !wish.wants(&run.status) {
            return Err(format!("{id} is not wanted, it is {}", run.status));
        }
        if wish.emit == Emit::Finished && !(is_final && run.is_finished()) {
            return Err(format!("{id} is not final: {run:?}"));
        }
        if is_final && run.usage_total_usd != cost {
            return Err(format!("{id} costs {cost:?}, not what it says: {run:?}"));
        }

        let before = self.rows.entry(id.to_owned()).or_default();
        let is_repeat = match wish.emit {
            Emit::Snapshot => !before.is_empty(),
            Emit::Finished => before.iter().any(|row| row.finished == finished),
            // What has settled may have come before, when the clocks did not show it yet.
            _ if is_final => before.iter().skip(1).any(|row| row.finished == finished),
            _ => !before.is_empty(),
        };
        if is_repeat {
            return Err(format!("{id} came again: {before:?}, now {run:?}"));
        }
        let is_first = before.is_empty();
        before.push(Row { finished, is_final });
        if !is_first {
            return Ok(());
        }
        self.check_order(wish, duties, id, run.started_at.map(millis))
    }

    /// What is read again comes when it has finished, and late rows come late: all others in
    /// the order of their start.
    fn check_order(
        &mut self,
        wish: &Wish,
        duties: &Duties,
        id: &str,
        start: Option<i64>,
    ) -> Result<(), String> {
        let comes_at_once = wish.emit == Emit::Snapshot && wish.statuses.is_empty();
        let is_new = |start| {
            let mark = duties.watermark;
            mark.is_none_or(|mark| wish.is_before(mark, start)) && duties.runs.contains_key(id)
        };
        let Some(start) = start.filter(|start| comes_at_once && is_new(*start)) else {
            return Ok(());
        };
        let furthest = self.furthest.replace(start);
        if furthest.is_some_and(|furthest| wish.is_before(start, furthest)) {
            return Err(format!("{id} of {start} came after a run of {furthest:?}"));
        }
        Ok(())
    }
}
