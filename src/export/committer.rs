//! The thread that commits a chunk, while the next one is made.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use tokio::runtime::Handle;

use super::sink::{Commit, Sink};
use crate::error::{Error, ErrorKind, Result};

/// What waits for a commit takes no more bytes than this, if there is more than one chunk.
const WAITING_BYTES: usize = 32 << 20;

/// The end of the thread that chunks are handed to. Dropped, it waits for the last commit.
pub(super) struct Committer {
    waiting: Arc<Waiting>,
    /// Whether what waits may be committed at once: not parts, which are files of their own.
    joins: bool,
    thread: Option<JoinHandle<Result<u64>>>,
}

impl Committer {
    pub(super) fn start(target: Box<dyn Sink>, committed_rows: Arc<AtomicU64>) -> Result<Self> {
        let joins = !target.has_parts();
        let waiting = Arc::new(Waiting::default());
        let (runtime, received) = (Handle::current(), Arc::clone(&waiting));
        let thread = spawn("commit", move || {
            let _entered = runtime.enter();
            let _end = End(&received);
            run(target, &received, &committed_rows)
        })?;
        Ok(Self {
            waiting,
            joins,
            thread: Some(thread),
        })
    }

    /// Hands a chunk over. Waits only if too much waits already.
    ///
    /// # Errors
    ///
    /// Whatever has kept an earlier one from being committed.
    pub(super) fn commit(&mut self, commit: Commit) -> Result<()> {
        if self.waiting.put(commit, self.joins) {
            return Ok(());
        }
        // The thread has ended before it was told to.
        self.end().and_then(|_| Err(broken()))
    }

    /// Looks whether all commits have gone well so far.
    ///
    /// # Errors
    ///
    /// Whatever has kept one from being made.
    pub(super) fn check(&mut self) -> Result<()> {
        if self.waiting.state().is_over {
            return self.end().and_then(|_| Err(broken()));
        }
        Ok(())
    }

    /// Waits for the last commit. Returns how many bytes were committed in all.
    pub(super) fn finish(mut self) -> Result<u64> {
        self.end()
    }

    fn end(&mut self) -> Result<u64> {
        self.waiting.end();
        let thread = self.thread.take().ok_or_else(broken)?;
        thread.join().unwrap_or_else(|_| Err(broken()))
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        if self.thread.is_some() {
            let _ = self.end();
        }
    }
}

/// What waits to be committed, between the thread that makes it and the one that commits it.
#[derive(Default)]
struct Waiting {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    commit: Option<Commit>,
    /// Whether one of the two threads has ended.
    is_over: bool,
}

impl Waiting {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to what waits, or waits until nothing does. `false` if nobody will commit it.
    fn put(&self, commit: Commit, joins: bool) -> bool {
        let mut state = self.state();
        loop {
            if state.is_over {
                return false;
            }
            match &mut state.commit {
                None => state.commit = Some(commit),
                Some(waiting) if joins && waiting.size() + commit.size() <= WAITING_BYTES => {
                    waiting.join(commit);
                }
                Some(_) => {
                    state = self.wait(state);
                    continue;
                }
            }
            self.changed.notify_all();
            return true;
        }
    }

    /// What waits, as soon as something does. `None` if nothing will any more.
    fn take(&self) -> Option<Commit> {
        let mut state = self.state();
        while state.commit.is_none() && !state.is_over {
            state = self.wait(state);
        }
        self.changed.notify_all();
        state.commit.take()
    }

    fn end(&self) {
        self.state().is_over = true;
        self.changed.notify_all();
    }
}

/// Tells the other thread of the end of this one, if by a panic.
struct End<'a>(&'a Waiting);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn run(mut target: Box<dyn Sink>, waiting: &Waiting, committed_rows: &AtomicU64) -> Result<u64> {
    let mut bytes = 0;
    while let Some(commit) = waiting.take() {
        bytes += commit.size() as u64;
        let rows = commit.committed.rows;
        target.commit(commit)?;
        committed_rows.store(rows, Ordering::Relaxed);
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
