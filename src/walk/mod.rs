//! The order of a walk: which page to ask for next, and which rows of an answer are new.
//!
//! Pure: no I/O, no clock. [`Walk::next`] says what to do, [`Walk::take`] takes an answer. The
//! list may change between any two requests, so each request after the first starts one row
//! early: its first row must be the last row of the page before. If it is, what follows it is
//! what follows that row in the service's own order, whatever was deleted or inserted
//! elsewhere. If it is not, the list moved, and the walk goes on from its watermark: it asks
//! for the runs that started there or later and leaves out those it has handed out. Where the
//! service ignores such a bound, it steps back by offset until it sees a run from before the
//! watermark, and reads on from there.
//!
//! A walk that resumes, and each poll of one that follows, is a pass of its own: it begins a
//! lookback before the watermark, where late runs may have appeared. Before it, and at the
//! end, the runs that had not finished are read again.
//!
//! A split that begins somewhere in the list cannot see runs without a start: it looks for them
//! first, in the whole list.

mod ahead;
mod broken;
mod direction;
mod progress;
mod reread;
mod rows;
mod undated;

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};

pub(crate) use ahead::Ahead;
use ahead::Nearer;
pub(crate) use broken::Broken;
pub(crate) use direction::{Direction, Side};
use progress::Progress;
use reread::Reread;
pub(crate) use rows::Taken;
use undated::Undated;

use crate::cursor::{Cursor, Memory, Step};
use crate::decode::{Entry, Page};
use crate::emit::Emit;
use crate::query::{MAX_PAGE_SIZE, RunQuery};
use crate::run::Id;

/// How often in a row the list may move without a new run in between.
const MOST_FRUITLESS_DRIFTS: u32 = 20;
/// How many pages in a row may bring neither a new run nor a later start. Where a service reads
/// in circles, each page follows the one before; where a million runs started at once, or a page
/// is small, there may be many of them.
const MOST_FRUITLESS_PAGES: u32 = 1000;
/// How often in a row there may be something behind the last row that does not come.
const MOST_FRUITLESS_PROBES: u32 = 3;
/// The offset from which on the walk counts from a new anchor. The service has to pass over
/// as many rows for each page again: for a database that takes ten times as long as the page
/// itself at 100,000 rows, and about as long at 20,000. The anchor costs nothing.
const DEEP_OFFSET: u64 = 20_000;

/// What a walk does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Fetch(PageRequest),
    /// The list has been read to its end: it is time to wait, and then to [`Walk::poll`].
    Wait,
    End,
}

/// A page to ask for: `limit` rows from the row at `offset` on, counted from `anchor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageRequest {
    /// Only runs that started then or later (or earlier, if the walk is descending).
    pub(crate) anchor: Option<DateTime<Utc>>,
    /// Only runs that started then or earlier (or later, if the walk is descending), and those
    /// with any status: runs that are read again.
    pub(crate) until: Option<DateTime<Utc>>,
    /// The whole list in this direction, without the query's own times: the only way to see
    /// runs that have no start.
    pub(crate) whole: Option<Direction>,
    pub(crate) offset: u64,
    pub(crate) limit: u64,
}

impl PageRequest {
    /// Rows of the query's own list.
    pub(crate) fn rows(offset: u64, limit: u64) -> Self {
        Self {
            anchor: None,
            until: None,
            whole: None,
            offset,
            limit,
        }
    }
}

/// What a walk does besides passing over the list once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) emit: Emit,
    pub(crate) lookback: TimeDelta,
    pub(crate) follow: bool,
}

/// What a walk has met on its way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Incidents {
    /// How often the list moved.
    pub(crate) drifts: u64,
    /// How often the walk took a new anchor: because the list moved, or because the offset
    /// was deep.
    pub(crate) reanchors: u64,
    /// Rows left out because they had been dealt with: after the list moved, and in the
    /// lookback. The one row in which each page overlaps with the page before does not count.
    pub(crate) duplicates: u64,
    /// Rows that appeared behind the watermark, and were handed out.
    pub(crate) late: u64,
    /// Runs to be read again that were gone.
    pub(crate) vanished: u64,
}

