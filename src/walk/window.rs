//! Reading the runs of a few milliseconds on their own, if they do not fit on one page.
//!
//! The service may list runs of one millisecond in another order in each response, so no page
//! says which of them the next page has. The window is read from its first row to its last again
//! and again, until as many IDs have been seen as it has rows. If the order does not change, one
//! pass is enough. If it is another one in each response, a window of `n` pages takes about
//! `ln(rows) / -ln(1 - 1 / n)` passes.
//!
//! If runs are deleted meanwhile, the number of rows changes and counting starts again. If the
//! service's number is wrong, a pass without a new ID has to confirm the end. Only then, if runs
//! change places and are deleted too, may one be missed.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::position::Position;
use super::response::{is_full, promises_more};
use super::{PageRequest, Pass, Stage, State, Transition, Walk, WalkError};
use crate::direction::{Millisecond, Side, is_finer};
use crate::limits::MAX_PAGE_SIZE;
use crate::page::Page;
use crate::run::Id;

/// How many passes a window may take. The probability that none of them shows a run that stays is
/// less than `e⁻¹⁰⁰`. More passes are needed only if runs are added and deleted all the time.
const MAX_PASSES: u32 = 100;

/// How many rows a pass may show beyond twice the number of IDs: a service that ignores the offset
/// returns the same rows without end.
const MAX_REPEATED_ROWS: usize = 2000;

/// A window in time, and how far it has been read.
#[derive(Debug, Clone)]
pub(super) struct Window {
    /// Its bounds, both inclusive, in the direction of the walk.
    first: DateTime<Utc>,
    last: DateTime<Utc>,
    offset: u64,
    /// How many rows this pass has shown, without those that were twice on one page.
    rows: usize,
    /// The runs seen since the number of rows last changed.
    seen: HashSet<Id>,
    total: Option<u64>,
    /// Whether this pass has shown a new ID.
    has_new: bool,
    passes: u32,
}

/// How much of a window has been seen after a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coverage {
    /// More pages are needed.
    Partial,
    /// Every run has been seen.
    Whole,
}

impl Window {
    pub(super) fn new(millisecond: Millisecond) -> Self {
        Self {
            first: millisecond.first,
            last: millisecond.last,
            offset: 0,
            rows: 0,
            seen: HashSet::new(),
            total: None,
            has_new: false,
            passes: 0,
        }
    }

    /// The next request. Its limit is the largest one, whatever the page size of the walk.
    pub(super) fn request(&self) -> PageRequest {
        let range = (self.first, self.last);
        PageRequest::window(range, self.offset, u64::from(MAX_PAGE_SIZE))
    }

    /// The runs that have been seen.
    pub(super) fn seen(&self) -> &HashSet<Id> {
        &self.seen
    }

    /// Takes the response to [`request`](Self::request).
    ///
    /// # Errors
    ///
    /// [`WalkError::Stalled`] if page after page has the same runs, [`WalkError::Unstable`] if runs
    /// are added and deleted all the time.
    pub(super) fn take(
        &mut self,
        request: PageRequest,
        page: &Page,
    ) -> Result<Coverage, WalkError> {
        let total = page.total;
        if self.total.is_some() && self.total != total {
            self.seen.clear();
        }
        self.total = total;
        let ids: HashSet<_> = page.entries().map(|entry| entry.id).collect();
        self.rows += ids.len();
        for id in ids {
            self.has_new |= self.seen.insert(id.clone());
        }
        if self.rows > 2 * self.seen.len() + MAX_REPEATED_ROWS {
            let offset = request.offset();
            return Err(WalkError::Stalled { offset });
        }
        let rows = page.row_count() as u64;
        self.offset = request.offset() + rows;
        let is_end = rows == 0 || !is_full(request, page) && !promises_more(request, page);
        if !is_end {
            return Ok(Coverage::Partial);
        }
        let is_confirmed = total == Some(self.offset) || !self.has_new;
        let is_whole = self.seen.len() >= self.rows && is_confirmed;
        (self.offset, self.rows, self.has_new) = (0, 0, false);
        self.passes += 1;
        match (is_whole, self.passes) {
            (true, _) => Ok(Coverage::Whole),
            (false, ..MAX_PASSES) => Ok(Coverage::Partial),
            (false, _) => Err(WalkError::Unstable),
        }
    }
}

/// The runs of one start, which fill a page.
#[derive(Debug)]
pub(super) struct TieWindow {
    start: DateTime<Utc>,
    window: Window,
    /// Where the pass was when it met them.
    position: Position,
}

impl TieWindow {
    pub(super) fn new(start: DateTime<Utc>, millisecond: Millisecond, position: Position) -> Self {
        Self {
            start,
            window: Window::new(millisecond),
            position,
        }
    }

    pub(super) fn request(&self) -> PageRequest {
        self.window.request()
    }
}

impl Walk {
    /// Takes a page of a millisecond that is read on its own.
    pub(super) fn take_ties(
        &mut self,
        mut pass: Pass,
        mut ties: TieWindow,
        request: PageRequest,
        page: &Page,
    ) -> Transition {
        let direction = self.direction();
        if request.is_violated_by(page, direction) {
            self.service.ignores_anchors = true;
            return Ok(pass.skip_page(Stage::Reading(ties.position)));
        }
        let is_tie = |start| direction.side(start, ties.start) == Side::Same;
        let mut selection = self.select(page, 0, page.row_count(), |entry, is_beyond| {
            // A run that started a millisecond later is read with its own millisecond.
            let is_tie = entry.start.is_some_and(is_tie);
            is_tie.then(|| self.seen_state(entry, is_beyond)).flatten()
        });
        self.service.has_finer_starts |= selection.has_finer_starts;
        let coverage = ties.window.take(request, page)?;
        let behind = self.millisecond(ties.start).behind;
        let behind = behind.filter(|behind| self.query.spans(Some(*behind)));
        let is_last = coverage == Coverage::Whole && behind.is_none();
        let missing = self.note_seen(&mut pass, page, is_last);
        selection.updates.extend(missing);
        self.apply(&selection, page);
        self.estimated_offset += selection.updates.len() as u64;
        let state = match (coverage, behind) {
            _ if self.remaining() == 0 => State::Done,
            (Coverage::Partial, _) => State::InPass(pass, Stage::ReadingTies(ties)),
            (Coverage::Whole, None) => self.end_pass(&pass, page.clocks),
            (Coverage::Whole, Some(behind)) => {
                self.note_progress(Some(behind), None);
                let stage = self.seek(behind);
                State::InPass(pass, stage)
            }
        };
        Ok((selection, state))
    }

    /// Where the runs of one millisecond lie, and where the list continues behind them.
    pub(super) fn millisecond(&self, start: DateTime<Utc>) -> Millisecond {
        let has_finer_starts = self.service.has_finer_starts || is_finer(start);
        self.direction().millisecond(start, has_finer_starts)
    }
}
