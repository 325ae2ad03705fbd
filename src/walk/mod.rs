//! The walk over the list: which page to request next, and which rows of a response are new.
//!
//! [`Walk`] is a pure state machine, without I/O and without a clock. [`Walk::next`] returns the
//! next request, and [`Walk::take`] takes the response. Between two requests the list may change:
//! runs are added and deleted, and runs of one millisecond may change places.
//!
//! # Overlap
//!
//! Pages overlap. Let T be the start of a page's last row. The next page begins with the row in
//! front of those that started at T. It continues the walk **if and only if its first row started
//! before T, or its offset is 0**. A response is sorted by start: if its first row started before
//! T, all rows of T and later lie behind that row. So each page has every row between the T before
//! it and its own, in any order. Rows from before T have been processed. Rows of T are compared by
//! their IDs.
//!
//! # Drift
//!
//! If a page does not continue the walk, the list has changed. The walk then requests the runs
//! that started at T or later. If the service ignores such a bound, the walk steps back by offset
//! until it finds a run from before T. A millisecond with more runs than fit on a page is read
//! [on its own](window).
//!
//! # Passes
//!
//! A walk that resumes, and each poll of one that follows, is a pass of its own. It begins a
//! lookback before the watermark, where late runs may have appeared. Before the pass, and at the
//! end of the walk, unfinished runs are read again.
//!
//! A part of a split that does not begin with the list cannot see runs without a start. It reads
//! them first, from the whole list.
//!
//! ```text
//! ScanningUndated ──▶ Rereading ──▶ InPass ──▶ Waiting ──▶ Rereading …
//!                                        ╰───▶ Rereading ──▶ Done
//! ```
//!
//! `Rereading` is left out if no run is unfinished. Only a walk that follows comes to `Waiting`.

mod error;
mod last_page;
mod listing;
mod offset;
mod pass;
mod position;
mod read_ahead;
mod request;
mod reread;
mod selection;
mod service;
mod settling;
mod stall;
mod undated;
mod window;

use std::collections::HashSet;
use std::mem;

use chrono::{DateTime, TimeDelta, Utc};

use crate::direction::Direction;
pub(crate) use error::WalkError;
use offset::Offset;
use position::Position;
pub(crate) use read_ahead::ReadAhead;
pub(crate) use request::PageRequest;
use reread::Reread;
pub(crate) use selection::Selection;
use service::{MIN_OVERLAP, ServiceProfile};
use settling::Settling;
use stall::StallGuard;
use undated::UndatedScan;
use window::TieWindow;

use crate::cursor::{Cursor, Retention};
use crate::emit::Emit;
use crate::limits::MAX_PAGE_SIZE;
use crate::page::Page;
use crate::query::RunQuery;
use crate::run::Id;

/// The offset from which on the walk takes a new anchor. The service passes over as many rows for
/// each page: for a database that takes ten times as long as the page itself at 100,000 rows, and
/// about as long at 20,000. A new anchor costs nothing.
const DEEP_OFFSET: u64 = 20_000;

/// What a walk does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Fetches a page, whose response is for [`Walk::take`].
    Fetch(PageRequest),
    /// Waits, as the list has been read to its end. [`Walk::begin_pass`] ends the wait.
    Wait,
    /// Nothing: it is over.
    End,
}

/// What a walk does besides reading the list once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) emit: Emit,
    pub(crate) lookback: TimeDelta,
    pub(crate) follow: bool,
    /// Whether the walk begins with the runs that have no start, wherever they are listed.
    pub(crate) undated_first: bool,
}

/// Counts of what has happened on a walk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Incidents {
    /// Changes of the list that made the walk search for its place.
    pub(crate) drifts: u64,
    /// New anchors: after a drift, or because the offset was deep.
    pub(crate) reanchors: u64,
    /// Rows skipped because they had been processed: after a drift, and in the lookback. The rows
    /// in which each page overlaps with the one before do not count.
    pub(crate) duplicates: u64,
    /// Rows handed out that appeared behind the watermark.
    pub(crate) late: u64,
    /// Runs to be read again that are gone.
    pub(crate) vanished: u64,
}