/// One walk over the list.
#[derive(Debug)]
pub(crate) struct Walk {
    query: RunQuery,
    rules: Rules,
    memory: Memory,
    deep_offset: u64,
    state: State,
    /// How far the rows of the answers go that were taken. What has been handed out of them
    /// is for others to know.
    cursor: Cursor,
    /// What a look behind the last row has shown since there was a new one.
    probe: Probe,
    /// Where the walk was last in the whole list, or would be if nothing had changed since.
    position: u64,
    /// The last change of the anchor by choice.
    nearer: Option<Nearer>,
    /// The most rows that the service seems to put on a page.
    most_rows: u64,
    /// Whether the service has been seen to ignore the bound that an anchor is.
    ignores_anchors: bool,
    /// Runs to be read again that this pass has to come by, and has not yet.
    unseen: HashSet<Id>,
    /// Whether the unfinished runs have been read again at the end.
    has_reread_at_end: bool,
    /// How far the walk had come when it last came further.
    progress: Progress,
    /// How often the list has moved since then.
    fruitless_drifts: u32,
    /// How many pages have been taken since then, or since one showed a later start.
    fruitless_pages: u32,
    incidents: Incidents,
}

#[derive(Debug)]
enum State {
    /// No row yet: the next request begins at `offset`.
    Start { offset: u64 },
    /// `last` was the last row of the last page, at `offset`: the next request begins there.
    Reading {
        anchor: Option<DateTime<Utc>>,
        offset: u64,
        last: Id,
        /// How many rows there are from the anchor on, by the service's count, if it says so.
        total: Option<u64>,
        /// Where rows may follow that were dealt with before.
        behind: Option<Behind>,
    },
    /// The walk goes on from a start it has come to before: the next request begins there.
    Anchored { target: DateTime<Utc> },
    /// The same where the service ignores anchors: the next request begins at `offset`, and
    /// if that is not before `target`, the one after it `step` rows earlier.
    SteppingBack {
        offset: u64,
        step: u64,
        target: DateTime<Utc>,
    },
    /// Unfinished runs are read again.
    Rereading(Reread),
    /// Runs without a start are looked for.
    LookingForUndated(Undated),
    /// Nothing new came, though `total` says that there is more: the next request looks
    /// behind the rows that came. After it, the walk asks again what it asked before.
    Probing {
        anchor: Option<DateTime<Utc>>,
        offset: u64,
        from: Box<State>,
    },
    /// Every row there was has been taken: more may come.
    Waiting,
    /// Every row has been taken: there is no next request.
    Done,
}

/// How far a pass has come that begins behind the watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Behind {
    /// The watermark when it began: what lies beyond is new.
    watermark: DateTime<Utc>,
    /// The start that it set out for.
    target: DateTime<Utc>,
    /// The latest start that its pages have shown. Where the service ignores bounds, they may
    /// begin long before the target.
    shown: Option<DateTime<Utc>>,
}

/// What a look behind the last row has shown, where nothing new came but was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    NotSent,
    /// There was nothing: if nothing new comes again, the list has ended.
    FoundNothing,
    /// There was something, so many times in a row. It may have come and gone again; if it
    /// stays and does not come, there is no way to get at it.
    FoundMore {
        times: u32,
    },
}

impl Rules {
    /// Which runs a cursor of such a walk remembers.
    pub(crate) fn memory(&self, query: &RunQuery) -> Memory {
        Memory {
            direction: Direction::new(query.descending),
            lookback: self.lookback,
            skips_rows: query.offset > 0,
        }
    }
}

impl Walk {
    /// A walk that goes on from `cursor`, which is one of this query.
    pub(crate) fn new(query: &RunQuery, rules: Rules, cursor: Cursor) -> Self {
        let mut walk = Self {
            query: query.clone(),
            rules,
            memory: rules.memory(query),
            deep_offset: DEEP_OFFSET,
            state: State::Done,
            // A guess, for services that ignore anchors.
            position: query.offset.saturating_add(cursor.rows()),
            nearer: None,
            most_rows: u64::MAX,
            progress: Progress::of(&cursor),
            cursor,
            probe: Probe::NotSent,
            ignores_anchors: false,
            unseen: HashSet::new(),
            has_reread_at_end: false,
            fruitless_drifts: 0,
            fruitless_pages: 0,
            incidents: Incidents::default(),
        };
        if walk.remaining() == 0 {
            return walk;
        }
        if query.undated_first {
            walk.state = State::LookingForUndated(Undated::default());
        } else {
            walk.begin();
        }
        walk
    }

