//! What is read from the tables of a sync.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::{fmt, vec};

use chrono::{DateTime, Utc};
use futures_core::Stream;
use futures_core::stream::FusedStream;
use tokio::sync::mpsc;

use super::target::TargetResult;
use crate::actor::Actor;
use crate::error::{Error, ErrorKind, Result};
use crate::run::{Id, RunOrigin, RunStatus};

/// The maximum number of rows in a chunk.
pub(super) const CHUNK_ROWS: usize = 1000;
/// How many chunks are read ahead.
const WAITING_CHUNKS: usize = 4;

/// What a database holds at one moment:
/// [`DatabaseReader::snapshot`](super::DatabaseReader::snapshot).
#[derive(Debug)]
#[non_exhaustive]
pub struct DatabaseSnapshot {
    /// The lists that have been synced, in the order in which they were added.
    pub lists: Vec<StoredList>,
    /// The Actors whose names are stored, in the order of their IDs.
    pub actors: Vec<Actor>,
    /// The runs of all lists.
    pub runs: StoredRuns,
}

/// A list in a database: a row of the table `sync_state`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredList {
    /// A description of its query.
    pub query: String,
    /// How many runs it has added.
    pub rows: u64,
    /// How many rows could not be read, and are not in the database.
    pub skipped: u64,
    /// When a sync of it last committed.
    pub last_sync_at: Option<DateTime<Utc>>,
    /// When a sync of it last reached the end of the list. `None` if none has.
    pub last_success_at: Option<DateTime<Utc>>,
}

impl StoredList {
    /// Whether the last sync reached the end of the list.
    pub fn is_complete(&self) -> bool {
        self.last_success_at.is_some() && self.last_success_at >= self.last_sync_at
    }
}

/// Some columns of a run in a database.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct StoredRun {
    /// The run's ID.
    pub id: Id,
    /// The Actor that ran.
    pub act_id: Option<Id>,
    /// The task that started the run, if one did.
    pub actor_task_id: Option<Id>,
    /// The last listed status. An empty [`RunStatus::Other`] if the row has none.
    pub status: RunStatus,
    /// When the run started.
    pub started_at: Option<DateTime<Utc>>,
    /// When the run finished. `None` if it had not when it was synced.
    pub finished_at: Option<DateTime<Utc>>,
    /// What started the run.
    pub origin: Option<RunOrigin>,
    /// What the run cost, in US dollars. `None` if the service does not say.
    pub usage_total_usd: Option<f64>,
}

/// The runs in a database, as a stream, in no particular order.
///
/// It ends after an error. Dropping it ends the transaction in which it reads.
#[must_use = "streams do nothing unless polled"]
pub struct StoredRuns {
    chunks: mpsc::Receiver<Message>,
    chunk: vec::IntoIter<StoredRun>,
    is_over: bool,
}

/// What the reading side sends.
enum Message {
    Chunk(Vec<StoredRun>),
    /// The last message. Without it, the reading side has failed.
    End(TargetResult<()>),
}

/// The sending side of [`StoredRuns`].
pub(super) struct StoredRunsSender {
    chunks: mpsc::Sender<Message>,
    chunk: Vec<StoredRun>,
}

/// A stream, and its sending side.
pub(super) fn channel() -> (StoredRunsSender, StoredRuns) {
    let (sender, receiver) = mpsc::channel(WAITING_CHUNKS);
    let sender = StoredRunsSender {
        chunks: sender,
        chunk: Vec::with_capacity(CHUNK_ROWS),
    };
    let runs = StoredRuns {
        chunks: receiver,
        chunk: Vec::new().into_iter(),
        is_over: false,
    };
    (sender, runs)
}

impl StoredRunsSender {
    /// Adds a row. Returns the rows that are to be sent, once there are enough of them.
    fn add(&mut self, run: StoredRun) -> Option<Message> {
        self.chunk.push(run);
        let is_full = self.chunk.len() == CHUNK_ROWS;
        is_full.then(|| self.take())
    }

    fn take(&mut self) -> Message {
        Message::Chunk(std::mem::replace(
            &mut self.chunk,
            Vec::with_capacity(CHUNK_ROWS),
        ))
    }

    /// Sends a row from a thread that may block. Returns false if the stream was dropped.
    #[cfg(feature = "sqlite")]
    pub(super) fn blocking_send(&mut self, run: StoredRun) -> bool {
        self.add(run)
            .is_none_or(|chunk| self.chunks.blocking_send(chunk).is_ok())
    }

    /// Sends the remaining rows, and the result of reading.
    #[cfg(feature = "sqlite")]
    pub(super) fn blocking_end(mut self, result: TargetResult<()>) {
        for message in [self.take(), Message::End(result)] {
            // The stream may have been dropped.
            let _ = self.chunks.blocking_send(message);
        }
    }

    /// Sends a row. Returns false if the stream was dropped.
    #[cfg(feature = "postgres")]
    pub(super) async fn send(&mut self, run: StoredRun) -> bool {
        match self.add(run) {
            Some(chunk) => self.chunks.send(chunk).await.is_ok(),
            None => true,
        }
    }

    /// Sends the remaining rows, and the result of reading.
    #[cfg(feature = "postgres")]
    pub(super) async fn end(mut self, result: TargetResult<()>) {
        for message in [self.take(), Message::End(result)] {
            // The stream may have been dropped.
            let _ = self.chunks.send(message).await;
        }
    }
}

impl Stream for StoredRuns {
    type Item = Result<StoredRun>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let runs = self.get_mut();
        loop {
            if let Some(run) = runs.chunk.next() {
                return Poll::Ready(Some(Ok(run)));
            }
            if runs.is_over {
                return Poll::Ready(None);
            }
            let end = match ready!(runs.chunks.poll_recv(cx)) {
                Some(Message::Chunk(chunk)) => {
                    runs.chunk = chunk.into_iter();
                    continue;
                }
                Some(Message::End(result)) => result.map_err(Error::from),
                None => Err(Error::new(
                    ErrorKind::Output,
                    "the reading of the database has broken off",
                )),
            };
            runs.is_over = true;
            return Poll::Ready(end.err().map(Err));
        }
    }
}

impl FusedStream for StoredRuns {
    fn is_terminated(&self) -> bool {
        self.is_over && self.chunk.len() == 0
    }
}

impl fmt::Debug for StoredRuns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredRuns").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[tokio::test]
    async fn a_reading_that_breaks_off_is_an_error() {
        let (sender, mut runs) = channel();
        drop(sender);
        let error = runs.next().await.unwrap().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the reading of the database has broken off"
        );
        assert!(runs.next().await.is_none());
        assert!(runs.is_terminated());
    }

    #[test]
    fn a_list_is_complete_if_its_last_sync_is() {
        let at = |second| DateTime::from_timestamp(second, 0);
        let list = |sync, success| StoredList {
            query: "q".into(),
            rows: 1,
            skipped: 0,
            last_sync_at: sync,
            last_success_at: success,
        };
        assert!(list(at(5), at(5)).is_complete());
        assert!(!list(at(6), at(5)).is_complete());
        assert!(!list(at(6), None).is_complete());
        assert!(!list(None, None).is_complete());
    }
}
