//! Requests for pages.

use chrono::{DateTime, Utc};

use super::offset::Offset;
use crate::direction::{Direction, Side};
use crate::page::Page;

/// A request for a page: up to `limit` rows of some part of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageRequest {
    pub(super) part: Part,
    pub(super) limit: u64,
}

/// Which runs are requested, and where among them the page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The query's list, from an anchor on.
    List(Offset),
    /// The runs that started between two times, with any status. Both times are inclusive, and in
    /// the order of the walk.
    Window {
        first: DateTime<Utc>,
        last: DateTime<Utc>,
        offset: u64,
    },
    /// Every run in this direction, without the query's own times: a request with bounds does not
    /// show runs that have no start.
    Whole { direction: Direction, offset: u64 },
}

impl PageRequest {
    /// Rows of the query's list, counted from its first row.
    pub(crate) fn rows(offset: u64, limit: u64) -> Self {
        Self::list(Offset::new(None, offset), limit)
    }

    pub(super) fn list(offset: Offset, limit: u64) -> Self {
        let part = Part::List(offset);
        Self { part, limit }
    }

    pub(super) fn window(
        (first, last): (DateTime<Utc>, DateTime<Utc>),
        offset: u64,
        limit: u64,
    ) -> Self {
        let part = Part::Window {
            first,
            last,
            offset,
        };
        Self { part, limit }
    }

    pub(super) fn whole(direction: Direction, offset: u64, limit: u64) -> Self {
        let part = Part::Whole { direction, offset };
        Self { part, limit }
    }

    /// A request for the rows that follow the first `rows` of this one.
    pub(super) fn advanced_by(mut self, rows: u64) -> Self {
        match &mut self.part {
            Part::List(offset) => *offset = *offset + rows,
            Part::Window { offset, .. } | Part::Whole { offset, .. } => *offset += rows,
        }
        self
    }

    /// How many rows of the requested runs come before the page.
    pub(crate) fn offset(&self) -> u64 {
        match self.part {
            Part::List(offset) => offset.rows(),
            Part::Window { offset, .. } | Part::Whole { offset, .. } => offset,
        }
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// The bound of runs that started earlier (later, if the walk is descending).
    pub(crate) fn anchor(&self) -> Option<DateTime<Utc>> {
        match self.part {
            Part::List(offset) => offset.anchor(),
            Part::Window { first, .. } => Some(first),
            Part::Whole { .. } => None,
        }
    }

    /// The bound of runs that started later (earlier, if the walk is descending). A request with
    /// this bound is for runs with any status.
    pub(crate) fn until(&self) -> Option<DateTime<Utc>> {
        match self.part {
            Part::Window { last, .. } => Some(last),
            Part::List(_) | Part::Whole { .. } => None,
        }
    }

    /// The direction of a request for the whole list.
    pub(crate) fn whole_list(&self) -> Option<Direction> {
        match self.part {
            Part::Whole { direction, .. } => Some(direction),
            Part::List(_) | Part::Window { .. } => None,
        }
    }

    /// Where in the query's list the page begins. `None` if the request is for another part.
    pub(super) fn list_offset(&self) -> Option<Offset> {
        match self.part {
            Part::List(offset) => Some(offset),
            Part::Window { .. } | Part::Whole { .. } => None,
        }
    }

    /// Whether the response shows that the service ignores the bounds of the request: it has runs
    /// from outside of them, or runs without a start.
    pub(super) fn is_violated_by(&self, page: &Page, direction: Direction) -> bool {
        let lies = |start, bound: Option<_>, side| {
            bound.is_some_and(|bound| direction.side(start, bound) == side)
        };
        let (anchor, until) = (self.anchor(), self.until());
        let is_bounded = anchor.is_some() || until.is_some();
        is_bounded
            && page.entries().any(|entry| match entry.start {
                Some(start) => {
                    lies(start, anchor, Side::Before) || lies(start, until, Side::Beyond)
                }
                None => entry.run.is_some(),
            })
    }
}
