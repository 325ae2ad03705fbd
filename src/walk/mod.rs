//! The order of a walk: which page to ask for next, and which rows of a response are new.
//!
//! Pure: no I/O, no clock. [`Walk::next`] says what to do, [`Walk::take`] takes a response. The
//! list may change between any two requests: rows come and go, and runs of one millisecond may
//! change places. What keeps rows from being lost is one rule.
//!
//! Let T be the start of a page's last row. The next page is asked for from the row in front of
//! those that started at T. It continues the walk **if and only if its first row started before
//! T, or its offset is 0**. A response is sorted by start: if a row from before T comes first, all
//! rows of T and later lie behind it. So each page brings every row between the T before it and
//! its own, in whatever order. Those from before T have been dealt with, and those of T are told
//! apart by their IDs.
//!
//! If a page does not continue the walk, the list moved. The walk then asks for the runs that
//! started at T or later. Where the service ignores such a bound, it steps back by offset until it
//! sees a run from before T. A millisecond with more runs than fit on a page is read
//! [by itself](window).
//!
//! A walk that resumes, and each poll of one that follows, is a pass of its own: it begins a
//! lookback before the watermark, where late runs may have appeared. Before it, and at the
//! end, the runs that had not finished are read again.
//!
//! A split that begins somewhere in the list cannot see runs without a start: it looks for them
//! first, in the whole list.

mod broken;
mod position;
mod progress;
mod read_ahead;
mod reread;
mod rows;
mod settling;
mod undated;
mod window;

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};

use crate::direction::can_be_told;
pub(crate) use crate::direction::{Direction, Side};
pub(crate) use broken::Broken;
use position::{PageLength, Position};
use progress::StallGuard;
pub(crate) use read_ahead::ReadAhead;
use read_ahead::{MIN_OVERLAP, Rebase};
use reread::Reread;
pub(crate) use rows::Selection;
use settling::Settling;
use undated::UndatedScan;
use window::Window;

use crate::clocks::Clocks;
use crate::cursor::{Cursor, CursorUpdate, Retention};
use crate::emit::Emit;
use crate::limits::MAX_PAGE_SIZE;
use crate::page::Page;
use crate::query::RunQuery;
use crate::run::Id;

/// How often in a row there may be something behind the last row that does not come.
const MAX_STALLED_PROBES: u32 = 20;
/// The offset from which on the walk counts from a new anchor. The service has to pass over
/// as many rows for each page again: for a database that takes ten times as long as the page
/// itself at 100,000 rows, and about as long at 20,000. The anchor costs nothing.
const DEEP_OFFSET: u64 = 20_000;
/// How many rows that the query's offset leaves out the first request shows, and the most that
/// one shows.
const FIRST_LEAD: u64 = 1;
const MAX_LEAD: u64 = 500;

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
    /// Whether the walk begins with the runs that have no start, wherever they are listed.
    pub(crate) undated_first: bool,
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
    /// lookback. The rows in which each page overlaps with the page before do not count.
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
    memory: Retention,
    deep_offset: u64,
    state: State,
    /// How far the rows of the responses go that were taken. What has been handed out of them
    /// is for others to know.
    cursor: Cursor,
    /// What a look behind the last row has shown since there was a new one.
    probe: Probe,
    /// Where the walk was last in the whole list, or would be if nothing had changed since.
    position: u64,
    /// The last change of the anchor by choice.
    nearer: Option<Rebase>,
    page_length: PageLength,
    /// In how many rows pages asked for ahead overlap.
    overlap_guess: u64,
    /// Whether the service has been seen to ignore the bound that an anchor is.
    ignores_anchors: bool,
    /// Runs to be read again that this pass has to come by, and has not yet.
    unseen: HashSet<Id>,
    /// Whether the unfinished runs have been read again at the end.
    has_reread_at_end: bool,
    /// Whether a start has had digits beyond the millisecond.
    has_finer_starts: bool,
    settling: Settling,
    progress: StallGuard,
    incidents: Incidents,
}

