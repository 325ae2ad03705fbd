//! Pages that are asked for before the ones in front of them have been taken.
//!
//! Where a page ends is known before it is there, as long as the list stays as it is. What
//! follows is asked for on that guess. Each page is judged all the same when its turn comes: a
//! guess that was wrong costs requests, not rows. After one, pages are asked for one by one, and
//! then twice as many at a time with each page that was guessed right.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};

use super::position::{PageLength, Position};
use super::{Next, PageRequest, Probe, State, Walk};
use crate::limits::MAX_PAGE_SIZE;

/// The fewest rows in which a page overlaps with the one before: the last row, and the one in
/// front of it.
pub(super) const MIN_OVERLAP: u64 = 2;
/// The most rows in which pages asked for ahead overlap. Where more runs started in one
/// millisecond, a page is asked for when the one before has come.
const MAX_OVERLAP: u64 = MAX_PAGE_SIZE as u64 / 4;

/// The pages that have been asked for and not been taken, in the order of the list: requests,
/// each with what will become its response.
#[derive(Debug)]
pub(crate) struct ReadAhead<T> {
    concurrency: usize,
    /// How many there may be at the moment.
    allowed: usize,
    pages: VecDeque<(PageRequest, T)>,
}

impl<T> ReadAhead<T> {
    /// Room for so many pages.
    pub(crate) fn new(concurrency: usize) -> Self {
        Self {
            concurrency,
            allowed: concurrency,
            pages: VecDeque::new(),
        }
    }

    /// Asks for pages until there are as many as there may be, or no more to ask for. Those
    /// that no longer fit the walk are dropped.
    pub(crate) fn fill(&mut self, walk: &Walk, mut ask: impl FnMut(PageRequest) -> T) {
        let first = self.pages.front();
        if first.is_some_and(|(request, _)| !walk.expects(*request)) {
            self.pages.clear();
            self.allowed = 1;
        }
        while self.pages.len() < self.allowed {
            let request = match (self.pages.back(), walk.next()) {
                (Some((last, _)), _) => walk.after(*last),
                (None, Next::Fetch(request)) => Some(request),
                (None, Next::Wait | Next::End) => None,
            };
            let Some(request) = request else {
                return;
            };
            self.pages.push_back((request, ask(request)));
        }
    }

    /// The page to take next.
    pub(crate) fn pop(&mut self) -> Option<(PageRequest, T)> {
        self.allowed = (self.allowed * 2).min(self.concurrency);
        self.pages.pop_front()
    }

    #[cfg(test)]
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut (PageRequest, T)> {
        self.pages.iter_mut()
    }
}

/// Offsets from `from` are offsets from `to`, less `by`: the walk has taken a nearer anchor,
/// and pages in flight are still counted from the one before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rebase {
    pub(super) from: Option<DateTime<Utc>>,
    pub(super) to: DateTime<Utc>,
    pub(super) by: u64,
}

impl Walk {
    /// The page to ask for after the one that `request` brings, if that is full and the list
    /// stays as it is. `None` if there is nothing to go by, or if the list ends before.
    fn after(&self, request: PageRequest) -> Option<PageRequest> {
        let State::Reading(position) = &self.state else {
            return None;
        };
        if self.probe != Probe::NotSent {
            // What the service says of the length of the list has turned out to be wrong.
            return None;
        }
        let request = self.counted_from_here(request);
        let rows = match self.page_length {
            PageLength::AsAsked => request.limit,
            PageLength::Short(_) => return None,
            PageLength::Capped(rows) => request.limit.min(rows),
        };
        let end = request.offset.saturating_add(rows);
        let overlap = match position.undated {
            None => self.overlap_guess,
            Some(_) => position.end - position.offset,
        };
        let offset = end.saturating_sub(overlap);
        let is_beyond_end = position.total.is_none_or(|total| end > total);
        if request.anchor != position.anchor || offset <= request.offset || is_beyond_end {
            return None;
        }
        let wanted = self.wanted(end.saturating_sub(position.end));
        (wanted > 0).then(|| PageRequest {
            anchor: position.anchor,
            ..PageRequest::rows(offset, (overlap + wanted).min(u64::from(MAX_PAGE_SIZE)))
        })
    }

    /// Whether a page asked for ahead is one to take now: the next one, or one that begins
    /// earlier and reaches further than what has been read.
    fn expects(&self, request: PageRequest) -> bool {
        let request = self.counted_from_here(request);
        match &self.state {
            State::Reading(position) => {
                request.anchor == position.anchor
                    && request.until.is_none()
                    && match position.undated {
                        None => request.offset <= position.offset,
                        Some(_) => request.offset == position.offset,
                    }
                    && request.offset.saturating_add(request.limit) > position.end
            }
            _ => self.next() == Next::Fetch(request),
        }
    }

    /// The same request, counted from the walk's own anchor.
    pub(super) fn counted_from_here(&self, request: PageRequest) -> PageRequest {
        match self.nearer {
            Some(nearer) if nearer.from == request.anchor && request.until.is_none() => {
                PageRequest {
                    anchor: Some(nearer.to),
                    offset: request.offset.saturating_sub(nearer.by),
                    ..request
                }
            }
            _ => request,
        }
    }

    /// Takes over in how many rows the next page has to overlap with the last one. What is asked
    /// for ahead overlaps in as many, and then in fewer again.
    pub(super) fn learn_overlap(&mut self, position: &Position) {
        let needed = position.end.saturating_sub(position.offset);
        let needed = needed.clamp(MIN_OVERLAP, MAX_OVERLAP);
        let faded =
            self.overlap_guess - (self.overlap_guess - needed.min(self.overlap_guess)).div_ceil(8);
        self.overlap_guess = needed.max(faded);
    }
}
