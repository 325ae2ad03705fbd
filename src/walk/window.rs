//! Reading the runs of a few milliseconds whole, where they do not fit on one page.
//!
//! The service may list runs of one millisecond in another order in each response, so no page
//! says which of them come on the next one. The window is read from its beginning to its end
//! again and again, until as many IDs have been seen as it has rows. If the order stands still,
//! one pass is enough. If it is another one in each response, a window of `n` pages takes about
//! `ln(rows) / -ln(1 - 1 / n)` passes.
//!
//! If runs are deleted meanwhile, the number of rows changes, and counting begins anew. Where the
//! service's number is wrong, a pass without a new ID has to confirm the end. Only there, if runs
//! change places and are deleted too, may one be missed.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::{
    Broken, PageRequest, Selection, Side, State, Walk, is_full, is_out_of_bounds, promises_more,
};
use crate::direction::{Millisecond, is_finer};
use crate::limits::MAX_PAGE_SIZE;
use crate::page::Page;
use crate::run::Id;

/// How many passes a window may take. A run that stays is not seen in any of them with a
/// probability of less than `e⁻¹⁰⁰`; more are needed only where runs come and go all the time.
const MAX_PASSES: u32 = 100;

/// How many rows a pass may show beyond twice as many as there are IDs: a service that does not
/// heed the offset shows the same ones for ever.
const MAX_REPEATED_ROWS: usize = 2000;

/// A window in time, and how far it has been read.
#[derive(Debug, Clone)]
pub(super) struct Window {
    /// Its bounds, both inclusive, in the direction of the walk.
    first: DateTime<Utc>,
    last: DateTime<Utc>,
    offset: u64,
    /// How many rows this pass has shown, without those that came twice on one page.
    rows: usize,
    /// What has been seen since the number of rows last changed.
    seen: HashSet<Id>,
    total: Option<u64>,
    /// Whether this pass has shown an ID that was not known before.
    has_new: bool,
    passes: u32,
}

/// What is known of a window after a page.
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

    /// The next page: a full one, whatever the page size of the walk.
    pub(super) fn request(&self) -> PageRequest {
        PageRequest {
            anchor: Some(self.first),
            until: Some(self.last),
            ..PageRequest::rows(self.offset, u64::from(MAX_PAGE_SIZE))
        }
    }

    /// Whether a run has been seen.
    pub(super) fn has_seen(&self, id: &Id) -> bool {
        self.seen.contains(id)
    }

    /// Takes the page that was asked for.
    ///
    /// # Errors
    ///
    /// [`Broken::Stalled`] if the same runs come on page after page, [`Broken::Unstable`] if runs
    /// come and go all the time.
    pub(super) fn take(&mut self, request: PageRequest, page: &Page) -> Result<Coverage, Broken> {
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
            let offset = request.offset;
            return Err(Broken::Stalled { offset });
        }
        let rows = page.row_count() as u64;
        self.offset = request.offset + rows;
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
            (false, _) => Err(Broken::Unstable),
        }
    }
}

impl Walk {
    /// Takes a page of a millisecond that is read by itself.
    pub(super) fn take_window(
        &mut self,
        request: PageRequest,
        page: &Page,
    ) -> Result<Selection, Broken> {
        let direction = self.memory.direction;
        let state = std::mem::replace(&mut self.state, State::Done);
        let State::ReadingWindow {
            mut window,
            reached,
            from,
        } = state
        else {
            return Ok(Selection::default());
        };
        if is_out_of_bounds(request, page, direction) {
            self.ignores_anchors = true;
            self.state = State::Reading(from);
            return Ok(Selection::default());
        }
        let is_here = |start| direction.side(start, reached) == Side::Same;
        let mut taken = self.select(page, 0, page.row_count(), |entry, is_beyond| {
            // What started a millisecond later comes when its own is read.
            let is_here = entry.start.is_some_and(is_here);
            is_here
                .then(|| self.what_is_known(entry, is_beyond))
                .flatten()
        });
        self.has_finer_starts |= taken.has_finer_starts;
        let coverage = window.take(request, page)?;
        let behind = self.millisecond(reached).behind;
        let behind = behind.filter(|behind| self.query.spans(Some(*behind)));
        let is_last = coverage == Coverage::Whole && behind.is_none();
        let seen = self.see(page, is_last);
        taken.steps.extend(seen);
        self.note(&taken, page);
        self.position += taken.steps.len() as u64;
        match (coverage, behind) {
            _ if self.remaining() == 0 => self.end_pass(page.clocks),
            (Coverage::Partial, _) => {
                self.state = State::ReadingWindow {
                    window,
                    reached,
                    from,
                };
            }
            (Coverage::Whole, None) => self.end_pass(page.clocks),
            (Coverage::Whole, Some(behind)) => {
                self.measure_progress(Some(behind), None);
                self.go_to(behind);
            }
        }
        Ok(taken)
    }

    /// Where the runs of one millisecond lie, and where the list goes on behind them.
    pub(super) fn millisecond(&self, start: DateTime<Utc>) -> Millisecond {
        let direction = self.memory.direction;
        direction.millisecond(start, self.has_finer_starts || is_finer(start))
    }
}