    /// What the walk has met on its way so far.
    pub(crate) fn incidents(&self) -> Incidents {
        self.incidents
    }

    /// How many runs are to be read again.
    pub(crate) fn unfinished(&self) -> usize {
        self.cursor.unfinished()
    }

    /// What to do now.
    pub(crate) fn next(&self) -> Next {
        let (anchor, offset, limit) = match &self.state {
            &State::Start { offset } => (None, offset, self.wanted(0)),
            &State::Reading { anchor, offset, .. } => (anchor, offset, self.wanted(0) + 1),
            // Rows that were dealt with before come first.
            &State::Anchored { target } => {
                let anchor = self.memory.direction.bound_before(target);
                let known = self.cursor.known_from(anchor, self.memory.direction);
                (Some(anchor), 0, self.wanted(0) + known as u64)
            }
            &State::SteppingBack { offset, .. } => (None, offset, self.page_size() + 1),
            State::Rereading(reread) => {
                return Next::Fetch(reread.request(self.memory.direction, self.page_size()));
            }
            State::LookingForUndated(undated) => {
                return Next::Fetch(undated.request(self.page_size()));
            }
            &State::Probing { anchor, offset, .. } => (anchor, offset, 1),
            State::Waiting => return Next::Wait,
            State::Done => return Next::End,
        };
        Next::Fetch(PageRequest {
            anchor,
            ..PageRequest::rows(offset, limit.min(u64::from(MAX_PAGE_SIZE)))
        })
    }

    /// Begins another pass, after the wait that [`Next::Wait`] asked for.
    pub(crate) fn poll(&mut self) {
        if matches!(self.state, State::Waiting) {
            self.begin();
        }
    }

    /// Takes the answer to `request` and says what to do with its rows. If the list moved,
    /// nothing: the next request finds the place again.
    ///
    /// # Errors
    ///
    /// [`Broken`] if there is no way to go on. The walk is unchanged then.
    pub(crate) fn take(&mut self, request: PageRequest, page: &Page) -> Result<Taken, Broken> {
        match &self.state {
            State::Start { .. } => self.accept(request, page, 0, None),
            State::Anchored { .. }
            | State::Reading {
                behind: Some(_), ..
            } if is_out_of_bounds(request, page, self.memory.direction) => {
                self.ignores_anchors = true;
                self.begin_pass();
                Ok(Taken::default())
            }
            State::Reading { last, .. } if page.first_key() != Some(last) => {
                self.drift(request, page)
            }
            &State::Reading { behind, .. } => {
                if behind.is_none() && self.is_out_of_order(page) {
                    return self.drift(request, page);
                }
                self.accept(request, page, 1, behind)
            }
            &State::Anchored { target } => self.accept(request, page, 0, self.behind(target)),
            &State::SteppingBack {
                offset,
                step,
                target,
            } => {
                if offset == 0 || self.begins_before(page, target) {
                    return self.accept(request, page, 0, self.behind(target));
                }
                self.state = State::SteppingBack {
                    offset: offset.saturating_sub(step),
                    step: step.saturating_mul(2),
                    target,
                };
                Ok(Taken::default())
            }
            State::Rereading(_) => Ok(self.take_reread(request, page)),
            State::LookingForUndated(_) => self.take_undated(request, page),
            State::Probing { .. } => {
                self.take_probe(page);
                Ok(Taken::default())
            }
            State::Waiting | State::Done => Ok(Taken::default()),
        }
    }

    fn take_probe(&mut self, page: &Page) {
        self.probe = match (page.row_count(), self.probe) {
            (0, _) => Probe::FoundNothing,
            (_, Probe::FoundMore { times }) => Probe::FoundMore { times: times + 1 },
            _ => Probe::FoundMore { times: 1 },
        };
        if let State::Probing { from, .. } = std::mem::replace(&mut self.state, State::Done) {
            self.state = *from;
        }
    }

