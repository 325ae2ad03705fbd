//! Several lists read at once.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::stream::{FuturesUnordered, StreamFuture};

use crate::cursor::Cursor;
use crate::error::{Error, ErrorKind, Result};
use crate::run::RunSummary;
use crate::runs::Runs;
use crate::stream::rows::RunStream;

/// How many lists are read at once, by default.
const DEFAULT_OPEN: usize = 64;

/// The runs of any number of lists as one stream: [`Client::runs_of`](crate::Client::runs_of).
/// Several lists are read at once.
///
/// Each list is a walk of its own, with its own cursor and its own errors. If one fails, the others
/// continue. The runs of one list are returned in its order, interleaved with those of others.
/// Dropping the stream aborts the requests in flight.
///
/// # Cancel safety
///
/// `next()` may be dropped at any await, as in `select!`: no row is lost.
///
/// # Panics
///
/// Polling panics outside of a tokio runtime with I/O and time enabled.
///
/// # Example: the cost of each Actor
///
/// ```
/// use apify_runs::ListEvent;
/// use apify_runs::emulator::Emulator;
/// use futures::StreamExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> apify_runs::Result<()> {
/// let emulator = Emulator::builder().runs(200).start().await?;
/// let actors = ["janedoe/one", "janedoe/two", "janedoe/three"];
/// let mut costs = [0.0; 3];
/// let mut lists = emulator.client().runs_of(actors);
/// while let Some(item) = lists.next().await {
///     match item.event {
///         ListEvent::Run(run) => costs[item.list] += run.usage_total_usd.unwrap_or(0.0),
///         ListEvent::Unreadable(error) => eprintln!("{}: {error}", actors[item.list]),
///         ListEvent::Failed(error) => eprintln!("{} is not complete: {error}", actors[item.list]),
///         ListEvent::End(_cursor) => println!("{}: ${:.2}", actors[item.list], costs[item.list]),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct RunLists {
    /// Walks that are not started yet.
    waiting: Box<dyn Iterator<Item = (usize, Runs)> + Send>,
    /// Walks that wait for a response.
    pending: FuturesUnordered<StreamFuture<OpenList>>,
    /// The walk of the last item.
    current: Option<OpenList>,
    max_open: usize,
}

/// An item of one of several lists.
#[derive(Debug)]
#[non_exhaustive]
pub struct ListItem {
    /// The index of the list among those that were passed to
    /// [`Client::runs_of`](crate::Client::runs_of), from 0.
    pub list: usize,
    /// What was read, or what became of the list.
    pub event: ListEvent,
}

/// What happens while a list is read.
#[derive(Debug)]
#[non_exhaustive]
pub enum ListEvent {
    /// A run.
    Run(RunSummary),
    /// A row that cannot be read: an error of kind [`Item`](ErrorKind::Item) in its place.
    Unreadable(Error),
    /// The walk has failed. This is the last item of this list. The error has the
    /// [cursor](Error::cursor) to resume from.
    Failed(Error),
    /// The list has been read completely. The next walk of it resumes from this cursor.
    End(Cursor),
}

/// A walk that has started.
struct OpenList {
    list: usize,
    runs: RunStream,
}

impl RunLists {
    /// Reads walks with settings of their own, such as a [`resume`](Runs::resume) cursor for each.
    /// They start in this order, up to [`max_open`](Self::max_open) at once.
    pub fn new<I>(walks: I) -> Self
    where
        I: IntoIterator<Item = Runs>,
        I::IntoIter: Send + 'static,
    {
        Self {
            waiting: Box::new(walks.into_iter().enumerate()),
            pending: FuturesUnordered::new(),
            current: None,
            max_open: DEFAULT_OPEN,
        }
    }

    /// The maximum number of lists that are read at once. Default 64; 0 means 1.
    ///
    /// A walk that [follows](Runs::follow) its list never ends. If there are more of them than
    /// this, the rest is never read.
    pub fn max_open(mut self, lists: usize) -> Self {
        self.max_open = lists.max(1);
        self
    }

    /// Where to resume the list of the last item, right after that item. `None` if the item was
    /// [`Failed`](ListEvent::Failed) or [`End`](ListEvent::End), which have the cursor themselves.
    pub fn cursor(&self) -> Option<&Cursor> {
        self.current.as_ref().map(|open| open.runs.cursor())
    }

    /// Starts walks while there is room.
    fn open(&mut self) {
        while self.pending.len() + usize::from(self.current.is_some()) < self.max_open {
            let Some((list, runs)) = self.waiting.next() else {
                return;
            };
            let runs = runs.stream();
            self.pending.push(OpenList { list, runs }.into_future());
        }
    }

    /// What an item of a list means. A list that has ended is closed.
    fn item(&mut self, open: OpenList, item: Option<Result<RunSummary>>) -> ListItem {
        let list = open.list;
        let event = match item {
            Some(Ok(run)) => ListEvent::Run(run),
            Some(Err(error)) if error.kind() == ErrorKind::Item => ListEvent::Unreadable(error),
            Some(Err(error)) => ListEvent::Failed(error),
            None => ListEvent::End(open.runs.cursor().clone()),
        };
        let is_open = matches!(event, ListEvent::Run(_) | ListEvent::Unreadable(_));
        self.current = is_open.then_some(open);
        ListItem { list, event }
    }
}

impl Stream for RunLists {
    type Item = ListItem;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ListItem>> {
        // The rows of a page are returned one after the other.
        if let Some(mut open) = self.current.take() {
            match open.runs.poll_next_unpin(cx) {
                Poll::Ready(item) => return Poll::Ready(Some(self.item(open, item))),
                Poll::Pending => self.pending.push(open.into_future()),
            }
        }
        self.open();
        let next = ready!(self.pending.poll_next_unpin(cx));
        Poll::Ready(next.map(|(item, open)| self.item(open, item)))
    }
}

impl Stream for OpenList {
    type Item = Result<RunSummary>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.runs.poll_next_unpin(cx)
    }
}

impl fmt::Debug for RunLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunLists")
            .field("open", &self.pending.len())
            .field("max_open", &self.max_open)
            .finish_non_exhaustive()
    }
}
