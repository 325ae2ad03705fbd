//! Whether a walk gets on, or only sends requests.
//!
//! The list may move at any request, and each page may follow the one before and yet bring
//! nothing: both are normal for a while. A walk that comes no further for long is an error, and
//! not one that goes on for ever.

use chrono::{DateTime, Utc};

use super::{Behind, Direction, MOST_FRUITLESS_PAGES, Side, Walk};
use crate::cursor::Cursor;
use crate::decode::Page;

/// How far a walk has come. None of it gets less, so it cannot come further without end on the
/// same rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    rows: u64,
    watermark: Option<DateTime<Utc>>,
    most_unfinished: usize,
}

impl Progress {
    pub(super) fn of(cursor: &Cursor) -> Self {
        Self {
            rows: cursor.rows(),
            watermark: cursor.watermark(),
            most_unfinished: cursor.unfinished(),
        }
    }

    fn and(self, before: Self) -> Self {
        Self {
            most_unfinished: self.most_unfinished.max(before.most_unfinished),
            ..self
        }
    }
}

impl Behind {
    /// The start that the pass has come to: what lies before it, no other need look for.
    pub(super) fn reached(&self, direction: Direction) -> DateTime<Utc> {
        let target = self.target;
        self.shown
            .map_or(target, |shown| direction.later(target, shown))
    }
}

impl Walk {
    /// The walk has come further: whatever goes wrong from now on is counted anew.
    pub(super) fn come_further(&mut self) {
        self.fruitless_drifts = 0;
        self.fruitless_pages = 0;
    }

    /// A page has been taken: looks whether it has brought something.
    pub(super) fn measure_progress(&mut self) {
        let progress = Progress::of(&self.cursor).and(self.progress);
        if progress == self.progress {
            self.fruitless_pages = (self.fruitless_pages + 1).min(MOST_FRUITLESS_PAGES);
        } else {
            self.progress = progress;
            self.come_further();
        }
    }

    /// How far a pass has come with this page, if it is not beyond the watermark that it began
    /// behind of.
    pub(super) fn still_behind(&mut self, behind: Behind, page: &Page) -> Option<Behind> {
        let direction = self.memory.direction;
        let starts = page.entries().filter_map(|entry| entry.start);
        let shown = starts.chain(behind.shown);
        let shown = shown.reduce(|one, other| direction.later(one, other));
        let after = Behind { shown, ..behind };
        let reached = after.reached(direction);
        if direction.side(reached, behind.watermark) == Side::Beyond {
            return None;
        }
        if shown != behind.shown {
            self.fruitless_pages = 0;
        }
        // What lies before the target, the pass has seen before, and sees again whenever the
        // list moves.
        if reached != behind.reached(direction) {
            self.fruitless_drifts = 0;
        }
        Some(after)
    }
}
