//! Which rows of a page are handed out, and what each does to the cursor.

use std::collections::HashMap;
use std::ops::Range;

use chrono::{DateTime, Utc};

use super::Walk;
use crate::cursor::{CursorUpdate, Disposition};
use crate::direction::{Direction, Side, is_finer};
use crate::emit::{Emit, SeenState};
use crate::page::{Entry, Page};

/// What to do with the rows of a response.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// The rows from the first to the last one that is handed out. They are counted over all rows
    /// of the page, readable or not.
    pub(crate) rows: Range<usize>,
    /// Those among them that are not handed out, in ascending order.
    pub(crate) skipped: Vec<usize>,
    /// What the rows do to the cursor, in their order.
    pub(crate) updates: Vec<CursorUpdate>,
    /// How many of the skipped rows had been processed before.
    pub(super) duplicates: u64,
    /// How many rows that are handed out appeared behind the watermark.
    pub(super) late: u64,
    /// Whether a row started before the one in front of it.
    pub(super) is_unsorted: bool,
    /// Whether a start has digits beyond the millisecond.
    pub(super) has_finer_starts: bool,
}

impl Selection {
    /// Whether the row at this index of the page is to be handed out.
    pub(crate) fn includes(&self, index: usize) -> bool {
        self.rows.contains(&index) && self.skipped.binary_search(&index).is_err()
    }

    /// How many rows to hand out.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.rows.len() - self.skipped.len()
    }

    /// The last row so far is not handed out.
    fn skip(&mut self, index: usize) {
        if self.rows.start == index {
            self.rows.start = index + 1;
        } else {
            self.skipped.push(index);
        }
    }
}

/// The order of the rows so far.
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
    fn note(&mut self, start: Option<DateTime<Utc>>) {
        let Some(start) = start else { return };
        self.has_finer_starts |= is_finer(start);
        let is_before = |last| self.direction.side(start, last) == Side::Before;
        self.is_unsorted |= self.last.is_some_and(is_before);
        self.last = Some(start);
    }
}

