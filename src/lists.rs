//! Several lists read at a time.

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

/// How many lists are read at a time, by default.
const DEFAULT_OPEN: usize = 64;

/// Any number of lists as one stream, several of them read at a time:
/// [`Client::runs_of`](crate::Client::runs_of).
///
/// Each list is a walk of its own, with its own cursor and its own errors: one that fails ends
/// alone. The runs of a list come in its order, and those of different lists in turns. Dropping the
/// stream aborts the requests in flight.
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
    /// The walk that the last item is of.
    current: Option<OpenList>,
    max_open: usize,
}

/// What comes of one of several lists.
#[derive(Debug)]
#[non_exhaustive]
pub struct ListItem {
    /// Which list: its place among those that were passed to
    /// [`Client::runs_of`](crate::Client::runs_of), from 0.
    pub list: usize,
    /// What comes of it.
    pub event: ListEvent,
}

/// What comes of a list.
#[derive(Debug)]
#[non_exhaustive]
pub enum ListEvent {
    /// A run.
    Run(RunSummary),
    /// A row that cannot be read, in its place: an error of kind [`Item`](ErrorKind::Item).
    Unreadable(Error),
    /// The walk has failed, and nothing else comes of this list. The error has the
    /// [cursor](Error::cursor) to resume from.
    Failed(Error),
    /// All of the list has come. The cursor is where the next walk of it resumes.
    End(Cursor),
}

/// A walk that has started.
struct OpenList {
    list: usize,
    runs: RunStream,
}

impl RunLists {
    /// Reads walks that have settings of their own: each with its [`resume`](Runs::resume) cursor, for
    /// example. They are started in this order, when there is room.
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

    /// How many lists are read at a time. Default 64; 0 is taken for 1.
    ///
    /// A walk that [follows](Runs::follow) its list never ends: with more of them than this, the
    /// rest is never read.
    pub fn max_open(mut self, lists: usize) -> Self {
        self.max_open = lists.max(1);
        self
    }

    /// Where to resume the list of the last item, after exactly that item. `None` if that was
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
        // The rows of a page come one after the other.
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
