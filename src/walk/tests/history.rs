//! Walks over random histories of a list: runs start, finish, are resurrected, deleted, late,
//! and change places, while the walk is read, stopped and resumed.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};
use serde_json::json;

use crate::clocks::Clocks;
use crate::cursor::CursorTracker;
use crate::{RunStatus, RunSummary};

use super::*;
use crate::direction::Side;

/// How long a request takes, and the wait between two polls, in milliseconds.
pub(super) const REQUEST: i64 = 500;
pub(super) const WAIT: i64 = 4000;
/// How long after its finish the cost of a run may change, and how long ago a finish has to be by
/// every clock.
const SETTLING: i64 = 10_000;
const SETTLED: i64 = 60_000;
/// How long a run may be hidden, and still be remembered.
const HIDDEN: i64 = 200_000;

/// One run on the service.
#[derive(Clone, PartialEq)]
pub(super) struct Run(pub(super) RunSummary);

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, finished) = (self.start(), self.finished());
        write!(
            f,
            "{} {} start {start:?} finish {finished:?}",
            self.0.id, self.0.status
        )
    }
}

/// The list as the service has it, in ascending order.
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) runs: Vec<Run>,
    /// Runs that are visible again at this time.
    pub(super) hidden: Vec<(i64, Run)>,
    /// Runs that have been hidden. None is hidden twice: both times together may be longer than a
    /// walk remembers a run that it cannot see.
    pub(super) ever_hidden: HashSet<Id>,
    pub(super) now: i64,
    pub(super) made: usize,
    pub(super) cap: u64,
    pub(super) total: Option<Total>,
    pub(super) ignores_bounds: bool,
    /// Runs of one millisecond are in another order in each response.
    pub(super) shuffles: bool,
    /// Starts have digits beyond the millisecond.
    pub(super) is_finer: bool,
    /// A page may be shorter than it could be.
    pub(super) varies_length: bool,
    /// Runs without a start are first in an ascending list, not last.
    pub(super) undated_first: bool,
    /// How far the service's clock is ahead, if it tells the time, and this machine's.
    pub(super) date_ahead: Option<i64>,
    pub(super) local_ahead: i64,
    /// How many responses there were, and how many of them ended between two runs of one
    /// millisecond.
    pub(super) responses: u64,
    pub(super) ties_cut: usize,
}

/// What the service says of the length of the list.
#[derive(Debug, Clone, Copy)]
pub(super) enum Total {
    Always(u64),
    TooLargeBy(u64),
    Unknown,
}

/// One thing that happens to the list. Places are taken modulo its length.
#[derive(Debug, Clone)]
pub(super) enum Change {
    DeleteOldest(usize),
    DeleteNewest(usize),
    DeleteAt(usize),
    /// A run starts so long after the last one.
    Start(i64),
    /// A run becomes visible that started with the one at this index.
    AppearLate(usize, RunStatus),
    /// A run starts of which the service does not know when, yet.
    StartUndated,
    /// Such runs get a start: so long after the last one, or that of the run at this place.
    Date(i64),
    DateAt(usize),
    Finish(usize, RunStatus),
    Resurrect(usize),
    /// This number of runs, from this place on, are not there for this number of milliseconds.
    Hide(usize, usize, i64),
}

/// A history, and how it is read.
#[derive(Debug, Clone)]
pub(super) struct Story {
    pub(super) service: Service,
    /// What happens before the request of this number, counted over all walks.
    pub(super) changes: Vec<(usize, Change)>,
    pub(super) query: RunQuery,
    pub(super) emit: Emit,
    pub(super) lookback: i64,
    /// How many times each walk polls after the end, and how long it waits before.
    pub(super) polls: usize,
    pub(super) wait: i64,
    /// Each walk after the first resumes from the one before. It is stopped after so many
    /// items, if there are that many.
    pub(super) walks: Vec<usize>,
    pub(super) deep_offset: u64,
    /// How many pages are in flight, and the seed that decides which response is next.
    pub(super) concurrency: usize,
    pub(super) order: u64,
}

/// The response to a request in flight, and its time.
type Response = Option<(Page, i64)>;

/// A check of the walk that is put out of action, to see that these tests notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Without {
    Nothing,
    /// Pages follow each other whatever they begin with.
    OverlapCheck,
    /// The cursor forgets which runs at the watermark were handed out.
    TieSet,
    /// A filter by status is sent as it is.
    WidenedFilter,
    /// Unfinished runs are not read again.
    OpenSet,
}

/// Times are in milliseconds here.
fn millis(time: Option<DateTime<Utc>>) -> Option<i64> {
    time.map(|time| time.timestamp_millis())
}

pub(super) fn time(millis: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(millis)
}

impl Run {
    /// A run that has finished at `now`, if its status is a finished one.
    pub(super) fn new(id: usize, start: Option<i64>, status: RunStatus, now: i64) -> Self {
        let mut row: RunSummary =
            serde_json::from_value(json!({"id": format!("run{id}")})).unwrap();
        row.started_at = start.and_then(time);
        row.finished_at = time(now).filter(|_| status.is_finished());
        row.status = status;
        Self(row)
    }

    fn start(&self) -> Option<i64> {
        millis(self.0.started_at)
    }

    fn finished(&self) -> Option<i64> {
        millis(self.0.finished_at)
    }
}

/// Whether the cost of a run does not change any more.
fn has_settled(finished: i64, now: i64) -> bool {
    now - finished >= SETTLING
}