    /// A pass begins at this start.
    fn behind(&self, target: DateTime<Utc>) -> Option<Behind> {
        let watermark = self.cursor.watermark()?;
        Some(Behind {
            watermark,
            target,
            shown: None,
        })
    }

    /// How many rows may still be handed out.
    fn remaining(&self) -> u64 {
        let limit = self.query.limit.unwrap_or(u64::MAX);
        limit.saturating_sub(self.cursor.rows())
    }

    fn page_size(&self) -> u64 {
        u64::from(self.query.page_size)
    }

    /// How many new rows to ask for, where so many are already on their way.
    fn wanted(&self, ahead: u64) -> u64 {
        let leaves_rows_out = self.rules.emit == Emit::Finished || self.query.has_filter();
        if leaves_rows_out {
            // Who knows how many it takes to find the few that are left.
            return self.page_size();
        }
        self.remaining().saturating_sub(ahead).min(self.page_size())
    }

    /// Begins a pass over the list: at its beginning, or a lookback before the watermark. The
    /// unfinished runs before that are read again first.
    fn begin(&mut self) {
        self.probe = Probe::NotSent;
        self.come_further();
        let Some(floor) = self.cursor.floor(&self.memory) else {
            let offset = self.query.offset;
            self.state = State::Start { offset };
            return;
        };
        // A pass cannot see what lies before it, nor what a filter hides.
        let is_out_of_sight = |start| {
            self.query.has_filter() || self.memory.direction.side(start, floor) == Side::Before
        };
        let starts = self.cursor.open().map(|(_, start)| start);
        let starts = starts.filter(|start| is_out_of_sight(*start));
        match Reread::new(starts, self.memory.direction, false) {
            Some(reread) if !self.ignores_anchors => self.state = State::Rereading(reread),
            _ => self.begin_pass(),
        }
    }

    fn begin_pass(&mut self) {
        let Some(floor) = self.cursor.floor(&self.memory) else {
            return;
        };
        let direction = self.memory.direction;
        let mut target = floor;
        if self.ignores_anchors {
            // There is no other way to find the runs that are to be read again.
            for (_, start) in self.cursor.open() {
                if direction.side(start, target) == Side::Before {
                    target = start;
                }
            }
        }
        let is_due = |start| {
            let is_in_sight = self.ignores_anchors || !self.query.has_filter();
            is_in_sight && direction.side(start, target) != Side::Before
        };
        let due = self.cursor.open().filter(|(_, start)| is_due(*start));
        self.unseen = due.map(|(id, _)| id.clone()).collect();
        self.go_to(target);
    }

    /// Notes that runs to be read again are not there.
    fn miss(&mut self, missing: Vec<Id>) -> Vec<Step> {
        let gone = missing.iter().filter(|id| self.cursor.has_missed(id));
        self.incidents.vanished += gone.count() as u64;
        missing.into_iter().map(Step::miss).collect()
    }

    /// Sets out for the rows that started at `target` or beyond: by their start, or else by
    /// offset.
    fn go_to(&mut self, target: DateTime<Utc>) {
        self.nearer = None;
        self.state = if self.ignores_anchors {
            // Half a page, so that the answer reaches past the place if the list grew before it.
            let step = self.page_size().div_ceil(2);
            State::SteppingBack {
                offset: self.position.saturating_sub(step),
                step: step * 2,
                target,
            }
        } else {
            State::Anchored { target }
        };
    }

    /// The list has been read to its end.
    fn end_pass(&mut self, answered_at: Option<DateTime<Utc>>) {
        self.probe = Probe::NotSent;
        self.state = State::Done;
        if self.remaining() == 0 {
            return;
        }
        if self.rules.follow {
            if !self.is_over_for_good(answered_at) {
                self.state = State::Waiting;
            }
            return;
        }
        let was_reread = std::mem::replace(&mut self.has_reread_at_end, true);
        if was_reread || self.rules.emit == Emit::Snapshot {
            return;
        }
        let starts = self.cursor.open().map(|(_, start)| start);
        match Reread::new(starts, self.memory.direction, true) {
            None => {}
            Some(reread) if !self.ignores_anchors => self.state = State::Rereading(reread),
            Some(_) => self.begin_pass(),
        }
    }

