//! Pages that are requested ahead of the consumer.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::options::Concurrency;
use crate::error::Result;
use crate::http::fetch::{Fetcher, Task};
use crate::page::Page;
use crate::walk::{PageRequest, ReadAhead, Walk};

/// Keeps pages in flight, and gives them out in the order of the list.
///
/// Each is fetched and decoded by a task of its own: on a runtime with several threads by any
/// of them, and while the consumer is busy. A task ends with its page, and no other begins
/// while the consumer stays away.
///
/// With room for one page only, none is requested ahead: each is fetched when the consumer
/// wants it.
pub(crate) struct PageReader {
    fetcher: Arc<Fetcher>,
    concurrency: Concurrency,
    ahead: Option<ReadAhead<Task>>,
}

impl PageReader {
    /// Keeps this number of pages in flight, or waiting for the consumer.
    pub(crate) fn new(fetcher: Fetcher, concurrency: Concurrency) -> Self {
        let reads_ahead = concurrency != Concurrency::Fixed(1);
        Self {
            fetcher: Arc::new(fetcher),
            concurrency,
            ahead: reads_ahead.then(ReadAhead::new),
        }
    }

    /// The page that the walk requests with `request`, and the requests that were sent for it.
    pub(crate) async fn page(
        &mut self,
        walk: &Walk,
        request: PageRequest,
    ) -> (PageRequest, Result<Page>) {
        loop {
            self.go_ahead(walk);
            let Some(ahead) = self.ahead.as_mut().filter(|ahead| !ahead.is_empty()) else {
                let task = Task::start(Arc::clone(&self.fetcher), request);
                return (request, task.finish().await);
            };
            // While the first page is on its way, others that come make room for more.
            poll_fn(|cx| poll_any(ahead, cx)).await;
            if ahead.iter().next().is_some_and(Task::is_finished)
                && let Some((request, task)) = ahead.pop()
            {
                return (request, task.finish().await);
            }
        }
    }

    /// Asks for the pages after those that have been taken.
    pub(crate) fn go_ahead(&mut self, walk: &Walk) {
        let Some(ahead) = &mut self.ahead else {
            return;
        };
        let concurrency = concurrency(self.concurrency, &self.fetcher, ahead);
        ahead.fill(walk, concurrency, |request| {
            Task::start(Arc::clone(&self.fetcher), request)
        });
    }
}

/// How many pages may be in flight now, or wait for the consumer.
fn concurrency(concurrency: Concurrency, fetcher: &Fetcher, ahead: &ReadAhead<Task>) -> usize {
    let max_bytes = match concurrency {
        Concurrency::Fixed(pages) => return pages,
        Concurrency::Adaptive { max_bytes } => max_bytes,
    };
    let pages = fetcher.pages_in_flight(max_bytes);
    let mut tasks = ahead.iter();
    if tasks.next().is_none_or(Task::is_finished) {
        return pages.wanted;
    }
    // The consumer waits for the first page: those behind it that have come are not its fault.
    let finished = tasks.filter(|task| task.is_finished()).count();
    (pages.wanted + finished).min(pages.max)
}

/// Waits for a page that had not come when it was last asked.
fn poll_any(ahead: &mut ReadAhead<Task>, cx: &mut Context<'_>) -> Poll<()> {
    let mut tasks = ahead.iter_mut();
    let Some(first) = tasks.next() else {
        return Poll::Ready(());
    };
    if first.poll_finished(cx).is_ready() {
        return Poll::Ready(());
    }
    let mut poll = Poll::Pending;
    for task in tasks.filter(|task| !task.is_finished()) {
        if task.poll_finished(cx).is_ready() {
            poll = Poll::Ready(());
        }
    }
    poll
}
