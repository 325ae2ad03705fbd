//! Pages that are asked for before the ones in front of them have been taken.
//!
//! Where a page ends is known before it is there, as long as the list stays as it is. What
//! follows is asked for on that guess. Each page is checked all the same when its turn comes:
//! a guess that was wrong costs requests, not rows.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};

use super::{Next, PageRequest, Probe, State, Walk};
use crate::query::MAX_PAGE_SIZE;

/// The pages that have been asked for and not been taken, in the order of the list: requests,
/// each with what will become its answer.
#[derive(Debug)]
pub(crate) struct Ahead<T> {
    concurrency: usize,
    pages: VecDeque<(PageRequest, T)>,
}

impl<T> Ahead<T> {
    /// Room for so many pages.
    pub(crate) fn new(concurrency: usize) -> Self {
        Self {
            concurrency,
            pages: VecDeque::new(),
        }
    }

    /// Asks for pages until there are as many as there may be, or no more to ask for. Those
    /// that no longer fit the walk are dropped.
    pub(crate) fn fill(&mut self, walk: &Walk, mut ask: impl FnMut(PageRequest) -> T) {
        let first = self.pages.front();
        if first.is_some_and(|(request, _)| !walk.expects(*request)) {
            self.pages.clear();
        }
        while self.pages.len() < self.concurrency {
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
pub(super) struct Nearer {
    pub(super) from: Option<DateTime<Utc>>,
    pub(super) to: DateTime<Utc>,
    pub(super) by: u64,
}

impl Walk {
    /// The page to ask for after the one that `request` brings, if that is full and the list
    /// stays as it is. `None` if there is nothing to go by, or if the list ends before.
    fn after(&self, request: PageRequest) -> Option<PageRequest> {
        let &State::Reading {
            anchor,
            offset: here,
            total,
            ..
        } = &self.state
        else {
            return None;
        };
        if self.probe != Probe::NotSent {
            // What the service says of the length of the list has turned out to be wrong.
            return None;
        }
        let request = self.counted_from_here(request);
        let rows = request.limit.min(self.most_rows);
        let offset = request.offset.saturating_add(rows).saturating_sub(1);
        let is_past_end = total.is_none_or(|total| offset >= total);
        if request.anchor != anchor || offset <= request.offset || is_past_end {
            return None;
        }
        let wanted = self.wanted(offset.saturating_sub(here));
        (wanted > 0).then(|| PageRequest {
            anchor,
            ..PageRequest::rows(offset, (wanted + 1).min(u64::from(MAX_PAGE_SIZE)))
        })
    }

    /// Whether a page asked for ahead is the one to ask for now.
    fn expects(&self, request: PageRequest) -> bool {
        self.next() == Next::Fetch(self.counted_from_here(request))
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
}
