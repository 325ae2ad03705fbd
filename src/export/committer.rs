//! The thread that commits chunks while the next ones are encoded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use tokio::runtime::Handle;

use super::sink::{Commit, Sink};
use super::threads::{broken, spawn};
use crate::error::Result;

/// How many chunks of a file wait for a commit, which takes all of them: about 32 MiB, as each ends
/// with the page that fills 8 MiB.
const WAITING_CHUNKS: usize = 3;
/// How many parts wait. Each is a commit of its own.
const WAITING_PARTS: usize = 1;

/// The handle of the committer thread. Dropping it waits for the last commit.
pub(super) struct Committer {
    /// `None` once there are no more.
    commits: Option<SyncSender<Commit>>,
    thread: Option<JoinHandle<Result<u64>>>,
}

impl Committer {
    pub(super) fn start(sink: Box<dyn Sink>, committed_rows: Arc<AtomicU64>) -> Result<Self> {
        let waiting = match sink.has_parts() {
            true => WAITING_PARTS,
            false => WAITING_CHUNKS,
        };
        let (commits, received) = sync_channel(waiting);
        let runtime = Handle::current();
        let thread = spawn("commit", move || {
            let _entered = runtime.enter();
            run(sink, &received, &committed_rows)
        })?;
        Ok(Self {
            commits: Some(commits),
            thread: Some(thread),
        })
    }

    /// Sends a chunk to the thread. Blocks while the channel is full.
    ///
    /// # Errors
    ///
    /// The error of an earlier commit that failed.
    pub(super) fn commit(&mut self, commit: Commit) -> Result<()> {
        match &self.commits {
            Some(commits) if commits.send(commit).is_ok() => Ok(()),
            // The thread has ended before it was told to.
            _ => self.end().and_then(|_| Err(broken())),
        }
    }

    /// Checks whether a commit has failed.
    ///
    /// # Errors
    ///
    /// The error of the commit that failed.
    pub(super) fn check(&mut self) -> Result<()> {
        match &self.thread {
            Some(thread) if !thread.is_finished() => Ok(()),
            _ => self.end().and_then(|_| Err(broken())),
        }
    }

    /// Waits for the last commit. Returns how many bytes were committed in all.
    pub(super) fn finish(mut self) -> Result<u64> {
        self.end()
    }

    fn end(&mut self) -> Result<u64> {
        self.commits = None;
        let thread = self.thread.take().ok_or_else(broken)?;
        thread.join().unwrap_or_else(|_| Err(broken()))
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Commits all chunks until the channel is closed. Returns the number of bytes committed.
fn run(
    mut sink: Box<dyn Sink>,
    commits: &Receiver<Commit>,
    committed_rows: &AtomicU64,
) -> Result<u64> {
    let mut bytes = 0;
    while let Ok(mut commit) = commits.recv() {
        if !sink.has_parts() {
            commits.try_iter().for_each(|later| commit.join(later));
        }
        bytes += commit.size() as u64;
        let rows = commit.committed.rows;
        sink.commit(commit)?;
        committed_rows.store(rows, Ordering::Relaxed);
    }
    Ok(bytes)
}
