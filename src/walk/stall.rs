//! Whether a walk makes progress.
//!
//! The list may change at any request, and a page may continue the one before and yet have no new
//! row. Both are normal for a while. A walk that makes no progress for long ends with an error
//! instead of continuing without end.

use chrono::{DateTime, Utc};

use crate::cursor::Cursor;
use crate::direction::{Direction, Side};

/// How often in a row the list may change before the walk makes progress. At 30 requests a second
/// that takes about seven seconds.
pub(super) const MAX_STALLED_DRIFTS: u32 = 100;
/// How many pages in a row may have neither a new run nor a later start. If a service returns the
/// same rows in circles, each page continues the one before. If a million runs started at once, or
/// pages are small, there may be many such pages.
pub(super) const MAX_STALLED_PAGES: u32 = 1000;
/// How many pages in a row may be out of order. One may be read while rows change places.
pub(super) const MAX_UNSORTED_PAGES: u32 = 5;

/// What a walk has achieved. No part of it ever decreases, so the same rows again are no progress.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Achieved {
    rows: u64,
    watermark: Option<DateTime<Utc>>,
    max_unfinished: usize,
    /// The start that the pass has reached.
    reached: Option<DateTime<Utc>>,
}

/// What a walk has achieved, and how many pages and drifts there were since.
#[derive(Debug, Default)]
pub(super) struct StallGuard {
    achieved: Achieved,
    drifts: u32,
    pages: u32,
    unsorted: u32,
    /// The latest start that a page has shown since the pass last continued at a start.
    shown: Option<DateTime<Utc>>,
}

impl StallGuard {
    pub(super) fn new(cursor: &Cursor) -> Self {
        let mut guard = Self::default();
        guard.measure(cursor, None, Direction::Ascending);
        guard
    }

    /// Whether the pass has reached a start.
    pub(super) fn has_reached_any(&self) -> bool {
        self.achieved.reached.is_some()
    }

    /// Whether there were too many pages without progress.
    pub(super) fn is_stalled(&self) -> bool {
        self.pages >= MAX_STALLED_PAGES
    }

    /// A pass begins.
    pub(super) fn begin_pass(&mut self) {
        self.achieved.reached = None;
        self.reset_stall();
    }

    /// The pass continues at a start: rows before it will be seen again.
    pub(super) fn begin_seek(&mut self) {
        self.shown = None;
    }

    fn reset_stall(&mut self) {
        (self.drifts, self.pages) = (0, 0);
    }

    /// A sorted page has been taken. `reached` is the start that the pass has reached with it, and
    /// `shown` the start of its last row.
    pub(super) fn note_page(
        &mut self,
        cursor: &Cursor,
        reached: Option<DateTime<Utc>>,
        shown: Option<DateTime<Utc>>,
        direction: Direction,
    ) {
        self.unsorted = 0;
        self.measure(cursor, reached, direction);
        let Some(shown) = shown else { return };
        // Until the pass has reached that start again, pages of known rows are no circle.
        let is_later = |before| direction.side(shown, before) == Side::Beyond;
        if self.shown.is_none_or(is_later) {
            self.shown = Some(shown);
            self.pages = 0;
        }
    }

    fn measure(&mut self, cursor: &Cursor, reached: Option<DateTime<Utc>>, direction: Direction) {
        let before = self.achieved;
        let reached = reached.into_iter().chain(before.reached);
        let achieved = Achieved {
            rows: cursor.rows(),
            watermark: cursor.watermark(),
            max_unfinished: before.max_unfinished.max(cursor.unfinished()),
            reached: reached.reduce(|one, other| direction.later(one, other)),
        };
        if achieved == before {
            self.pages = (self.pages + 1).min(MAX_STALLED_PAGES);
        } else {
            self.achieved = achieved;
            self.reset_stall();
        }
    }

    /// The list has changed. Returns whether the walk may continue.
    pub(super) fn note_drift(&mut self) -> bool {
        if self.drifts == MAX_STALLED_DRIFTS {
            return false;
        }
        self.drifts += 1;
        true
    }

    /// A page is out of order. Returns whether the walk may continue.
    pub(super) fn note_unsorted(&mut self) -> bool {
        self.unsorted += 1;
        self.unsorted < MAX_UNSORTED_PAGES
    }
}