impl Service {
    /// A list without runs, of a service that is as good as any.
    pub(super) fn empty() -> Self {
        Self {
            runs: Vec::new(),
            hidden: Vec::new(),
            ever_hidden: HashSet::new(),
            now: 1_000_000,
            made: 0,
            cap: 1000,
            total: None,
            ignores_bounds: false,
            shuffles: false,
            is_finer: false,
            varies_length: false,
            undated_first: false,
            date_ahead: Some(0),
            local_ahead: 0,
            responses: 0,
            ties_cut: 0,
        }
    }

    fn insert(&mut self, start: i64, status: RunStatus, finished: i64) {
        let run = Run::new(self.made, Some(start), status, finished);
        self.made += 1;
        self.put(run);
    }

    /// Puts a run behind those that started at the same time or before.
    fn put(&mut self, mut run: Run) {
        if self.is_finer
            && let Some(start) = run.0.started_at
        {
            let digits = 1 + self.made as i64 * 7919 % 999;
            run.0.started_at =
                time(start.timestamp_millis()).map(|start| start + TimeDelta::microseconds(digits));
        }
        self.place(run);
    }

    /// Those without a start are last.
    fn place(&mut self, run: Run) {
        let start = run.0.started_at;
        let is_before = |other: &Run| {
            let other = other.0.started_at;
            other.is_some() && (start.is_none() || other <= start)
        };
        let place = self.runs.partition_point(is_before);
        self.runs.insert(place, run);
    }

    /// The earliest time by the available clocks, or `None` without the service's.
    fn earliest_clock(&self) -> Option<i64> {
        let date = (self.now + self.date_ahead?) / 1000 * 1000;
        Some(date.min(self.now + self.local_ahead))
    }

    /// Shows the runs again that were hidden until now.
    fn show_hidden(&mut self) {
        let now = self.now;
        let due = self.hidden.extract_if(.., |(until, _)| *until <= now);
        for (_, run) in due.collect::<Vec<_>>() {
            self.place(run);
        }
    }

