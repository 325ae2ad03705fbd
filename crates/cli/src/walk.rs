//! How lists are read.

use apify_runs::{RunQuery, Runs};

use crate::arguments::WalkArguments;

/// What the pages in flight of each of several lists may take.
pub(crate) const BUFFERED_BYTES: usize = 8 << 20;

impl WalkArguments {
    /// The query, with the page size of the arguments.
    pub(crate) fn sized(&self, query: RunQuery) -> RunQuery {
        match self.page_size {
            Some(page_size) => query.page_size(page_size),
            None => query,
        }
    }

    /// The walk, with the settings of the arguments.
    pub(crate) fn runs(&self, runs: Runs) -> Runs {
        let runs = match self.concurrency {
            Some(pages) => runs.concurrency(pages),
            None => runs,
        };
        let runs = runs.lookback(self.lookback);
        match self.follow {
            true => runs.follow(self.interval),
            false => runs,
        }
    }

    /// How many of several lists are read at once. One that is followed does not end.
    pub(crate) fn parallel(&self, lists: usize) -> usize {
        match self.follow {
            true => lists,
            false => self.parallel,
        }
    }
}
