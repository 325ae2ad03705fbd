//! Pages that are asked for ahead of the consumer.

use std::panic::resume_unwind;
use std::sync::Arc;

use tokio::task::{JoinHandle, spawn};

use crate::error::{Error, ErrorKind, Result};
use crate::http::fetch::Fetcher;
use crate::page::decode::Page;
use crate::trace::in_current_span;
use crate::walk::{PageRequest, ReadAhead, Walk};

/// Keeps pages in flight, and gives them out in the order of the list.
///
/// Each is fetched and decoded by a task of its own: on a runtime with several threads by any
/// of them, and while the consumer is busy. A task ends with its page, and no other begins
/// before the consumer comes back.
///
/// With room for one page only, none is asked for ahead: each is fetched when the consumer
/// wants it.
pub(crate) struct Prefetch {
    fetcher: Arc<Fetcher>,
    ahead: Option<ReadAhead<Task>>,
}

impl Prefetch {
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

/// A page on its way. Dropped, it is given up.
///
/// It goes on whether it is polled or not, as whoever waits for a turn to send a request keeps
/// others waiting.
pub(crate) struct Task(JoinHandle<Result<Page>>);

impl Task {
    pub(crate) fn start(fetcher: Arc<Fetcher>, request: PageRequest) -> Self {
        let page = async move { fetcher.page(request).await };
        Self(spawn(in_current_span(page)))
    }

    pub(crate) async fn finish(mut self) -> Result<Page> {
        let error = match (&mut self.0).await {
            Ok(page) => return page,
            Err(error) => error,
        };
        if error.is_panic() {
            resume_unwind(error.into_panic());
        }
        let message = "the runtime shuts down";
        Err(Error::new(ErrorKind::Transport, message).with_source(error))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