/// A walk over the list.
#[derive(Debug)]
pub(crate) struct Walk {
    query: RunQuery,
    rules: Rules,
    retention: Retention,
    deep_offset: u64,
    state: State,
    /// The cursor after the last page taken. The stream has one of its own, after the last row
    /// handed out.
    cursor: Cursor,
    /// How many rows of the whole list have been read, if the list has not changed since. Only
    /// needed if the service ignores anchors.
    estimated_offset: u64,
    service: ServiceProfile,
    settling: Settling,
    stall: StallGuard,
    incidents: Incidents,
}

/// What the walk is doing. Each state determines the next request.
#[derive(Debug)]
enum State {
    /// Runs without a start are read from the ends of the whole list. The first pass is next.
    ScanningUndated(UndatedScan),
    /// Unfinished runs are read again, by their start. Before a pass, the pass is next. At the end
    /// of the walk, the walk is done.
    Rereading(Reread),
    /// The list is read. At its end, a walk that follows waits. Any other walk reads unfinished
    /// runs again, if the rules say so, and is done.
    InPass(Pass, Stage),
    /// The list has been read to its end, and more runs may start. The caller waits and begins the
    /// next pass.
    Waiting,
    /// There is no next request.
    Done,
}

/// What holds for a whole pass over the list.
#[derive(Debug, Default)]
struct Pass {
    /// Runs to be read again that the pass is expected to show, and has not shown yet.
    unseen: HashSet<Id>,
    /// Whether the list continues behind its last row.
    probe: Probe,
    /// Whether the pass only reads unfinished runs again, at the end of the walk.
    is_final: bool,
}

/// How a pass finds its next page.
#[derive(Debug)]
enum Stage {
    /// No page has been taken. The next page begins `preceding` rows before the first one that the
    /// query's offset does not skip. If they all started in the same millisecond, more of them are
    /// requested. Otherwise the pass is `Reading`.
    Start { preceding: u64 },
    /// Pages follow each other. The next page begins at this position. If it continues the pass,
    /// the pass goes on `Reading`, or `ReadingTies`. If not, the pass is `Anchored` or
    /// `SteppingBack`, or `Start`s again if no start has been seen.
    Reading(Position),
    /// The pass searches for the start that it has reached. The next page has that as its anchor,
    /// and continues the pass: `Reading` is next.
    Anchored { reached: DateTime<Utc> },
    /// The pass searches for the start that it has reached, and the service ignores anchors. If the
    /// next page begins with an earlier start, `Reading` is next. If not, the page after it begins
    /// `step` rows earlier.
    SteppingBack {
        offset: Offset,
        step: u64,
        reached: DateTime<Utc>,
    },
    /// The runs of one millisecond do not fit on a page and are read on their own. Then the pass
    /// is `Anchored` behind them. If the service turns out to ignore bounds, the pass goes on
    /// `Reading` as before.
    ReadingTies(TieWindow),
    /// A page had no new row, though `total` says that there are more. The next request is for the
    /// one row at `offset`, behind that page. Then the page is requested again, `from` the stage
    /// before.
    Probing { offset: Offset, from: Box<Stage> },
}

/// What requests behind the last row have shown since the last new row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Probe {
    #[default]
    NotSent,
    /// No row: if the page has no new row again, the list has ended.
    FoundNothing,
    /// A row, so many times in a row. It may have been added and deleted since. If it stays and no
    /// page has it, there is no way to read it.
    FoundMore { times: u32 },
}

/// What to do with the rows of a page, and the state after it. After an error, the walk is over.
type Transition = Result<(Selection, State), WalkError>;

impl Rules {
    /// Which runs the cursor of such a walk remembers.
    pub(crate) fn retention(&self, query: &RunQuery) -> Retention {
        Retention {
            direction: Direction::new(query.descending),
            lookback: self.lookback,
            skips_rows: query.offset > 0,
        }
    }
}

impl Walk {
    /// A walk that goes on from `cursor`, which belongs to this query.
    pub(crate) fn new(query: &RunQuery, rules: Rules, cursor: Cursor) -> Self {
        let mut walk = Self {
            query: query.clone(),
            rules,
            retention: rules.retention(query),
            deep_offset: DEEP_OFFSET,
            state: State::Done,
            estimated_offset: query.offset.saturating_add(cursor.rows()),
            service: ServiceProfile::new(),
            settling: Settling::new(cursor.watermark()),
            stall: StallGuard::new(&cursor),
            cursor,
            incidents: Incidents::default(),
        };
        if walk.remaining() > 0 {
            walk.state = match rules.undated_first {
                true => State::ScanningUndated(UndatedScan::default()),
                false => walk.next_pass(),
            };
        }
        walk
    }

