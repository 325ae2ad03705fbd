//! Pages that are asked for ahead of the consumer.

use std::sync::Arc;

use crate::error::Result;
use crate::http::fetch::{Fetcher, Task};
use crate::page::Page;
use crate::walk::{PageRequest, ReadAhead, Walk};

/// Keeps pages in flight, and gives them out in the order of the list.
///
/// Each is fetched and decoded by a task of its own: on a runtime with several threads by any
/// of them, and while the consumer is busy. A task ends with its page, and no other begins
/// before the consumer comes back.
///
/// With room for one page only, none is asked for ahead: each is fetched when the consumer
/// wants it.
pub(crate) struct PageReader {
    fetcher: Arc<Fetcher>,
    ahead: Option<ReadAhead<Task>>,
}

impl PageReader {
    /// Keeps so many pages in flight, or waiting for the consumer.
    pub(crate) fn new(fetcher: Fetcher, concurrency: usize) -> Self {
        Self {
            fetcher: Arc::new(fetcher),
            ahead: (concurrency > 1).then(|| ReadAhead::new(concurrency)),
        }
    }

    /// The page that the walk asks for with `request`, and what has been asked to get it.
    pub(crate) async fn page(
        &mut self,
        walk: &Walk,
        request: PageRequest,
    ) -> (PageRequest, Result<Page>) {
        self.go_ahead(walk);
        match self.ahead.as_mut().and_then(ReadAhead::pop) {
            Some((request, task)) => (request, task.finish().await),
            None => {
                let task = Task::start(Arc::clone(&self.fetcher), request);
                (request, task.finish().await)
            }
        }
    }

    /// Asks for the pages after those that have been taken.
    pub(crate) fn go_ahead(&mut self, walk: &Walk) {
        let Some(ahead) = &mut self.ahead else {
            return;
        };
        ahead.fill(walk, |request| {
            Task::start(Arc::clone(&self.fetcher), request)
        });
    }
}
