//! Which rows of a page are handed out, and what each does to the cursor.

use std::collections::HashMap;
use std::ops::Range;

use chrono::{DateTime, Utc};

use super::{Direction, Side, Walk};
use crate::cursor::{CursorUpdate, Disposition};
use crate::direction::is_finer;
use crate::emit::{Emit, SeenState};
use crate::page::{Entry, Page};

/// What to do with the rows of an answer.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// Hand out these, counted over all rows of the page, readable or not, from the first one
    /// that is handed out …
    pub(crate) rows: Range<usize>,
    /// … but not these among them, in ascending order.
    pub(crate) left_out: Vec<usize>,
    /// What the rows do to the cursor, in their order.
    pub(crate) steps: Vec<CursorUpdate>,
    /// How many of those left out had been dealt with before.
    pub(super) duplicates: u64,
    /// How many of those handed out appeared behind the watermark.
    pub(super) late: u64,
    /// Whether a row started before the one in front of it.
    pub(super) is_unsorted: bool,
    /// Whether a start has digits beyond the millisecond.
    pub(super) has_finer_starts: bool,
}

impl Selection {
    /// Whether the row at this index of the page is to be handed out.
    pub(crate) fn includes(&self, index: usize) -> bool {
        self.rows.contains(&index) && self.left_out.binary_search(&index).is_err()
    }

    /// How many rows to hand out.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.rows.len() - self.left_out.len()
    }
}

/// The order of the rows seen so far.
struct Order {
    direction: Direction,
    last: Option<DateTime<Utc>>,
    is_unsorted: bool,
    has_finer_starts: bool,
}

impl Order {
    fn new(direction: Direction) -> Self {
        Self {
            direction,
            last: None,
            is_unsorted: false,
            has_finer_starts: false,
        }
    }

    #[inline]
    fn see(&mut self, start: Option<DateTime<Utc>>) {
        let Some(start) = start else { return };
        self.has_finer_starts |= is_finer(start);
        let is_before = |last| self.direction.side(start, last) == Side::Before;
        self.is_unsorted |= self.last.is_some_and(is_before);
        self.last = Some(start);
    }
}

