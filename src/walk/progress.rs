//! Whether a walk gets on, or only sends requests.
//!
//! The list may move at any request, and a page may follow the one before and yet bring nothing:
//! both are normal for a while. A walk that gets no further for long ends with an error, and does
//! not go on for ever.

use chrono::{DateTime, Utc};

use super::{Broken, Direction, PageRequest, Side, Walk};
use crate::cursor::Cursor;

/// How often in a row the list may move before the walk gets further. At 30 requests a second
/// that takes about seven seconds.
pub(super) const MAX_STALLED_DRIFTS: u32 = 100;
/// How many pages in a row may bring neither a new run nor a later start. Where a service reads
/// in circles, each page follows the one before; where a million runs started at once, or a page
/// is small, there may be many of them.
pub(super) const MAX_STALLED_PAGES: u32 = 1000;
/// How many pages in a row may be out of order. One may be read while rows change places.
pub(super) const MAX_UNSORTED_PAGES: u32 = 5;

/// What a walk has achieved. None of it gets less, so that the same rows again are no progress.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Achieved {
    rows: u64,
    watermark: Option<DateTime<Utc>>,
    max_unfinished: usize,
    /// The start that the pass has come to.
    reached: Option<DateTime<Utc>>,
}

/// How far a walk has come, and how often it has tried since.
#[derive(Debug, Default)]
pub(super) struct StallGuard {
    achieved: Achieved,
    drifts: u32,
    pages: u32,
    unsorted: u32,
    /// The latest start that a page has shown since the walk last set out for a place.
    shown: Option<DateTime<Utc>>,
}

impl StallGuard {
    pub(super) fn new(cursor: &Cursor) -> Self {
        let mut progress = Self::default();
        progress.measure(cursor, None, Direction::Ascending);
        progress
    }

    /// Whether the pass has reached a start.
    pub(super) fn has_reached_any(&self) -> bool {
        self.achieved.reached.is_some()
    }

    /// A pass begins.
    pub(super) fn begin_pass(&mut self) {
        self.achieved.reached = None;
        self.reset();
    }

    /// The walk sets out for a place: the rows before it will be seen again.
    pub(super) fn set_out(&mut self) {
        self.shown = None;
    }

    fn reset(&mut self) {
        (self.drifts, self.pages) = (0, 0);
    }

    /// A page has been taken: looks whether the walk has come further with it.
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
            self.reset();
        }
    }
}

impl Walk {
    /// A page has been taken. `reached` is the start that the pass has come to, and `shown` the
    /// start of the page's last row.
    pub(super) fn measure_progress(
        &mut self,
        reached: Option<DateTime<Utc>>,
        shown: Option<DateTime<Utc>>,
    ) {
        let direction = self.memory.direction;
        let progress = &mut self.progress;
        progress.unsorted = 0;
        progress.measure(&self.cursor, reached, direction);
        let Some(shown) = shown else { return };
        // On the way to a place, pages of rows that are known are no circle.
        let is_later = |before| direction.side(shown, before) == Side::Beyond;
        if progress.shown.is_none_or(is_later) {
            progress.shown = Some(shown);
            progress.pages = 0;
        }
    }

    /// Whether page after page has brought nothing.
    ///
    /// # Errors
    ///
    /// [`Broken::Stalled`] if so.
    pub(super) fn check_stall(&self, request: PageRequest) -> Result<(), Broken> {
        let offset = request.offset;
        match self.progress.pages < MAX_STALLED_PAGES {
            true => Ok(()),
            false => Err(Broken::Stalled { offset }),
        }
    }

    /// The list has moved.
    ///
    /// # Errors
    ///
    /// [`Broken::Unstable`] if it does so again and again before the walk gets further.
    pub(super) fn note_drift(&mut self) -> Result<(), Broken> {
        if self.progress.drifts == MAX_STALLED_DRIFTS {
            return Err(Broken::Unstable);
        }
        self.progress.drifts += 1;
        self.incidents.drifts += 1;
        Ok(())
    }

    /// A page is out of order.
    ///
    /// # Errors
    ///
    /// [`Broken::Unsorted`] if the ones before it were too.
    pub(super) fn note_unsorted(&mut self, request: PageRequest) -> Result<(), Broken> {
        self.progress.unsorted += 1;
        let offset = request.offset;
        match self.progress.unsorted < MAX_UNSORTED_PAGES {
            true => Ok(()),
            false => Err(Broken::Unsorted { offset }),
        }
    }
}
