//! Runs an export: sends the rows of the walk to the writer.

use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{Either, join, select};
use tokio::time::timeout;

use super::builder::{Export, OnProgress, OnUnreadable};
use super::checkpoint::Checkpoint;
use super::encoding::wants_raw_rows;
use super::format::Format;
use super::summary::{Progress, Summary};
use super::writer::WriterHandle;
use super::writer_thread::{Content, Message, Start};
use crate::cursor::{Cursor, Retention};
use crate::emit::Emit;
use crate::error::{Error, ErrorKind, Result};
use crate::http::fetch;
use crate::http::settings::Settings;
use crate::query::RunSource;
use crate::runs::Runs;
use crate::stream::batch::Batch;
use crate::stream::pages::RunPages;

/// How often a cursor is committed that has moved over runs that are not written.
const QUIET_COMMIT: Duration = Duration::from_secs(5);
/// How long to wait for the number of runs at the end.
const LAST_COUNT: Duration = Duration::from_secs(10);

impl Export {
    /// Runs it to the end of the list, or without end if it [follows](crate::Runs::follow) the
    /// list.
    ///
    /// # Errors
    ///
    /// Any kind but `Item`. [`Output`](ErrorKind::Output), [`Damaged`](ErrorKind::Damaged) and
    /// [`Locked`](ErrorKind::Locked) are about the output, and
    /// [`CursorMismatch`](ErrorKind::CursorMismatch) says that its checkpoint is one of another
    /// export. Rows that came before an error of the walk are committed. Whatever the error,
    /// the same export can be started again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the walk; rows that have come are committed by a thread that
    /// ends soon after: in object storage if the runtime keeps running, into a stream when that
    /// has taken them. [`run_until`](Self::run_until) waits for that.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    pub async fn run(self) -> Result<Summary> {
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
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<Summary> {
        let begun = Instant::now();
        let mut stop = pin!(stop);
        self.validate()?;
        let settings = Arc::clone(&self.runs.settings);
        let source = self.runs.options.source.clone();
        let Some(first) = self.first_response(stop.as_mut()).await? else {
            return Ok(self.not_begun(begun).await);
        };
        let (mut transfer, checkpoint) = self.begin(first).await?;
        let total_before = transfer.total_before;
        let end = transfer.run(stop.as_mut()).await;
        let stats = transfer.pages.stats();
        let frozen_rows = transfer.frozen_rows;
        // A walk that is given up must not keep requesting while the rest is written.
        drop(transfer.pages);
        // Nothing can be compared with the count of a split: others read the rest of the list.
        let counts = matches!(end, Ok(Ending::Complete)) && !source.is_split();
        let total_after = async {
            match counts {
                true => last_count(&settings, source, stop).await,
                false => None,
            }
        };
        let (written, total_after) = join(transfer.writer.finish(), total_after).await;
        let (written, interrupted) = (written?, end? == Ending::Stopped);
        Ok(Summary {
            interrupted,
            frozen_rows,
            total_after,
            ..Summary::new(&checkpoint, written, total_before, stats, begun)
        })
    }