impl Walk {
    /// Decides what to do with the rows of a page from `from` on. Rows before `overlap` have been
    /// read before, and count as no duplicates. `known` says what is known of a run, and `None` if
    /// its row is of no interest; it is told whether the run lies beyond the watermark.
    pub(super) fn select(
        &self,
        page: &Page,
        from: usize,
        overlap: usize,
        known: impl Fn(&Entry<'_>, bool) -> Option<SeenState>,
    ) -> Selection {
        let mut left = self.remaining();
        let takes_all = self.takes_all();
        let mut taken = Selection {
            rows: from..from,
            steps: Vec::with_capacity(page.row_count().saturating_sub(from)),
            ..Selection::default()
        };
        // Rows of this page that are dealt with here: while the service looks its list through, a
        // run may get its start and come behind it again. The finish they had is kept.
        let mut undated = HashMap::new();
        let mut order = Order::new(self.memory.direction);
        for entry in page.entries().take(from) {
            order.see(entry.start);
        }
        for (index, entry) in page.entries().enumerate().skip(from) {
            if left == 0 {
                break;
            }
            taken.rows.end = index + 1;
            order.see(entry.start);
            let is_beyond = self.is_beyond(&entry);
            let mut known = known(&entry, is_beyond);
            if !undated.is_empty()
                && let Some(&finished_at) = undated.get(entry.id)
            {
                known = entry.start.map(|_| SeenState::Closed { finished_at });
            }
            let is_new = known == Some(SeenState::New) && entry.start.is_some();
            if takes_all && is_new && self.query.spans(entry.start) {
                // What is below comes to the same for nearly every row there is, and takes
                // longer.
                left -= 1;
                taken.late += u64::from(!is_beyond && self.is_late(&entry));
                taken
                    .steps
                    .push(CursorUpdate::hand_out(entry.id, entry.start));
                continue;
            }
            let step = known.and_then(|known| self.step(&entry, known, page));
            if let Some(step) = step.as_ref().filter(|step| step.hand_out) {
                // Rows that cannot be read may look alike, and are each an error of their own.
                if step.start.is_none() && entry.run.is_some() {
                    undated.insert(entry.id, step.finished_at);
                }
                left -= 1;
                taken.late += u64::from(known == Some(SeenState::New) && self.is_late(&entry));
            } else {
                if taken.rows.start == index {
                    taken.rows.start = index + 1;
                } else {
                    taken.left_out.push(index);
                }
                let is_repeated = index >= overlap && known != Some(SeenState::New);
                taken.duplicates += u64::from(is_repeated);
            }
            taken.steps.extend(step);
        }
        taken.is_unsorted = order.is_unsorted;
        taken.has_finer_starts = order.has_finer_starts;
        taken
    }

    /// Whether a run started beyond the watermark.
    #[inline]
    fn is_beyond(&self, entry: &Entry<'_>) -> bool {
        let Some(start) = entry.start else {
            return false;
        };
        let watermark = self.cursor.watermark();
        watermark.is_none_or(|mark| self.memory.direction.side(start, mark) == Side::Beyond)
    }

    /// What is known of a run, or `None` if its row is of no interest: it lies where the cursor
    /// has forgotten what it dealt with, or has lost its start.
    #[inline]
    pub(super) fn what_is_known(&self, entry: &Entry<'_>, is_beyond: bool) -> Option<SeenState> {
        let Some(start) = entry.start else {
            let is_new = self.cursor.known(entry.id) == SeenState::New;
            return is_new.then_some(SeenState::New);
        };
        if is_beyond && !self.cursor.knows_strays() {
            return Some(SeenState::New);
        }
        let known = self.cursor.known(entry.id);
        let is_forgotten = self.cursor.has_forgotten(start, self.memory.direction);
        (known != SeenState::New || !is_forgotten).then_some(known)
    }

    /// Whether each new row is handed out and dealt with, whatever is in it.
    fn takes_all(&self) -> bool {
        let emit = self.rules.emit;
        emit == Emit::Snapshot && !self.query.has_filter() && !self.cursor.knows_strays()
    }

    fn is_late(&self, entry: &Entry<'_>) -> bool {
        let (Some(start), Some(watermark)) = (entry.start, self.cursor.watermark()) else {
            return false;
        };
        self.memory.direction.side(start, watermark) == Side::Before
    }

    /// What a row does to the cursor, if anything.
    #[inline]
    fn step(&self, entry: &Entry<'_>, known: SeenState, page: &Page) -> Option<CursorUpdate> {
        let mut step = CursorUpdate::hand_out(entry.id, entry.start);
        if !self.query.spans(entry.start) {
            // The service ignores bounds, or a split ends here: the walk passes over the row.
            step.hand_out = false;
            return (known == SeenState::New).then_some(step);
        }
        let Some(run) = entry.run else {
            return (known == SeenState::New).then_some(step);
        };
        let emit = self.rules.emit;
        let is_wanted = self.query.wants(&run.status);
        let verdict = emit.judge(run, known, is_wanted, || {
            self.settling.is_over(run, page.clocks)
        });
        step.hand_out = verdict.hand_out;
        match verdict.open {
            Some(open) => step.then = Disposition::Open(open),
            None if emit != Emit::Snapshot => step.finished_at = run.finished_at,
            None => {}
        }
        let changes_nothing = match (known, step.then) {
            // Without a start there is no way to find it again: it will come with one.
            _ if entry.start.is_none() => true,
            _ if self.cursor.knows_undated(entry.id) => false,
            (SeenState::Closed { .. }, Disposition::Close) => true,
            (SeenState::Open(before), Disposition::Open(after)) => before == after,
            _ => false,
        };
        (step.hand_out || !changes_nothing).then_some(step)
    }

    /// Moves on over the rows of a page.
    pub(super) fn note(&mut self, taken: &Selection, page: &Page) {
        self.cursor.advance(&taken.steps, &self.memory);
        self.see_finishes(page);
        self.incidents.duplicates += taken.duplicates;
        self.incidents.late += taken.late;
    }
}