    /// What has happened on the walk so far.
    pub(crate) fn incidents(&self) -> Incidents {
        self.incidents
    }

    /// How many runs are to be read again.
    pub(crate) fn unfinished(&self) -> usize {
        self.cursor.unfinished()
    }

    /// What to do now.
    pub(crate) fn next(&self) -> Next {
        match &self.state {
            State::ScanningUndated(scan) => Next::Fetch(scan.request(self.page_size())),
            State::Rereading(reread) => {
                Next::Fetch(reread.request(self.direction(), self.page_size()))
            }
            State::InPass(_, stage) => Next::Fetch(self.request_of(stage)),
            State::Waiting => Next::Wait,
            State::Done => Next::End,
        }
    }

    /// The next request of a pass.
    fn request_of(&self, stage: &Stage) -> PageRequest {
        let (offset, limit) = match stage {
            // If the pass starts again, known rows without a start come first.
            &Stage::Start { preceding } => {
                let known = self.cursor.undated() as u64;
                let offset = Offset::new(None, self.query.offset - preceding);
                (offset, self.wanted(0) + preceding + known)
            }
            Stage::Reading(position) => {
                let overlap = position.overlap;
                let more = if position.is_stuck { overlap } else { 0 };
                (position.next, overlap + self.wanted(0).max(more))
            }
            // Known rows come first.
            &Stage::Anchored { reached } => {
                let anchor = self.direction().bound_before(reached);
                let known = self.cursor.known_from(anchor, self.direction()) as u64;
                (Offset::new(Some(anchor), 0), self.wanted(0) + known)
            }
            &Stage::SteppingBack { offset, .. } => (offset, self.page_size() + MIN_OVERLAP),
            Stage::ReadingTies(ties) => return ties.request(),
            &Stage::Probing { offset, .. } => (offset, 1),
        };
        PageRequest::list(offset, limit.min(u64::from(MAX_PAGE_SIZE)))
    }

    /// Takes the response to `request` and returns what to do with its rows. If the list has
    /// changed, that is nothing: the next request searches for the place.
    ///
    /// # Errors
    ///
    /// [`WalkError`] if there is no way to go on. The walk is over then.
    pub(crate) fn take(
        &mut self,
        request: PageRequest,
        page: &Page,
    ) -> Result<Selection, WalkError> {
        if self.rules.emit != Emit::Snapshot {
            self.settling.note_times(page);
        }
        let (selection, state) = match mem::replace(&mut self.state, State::Done) {
            State::ScanningUndated(scan) => self.take_undated(scan, request, page)?,
            State::Rereading(reread) => self.take_reread(reread, request, page),
            State::InPass(pass, stage) => self.take_listed(pass, stage, request, page)?,
            idle @ (State::Waiting | State::Done) => (Selection::default(), idle),
        };
        self.state = state;
        Ok(selection)
    }

    /// Begins another pass, after the wait that [`Next::Wait`] asks for.
    pub(crate) fn begin_pass(&mut self) {
        if matches!(self.state, State::Waiting) {
            self.state = self.next_pass();
        }
    }

    fn direction(&self) -> Direction {
        self.retention.direction
    }

    fn page_size(&self) -> u64 {
        u64::from(self.query.page_size)
    }

    /// How many rows may still be handed out.
    fn remaining(&self) -> u64 {
        let limit = self.query.limit.unwrap_or(u64::MAX);
        limit.saturating_sub(self.cursor.rows())
    }

    /// How many new rows to request if so many are already in flight.
    fn wanted(&self, in_flight: u64) -> u64 {
        let skips_rows = self.rules.emit == Emit::Finished || self.query.has_filter();
        if skips_rows {
            // It is unknown how many rows it takes to find the remaining ones.
            return self.page_size();
        }
        let remaining = self.remaining().saturating_sub(in_flight);
        remaining.min(self.page_size())
    }
}

#[cfg(test)]
mod tests;