/// What the walk is doing. Each variant says what the next request is.
#[derive(Debug)]
enum State {
    /// No row yet: the next request begins `lead` rows before the first one that the query's
    /// offset does not leave out.
    Start { lead: u64 },
    /// Pages follow each other: the next request begins at this position.
    Reading(Position),
    /// The walk goes on from the start it has reached: the next request has that as its anchor.
    Anchored { reached: DateTime<Utc> },
    /// The same where the service ignores anchors: the next request begins at `offset`, and
    /// if that is not before `reached`, the one after it `step` rows earlier.
    SteppingBack {
        offset: u64,
        step: u64,
        reached: DateTime<Utc>,
    },
    /// The runs of one millisecond do not fit on a page: the next request is one of that window.
    /// After it, the walk goes on behind it, or, if the service ignores anchors, at `from`.
    ReadingWindow {
        window: Window,
        reached: DateTime<Utc>,
        from: Position,
    },
    /// Unfinished runs are read again.
    Rereading(Reread),
    /// Runs without a start are looked for.
    LookingForUndated(UndatedScan),
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
    pub(crate) fn memory(&self, query: &RunQuery) -> Retention {
        Retention {
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
            page_length: PageLength::AsAsked,
            overlap_guess: MIN_OVERLAP,
            progress: StallGuard::new(&cursor),
            settling: Settling::new(cursor.watermark()),
            cursor,
            probe: Probe::NotSent,
            ignores_anchors: false,
            unseen: HashSet::new(),
            has_reread_at_end: false,
            has_finer_starts: false,
            incidents: Incidents::default(),
        };
        if walk.remaining() == 0 {
            return walk;
        }
        if rules.undated_first {
            walk.state = State::LookingForUndated(UndatedScan::default());
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
            // If it begins anew, rows without a start that were dealt with before come first.
            &State::Start { lead } => {
                let known = self.cursor.undated() as u64;
                (
                    None,
                    self.query.offset - lead,
                    self.wanted(0) + lead + known,
                )
            }
            State::Reading(position) => {
                let overlap = position.end.saturating_sub(position.offset);
                let wanted = self.wanted(0);
                let more = if position.is_stuck { overlap } else { 0 };
                (position.anchor, position.offset, overlap + wanted.max(more))
            }
            // Rows that were dealt with before come first.
            &State::Anchored { reached } => {
                let anchor = self.memory.direction.bound_before(reached);
                let known = self.cursor.known_from(anchor, self.memory.direction);
                (Some(anchor), 0, self.wanted(0) + known as u64)
            }
            &State::SteppingBack { offset, .. } => (None, offset, self.page_size() + MIN_OVERLAP),
            State::ReadingWindow { window, .. } => return Next::Fetch(window.request()),
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

    /// Takes the response to `request` and says what to do with its rows. If the list moved,
    /// nothing: the next request finds the place again.
    ///
    /// # Errors
    ///
    /// [`Broken`] if there is no way to go on. The walk is over then.
    pub(crate) fn take(&mut self, request: PageRequest, page: &Page) -> Result<Selection, Broken> {
        self.see_times(page);
        match &self.state {
            State::Rereading(_) => return Ok(self.take_reread(request, page)),
            State::ReadingWindow { .. } => return self.take_window(request, page),
            State::LookingForUndated(_) => return self.take_undated(request, page),
            State::Probing { .. } => {
                self.take_probe(page);
                return Ok(Selection::default());
            }
            State::Waiting | State::Done => return Ok(Selection::default()),
            State::Start { .. }
            | State::Reading(_)
            | State::Anchored { .. }
            | State::SteppingBack { .. } => {}
        }
        let direction = self.memory.direction;
        if request.anchor.is_some() && is_out_of_bounds(request, page, direction) {
            self.ignores_anchors = true;
            match self.reached() {
                Some(reached) if self.progress.has_reached_any() => self.go_to(reached),
                _ => self.begin_pass(),
            }
            return Ok(Selection::default());
        }
        match &self.state {
            &State::Start { lead } => match self.larger_lead(lead, page) {
                Some(lead) => {
                    self.state = State::Start { lead };
                    Ok(Selection::default())
                }
                None => self.accept(request, page, None),
            },
            State::Reading(position) => {
                let reached = position.reached;
                match self.continues(position, request, page) {
                    true => self.accept(request, page, reached),
                    false => self.drift(reached),
                }
            }
            &State::Anchored { reached } => self.accept(request, page, Some(reached)),
            &State::SteppingBack {
                offset,
                step,
                reached,
            } => {
                if offset == 0 || self.begins_before(page, reached) {
                    return self.accept(request, page, Some(reached));
                }
                self.state = State::SteppingBack {
                    offset: offset.saturating_sub(step),
                    step: step.saturating_mul(2),
                    reached,
                };
                Ok(Selection::default())
            }
            _ => Ok(Selection::default()),
        }
    }

    /// The start that the walk has reached.
    fn reached(&self) -> Option<DateTime<Utc>> {
        match &self.state {
            State::Reading(position) => position.reached,
            &State::Anchored { reached } => Some(reached),
            _ => None,
        }
    }

    /// Whether a page follows the one before.
    fn continues(&self, position: &Position, request: PageRequest, page: &Page) -> bool {
        let begins_with = |id: &Id| begins_undated_with(page, id);
        let begins_before = |reached| self.begins_before(page, reached);
        request.offset == 0
            || position.undated.as_ref().is_some_and(begins_with)
            || position.reached.is_some_and(begins_before)
    }

    /// Whether the first row that has a start is from before this one.
    fn begins_before(&self, page: &Page, reached: DateTime<Utc>) -> bool {
        let first = page.entries().find_map(|entry| entry.start);
        first.is_some_and(|start| self.memory.direction.side(start, reached) == Side::Before)
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
        self.progress.begin_pass();
        let Some(floor) = self.cursor.floor(&self.memory) else {
            return self.start();
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

    /// Sets out for the beginning of the list.
    fn start(&mut self) {
        let lead = self.query.offset.min(FIRST_LEAD);
        self.state = State::Start { lead };
    }

    /// How many rows to show in front of the first one that the query's offset does not leave
    /// out, if more are needed: all those that started in the same millisecond, since a walk that
    /// resumes will see them.
    fn larger_lead(&self, lead: u64, page: &Page) -> Option<u64> {
        let start = |index: u64| page.entry(usize::try_from(index).ok()?)?.start;
        let (shown, first) = (start(0)?, start(lead)?);
        let is_same = self.memory.direction.side(shown, first) == Side::Same;
        let larger = (lead * 10).min(MAX_LEAD).min(self.query.offset);
        (is_same && larger > lead).then_some(larger)
    }

    /// Notes that runs to be read again are not there.
    fn miss(&mut self, missing: Vec<Id>, page: &Page) -> Vec<CursorUpdate> {
        let now = page.clocks.as_ref().map(Clocks::now);
        let Some(now) = now.filter(can_be_told) else {
            return Vec::new();
        };
        let gone = missing.iter().filter(|id| self.cursor.is_gone(id, now));
        self.incidents.vanished += gone.count() as u64;
        missing
            .into_iter()
            .map(|id| CursorUpdate::miss(id, now))
            .collect()
    }

    /// Sets out for the rows that started at `reached` or beyond: by their start, or else by
    /// offset.
    fn go_to(&mut self, reached: DateTime<Utc>) {
        self.nearer = None;
        self.progress.set_out();
        self.state = if self.ignores_anchors {
            // Half a page, so that the response reaches past the place if the list grew before it.
            let step = self.page_size().div_ceil(2);
            State::SteppingBack {
                offset: self.position.saturating_sub(step),
                step: step * 2,
                reached,
            }
        } else {
            State::Anchored { reached }
        };
    }

    /// The list has been read to its end.
    fn end_pass(&mut self, clocks: Option<Clocks>) {
        self.probe = Probe::NotSent;
        self.state = State::Done;
        if self.remaining() == 0 {
            return;
        }
        if self.rules.follow {
            if !self.is_over_for_good(clocks) {
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
    fn is_over_for_good(&self, clocks: Option<Clocks>) -> bool {
        let now = clocks.and_then(|clocks| clocks.earliest(Some(clocks.local)));
        let (Some(end), Some(now)) = (self.query.started_before, now) else {
            return false;
        };
        now - end > self.rules.lookback && self.cursor.unfinished() == 0
    }

    /// Takes a page that continues a pass that has come to `reached`.
    fn accept(
        &mut self,
        request: PageRequest,
        page: &Page,
        reached: Option<DateTime<Utc>>,
    ) -> Result<Selection, Broken> {
        self.check_stall(request)?;
        let rows = page.row_count();
        let here = self.counted_from_here(request);
        // How many rows have been read before, and how many the query's offset leaves out.
        let (overlap, skipped) = match &self.state {
            State::Reading(position) => (position.end.saturating_sub(here.offset), 0),
            &State::Start { lead } => (lead, lead),
            _ => (0, 0),
        };
        let overlap = usize::try_from(overlap).unwrap_or(usize::MAX);
        let skipped = usize::try_from(skipped).unwrap_or(rows).min(rows);
        let position = self.position_after(request, page, reached);
        let more = match (
            judge(request, page, rows.saturating_sub(overlap)),
            self.probe,
        ) {
            // It is too short to bring new rows.
            (After::Doubtful, _) if rows < overlap => true,
            // There is more, and this page is all that comes from here.
            (After::Doubtful, Probe::FoundMore { .. })
                if position
                    .as_ref()
                    .is_some_and(|it| self.needs_window(it, request, page)) =>
            {
                true
            }
            (After::Doubtful, Probe::FoundMore { times }) if times == MAX_STALLED_PROBES => {
                let offset = request.offset;
                return Err(Broken::Stalled { offset });
            }
            (After::Doubtful, Probe::NotSent | Probe::FoundMore { .. }) => {
                self.state = State::Probing {
                    anchor: request.anchor,
                    offset: request.offset + rows as u64,
                    from: Box::new(std::mem::replace(&mut self.state, State::Done)),
                };
                return Ok(Selection::default());
            }
            (After::Doubtful, Probe::FoundNothing) | (After::End, _) => false,
            (After::More, _) => !self.has_seen_enough(page),
        };
        let mut taken = self.select(page, skipped, overlap, |entry, is_beyond| {
            self.what_is_known(entry, is_beyond)
        });
        if taken.is_unsorted {
            self.note_unsorted(request)?;
            return Ok(Selection::default());
        }
        self.has_finer_starts |= taken.has_finer_starts;
        let skips = self.skip(page, skipped);
        taken.steps.splice(0..0, skips);
        let seen = self.see(page, !more);
        taken.steps.extend(seen);
        self.note(&taken, page);
        let shown = last_start(page);
        let reached = position.as_ref().and_then(|position| position.reached);
        self.measure_progress(reached, shown);
        if rows > overlap {
            self.probe = Probe::NotSent;
        }
        self.position = match request.anchor {
            None => request.offset + taken.rows.end as u64,
            Some(_) => self.position + taken.steps.len() as u64,
        };
        match position {
            Some(position) if more && self.remaining() > 0 => self.go_on(request, page, position),
            _ => self.end_pass(page.clocks),
        }
        Ok(taken)
    }

    /// What the rows do to the cursor that the query's offset leaves out: those that started in
    /// the same millisecond as the first one that is not.
    fn skip(&self, page: &Page, skipped: usize) -> Vec<CursorUpdate> {
        let first = page.entry(skipped).and_then(|entry| entry.start);
        let Some(first) = first else {
            return Vec::new();
        };
        let same = |start: &DateTime<Utc>| self.memory.direction.side(*start, first) == Side::Same;
        let skipped = page.entries().take(skipped);
        let steps = skipped.filter_map(|entry| Some((entry.id, entry.start.filter(same)?)));
        steps
            .map(|(id, start)| CursorUpdate::skip(id, start))
            .collect()
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
    fn see(&mut self, page: &Page, is_last: bool) -> Vec<CursorUpdate> {
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
        self.miss(missing, page)
    }

    /// The list moved: looks for the place to go on from.
    fn drift(&mut self, reached: Option<DateTime<Utc>>) -> Result<Selection, Broken> {
        self.note_drift()?;
        self.probe = Probe::NotSent;
        match reached {
            Some(reached) => {
                self.incidents.reanchors += 1;
                self.go_to(reached);
            }
            // No run had a start: what has been handed out is known by its ID.
            None => self.start(),
        }
        Ok(Selection::default())
    }
}

/// Whether the service ignores the bounds of a request: it shows runs from outside of them, or
/// runs without a start.
fn is_out_of_bounds(request: PageRequest, page: &Page, direction: Direction) -> bool {
    let lies = |start, bound: Option<_>, side| {
        bound.is_some_and(|bound| direction.side(start, bound) == side)
    };
    page.entries().any(|entry| match entry.start {
        Some(start) => {
            lies(start, request.anchor, Side::Before) || lies(start, request.until, Side::Beyond)
        }
        None => entry.run.is_some(),
    })
}

/// Whether the first row is this run, and it still has no start.
fn begins_undated_with(page: &Page, id: &Id) -> bool {
    let first = page.entry(0);
    first.is_some_and(|first| first.id == id && first.start.is_none())
}

/// The start of the last row that has one.
fn last_start(page: &Page) -> Option<DateTime<Utc>> {
    let mut indices = (0..page.row_count()).rev();
    indices.find_map(|index| page.entry(index)?.start)
}

/// Decides whether a page is the last one.
///
/// A page that is as long as it can be never is: the request after it shows what follows. A
/// shorter one is, unless `total` says that there is more. A page without new rows is, unless
/// `total` says so, and then only after a second look.
fn judge(request: PageRequest, page: &Page, fresh: usize) -> After {
    match (fresh > 0, promises_more(request, page)) {
        (false, _) if says_nothing(page) && page.row_count() > 0 => After::Doubtful,
        _ if is_full(request, page) => After::More,
        (true, true) => After::More,
        (false, true) => After::Doubtful,
        (_, false) => After::End,
    }
}

/// Whether the service says neither how many rows a page could have nor how long the list is.
fn says_nothing(page: &Page) -> bool {
    page.limit.is_none_or(|limit| limit == 0) && page.total.is_none()
}

/// Whether a page has as many rows as it could have. Where the service says nothing of that, any
/// page with rows may be full.
fn is_full(request: PageRequest, page: &Page) -> bool {
    if says_nothing(page) {
        return page.row_count() > 0;
    }
    let answered = page.limit.filter(|limit| *limit > 0);
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
