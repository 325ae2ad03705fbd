//! The handle of the writer thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::checkpoint::Checkpoint;
use super::output::Output;
use super::spec::ExportSpec;
use super::threads::{broken, spawn};
use super::writer_thread::{Message, PartSize, Start, WriterThread, Written};
use crate::error::Result;

/// Pages that wait to be written: as many as usually arrive while one commit is made.
const WAITING_PAGES: usize = 8;

/// The end of the writer that the walk holds. Dropped without [`finish`](Self::finish), what
/// was sent is still committed.
pub(super) struct WriterHandle {
    start: Option<oneshot::Sender<Start>>,
    messages: mpsc::Sender<Message>,
    result: oneshot::Receiver<Result<Written>>,
    committed_rows: Arc<AtomicU64>,
}

impl WriterHandle {
    /// Opens the output on a thread of its own, and returns what is committed there. The thread
    /// then waits for the walk to [start](Self::start).
    pub(super) async fn open(
        output: Output,
        spec: ExportSpec,
        restart: bool,
        part_size: PartSize,
    ) -> Result<(Self, Checkpoint)> {
        let (start, started) = oneshot::channel();
        let (messages, received) = mpsc::channel(WAITING_PAGES);
        let (opened, checkpoint) = oneshot::channel();
        let (finished, result) = oneshot::channel();
        let committed_rows = Arc::new(AtomicU64::new(0));
        let rows = Arc::clone(&committed_rows);
        let runtime = Handle::current();
        let work = move || {
            let _entered = runtime.enter();
            let sink = match output.open(&spec, restart) {
                Ok(sink) => sink,
                Err(error) => return drop(opened.send(Err(error))),
            };
            rows.store(sink.checkpoint().committed.rows, Ordering::Relaxed);
            let _ = opened.send(Ok(sink.checkpoint().clone()));
            let Ok(start) = started.blocking_recv() else {
                return;
            };
            let thread = WriterThread::new(sink, spec, part_size, rows, start);
            let written = thread.and_then(|thread| thread.run(received, &runtime));
            let _ = finished.send(written);
        };
        spawn("export", work)?;
        let checkpoint = checkpoint.await.map_err(|_| broken())??;
        let writer = Self {
            start: Some(start),
            messages,
            result,
            committed_rows,
        };
        Ok((writer, checkpoint))
    }

    /// Tells the thread where the walk starts.
    pub(super) fn start(&mut self, start: Start) {
        if let Some(sender) = self.start.take() {
            let _ = sender.send(start);
        }
    }

    /// Sends something to write, when there is room. `false` if it cannot be written any more:
    /// [`finish`](Self::finish) says why.
    pub(super) async fn send(&self, message: Message) -> bool {
        self.messages.send(message).await.is_ok()
    }

    pub(super) fn committed_rows(&self) -> u64 {
        self.committed_rows.load(Ordering::Relaxed)
    }

    /// Commits what was sent.
    pub(super) async fn finish(self) -> Result<Written> {
        drop(self.messages);
        self.result.await.map_err(|_| broken())?
    }
}
