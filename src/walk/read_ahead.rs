//! Pages that are requested before the ones in front of them have been taken.
//!
//! As long as the list does not change, it is known where a page will end. The pages behind it are
//! requested on that assumption. Each page is checked when it is taken, so a wrong assumption costs
//! requests and no rows. After a wrong one, pages are requested one by one. With each page that
//! continues the walk, the number of pages in flight doubles.

use std::collections::VecDeque;

use super::{Next, PageRequest, Probe, Stage, State, Walk};
use crate::limits::MAX_PAGE_SIZE;

/// The pages in flight, in the order of the list: requests, each with what will become its
/// response.
#[derive(Debug)]
pub(crate) struct ReadAhead<T> {
    /// How many pages may be in flight after a wrong assumption. It doubles with each page.
    ramp_up: usize,
    pages: VecDeque<(PageRequest, T)>,
}

impl<T> ReadAhead<T> {
    pub(crate) fn new() -> Self {
        Self {
            ramp_up: usize::MAX,
            pages: VecDeque::new(),
        }
    }

    /// Sends requests with `send` until `concurrency` pages are in flight, or there is no further
    /// request. Pages that no longer continue the walk are dropped.
    pub(crate) fn fill(
        &mut self,
        walk: &Walk,
        concurrency: usize,
        mut send: impl FnMut(PageRequest) -> T,
    ) {
        let first = self.pages.front();
        if first.is_some_and(|(request, _)| !walk.expects(*request)) {
            self.pages.clear();
            self.ramp_up = 1;
        }
        while self.pages.len() < concurrency.min(self.ramp_up) {
            let request = match (self.pages.back(), walk.next()) {
                (Some((last, _)), _) => walk.request_after(*last),
                (None, Next::Fetch(request)) => Some(request),
                (None, Next::Wait | Next::End) => None,
            };
            let Some(request) = request else {
                return;
            };
            self.pages.push_back((request, send(request)));
        }
    }

    /// Takes out the page to take next.
    pub(crate) fn pop(&mut self) -> Option<(PageRequest, T)> {
        self.ramp_up = self.ramp_up.saturating_mul(2);
        self.pages.pop_front()
    }

    #[cfg(test)]
    pub(super) fn pages_mut(&mut self) -> impl Iterator<Item = &mut (PageRequest, T)> {
        self.pages.iter_mut()
    }

    /// Whether no page is in flight.
    pub(crate) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// The pages in flight, in the order of the list.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().map(|(_, page)| page)
    }

    /// The pages in flight, in the order of the list.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.pages.iter_mut().map(|(_, page)| page)
    }
}

impl Walk {
    /// The request for the page after the one that `request` is for, if that page is full and the
    /// list does not change. `None` if it is unknown how long that page will be, or if the list
    /// ends before.
    fn request_after(&self, request: PageRequest) -> Option<PageRequest> {
        let State::InPass(pass, Stage::Reading(position)) = &self.state else {
            return None;
        };
        if pass.probe != Probe::NotSent {
            // What the service says of the length of the list has turned out to be wrong.
            return None;
        }
        let offset = request.list_offset()?.rebased(position.rebase);
        let end = offset + self.service.expected_rows(request.limit())?;
        let overlap = match position.undated {
            None => self.service.overlap,
            Some(_) => position.overlap,
        };
        let next = end - overlap;
        if !(offset < next && end <= position.list_end?) {
            return None;
        }
        let wanted = self.wanted(end.rows_since(position.end())?);
        let limit = (overlap + wanted).min(u64::from(MAX_PAGE_SIZE));
        (wanted > 0).then(|| PageRequest::list(next, limit))
    }

    /// Whether a page in flight is one to take now: the next one, or one that begins earlier and
    /// reaches beyond what has been read.
    fn expects(&self, request: PageRequest) -> bool {
        let State::InPass(_, Stage::Reading(position)) = &self.state else {
            return self.next() == Next::Fetch(request);
        };
        let Some(offset) = request.list_offset() else {
            return false;
        };
        let offset = offset.rebased(position.rebase);
        let begins_in_time = match position.undated {
            None => offset <= position.next,
            Some(_) => offset == position.next,
        };
        begins_in_time && offset + request.limit() > position.end()
    }
}
