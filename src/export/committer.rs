//! The thread that commits a chunk, while the next one is made.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use tokio::runtime::Handle;

use super::checkpoint::{Checkpoint, Committed};
use super::output::Target;
use crate::cursor::Cursor;
use crate::error::{Error, ErrorKind, Result};

/// Rows as bytes, and what is committed with them.
pub(super) struct Commit {
    pub(super) chunk: Vec<u8>,
    pub(super) committed: Committed,
    pub(super) cursor: Cursor,
}

/// The end of the thread that chunks are handed to. Dropped, it waits for the last commit.
pub(super) struct Committer {
    commits: Option<SyncSender<Commit>>,
    thread: Option<JoinHandle<Result<u64>>>,
}

impl Committer {
    pub(super) fn start(target: Box<dyn Target>, committed_rows: Arc<AtomicU64>) -> Result<Self> {
        // Without room: who has a chunk waits, and makes none that would only take memory.
        let (commits, received) = sync_channel(0);
        let runtime = Handle::current();
        let thread = spawn("commit", move || {
            let _entered = runtime.enter();
            run(target, &received, &committed_rows)
        })?;
        Ok(Self {
            commits: Some(commits),
            thread: Some(thread),
        })
    }

    /// Hands a chunk over, as soon as the one before is committed.
    ///
    /// # Errors
    ///
    /// Whatever has kept an earlier one from being committed.
    pub(super) fn commit(&mut self, commit: Commit) -> Result<()> {
        let commits = self.commits.as_ref();
        if commits.is_some_and(|commits| commits.send(commit).is_ok()) {
            return Ok(());
        }
        // The thread has ended before it was told to.
        self.end().and_then(|_| Err(broken()))
    }

    /// Waits for the last commit. Returns how many bytes were committed in all.
    pub(super) fn finish(mut self) -> Result<u64> {
        self.end()
    }

    fn end(&mut self) -> Result<u64> {
        drop(self.commits.take());
        let thread = self.thread.take().ok_or_else(broken)?;
        thread.join().unwrap_or_else(|_| Err(broken()))
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

fn run(
    mut target: Box<dyn Target>,
    commits: &Receiver<Commit>,
    committed_rows: &AtomicU64,
) -> Result<u64> {
    let mut bytes = 0;
    while let Ok(commit) = commits.recv() {
        let next = Checkpoint {
            committed: commit.committed,
            cursor: commit.cursor,
            ..target.checkpoint().clone()
        };
        bytes += commit.chunk.len() as u64;
        target.commit(commit.chunk, next)?;
        committed_rows.store(commit.committed.rows, Ordering::Relaxed);
    }
    Ok(bytes)
}

/// A thread has panicked.
pub(super) fn broken() -> Error {
    Error::new(ErrorKind::Output, "the thread that writes has broken off")
}

/// Starts a thread of an export.
pub(super) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    let thread = Builder::new().name(format!("apify-runs {name}"));
    thread.spawn(work).map_err(|error| {
        Error::new(ErrorKind::Output, "no thread to write with").with_source(error)
    })
}