impl Walk {
    /// Selects the rows of a page from `from` on. Rows before `overlap` have been read before, and
    /// do not count as duplicates.
    ///
    /// `seen` returns what is known of a run, or `None` if its row is to be ignored. Its second
    /// argument is whether the run started beyond the watermark.
    pub(super) fn select(
        &self,
        page: &Page,
        from: usize,
        overlap: usize,
        seen: impl Fn(&Entry<'_>, bool) -> Option<SeenState>,
    ) -> Selection {
        let mut remaining = self.remaining();
        let takes_all = self.takes_all();
        let mut selection = Selection {
            rows: from..from,
            updates: Vec::with_capacity(page.row_count().saturating_sub(from)),
            ..Selection::default()
        };
        // Runs without a start that this page has handed out, and the finish they had. While the
        // service reads its list, a run may get its start, and appear on the page again.
        let mut undated = HashMap::new();
        let mut order = Order::new(self.direction());
        for entry in page.entries().take(from) {
            order.note(entry.start);
        }
        for (index, entry) in page.entries().enumerate().skip(from) {
            if remaining == 0 {
                break;
            }
            selection.rows.end = index + 1;
            order.note(entry.start);
            let is_beyond = self.is_beyond(&entry);
            let mut seen = seen(&entry, is_beyond);
            if !undated.is_empty()
                && let Some(&finished_at) = undated.get(entry.id)
            {
                seen = entry.start.map(|_| SeenState::Closed { finished_at });
            }
            let is_new = seen == Some(SeenState::New);
            if takes_all && is_new && entry.start.is_some() && self.query.spans(entry.start) {
                // The fast path. What is below does the same to nearly every row.
                remaining -= 1;
                selection.late += u64::from(!is_beyond && self.is_late(&entry));
                let update = CursorUpdate::hand_out(entry.id, entry.start);
                selection.updates.push(update);
                continue;
            }
            let update = seen.and_then(|seen| self.update(&entry, seen, page));
            if let Some(update) = update.as_ref().filter(|update| update.hand_out) {
                // Unreadable rows may be equal, and are each an error of their own.
                if entry.start.is_none() && entry.run.is_some() {
                    undated.insert(entry.id, update.finished_at);
                }
                remaining -= 1;
                selection.late += u64::from(is_new && self.is_late(&entry));
            } else {
                selection.skip(index);
                selection.duplicates += u64::from(index >= overlap && !is_new);
            }
            selection.updates.extend(update);
        }
        selection.is_unsorted = order.is_unsorted;
        selection.has_finer_starts = order.has_finer_starts;
        selection
    }

    /// Whether a run started beyond the watermark.
    #[inline]
    fn is_beyond(&self, entry: &Entry<'_>) -> bool {
        let Some(start) = entry.start else {
            return false;
        };
        let watermark = self.cursor.watermark();
        watermark.is_none_or(|mark| self.direction().side(start, mark) == Side::Beyond)
    }

    /// What is known of a run. `None` if its row is to be ignored: the run has lost its start, or
    /// the cursor no longer remembers which runs of that time have been processed.
    #[inline]
    pub(super) fn seen_state(&self, entry: &Entry<'_>, is_beyond: bool) -> Option<SeenState> {
        let Some(start) = entry.start else {
            let is_new = self.cursor.known(entry.id) == SeenState::New;
            return is_new.then_some(SeenState::New);
        };
        if is_beyond && !self.cursor.knows_strays() {
            return Some(SeenState::New);
        }
        let seen = self.cursor.known(entry.id);
        let is_forgotten = self.cursor.has_forgotten(start, self.direction());
        (seen != SeenState::New || !is_forgotten).then_some(seen)
    }

    /// Whether every new row is handed out and is final, whatever is in it.
    fn takes_all(&self) -> bool {
        let emit = self.rules.emit;
        emit == Emit::Snapshot && !self.query.has_filter() && !self.cursor.knows_strays()
    }

    fn is_late(&self, entry: &Entry<'_>) -> bool {
        let (Some(start), Some(watermark)) = (entry.start, self.cursor.watermark()) else {
            return false;
        };
        self.direction().side(start, watermark) == Side::Before
    }

    /// What a row does to the cursor, if anything.
    #[inline]
    fn update(&self, entry: &Entry<'_>, seen: SeenState, page: &Page) -> Option<CursorUpdate> {
        let mut update = CursorUpdate::hand_out(entry.id, entry.start);
        if !self.query.spans(entry.start) {
            // The service ignores bounds, or a part of a split ends here.
            update.hand_out = false;
            return (seen == SeenState::New).then_some(update);
        }
        let Some(run) = entry.run else {
            return (seen == SeenState::New).then_some(update);
        };
        let emit = self.rules.emit;
        let is_wanted = self.query.wants(&run.status);
        let verdict = emit.judge(run, seen, is_wanted, || {
            self.settling.is_over(run, page.clocks)
        });
        update.hand_out = verdict.hand_out;
        match verdict.open {
            Some(open) => update.disposition = Disposition::Open(open),
            None if emit != Emit::Snapshot => update.finished_at = run.finished_at,
            None => {}
        }
        let changes_nothing = match (seen, update.disposition) {
            // Without a start it cannot be found again. It is processed when it has one.
            _ if entry.start.is_none() => true,
            _ if self.cursor.knows_undated(entry.id) => false,
            (SeenState::Closed { .. }, Disposition::Close) => true,
            (SeenState::Open(before), Disposition::Open(after)) => before == after,
            _ => false,
        };
        (update.hand_out || !changes_nothing).then_some(update)
    }

    /// Moves the cursor over the rows of a page.
    pub(super) fn apply(&mut self, selection: &Selection, page: &Page) {
        self.cursor.advance(&selection.updates, &self.retention);
        self.settling.note_finishes(page, &self.cursor);
        self.incidents.duplicates += selection.duplicates;
        self.incidents.late += selection.late;
    }
}
