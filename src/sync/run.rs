//! Runs a sync: commits rows while the walk continues.

use std::future::pending;
use std::pin::{Pin, pin};
use std::time::Instant;

use futures_util::future::{Either, select};

use super::batch::SyncBatch;
use super::job::SyncJob;
use super::list::SyncList;
use super::reader::{BatchAndEnd, BatchSize, Callbacks, Ending, Reader, Until};
use super::reconcile::reconcile;
use super::summary::SyncSummary;
use super::target::{Committed, SyncTarget};
use super::writer::Writer;
use crate::cursor::Cursor;
use crate::error::{Error, ErrorKind, Result};
use crate::runs::Runs;

impl<T: SyncTarget> SyncJob<T> {
    /// Runs it to the end of the list, or without end if it [follows](Runs::follow) the list.
    ///
    /// If nothing has changed, it costs the requests of a walk from the
    /// [lookback](Runs::lookback), and one commit without rows.
    ///
    /// # Errors
    ///
    /// Any kind but `Item`. [`Output`](ErrorKind::Output), [`Damaged`](ErrorKind::Damaged) and
    /// [`Locked`](ErrorKind::Locked) are about the database, and
    /// [`CursorMismatch`](ErrorKind::CursorMismatch) says that its cursor is one of another walk.
    /// Rows that came before an error of the walk are committed. Whatever the error, the same sync
    /// can be started again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the walk. The transaction that is under way succeeds or not, and
    /// rows that wait for one are read again by the next sync. [`run_until`](Self::run_until)
    /// commits them.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    pub async fn run(self) -> Result<SyncSummary> {
        self.run_until(pending()).await
    }

    /// Runs it until `stop` is ready. Then it commits what has come, and ends.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<SyncSummary> {
        let begun = Instant::now();
        let mut stop = pin!(stop);
        self.validate()?;
        let list = SyncList::new(self.runs.options.source.clone())?;
        let runs = self.runs;
        let opened = match select(stop.as_mut(), pin!(Writer::open(self.target, list))).await {
            Either::Left(_) => return Ok(SyncSummary::not_begun(begun)),
            Either::Right((opened, _)) => opened,
        };
        let (mut target, list, committed) = opened;
        let begin = committed.and_then(|committed| {
            let cursor = beginning(&runs, &committed, self.restart)?;
            Ok((committed, cursor))
        });
        let (committed, cursor) = match begin {
            Ok(begin) => begin,
            Err(error) => {
                // What is wrong came first.
                let _ = target.close(&list).await;
                return Err(error);
            }
        };
        let is_first = committed == Committed::default();
        let mut walk = runs.clone().resume(cursor);
        walk.options.keeps_raw_rows = self.raw;
        let size = BatchSize {
            rows: self.batch_rows,
            interval: self.batch_interval,
        };
        let callbacks = Callbacks {
            on_progress: self.on_progress,
            on_unreadable: self.on_unreadable,
        };
        let mut transfer = Transfer {
            reader: Reader::new(walk.pages(), self.raw, size, callbacks),
            writer: Writer::new(target, list, committed),
        };
        let mut result = transfer.run(stop.as_mut()).await;
        let mut summary = transfer.summary(begun);
        let Transfer { reader, mut writer } = transfer;
        // The rows of a first sync have just been seen.
        if self.reconcile && !is_first && matches!(result, Ok(Ending::Complete)) {
            let callbacks = reader.into_callbacks();
            result = reconcile(runs, &mut writer, &callbacks, stop, &mut summary).await;
        }
        let closed = writer.target.close(&writer.list).await;
        summary.interrupted = result? == Ending::Stopped;
        closed?;
        summary.elapsed = begun.elapsed();
        Ok(summary)
    }
}

/// Where the walk begins.
fn beginning(runs: &Runs, committed: &Committed, restart: bool) -> Result<Cursor> {
    if restart {
        return Ok(Cursor::default());
    }
    if committed.cursor == Cursor::default() {
        return Ok(runs.options.resume.clone());
    }
    let options = &runs.options;
    match committed.cursor.bind(&options.source, options.emit) {
        Ok(_) => Ok(committed.cursor.clone()),
        Err(mismatch) => {
            let message =
                format!("the database has {mismatch}; with restart, the list is read anew");
            Err(Error::new(ErrorKind::CursorMismatch, message))
        }
    }
}

/// A walk on its way into a database.
struct Transfer<T> {
    reader: Reader,
    writer: Writer<T>,
}

impl<T: SyncTarget> Transfer<T> {
    /// Commits rows until the walk ends. The last ones are committed, however it ends.
    async fn run(&mut self, mut stop: Pin<&mut impl Future<Output = ()>>) -> Result<Ending> {
        let mut next = None;
        loop {
            let (batch, end) = match next.take() {
                Some(next) => next,
                None => self.reader.batch(Until::Due, stop.as_mut()).await,
            };
            if let Some(batch) = batch {
                match end {
                    None => next = self.commit_and_read(&batch, stop.as_mut()).await?,
                    Some(_) => self.writer.commit(&batch).await?,
                }
                self.tell();
            }
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// Commits a batch and reads meanwhile. Returns the next batch if it is full, or the walk ends,
    /// before the commit does.
    async fn commit_and_read(
        &mut self,
        batch: &SyncBatch,
        stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Option<BatchAndEnd>> {
        let commit = pin!(self.writer.commit(batch));
        let read = pin!(self.reader.batch(Until::Full, stop));
        match select(commit, read).await {
            Either::Left((committed, _)) => committed.map(|()| None),
            Either::Right((next, commit)) => commit.await.map(|()| Some(next)),
        }
    }

    /// Tells the user what is committed.
    fn tell(&mut self) {
        self.reader.committed_rows = self.writer.rows;
        self.reader.tell();
    }

    fn summary(&self, begun: Instant) -> SyncSummary {
        let (reader, writer) = (&self.reader, &self.writer);
        SyncSummary {
            rows: writer.rows,
            new: writer.written.new,
            updated: writer.written.updated,
            skipped: reader.skipped,
            list_rows: Some(writer.committed.rows),
            unfinished: reader.unfinished(),
            commits: writer.commits,
            stats: reader.stats(),
            elapsed: begun.elapsed(),
            ..SyncSummary::default()
        }
    }
}

impl SyncSummary {
    /// Of a sync that was stopped before it knew what the database holds.
    fn not_begun(begun: Instant) -> Self {
        Self {
            interrupted: true,
            elapsed: begun.elapsed(),
            ..Self::default()
        }
    }
}