    /// Whether nothing can come any more: no run that starts now is wanted, none appears late,
    /// and none is to be read again.
    fn is_over_for_good(&self, answered_at: Option<DateTime<Utc>>) -> bool {
        let (Some(end), Some(now)) = (self.query.started_before, answered_at) else {
            return false;
        };
        now - end > self.rules.lookback && self.cursor.unfinished() == 0
    }

    /// Takes a page that continues the walk: the rows after the first `overlap` are new, but
    /// for those that are known.
    fn accept(
        &mut self,
        request: PageRequest,
        page: &Page,
        overlap: usize,
        behind: Option<Behind>,
    ) -> Result<Taken, Broken> {
        let rows = page.row_count();
        if self.fruitless_pages == MOST_FRUITLESS_PAGES {
            let offset = request.offset;
            return Err(Broken::Stalled { offset });
        }
        let more = match (judge(request, page, rows - overlap), self.probe) {
            (After::Doubtful, Probe::FoundMore { times }) if times == MOST_FRUITLESS_PROBES => {
                let offset = request.offset;
                return Err(Broken::Stalled { offset });
            }
            (After::Doubtful, Probe::NotSent | Probe::FoundMore { .. }) => {
                self.state = State::Probing {
                    anchor: request.anchor,
                    offset: request.offset + rows as u64,
                    from: Box::new(std::mem::replace(&mut self.state, State::Done)),
                };
                return Ok(Taken::default());
            }
            (After::Doubtful, Probe::FoundNothing) | (After::End, _) => false,
            (After::More, _) => !self.has_seen_enough(page),
        };
        let mut taken = self.select(page, overlap, |entry| self.what_is_known(entry, behind));
        taken.steps.extend(self.see(page, !more));
        self.note(&taken);
        self.measure_progress();
        if rows > overlap {
            self.probe = Probe::NotSent;
        }
        self.position = match request.anchor {
            None => request.offset + taken.rows.end as u64,
            Some(_) => self.position + taken.steps.len() as u64,
        };
        match page.last_key() {
            Some(last) if more && self.remaining() > 0 => {
                self.state = self.reading(request, page, last.clone(), behind);
            }
            _ => self.end_pass(page.answered_at),
        }
        Ok(taken)
    }

    /// Whether a pass that only looks for unfinished runs has found them all with this page.
    fn has_seen_enough(&self, page: &Page) -> bool {
        self.has_reread_at_end && {
            let seen = page
                .entries()
                .filter(|entry| self.unseen.contains(entry.id));
            seen.count() == self.unseen.len()
        }
    }

    /// Looks which of the runs to be read again a page shows. Those that no page of the whole
    /// pass has shown are missing.
    fn see(&mut self, page: &Page, is_last: bool) -> Vec<Step> {
        if self.unseen.is_empty() {
            return Vec::new();
        }
        for entry in page.entries() {
            self.unseen.remove(entry.id);
        }
        if !is_last {
            return Vec::new();
        }
        let missing: Vec<_> = self.unseen.drain().collect();
        self.miss(missing)
    }

    /// The state after a page that another one follows.
    fn reading(
        &mut self,
        request: PageRequest,
        page: &Page,
        last: Id,
        behind: Option<Behind>,
    ) -> State {
        let behind = behind.and_then(|behind| self.still_behind(behind, page));
        let rows = page.row_count() as u64;
        self.most_rows = if rows < request.limit { rows } else { u64::MAX };
        let here = self.counted_from_here(request);
        let (mut anchor, mut offset) = (here.anchor, here.offset + rows - 1);
        // Pages in flight that are counted from the old anchor are no reason for another one.
        if here == request
            && offset >= self.deep_offset
            && !self.ignores_anchors
            && let Some((nearer, ties)) = self.nearer_anchor(page)
        {
            self.incidents.reanchors += 1;
            self.nearer = Some(Nearer {
                from: anchor,
                to: nearer,
                by: offset - ties,
            });
            (anchor, offset) = (Some(nearer), ties);
        }
        let passed_over = (request.offset + rows - 1).saturating_sub(offset);
        State::Reading {
            anchor,
            offset,
            last,
            total: page.total.map(|total| total.saturating_sub(passed_over)),
            behind,
        }
    }

