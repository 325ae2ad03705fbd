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
//! that started at T or later: T becomes the anchor that offsets are counted from. If the service
//! ignores that bound, the walk steps back by offset until it finds a run from before T. A
//! millisecond with more runs than fit on a page is read [on its own](window).
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
//! Without unfinished runs there is no `Rereading`. Only a walk that follows is ever `Waiting`.

mod error;
mod listing;
mod offset;
mod pass;
mod position;
mod progress;
mod read_ahead;
mod request;
mod reread;
mod response;
mod selection;
mod service;
mod settling;
mod stage;
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
use service::ServiceProfile;
use settling::Settling;
use stall::StallGuard;
use undated::UndatedScan;
use window::TieWindow;

use crate::cursor::{Cursor, Retention};
use crate::emit::Emit;
use crate::page::Page;
use crate::query::RunQuery;
use crate::run::Id;

/// The offset from which on the walk takes a new anchor. The service passes over as many rows for
/// each page: for a database that takes ten times as long as the page itself at 100,000 rows, and
/// about as long at 20,000. A new anchor costs nothing.
const DEEP_OFFSET: u64 = 20_000;

/// What the caller of a walk does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Fetch this page, and pass it to [`Walk::take`].
    Fetch(PageRequest),
    /// Wait, and call [`Walk::begin_pass`]. The list has been read to its end.
    Wait,
    /// Stop. The walk is over.
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

/// What has happened during a walk, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Incidents {
    /// Changes of the list after which the walk had to find its position again.
    pub(crate) drifts: u64,
    /// New anchors: after a drift, or because the offset was deep.
    pub(crate) reanchors: u64,
    /// Rows skipped because they had been processed before: after a drift, or in the lookback.
    /// Overlaps of pages do not count.
    pub(crate) duplicates: u64,
    /// Rows handed out that appeared behind the watermark.
    pub(crate) late: u64,
    /// Unfinished runs that are no longer in the list.
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
    /// The cursor after the last page taken. The stream keeps another one, after the last row
    /// handed out.
    cursor: Cursor,
    /// The offset in the whole list up to which rows have been read, if the list has not changed
    /// since. Used to step back if the service ignores anchors.
    estimated_offset: u64,
    service: ServiceProfile,
    settling: Settling,
    stall: StallGuard,
    incidents: Incidents,
}

/// What the walk is doing. The state determines the next request.
#[derive(Debug)]
enum State {
    /// The walk reads runs without a start, from both ends of the whole list.
    ///
    /// Next: the first pass.
    ScanningUndated(UndatedScan),
    /// The walk reads unfinished runs again, by their start.
    ///
    /// Next: the pass over the list, or `Done` at the end of the walk.
    Rereading(Reread),
    /// The walk reads the list.
    ///
    /// Next, at the end of the list: `Waiting` if the walk follows, `Rereading` if runs are
    /// unfinished and the walk returns finished ones, and otherwise `Done`.
    InPass(Pass, Stage),
    /// The list has been read to its end. More runs may start.
    ///
    /// Next: another pass, when the caller begins it.
    Waiting,
    /// The walk is over.
    Done,
}

/// What holds for a whole pass over the list.
#[derive(Debug, Default)]
struct Pass {
    /// Unfinished runs that the pass is expected to show and has not shown yet.
    unseen: HashSet<Id>,
    /// Whether there are rows behind the last one.
    probe: Probe,
    /// Whether this is the end of the walk, and only unfinished runs are of interest.
    is_final: bool,
}

/// How a pass requests its next page.
#[derive(Debug)]
enum Stage {
    /// No page has been taken. The next page begins `preceding` rows before the first one that the
    /// query's offset does not skip.
    ///
    /// Next: `Reading`, or `Start` with more preceding rows if all of them started in the same
    /// millisecond as that first one.
    Start { preceding: u64 },
    /// The next page overlaps with the last one and begins at this position.
    ///
    /// Next: `Reading` if the page continues the pass, or `ReadingTies` if the runs of one
    /// millisecond fill it. If the list has changed, `Anchored` or `SteppingBack`, or `Start` if
    /// no run had a start.
    Reading(Position),
    /// The pass continues at a start. The next page has this start as its anchor.
    ///
    /// Next: `Reading`.
    Anchored { reached: DateTime<Utc> },
    /// The pass continues at a start, and the service ignores anchors. The next page begins at an
    /// offset that is expected to lie before this start.
    ///
    /// Next: `Reading` if it does, or `SteppingBack` to `step` rows earlier if it does not.
    SteppingBack {
        offset: Offset,
        step: u64,
        reached: DateTime<Utc>,
    },
    /// The runs of one millisecond do not fit on a page. The pass reads them on their own.
    ///
    /// Next: `Anchored` behind them, or `Reading` as before if the service ignores bounds.
    ReadingTies(TieWindow),
    /// A page had no new row, but `total` promises more. The next request is for the one row at
    /// `offset`, behind that page.
    ///
    /// Next: the stage before, to request that page again.
    Probing { offset: Offset, from: Box<Stage> },
}

/// What the rows at the end of the list have shown, since the last new row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Probe {
    /// There was no reason for a probe.
    #[default]
    NotSent,
    /// There is no row behind the last one. If the page has no new row again, the list has ended.
    FoundNothing,
    /// A row follows the last one, as this number of probes in a row found. It may have been added
    /// and deleted since. If it stays and no page has it, it cannot be read.
    FoundMore { times: u32 },
}

/// The rows to hand out of a page, and the next state. After an error, the walk is over.
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
    /// A walk that continues after `cursor`, which belongs to this query.
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

    /// What has happened so far.
    pub(crate) fn incidents(&self) -> Incidents {
        self.incidents
    }

    /// How many runs are to be read again.
    pub(crate) fn unfinished(&self) -> usize {
        self.cursor.unfinished()
    }

    /// What to do next.
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

    /// Takes the response to `request` and returns which of its rows to hand out. None of them are
    /// if the list has changed: the next request finds the position again.
    ///
    /// # Errors
    ///
    /// [`WalkError`] if the walk cannot continue. It is over then.
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

    /// Begins another pass, after [`Next::Wait`].
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
}

#[cfg(test)]
mod tests;
