//! Where the next page begins.

use chrono::{DateTime, Utc};

use super::offset::{Offset, Rebase};
use crate::direction::{Direction, Side};
use crate::page::Page;
use crate::run::Id;

/// Where the next page begins, and what its first row has to be.
#[derive(Debug, Clone)]
pub(super) struct Position {
    pub(super) next: Offset,
    /// How many rows from there on have been read.
    pub(super) overlap: u64,
    /// Where the list ends, if the service says so.
    pub(super) list_end: Option<Offset>,
    /// The start that the pass has reached: the first row has to have started before it.
    pub(super) reached: Option<DateTime<Utc>>,
    /// The first row itself, if it has no start.
    pub(super) undated: Option<Id>,
    /// Whether the next page begins where the last one did: it has to be longer.
    pub(super) is_stuck: bool,
    /// The change to the anchor of `next`. Pages in flight are still counted from the one before.
    pub(super) rebase: Option<Rebase>,
}

impl Position {
    /// The position after a page that begins at `offset`. `None` if the page is empty.
    ///
    /// `reached` is the start that the pass had reached before the page, and `rebase` the change
    /// to the anchor that the pass counts from.
    pub(super) fn after(
        page: &Page,
        offset: Offset,
        rebase: Option<Rebase>,
        reached: Option<DateTime<Utc>>,
        direction: Direction,
    ) -> Option<Self> {
        let first = offset.rebased(rebase);
        let rows = page.row_count();
        let start = |index: usize| page.entry(index).and_then(|entry| entry.start);
        let last_dated = (0..rows).rev().find(|index| start(*index).is_some());
        let shown = last_dated.and_then(start);
        let later = |one, other| direction.later(one, other);
        let reached = reached.into_iter().chain(shown).reduce(later);
        // The next page begins with the last row that started before what has been reached.
        let is_before = |start| reached.map(|reached| direction.side(start, reached));
        let is_front = |index: &usize| start(*index).and_then(is_before) == Some(Side::Before);
        let front = (0..rows).rev().find(is_front);
        // If there is none, it begins with the last row without a start in front of the others.
        let first_dated = || (0..rows).find(|index| start(*index).is_some());
        let front = front.or_else(|| first_dated()?.checked_sub(1)).unwrap_or(0);
        // If rows without a start fill the rest of the page, it begins with the last of them.
        let is_undated = last_dated.is_none_or(|last| front == 0 && last + 1 < rows);
        let index = if is_undated {
            rows.checked_sub(1)?
        } else {
            front
        };
        let entry = page.entry(index)?;
        let rows_behind = |total: u64| total.saturating_sub(offset.rows());
        Some(Self {
            next: first + index as u64,
            overlap: (rows - index) as u64,
            list_end: page.total.map(|total| first + rows_behind(total)),
            reached,
            undated: entry.start.is_none().then(|| entry.id.clone()),
            is_stuck: index == 0,
            rebase,
        })
    }

    /// Where the rows end that have been read.
    pub(super) fn end(&self) -> Offset {
        self.next + self.overlap
    }

    /// How many rows have been read from `offset` on. The offset may be counted from the anchor
    /// before the last change.
    pub(super) fn rows_read_from(&self, offset: Offset) -> u64 {
        let offset = offset.rebased(self.rebase);
        self.end().rows_since(offset).unwrap_or(0)
    }

    /// Counts from the start of the row that the next page begins with, and returns whether that
    /// is possible: the page has to show every row that started in the same millisecond.
    pub(super) fn anchor_at_next(&mut self, page: &Page, direction: Direction) -> bool {
        let overlap = usize::try_from(self.overlap).unwrap_or(usize::MAX);
        let index = page.row_count().saturating_sub(overlap);
        let Some(start) = page.entry(index).and_then(|entry| entry.start) else {
            return false;
        };
        let is_tie = |index: &usize| {
            let other = page.entry(*index).and_then(|entry| entry.start);
            other.is_none_or(|other| direction.side(other, start) == Side::Same)
        };
        let ties = (0..index).rev().take_while(is_tie).count();
        if ties == index {
            return false;
        }
        let anchor = direction.bound_before(start);
        let rebase = Rebase::new(self.next, Offset::new(Some(anchor), ties as u64));
        self.rebase = Some(rebase);
        self.next = self.next.rebased(self.rebase);
        self.list_end = self.list_end.map(|end| end.rebased(self.rebase));
        true
    }
}