    /// A number that is another one for each response.
    fn dice(&self, number: usize) -> u64 {
        let seed = (self.responses + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number as u64;
        let mixed = (seed ^ seed >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ mixed >> 29
    }

    pub(super) fn apply(&mut self, change: &Change) {
        let count = self.runs.len();
        if let &Change::Start(gap) = change {
            let last = self.runs.iter().rev().find_map(Run::start).unwrap_or(0);
            return self.insert(last + gap, RunStatus::Running, self.now);
        }
        if count == 0 {
            return;
        }
        match change {
            Change::DeleteOldest(some) => drop(self.runs.drain(..count.min(*some))),
            Change::DeleteNewest(some) => self.runs.truncate(count - count.min(*some)),
            Change::DeleteAt(at) => drop(self.runs.remove(at % count)),
            Change::AppearLate(at, status) => {
                let start = self.runs[at % count].start().unwrap_or(0);
                self.insert(start, status.clone(), self.now);
            }
            Change::StartUndated => {
                self.runs
                    .push(Run::new(self.made, None, RunStatus::Ready, self.now));
                self.made += 1;
            }
            Change::Date(gap) => {
                let last = self.runs.iter().rev().find_map(Run::start).unwrap_or(0);
                self.date(last + gap);
            }
            Change::DateAt(at) => {
                let start = self.runs[at % count].start().unwrap_or(0);
                self.date(start);
            }
            Change::Finish(at, status) => self.finish(at % count, status),
            Change::Resurrect(at) => {
                let run = &mut self.runs[at % count];
                (run.0.status, run.0.finished_at) = (RunStatus::Running, None);
            }
            Change::Hide(at, some, millis) => {
                let first = at % count;
                let last = count.min(first + some);
                let until = self.now + millis;
                let hide = |run: &mut Run| self.ever_hidden.insert(run.0.id.clone());
                let runs = self.runs.extract_if(first..last, hide);
                self.hidden.extend(runs.map(|run| (until, run)));
            }
            Change::Start(_) => {}
        }
    }

    fn date(&mut self, start: i64) {
        let undated = self.runs.extract_if(.., |run| run.start().is_none());
        for mut run in undated.collect::<Vec<_>>() {
            run.0.started_at = time(start);
            self.put(run);
        }
    }

    pub(super) fn finish(&mut self, at: usize, status: &RunStatus) {
        let run = &mut self.runs[at];
        if !run.0.status.is_finished() {
            (run.0.status, run.0.finished_at) = (status.clone(), time(self.now));
        }
    }

    pub(super) fn respond(&mut self, request: PageRequest, wire: &RunQuery) -> Page {
        self.responses += 1;
        let bound = |time: Option<_>| time.filter(|_| !self.ignores_bounds);
        let (from, to) = match (bound(request.anchor()), bound(request.until())) {
            (anchor, until) if wire.descending => (until, anchor),
            bounds => bounds,
        };
        let is_within = |run: &&Run| match run.0.started_at {
            None => from.is_none() && to.is_none(),
            Some(start) => from.is_none_or(|from| from <= start) && to.is_none_or(|to| start <= to),
        };
        let mut runs: Vec<_> = self.runs.iter().filter(is_within).collect();
        runs.retain(|run| request.until().is_some() || wire.wants(&run.0.status));
        if self.undated_first {
            runs.sort_by_key(|run| run.start().is_some());
        }
        if self.shuffles {
            let mut keys: Vec<_> = runs.iter().enumerate().collect();
            keys.sort_by_key(|(place, run)| match run.start() {
                None => (i64::MIN, 0),
                Some(start) => (start, self.dice(*place)),
            });
            // Those without a start stay where they are: at one end.
            let dated = keys.into_iter().filter(|(_, run)| run.start().is_some());
            let mut dated = dated.map(|(_, run)| *run);
            let shuffled = runs.iter().map(|run| match run.start() {
                None => *run,
                Some(_) => dated.next().unwrap_or(run),
            });
            runs = shuffled.collect();
        }
        if wire.descending {
            runs.reverse();
        }
        let mut limit = request.limit().min(self.cap);
        let reported = limit;
        if self.varies_length {
            limit = 1 + self.dice(0) % limit;
        }
        let total = runs.len() as u64;
        let end = request.offset() as usize + limit as usize;
        let ends_in_tie = end > 0
            && end < runs.len()
            && runs[end].start().is_some()
            && runs[end - 1].start() == runs[end].start();
        let rows = runs
            .into_iter()
            .skip(request.offset() as usize)
            .take(limit as usize);
        let rows = rows.map(|run| run.0.clone()).collect();
        self.ties_cut += usize::from(ends_in_tie);
        Page {
            total: match self.total {
                None => Some(total),
                Some(Total::Always(total)) => Some(total),
                Some(Total::TooLargeBy(more)) => Some(total + more),
                Some(Total::Unknown) => None,
            },
            offset: Some(request.offset()),
            limit: Some(reported),
            desc: Some(wire.descending),
            rows,
            unreadable: Vec::new(),
            raw_rows: None,
            clocks: Some(Clocks {
                // Whole seconds, as in HTTP's `Date`.
                service: self
                    .date_ahead
                    .and_then(|ahead| DateTime::from_timestamp((self.now + ahead) / 1000, 0)),
                local: time(self.now + self.local_ahead).unwrap(),
                elapsed: Duration::from_millis(self.now as u64),
            }),
        }
    }
}

/// What the reader has to be given by the end of a pass.
#[derive(Debug, Default)]
struct Duties {
    /// Runs that were there when the pass began, in the part that the walk reads, and are still
    /// there.
    runs: HashMap<Id, Duty>,
    /// Runs that were to be given before: the walk has to keep an eye on them.
    kept: HashSet<Id>,
    /// Runs that were resurrected since the last pass.
    resurrected: HashSet<Id>,
    /// Of those, the ones that are no longer expected.
    forgotten: HashSet<Id>,
    /// The watermark when the pass began.
    watermark: Option<i64>,
}

#[derive(Debug)]
struct Duty {
    start: i64,
    was_wanted_throughout: bool,
    /// The finish that was final when the pass began, if it still is the run's finish.
    finish: Option<i64>,
}

impl Duties {
    /// A pass begins.
    fn begin(&mut self, story: &Story, service: &Service, cursor: &Cursor) {
        let memory = story.rules().retention(&story.query);
        let floor = cursor.floor(&memory);
        self.watermark = millis(cursor.watermark());
        let is_ahead = |run: &Run| {
            let (start, floor) = (run.0.started_at, floor);
            floor.is_none()
                || if story.query.descending {
                    start <= floor
                } else {
                    start >= floor
                }
        };
        self.runs.clear();
        for run in &service.runs {
            let (id, Some(start)) = (&run.0.id, run.start()) else {
                continue;
            };
            if self.resurrected.contains(id) && !is_ahead(run) {
                self.forgotten.insert(id.clone());
            }
            let is_due = is_ahead(run) || self.kept.contains(id);
            if is_due && !self.forgotten.contains(id) {
                let is_final = |finish: &i64| {
                    let now = service.earliest_clock();
                    now.is_some_and(|now| now - finish >= SETTLED)
                };
                let duty = Duty {
                    start,
                    was_wanted_throughout: story.query.wants(&run.0.status),
                    finish: run.finished().filter(is_final),
                };
                self.runs.insert(id.clone(), duty);
            }
        }
        // Hidden runs are checked when they are visible again.
        let is_there = |id: &Id| service.runs.iter().any(|run| run.0.id == *id);
        self.resurrected.retain(|id| !is_there(id));
    }

    /// The list may have changed.
    fn look(&mut self, story: &Story, service: &Service) {
        let there: HashMap<_, _> = service.runs.iter().map(|run| (&run.0.id, run)).collect();
        self.runs.retain(|id, duty| match there.get(id) {
            Some(run) => {
                duty.was_wanted_throughout &= story.query.wants(&run.0.status);
                duty.finish = duty.finish.filter(|finish| run.finished() == Some(*finish));
                run.start() == Some(duty.start)
            }
            None => false,
        });
    }

    /// The pass has ended: every duty has been met.
    fn check(&mut self, story: &Story, given: &Given) -> Result<(), TestCaseError> {
        for (id, duty) in &self.runs {
            let is_due = duty.was_wanted_throughout
                && (story.emit != Emit::Finished || duty.finish.is_some());
            if !is_due {
                continue;
            }
            let rows = given.rows.get(id).map_or(&[][..], Vec::as_slice);
            let is_final =
                |run: &Row| duty.finish.is_some() && run.finished == duty.finish && run.is_final;
            let is_met = match story.emit {
                Emit::Snapshot => !rows.is_empty(),
                Emit::Finished => rows.iter().any(is_final),
                Emit::Changes => {
                    !rows.is_empty() && (duty.finish.is_none() || rows.iter().any(is_final))
                }
            };
            prop_assert!(is_met, "{} was lost: {:?}, given {:?}", id, duty, rows);
        }
        self.kept.extend(self.runs.keys().cloned());
        Ok(())
    }

    /// The walk is stopped in the middle of a pass, and resumes from this cursor later.
    fn stop(&mut self, story: &Story, cursor: &Cursor) {
        let memory = story.rules().retention(&story.query);
        let Some(floor) = cursor.floor(&memory) else {
            return;
        };
        let passed = self.runs.iter().filter(|(_, duty)| {
            let start = time(duty.start).unwrap();
            memory.direction.side(start, floor) == Side::Before
        });
        self.kept.extend(passed.map(|(id, _)| id.clone()));
    }
}

/// What the reader has been given.
#[derive(Debug, Default)]
struct Given {
    rows: HashMap<Id, Vec<Row>>,
    /// How far the current pass has read.
    furthest: Option<i64>,
    cases: Cases,
}

#[derive(Debug)]
struct Row {
    finished: Option<i64>,
    is_final: bool,
}

/// What happened in a story, so that the stories can be seen to be about something.
#[derive(Debug, Default, Clone, Copy)]
struct Cases {
    incidents: Incidents,
    rows: usize,
    /// Requests, and those that have a response.
    asked: usize,
    requests: usize,
    passes: usize,
    drifts: u64,
    ties_cut: usize,
    stops_in_tie: usize,
    left_by_status: usize,
    got_start: usize,
    clocks_differ: usize,
}

impl Given {
    /// The walk is stopped: perhaps between two runs of one millisecond.
    fn stop(&mut self, service: &Service, cursor: &Cursor) {
        let watermark = millis(cursor.watermark());
        let mut runs = service.runs.iter();
        let is_in_tie = watermark.is_some()
            && runs.any(|run| run.start() == watermark && !self.rows.contains_key(&run.0.id));
        self.cases.stops_in_tie += usize::from(is_in_tie);
    }

    fn take(
        &mut self,
        story: &Story,
        duties: &Duties,
        run: &RunSummary,
        responded_at: i64,
    ) -> Result<(), TestCaseError> {
        self.cases.rows += 1;
        let finished = millis(run.finished_at);
        let is_final = finished.is_some_and(|finished| has_settled(finished, responded_at));
        prop_assert!(
            story.query.wants(&run.status),
            "{} has {}",
            run.id,
            run.status
        );
        prop_assert!(
            story.emit != Emit::Finished || is_final,
            "{} is not final",
            run.id
        );

        let before = self.rows.entry(run.id.clone()).or_default();
        let is_repeat = match story.emit {
            Emit::Snapshot => !before.is_empty(),
            Emit::Finished => before.iter().any(|row| row.finished == finished),
            // A settled run may have been handed out before, when the clocks did not show it yet.
            Emit::Changes if is_final => before.iter().skip(1).any(|row| row.finished == finished),
            Emit::Changes => !before.is_empty(),
        };
        prop_assert!(
            !is_repeat,
            "{} came again: {:?}, now {:?}",
            run.id,
            before,
            run
        );
        let is_first = before.is_empty();
        before.push(Row { finished, is_final });

        let Some(start) = millis(run.started_at) else {
            return Ok(());
        };
        let direction = Direction::new(story.query.descending);
        let is_before = |one: i64, other: i64| {
            if direction == Direction::Ascending {
                one < other
            } else {
                one > other
            }
        };
        // Runs that are read again are handed out when they have finished.
        let comes_at_once = story.emit == Emit::Snapshot && !story.query.has_filter();
        let is_in_order = comes_at_once
            && is_first
            && duties.watermark.is_none_or(|mark| is_before(mark, start))
            && duties.runs.contains_key(&run.id);
        if is_in_order {
            let is_sorted = self
                .furthest
                .is_none_or(|furthest| !is_before(start, furthest));
            prop_assert!(
                is_sorted,
                "{} came after a run of {:?}",
                run.id,
                self.furthest
            );
            self.furthest = Some(start);
        }
        Ok(())
    }
}

impl Story {
    pub(super) fn rules(&self) -> Rules {
        Rules {
            emit: self.emit,
            lookback: TimeDelta::milliseconds(self.lookback),
            follow: self.polls > 0,
            undated_first: false,
        }
    }

    /// Reads the list while it changes, and checks what is handed out.
    fn play(&self, without: Without) -> Result<Cases, TestCaseError> {
        let mut service = self.service.clone();
        let (mut duties, mut given) = (Duties::default(), Given::default());
        let mut cursor = Cursor::default()
            .bind(&(&self.query).into(), self.emit)
            .unwrap();
        for stop_after in &self.walks {
            cursor = self.walk(
                *stop_after,
                cursor,
                &mut service,
                &mut duties,
                &mut given,
                without,
            )?;
            let stored = cursor.to_string();
            cursor = stored.parse().unwrap();
            prop_assert_eq!(&cursor.to_string(), &stored);
            given.cases.passes += 1;
        }
        if self.emit == Emit::Snapshot && !self.query.has_filter() {
            self.check_requests(&given.cases)?;
        }
        given.cases.ties_cut = service.ties_cut;
        let clocks = (service.date_ahead, service.local_ahead);
        let do_differ = self.emit != Emit::Snapshot && clocks != (Some(0), 0);
        given.cases.clocks_differ = usize::from(do_differ);
        Ok(given.cases)
    }

    /// A change costs the request that meets it, the search for the place, and the pages of
    /// the pass that begins there.
    fn check_requests(&self, cases: &Cases) -> Result<(), TestCaseError> {
        if self.service.shuffles || self.service.varies_length || self.service.cap < 12 {
            return Ok(());
        }
        let rows_a_page = u64::from(self.query.page_size).min(self.service.cap - 11) as usize;
        let pages = (self.service.runs.len() + self.changes.len()).div_ceil(rows_a_page);
        // To find the place again, and to read a millisecond that does not fit on a page.
        let search = if self.service.ignores_bounds { 14 } else { 8 };
        // A total that is wrong is doubted at each end.
        let doubts = self.service.total.map_or(0, |_| 6 + 2 * self.changes.len());
        // Pages in flight when the list turns out to have changed or ended are wasted.
        let wasted = (self.concurrency - 1) * (1 + doubts);
        let most = (cases.passes + cases.drifts as usize) * (2 * pages + search + doubts + wasted);
        let requests = cases.asked;
        prop_assert!(requests <= most, "{} requests, at most {}", requests, most);
        Ok(())
    }

    fn walk(
        &self,
        stop_after: usize,
        cursor: Cursor,
        service: &mut Service,
        duties: &mut Duties,
        given: &mut Given,
        without: Without,
    ) -> Result<Cursor, TestCaseError> {
        let wire = match without {
            Without::WidenedFilter => self.query.clone(),
            _ => self.query.clone().widened(),
        };
        let mut trail = CursorTracker::new(cursor.clone(), self.rules().retention(&self.query));
        let mut walk = Walk::new(&self.query, self.rules(), cursor);
        walk.deep_offset = self.deep_offset;
        let mut ahead = ReadAhead::new();
        let (mut items, mut polls) = (0, 0);
        duties.begin(self, service, &walk.cursor);
        given.furthest = None;
        loop {
            match walk.next() {
                Next::Fetch(_) => {}
                Next::Wait if polls < self.polls => {
                    duties.check(self, given)?;
                    given.cases.passes += 1;
                    polls += 1;
                    service.now += self.wait;
                    service.show_hidden();
                    duties.begin(self, service, &walk.cursor);
                    given.furthest = None;
                    walk.begin_pass();
                    continue;
                }
                Next::Wait | Next::End => {
                    duties.check(self, given)?;
                    let met = walk.incidents();
                    let all = &mut given.cases.incidents;
                    all.drifts += met.drifts;
                    all.reanchors += met.reanchors;
                    all.duplicates += met.duplicates;
                    all.late += met.late;
                    all.vanished += met.vanished;
                    return Ok(trail.cursor().clone());
                }
            }
            ahead.fill(&walk, self.concurrency, |_| {
                given.cases.asked += 1;
                None
            });
            // Page by page of a row each, it takes long.
            let most = if self.service.cap < 6 { 20_000 } else { 4000 };
            prop_assert!(given.cases.asked < most, "the walk does not end");
            self.respond_first(&mut ahead, service, duties, given, &wire);
            let Some((request, Some((page, responded_at)))) = ahead.pop() else {
                return Err(TestCaseError::fail("no page is in flight"));
            };
            let page = put_out_of_action(without, &mut walk, page);
            let drifts = walk.incidents().drifts;
            let taken = walk.take(request, &page);
            given.cases.drifts += walk.incidents().drifts - drifts;
            let mut taken = match taken {
                Ok(taken) => taken,
                Err(error) => {
                    let may_break = match error {
                        // Pages of one row cannot continue behind runs without a start.
                        WalkError::Stalled { .. } => self.service.cap == 1,
                        WalkError::Unstable | WalkError::Unsorted { .. } => false,
                    };
                    prop_assert!(may_break, "the walk failed: {}", error);
                    duties.stop(self, trail.cursor());
                    return Ok(trail.cursor().clone());
                }
            };
            trail.extend(std::mem::take(&mut taken.updates));
            for (_, row) in page
                .rows
                .iter()
                .enumerate()
                .filter(|(index, _)| taken.includes(*index))
            {
                given.take(self, duties, row, responded_at)?;
                trail.hand_out();
                items += 1;
                if items == stop_after {
                    given.stop(service, trail.cursor());
                    duties.stop(self, trail.cursor());
                    return Ok(trail.cursor().clone());
                }
                if items % 3 == 0 {
                    let rows = trail.cursor().rows();
                    prop_assert_eq!(rows as usize, given.cases.rows);
                }
            }
            trail.finish();
            prop_assert_eq!(trail.cursor(), &walk.cursor);
        }
    }

    /// Lets the service respond to requests in flight, in any order, until it has responded to the
    /// first.
    fn respond_first(
        &self,
        ahead: &mut ReadAhead<Response>,
        service: &mut Service,
        duties: &mut Duties,
        given: &mut Given,
        wire: &RunQuery,
    ) {
        let is_open = |page: &&mut (PageRequest, Response)| page.1.is_none();
        while ahead
            .pages_mut()
            .next()
            .is_some_and(|first| first.1.is_none())
        {
            given.cases.requests += 1;
            let request = given.cases.requests;
            self.happen(request, service, duties, &mut given.cases);
            let open = ahead.pages_mut().filter(is_open).count();
            let dice = self.order.wrapping_mul(given.cases.requests as u64 * 2 + 1) >> 32;
            let next = dice as usize % open.max(1);
            if let Some((request, response)) = ahead.pages_mut().filter(is_open).nth(next) {
                *response = Some((service.respond(*request, wire), service.now));
            }
        }
    }

    /// Lets everything happen that is to happen before this request.
    fn happen(
        &self,
        request: usize,
        service: &mut Service,
        duties: &mut Duties,
        cases: &mut Cases,
    ) {
        service.now += REQUEST;
        service.show_hidden();
        for (_, change) in self.changes.iter().filter(|(at, _)| *at == request) {
            if let Change::Resurrect(at) = change
                && let Some(run) = service.runs.get(at % service.runs.len().max(1))
            {
                duties.resurrected.insert(run.0.id.clone());
            }
            let wanted = |service: &Service| {
                let runs = service.runs.iter();
                let wanted = runs.filter(|run| self.query.wants(&run.0.status));
                wanted.map(|run| run.0.id.clone()).collect::<HashSet<_>>()
            };
            let undated = |service: &Service| {
                let runs = service.runs.iter();
                runs.filter(|run| run.start().is_none()).count()
            };
            let (wanted_before, undated_before) = (wanted(service), undated(service));
            service.apply(change);
            let is_by_status = matches!(change, Change::Finish(..) | Change::Resurrect(_));
            let has_left = !wanted_before.is_subset(&wanted(service));
            cases.left_by_status += usize::from(is_by_status && has_left);
            let is_dated = matches!(change, Change::Date(_) | Change::DateAt(_));
            cases.got_start += usize::from(is_dated && undated(service) < undated_before);
        }
        duties.look(self, service);
    }
}

fn put_out_of_action(without: Without, walk: &mut Walk, mut page: Page) -> Page {
    match (without, &walk.state) {
        (Without::OverlapCheck, State::InPass(_, Stage::Reading(position)))
            if position.next.anchor().is_none() && !walk.query.descending =>
        {
            if let Some(row) = page.rows.first_mut() {
                row.started_at = time(-1);
            }
        }
        (Without::TieSet, _) => walk.cursor.forget_recent(),
        (Without::OpenSet, _) => walk.cursor.forget_open(),
        _ => {}
    }
    page
}

fn status() -> impl Strategy<Value = RunStatus> {
    prop_oneof![
        4 => Just(RunStatus::Succeeded),
        2 => Just(RunStatus::Failed),
        2 => Just(RunStatus::Running),
        1 => Just(RunStatus::Ready),
    ]
}

fn finished() -> impl Strategy<Value = RunStatus> {
    prop_oneof![Just(RunStatus::Succeeded), Just(RunStatus::Failed)]
}

fn change() -> impl Strategy<Value = Change> {
    let place = || 0_usize..1000;
    prop_oneof![
        2 => (1_usize..15).prop_map(Change::DeleteOldest),
        1 => (1_usize..5).prop_map(Change::DeleteNewest),
        2 => place().prop_map(Change::DeleteAt),
        3 => (0_i64..3).prop_map(Change::Start),
        2 => (place(), status()).prop_map(|(at, status)| Change::AppearLate(at, status)),
        2 => Just(Change::StartUndated),
        1 => (0_i64..20).prop_map(Change::Date),
        1 => place().prop_map(Change::DateAt),
        4 => (place(), finished()).prop_map(|(at, status)| Change::Finish(at, status)),
        1 => place().prop_map(Change::Resurrect),
        1 => (place(), 1_usize..100, 1..HIDDEN)
            .prop_map(|(at, some, millis)| Change::Hide(at, some, millis)),
    ]
}

/// What the service does, besides listing runs.
fn habits() -> impl Strategy<Value = Service> {
    let total = proptest::option::weighted(
        0.2,
        prop_oneof![
            Just(Total::Always(0)),
            Just(Total::Always(1 << 40)),
            (1_u64..4).prop_map(Total::TooLargeBy),
            Just(Total::Unknown),
        ],
    );
    let ahead = || prop_oneof![2 => Just(0_i64), 1 => -120_000_i64..45_000];
    let date = proptest::option::weighted(0.9, ahead());
    let flags = (
        proptest::bool::weighted(0.2),
        proptest::bool::weighted(0.4),
        proptest::bool::weighted(0.2),
        proptest::bool::weighted(0.1),
        any::<bool>(),
    );
    let cap = prop_oneof![1 => 1_u64..6, 4 => 6_u64..40, 2 => Just(1000)];
    (cap, total, date, ahead(), flags).prop_map(|(cap, total, date_ahead, local_ahead, flags)| {
        let (ignores_bounds, shuffles, is_finer, varies_length, undated_first) = flags;
        // Without a total, or with one that is too small, a short page is taken for the end.
        let is_short = matches!(total, Some(Total::Always(0) | Total::Unknown));
        Service {
            // If bounds are ignored, a millisecond cannot be read on its own.
            cap: match ignores_bounds {
                true => 1000,
                // To read a millisecond row by row until all have been seen takes for ever.
                false if shuffles => cap.max(6),
                false => cap,
            },
            // The other one of the cases in which runs of a millisecond may be missed.
            total: total.filter(|_| !shuffles || cap > 100),
            ignores_bounds,
            shuffles,
            is_finer,
            varies_length: varies_length && !is_short && !ignores_bounds && !shuffles,
            undated_first,
            date_ahead,
            local_ahead,
            ..Service::empty()
        }
    })
}

/// Runs with a few milliseconds between them, and often none.
fn service() -> impl Strategy<Value = Service> {
    let gap = prop_oneof![2 => Just(0_i64), 3 => 1_i64..4];
    let age = prop_oneof![1 => 0_i64..90_000, 1 => Just(500_000)];
    let runs = proptest::collection::vec((gap, status(), age), 0..100);
    (runs, habits()).prop_map(move |(runs, mut service)| {
        let mut start = 0;
        for (gap, status, age) in runs {
            start += gap;
            service.insert(start, status, service.now - age);
        }
        service
    })
}

fn query() -> impl Strategy<Value = RunQuery> {
    let statuses = prop_oneof![
        3 => Just(vec![]),
        1 => Just(vec![RunStatus::Succeeded]),
        1 => Just(vec![RunStatus::Failed, RunStatus::Running]),
    ];
    (statuses, 1_u32..=30, proptest::bool::weighted(0.3)).prop_map(
        |(statuses, page_size, descending)| {
            let query = RunQuery::actor("a").page_size(page_size);
            query.descending(descending).statuses(statuses)
        },
    )
}

fn story() -> impl Strategy<Value = Story> {
    let emit = prop_oneof![
        Just(Emit::Snapshot),
        Just(Emit::Finished),
        Just(Emit::Changes)
    ];
    let lookback = prop_oneof![Just(0_i64), 1_i64..20, Just(60_000)];
    let changes = proptest::collection::vec((1_usize..40, change()), 0..25);
    let walks = proptest::collection::vec(prop_oneof![1_usize..60, Just(usize::MAX)], 1..5);
    let deep_offset = prop_oneof![Just(u64::MAX), 1_u64..60];
    let concurrency = prop_oneof![Just(1_usize), 2_usize..9];
    (
        service(),
        changes,
        query(),
        emit,
        lookback,
        (0_usize..4, prop_oneof![Just(WAIT), Just(40_000_i64)]),
        walks,
        (deep_offset, concurrency, any::<u64>()),
    )
        .prop_map(
            |(
                service,
                changes,
                query,
                emit,
                lookback,
                (polls, wait),
                walks,
                (deep_offset, concurrency, order),
            )| Story {
                service,
                changes,
                polls: if query.descending { 0 } else { polls },
                wait,
                query,
                emit,
                lookback,
                walks,
                deep_offset,
                concurrency,
                order,
            },
        )
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 1000,
        ..ProptestConfig::with_cases(cases)
    }
}

/// How many stories are played: `APIFY_RUNS_STORIES`, or so many.
fn stories(cases: u32) -> u32 {
    let asked = std::env::var("APIFY_RUNS_STORIES").ok();
    asked.and_then(|asked| asked.parse().ok()).unwrap_or(cases)
}

#[test]
fn whatever_happens_nothing_is_lost_and_nothing_is_repeated() {
    let played = RefCell::new((0, Cases::default()));
    let mut runner = TestRunner::new(config(stories(1_500)));
    let result = runner.run(&story(), |story| {
        let cases = story.play(Without::Nothing)?;
        let (count, all) = &mut *played.borrow_mut();
        *count += 1;
        all.rows += cases.rows;
        all.asked += cases.asked;
        all.drifts += cases.drifts;
        all.ties_cut += usize::from(cases.ties_cut > 0);
        all.stops_in_tie += usize::from(cases.stops_in_tie > 0);
        all.left_by_status += usize::from(cases.left_by_status > 0);
        all.got_start += usize::from(cases.got_start > 0);
        all.clocks_differ += cases.clocks_differ;
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let (count, all) = played.into_inner();
    println!(
        "{count} stories, {} rows, {} requests, {} drifts; with a tie across the end of a page: \
         {}, stopped inside of a tie: {}, runs that leave by their status: {}, runs that get \
         their start: {}, clocks that differ: {}",
        all.rows,
        all.asked,
        all.drifts,
        all.ties_cut,
        all.stops_in_tie,
        all.left_by_status,
        all.got_start,
        all.clocks_differ,
    );
    let all = [
        all.ties_cut,
        all.stops_in_tie,
        all.left_by_status,
        all.got_start,
        all.clocks_differ,
    ];
    assert!(all.iter().all(|count| *count > 20));
}

/// The checks of the walk that the stories are there to test are missed by them.
#[test]
fn the_stories_notice_a_check_that_is_out_of_action() {
    for without in [
        Without::OverlapCheck,
        Without::TieSet,
        Without::WidenedFilter,
        Without::OpenSet,
    ] {
        let mut runner = TestRunner::new(ProptestConfig {
            max_shrink_iters: 0,
            ..config(5000)
        });
        let result = runner.run(&story(), |story| story.play(without).map(drop));
        let Err(TestError::Fail(reason, _)) = result else {
            panic!("nobody misses {without:?}: {result:?}");
        };
        let reason = reason.to_string();
        let is_ours = [
            "was lost",
            "came again",
            "came after",
            "does not end",
            "the walk failed",
            "assertion failed",
        ];
        assert!(is_ours.iter().any(|ours| reason.contains(ours)), "{reason}");
    }
}

/// The stories are about all that a walk has to deal with.
#[test]
fn everything_happens_in_the_stories() {
    use proptest::strategy::ValueTree;

    let mut runner = TestRunner::deterministic();
    let mut met = Incidents::default();
    for _ in 0..500 {
        let story = story().new_tree(&mut runner).unwrap().current();
        let incidents = story.play(Without::Nothing).unwrap().incidents;
        met.drifts += incidents.drifts;
        met.reanchors += incidents.reanchors;
        met.duplicates += incidents.duplicates;
        met.late += incidents.late;
        met.vanished += incidents.vanished;
    }
    let reanchors_by_choice = met.reanchors - met.drifts;
    let all = [
        met.drifts,
        reanchors_by_choice,
        met.duplicates,
        met.late,
        met.vanished,
    ];
    assert!(all.iter().all(|count| *count > 20), "{met:?}");
}

/// Runs a millisecond apart that finished just now, so that a walk has to read them again.
pub(super) fn settling(starts: impl IntoIterator<Item = i64>) -> Service {
    let mut service = Service::empty();
    for start in starts {
        service.insert(start, RunStatus::Succeeded, service.now);
    }
    service
}

/// A walk that hands out finished runs, and polls five times.
pub(super) fn followed(service: Service, changes: &[(usize, Change)]) -> Story {
    Story {
        service,
        changes: changes.to_vec(),
        query: RunQuery::actor("a"),
        emit: Emit::Finished,
        lookback: 0,
        polls: 5,
        wait: WAIT,
        walks: vec![usize::MAX],
        deep_offset: u64::MAX,
        concurrency: 1,
        order: 0,
    }
}

#[test]
fn unfinished_runs_of_one_start_may_move_while_they_are_read_again() {
    let service = Service {
        cap: 3,
        ..settling([0; 30].into_iter().chain([9]))
    };
    let story = |changes: &[_]| followed(service.clone(), changes);
    let still = story(&[]).play(Without::Nothing).unwrap();
    assert_eq!(still.rows, 31);
    for request in 16..40 {
        let change = (request, Change::DeleteOldest(3));
        let moved = story(&[change]).play(Without::Nothing).unwrap();
        assert!(moved.rows >= 28, "deleted before request {request}");
    }
}

/// Those without a start are first, and do not show that the bound is ignored.
#[test]
fn runs_without_a_start_do_not_hide_that_bounds_are_ignored() {
    let service = Service {
        ignores_bounds: true,
        ..settling((0..40).map(|n| n / 20))
    };
    let undated = vec![(1, Change::StartUndated); 3];
    for page_size in 1..5 {
        let story = Story {
            emit: Emit::Snapshot,
            query: RunQuery::actor("a").page_size(page_size).descending(true),
            polls: 0,
            deep_offset: 1,
            ..followed(service.clone(), &undated)
        };
        assert_eq!(story.play(Without::Nothing).unwrap().rows, 43);
    }
}

/// It passes the filter, then does not, then does again, all within the lookback.
#[test]
fn a_run_that_is_gone_and_visible_again_is_not_taken_for_known() {
    let mut service = settling([]);
    service.insert(0, RunStatus::Ready, service.now);
    for resurrected in 3..8 {
        let story = Story {
            emit: Emit::Snapshot,
            query: RunQuery::actor("a").status(RunStatus::Running),
            ..followed(
                service.clone(),
                &[
                    (2, Change::Finish(0, RunStatus::Succeeded)),
                    (resurrected, Change::Resurrect(0)),
                ],
            )
        };
        assert_eq!(story.play(Without::Nothing).unwrap().rows, 1);
    }
}

#[test]
fn a_run_that_finished_before_it_had_a_start_is_handed_out_once() {
    let service = Service {
        ignores_bounds: true,
        ..settling(0..4)
    };
    let finish = Change::Finish(4, RunStatus::Succeeded);
    for dated in 2..20 {
        let changes = [
            (1, Change::StartUndated),
            (1, finish.clone()),
            (dated, Change::Date(0)),
        ];
        for emit in [Emit::Snapshot, Emit::Finished, Emit::Changes] {
            let story = Story {
                emit,
                lookback: 60_000,
                ..followed(service.clone(), &changes)
            };
            let rows = story.play(Without::Nothing).unwrap().rows;
            let expected = if emit == Emit::Changes { 10 } else { 5 };
            // Without a start it cannot be read again, and is not handed out as finished then.
            assert!(
                (expected - 1..=expected).contains(&rows),
                "{emit:?}: {rows} rows"
            );
        }
    }
}

#[test]
fn unfinished_runs_are_found_though_the_list_moves_and_bounds_are_ignored() {
    let service = Service {
        cap: 5,
        ignores_bounds: true,
        ..settling(0..40)
    };
    for request in 10..60 {
        let changes = [0, 3].map(|later| (request + later, Change::DeleteOldest(2)));
        let story = followed(service.clone(), &changes);
        assert!(story.play(Without::Nothing).unwrap().rows >= 36);
    }
}

/// A page is short, and the rows after it move to smaller offsets before they are requested.
#[test]
fn unfinished_runs_behind_a_short_page_may_move_before_they_are_read_again() {
    for at in 4..30 {
        let mut service = Service::empty();
        service.varies_length = true;
        for start in 0..60 {
            service.insert(start, RunStatus::Succeeded, 980_000);
        }
        let story = Story {
            service,
            changes: vec![(at, Change::Hide(0, 31, 100_000))],
            query: RunQuery::actor("a").page_size(30),
            emit: Emit::Finished,
            lookback: 3,
            polls: 1,
            wait: 45_000,
            walks: vec![usize::MAX],
            deep_offset: u64::MAX,
            concurrency: 1,
            order: 0,
        };
        story.play(Without::Nothing).unwrap();
    }
}
