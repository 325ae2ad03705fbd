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
    concurrency: usize,
    /// How many pages may be in flight now.
    max_in_flight: usize,
    pages: VecDeque<(PageRequest, T)>,
}

impl<T> ReadAhead<T> {
    /// Keeps at most `concurrency` pages in flight.
    pub(crate) fn new(concurrency: usize) -> Self {
        Self {
            concurrency,
            max_in_flight: concurrency,
            pages: VecDeque::new(),
        }
    }

    /// Sends requests with `send` until as many pages are in flight as may be, or there is no
    /// further request. Pages that no longer continue the walk are dropped.
    pub(crate) fn fill(&mut self, walk: &Walk, mut send: impl FnMut(PageRequest) -> T) {
        let first = self.pages.front();
        if first.is_some_and(|(request, _)| !walk.expects(*request)) {
            self.pages.clear();
            self.max_in_flight = 1;
        }
        while self.pages.len() < self.max_in_flight {
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

    /// The page to take next.
    pub(crate) fn pop(&mut self) -> Option<(PageRequest, T)> {
        self.max_in_flight = (self.max_in_flight * 2).min(self.concurrency);
        self.pages.pop_front()
    }

    #[cfg(test)]
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut (PageRequest, T)> {
        self.pages.iter_mut()
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