    /// What shows that the token is good, before anything is opened: the first page of a new
    /// export, or else the number of runs. `None` if the export was stopped.
    async fn first_response(
        &self,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Option<FirstResponse>> {
        let is_new = self.restart || self.output.is_new();
        if is_new && self.first_page_has_total() {
            let mut walk = OpenWalk::new(&self.runs, self.format);
            return Ok(loop {
                match next_batch(&mut walk.pages, stop.as_mut()).await {
                    Event::End(Err(error)) => return Err(error),
                    Event::End(Ok(Ending::Stopped)) => break None,
                    Event::Nothing if walk.pages.stats().total.is_none() => {}
                    event => {
                        break Some(FirstResponse {
                            total: walk.pages.stats().total,
                            page: Some((walk, event)),
                        });
                    }
                }
            });
        }
        let settings = &self.runs.settings;
        let count = pin!(fetch::total(settings, self.runs.options.source.clone()));
        match select(stop, count).await {
            Either::Left(_) => Ok(None),
            Either::Right((total, _)) => Ok(Some(FirstResponse {
                total: total?,
                page: None,
            })),
        }
    }

    /// Whether the first page of a new export says how many runs there are.
    fn first_page_has_total(&self) -> bool {
        let options = &self.runs.options;
        let begins_with_the_list =
            options.resume == Cursor::default() && !options.source.is_split();
        begins_with_the_list && options.wire_source() == options.source
    }

    /// Opens the output, and the walk where the output ends.
    async fn begin(self, first: FirstResponse) -> Result<(Transfer, Checkpoint)> {
        let spec = self.spec();
        let is_snapshot = spec.emit == Emit::Snapshot;
        let opened = WriterHandle::open(self.output, spec, self.restart, self.part_size);
        let (mut writer, checkpoint) = opened.await?;
        // Another export may have begun the output in the meantime.
        let is_new = *checkpoint.cursor == Cursor::default();
        let (walk, page) = match first.page.filter(|_| is_new) {
            Some((walk, event)) => (walk, Some(event)),
            None => {
                let mut runs = self.runs;
                if !is_new {
                    runs.options.resume = Cursor::clone(&checkpoint.cursor);
                }
                (OpenWalk::new(&runs, self.format), None)
            }
        };
        writer.start(Start {
            cursor: walk.cursor,
            retention: walk.retention,
            pool: walk.pages.pool(),
        });
        let transfer = Transfer {
            holds_unreadable: wants_raw_rows(self.format),
            freezes: is_snapshot,
            frozen_rows: 0,
            pages: walk.pages,
            first: page,
            writer,
            rows: checkpoint.rows(),
            total_before: first.total,
            on_progress: self.on_progress,
            on_unreadable: self.on_unreadable,
        };
        Ok((transfer, checkpoint))
    }

    /// The existing checkpoint, if the export was stopped before it opened its output.
    async fn not_begun(&self, begun: Instant) -> Summary {
        let there = self.output.read_checkpoint().await;
        Summary::nothing(there.ok().flatten().as_ref(), begun)
    }
}

/// The number of runs on the list at the end. The export is complete, so this may not take long.
async fn last_count(
    settings: &Arc<Settings>,
    source: RunSource,
    stop: Pin<&mut impl Future<Output = ()>>,
) -> Option<u64> {
    let count = pin!(timeout(LAST_COUNT, fetch::total(settings, source)));
    match select(stop, count).await {
        Either::Right((Ok(total), _)) => total.ok().flatten(),
        _ => None,
    }
}

/// What an export has requested before it opens its output.
struct FirstResponse {
    /// How many runs there are, if the service says so.
    total: Option<u64>,
    /// The first page of the walk, if it has been requested.
    page: Option<(OpenWalk, Event)>,
}

/// A walk, and where its cursor begins.
struct OpenWalk {
    pages: RunPages,
    cursor: Cursor,
    retention: Retention,
}

impl OpenWalk {
    fn new(runs: &Runs, format: Format) -> Self {
        let mut runs = runs.clone();
        runs.options.keeps_raw_rows = wants_raw_rows(format);
        let mut pages = runs.pages();
        let (cursor, retention) = pages.keep_updates();
        Self {
            pages,
            cursor,
            retention,
        }
    }
}

/// A walk on its way into an output.
struct Transfer {
    pages: RunPages,
    /// What came before the output was opened.
    first: Option<Event>,
    writer: WriterHandle,
    /// Those of earlier starts, and what has come since.
    rows: u64,
    /// Whether rows that cannot be read are among them.
    holds_unreadable: bool,
    /// Whether rows are written once, also those of runs that have not finished.
    freezes: bool,
    /// Rows of runs that had not finished, if they are written once.
    frozen_rows: u64,
    total_before: Option<u64>,
    on_progress: Option<Box<OnProgress>>,
    on_unreadable: Option<Box<OnUnreadable>>,
}

/// How a walk ended without an error.
#[derive(PartialEq)]
enum Ending {
    Complete,
    Stopped,
}

impl Transfer {
    /// Sends items to the writer. If the writer has failed, it reports that itself.
    async fn run(&mut self, mut stop: Pin<&mut impl Future<Output = ()>>) -> Result<Ending> {
        loop {
            let event = match self.first.take() {
                Some(event) => event,
                None => next_batch(&mut self.pages, stop.as_mut()).await,
            };
            let content = match event {
                Event::Batch(Batch { rows, raw_rows, .. }) => {
                    self.rows += rows.len() as u64;
                    if self.freezes {
                        let unfinished = rows.iter().filter(|run| !run.is_finished());
                        self.frozen_rows += unfinished.count() as u64;
                    }
                    Content::Rows { rows, raw_rows }
                }
                Event::Unreadable(error) => {
                    if let Some(call) = &self.on_unreadable {
                        call(&error);
                    }
                    self.rows += u64::from(self.holds_unreadable);
                    Content::Unreadable(error.row().unwrap_or_default().into())
                }
                // The cursor may have moved, and the writer may have something to say.
                Event::Nothing => Content::Moved,
                Event::End(end) => {
                    let last = self.message(Content::Moved);
                    self.writer.send(last).await;
                    return end;
                }
            };
            let message = self.message(content);
            if !self.writer.send(message).await {
                return Ok(Ending::Stopped);
            }
            if let Some(call) = &self.on_progress {
                call(&self.progress());
            }
        }
    }

    /// The next item, and its effect on the cursor.
    fn message(&mut self, content: Content) -> Message {
        let updates = self.pages.take_updates();
        Message { content, updates }
    }

    fn progress(&self) -> Progress {
        Progress {
            rows: self.rows,
            committed_rows: self.writer.committed_rows(),
            total: self.total_before,
            stats: self.pages.stats(),
        }
    }
}

/// The next item.
enum Event {
    Batch(Batch),
    Unreadable(Error),
    /// Nothing for a while.
    Nothing,
    End(Result<Ending>),
}

async fn next_batch(pages: &mut RunPages, stop: Pin<&mut impl Future<Output = ()>>) -> Event {
    let next = pin!(timeout(QUIET_COMMIT, pages.next_batch()));
    match select(stop, next).await {
        Either::Left(_) => Event::End(Ok(Ending::Stopped)),
        Either::Right((Err(_), _)) => Event::Nothing,
        Either::Right((Ok(None), _)) => Event::End(Ok(Ending::Complete)),
        Either::Right((Ok(Some(Ok(batch))), _)) => Event::Batch(batch),
        Either::Right((Ok(Some(Err(error))), _)) if error.kind() == ErrorKind::Item => {
            Event::Unreadable(error)
        }
        Either::Right((Ok(Some(Err(error))), _)) => Event::End(Err(error)),
    }
}
