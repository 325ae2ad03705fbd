//! Where the next page begins, and whether it can be read like the ones before.

use chrono::{DateTime, Utc};

use super::read_ahead::Rebase;
use super::window::Window;
use super::{PageRequest, Side, State, Walk};
use crate::limits::MAX_PAGE_SIZE;
use crate::page::Page;
use crate::run::Id;

/// Where the next page begins. Offsets are counted from the anchor.
#[derive(Debug, Clone)]
pub(super) struct Position {
    pub(super) anchor: Option<DateTime<Utc>>,
    pub(super) offset: u64,
    /// Where the rows end that have been read.
    pub(super) end: u64,
    /// How many rows there are, if the service says so.
    pub(super) total: Option<u64>,
    /// The start that the walk has reached: the page has to begin with a row from before.
    pub(super) reached: Option<DateTime<Utc>>,
    /// The row that it begins with instead, if that has no start.
    pub(super) undated: Option<Id>,
    /// Whether it begins where the last one did: it has to be larger.
    pub(super) is_stuck: bool,
}

/// How many rows the service puts on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageLength {
    /// As many as were asked for.
    AsAsked,
    /// So many the last time: nobody knows how many the next time.
    Short(u64),
    /// So many at most.
    Capped(u64),
}

impl Walk {
    /// Where the page after this one begins. `None` if the page is empty.
    pub(super) fn position_after(
        &self,
        request: PageRequest,
        page: &Page,
        reached: Option<DateTime<Utc>>,
    ) -> Option<Position> {
        let here = self.counted_from_here(request);
        let passed_over = request.offset - here.offset;
        let total = page.total;
        let (direction, rows) = (self.memory.direction, page.row_count());
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
        let first = page.entry(index)?;
        Some(Position {
            anchor: here.anchor,
            offset: here.offset + index as u64,
            end: here.offset + rows as u64,
            total: total.map(|total| total.saturating_sub(passed_over)),
            reached,
            undated: first.start.is_none().then(|| first.id.clone()),
            is_stuck: index == 0,
        })
    }

    /// Goes on behind a page that another one follows.
    pub(super) fn go_on(&mut self, request: PageRequest, page: &Page, mut position: Position) {
        let rows = page.row_count() as u64;
        self.page_length = match self.page_length {
            _ if rows >= request.limit => PageLength::AsAsked,
            _ if page.limit == Some(rows) => PageLength::Capped(rows),
            PageLength::Short(before) | PageLength::Capped(before) if before == rows => {
                PageLength::Capped(rows)
            }
            _ => PageLength::Short(rows),
        };
        self.learn_overlap(&position);
        if let Some(reached) = position.reached
            && self.needs_window(&position, request, page)
        {
            self.state = State::ReadingWindow {
                window: Window::new(self.millisecond(reached)),
                reached,
                from: position,
            };
            return;
        }
        // Pages in flight that are counted from the old anchor are no reason for another one.
        let is_deep = position.offset >= self.deep_offset && !position.is_stuck;
        if is_deep && self.counted_from_here(request) == request && !self.ignores_anchors {
            self.take_nearer_anchor(page, &mut position);
        }
        self.state = State::Reading(position);
    }

    /// Whether the runs of one millisecond fill the page, and a larger one is not to be had.
    pub(super) fn needs_window(
        &self,
        position: &Position,
        request: PageRequest,
        page: &Page,
    ) -> bool {
        let rows = page.row_count() as u64;
        let can_grow = rows >= request.limit && rows < u64::from(MAX_PAGE_SIZE);
        let is_stuck = position.is_stuck && position.reached.is_some();
        is_stuck && !can_grow && !self.ignores_anchors
    }

    /// Counts from the start of the row that the next page begins with.
    fn take_nearer_anchor(&mut self, page: &Page, position: &mut Position) {
        let direction = self.memory.direction;
        let first = position.end - page.row_count() as u64;
        let index = usize::try_from(position.offset - first).unwrap_or(usize::MAX);
        let Some(start) = page.entry(index).and_then(|entry| entry.start) else {
            return;
        };
        let is_before = |index: &usize| {
            let start_of = page.entry(*index).and_then(|entry| entry.start);
            start_of.is_none_or(|other| direction.side(other, start) == Side::Same)
        };
        // How many rows of the same start come before it: the page shows all of them, or the
        // next one begins with some that are known.
        let ties = (0..index).rev().take_while(is_before).count();
        let shows_all = ties < index;
        if !shows_all {
            return;
        }
        let ties = ties as u64;
        let by = position.offset - ties;
        self.incidents.reanchors += 1;
        let anchor = direction.bound_before(start);
        self.nearer = Some(Rebase {
            from: position.anchor,
            to: anchor,
            by,
        });
        position.anchor = Some(anchor);
        position.offset = ties;
        position.end -= by;
        position.total = position.total.map(|total| total.saturating_sub(by));
    }
}