    /// The last row's own start as an anchor, and the row's offset from there: how many rows
    /// before it started then too. `None` if the page does not show all of them.
    fn nearer_anchor(&self, page: &Page) -> Option<(DateTime<Utc>, u64)> {
        let last = page.entries().last()?.start?;
        let anchor = self.memory.direction.bound_before(last);
        let is_before = |entry: &Entry<'_>| {
            let is_before = |start| self.memory.direction.side(start, anchor) == Side::Before;
            entry.start.is_some_and(is_before)
        };
        let before = page.entries().take_while(is_before).count();
        let ties = page.row_count() - before - 1;
        let is_sorted = !page.entries().skip(before).any(|entry| is_before(&entry));
        (before > 0 && is_sorted).then_some((anchor, ties as u64))
    }

    /// The list moved: looks for the place to go on from.
    fn drift(&mut self, request: PageRequest, page: &Page) -> Result<Taken, Broken> {
        let Some(watermark) = self.cursor.watermark() else {
            return Err(self.moved(request, page));
        };
        if self.fruitless_drifts == MOST_FRUITLESS_DRIFTS {
            return Err(Broken::Restless);
        }
        self.fruitless_drifts += 1;
        self.incidents.drifts += 1;
        self.incidents.reanchors += 1;
        self.probe = Probe::NotSent;
        let target = match self.state {
            State::Reading {
                behind: Some(behind),
                ..
            } => behind.reached(self.memory.direction),
            _ => watermark,
        };
        self.go_to(target);
        Ok(Taken::default())
    }

    fn moved(&self, request: PageRequest, page: &Page) -> Broken {
        let expected = match &self.state {
            State::Reading { last, .. } => last.clone(),
            _ => Id::default(),
        };
        Broken::Moved {
            offset: request.offset,
            expected,
            found: page.first_key().cloned(),
        }
    }

    fn begins_before(&self, page: &Page, target: DateTime<Utc>) -> bool {
        let first = page.entries().find_map(|entry| entry.start);
        first.is_some_and(|start| self.memory.direction.side(start, target) == Side::Before)
    }
}

/// Whether the service ignores the bounds of a request.
fn is_out_of_bounds(request: PageRequest, page: &Page, direction: Direction) -> bool {
    let lies = |start, bound: Option<_>, side| {
        bound.is_some_and(|bound| direction.side(start, bound) == side)
    };
    page.entries().filter_map(|entry| entry.start).any(|start| {
        lies(start, request.anchor, Side::Before) || lies(start, request.until, Side::Beyond)
    })
}

/// Decides whether a page is the last one.
///
/// A page with new rows that is as long as it can be never is: the request after it
/// shows what follows. A shorter one is, unless `total` says that there is more. A page
/// without new rows is, unless `total` says so, and then only after a second look.
fn judge(request: PageRequest, page: &Page, fresh: usize) -> After {
    match (fresh > 0, promises_more(request, page)) {
        (true, true) => After::More,
        (true, false) if is_full(request, page) => After::More,
        (false, true) => After::Doubtful,
        (_, false) => After::End,
    }
}

/// Whether a page has as many rows as it could have. Where the service says neither how many
/// these are nor how long the list is, any page with rows may be full.
fn is_full(request: PageRequest, page: &Page) -> bool {
    let answered = page.limit.filter(|limit| *limit > 0);
    if answered.is_none() && page.total.is_none() {
        return page.row_count() > 0;
    }
    let limit = answered.map_or(request.limit, |limit| limit.min(request.limit));
    page.row_count() as u64 >= limit
}

/// Whether there is more behind a page, by the service's `total`. Without one, nothing is
/// promised.
fn promises_more(request: PageRequest, page: &Page) -> bool {
    let end = request.offset.saturating_add(page.row_count() as u64);
    page.total.is_some_and(|total| end < total)
}

/// What follows a page.
enum After {
    More,
    End,
    /// The service says that there is more, but it does not come.
    Doubtful,
}

#[cfg(test)]
mod tests;
