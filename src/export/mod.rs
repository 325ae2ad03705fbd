//! Every run in a file, exactly once, whatever happens.
//!
//! An [`Export`] is a walk that ends in an [`Output`]: JSON lines, CSV or Parquet, in one file
//! that grows, in a folder or bucket of parts, or in a stream. It can be stopped, killed or cut
//! off from power at any moment. The same export, started again, goes on with exactly the next
//! run: from then on each run is in the output once.
//!
//! # Example: an export that goes on where it stopped
//!
//! ```
//! use apify_runs::emulator::Emulator;
//! use apify_runs::export::{Export, Output};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = Emulator::builder().runs(5000).start().await?;
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("runs.jsonl.zst");
//!
//! // Half of it.
//! let half = apify_runs::RunQuery::actor("janedoe/my-actor").limit(2500);
//! let runs = emulator.client().runs(half);
//! let summary = Export::new(runs, Output::file(&path)).run().await?;
//! assert_eq!(summary.rows, 2500);
//!
//! // The rest.
//! let runs = emulator.client().runs("janedoe/my-actor");
//! let summary = Export::new(runs, Output::file(&path)).run().await?;
//! assert_eq!((summary.rows, summary.output_rows), (2500, 5000));
//! # Ok(())
//! # }
//! ```
//!
//! # How it is safe
//!
//! **One file.** Each commit appends the rows that have come, waits until they are on the disk
//! (`fdatasync`), and then puts a new checkpoint in the place of the old one: written beside
//! it, `fsync`, renamed, `fsync` of the folder. The checkpoint holds the [`Cursor`] and how long
//! the file is with exactly its rows. The next start cuts off what is behind that. Where the
//! file is compressed, each commit ends with the end of a frame, so that it can be read up to any
//! of them.
//!
//! **Parts.** Each commit stores a part under a name of its own, and then replaces the
//! manifest, which lists the parts that count and holds the cursor. Older parts are listed in
//! segments: files that do not change, which the manifest refers to. The next start removes the
//! parts and segments that are not listed. On S3 the manifest is replaced only if it is still the one that
//! this export knows (`If-Match`).
//!
//! **Nobody else.** A file and a folder are locked while an export writes to them; a second
//! one fails with [`ErrorKind::Locked`]. Object storage has no locks: there, the export that is
//! started later takes over, and the other one fails at its next commit, without harm.
//!
//! Pages go on being fetched while a commit is made, and all that have come by then are
//! committed together.

#[cfg(feature = "object-store")]
mod bucket;
mod checkpoint;
#[cfg(any(feature = "csv", feature = "parquet"))]
mod columns;
mod committer;
mod compact;
#[cfg(feature = "csv")]
mod csv;
mod directory;
mod durable;
mod encoder;
mod file;
mod format;
mod ids;
mod jsonl;
mod output;
#[cfg(feature = "parquet")]
mod parquet;
mod part_names;
mod part_store;
mod parts_sink;
mod segment;
mod sink;
mod spec;
mod verify;
mod writer;
mod writer_sink;

use std::collections::BTreeMap;
use std::fmt;
use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::future::{Either, select};
use tokio::time::timeout;

pub use checkpoint::Checkpoint;
pub use format::{Compression, Encoding, Format};
pub use output::Output;
pub use verify::{Verification, verify};

use crate::cursor::Cursor;
use crate::error::{Error, ErrorKind, Result};
use crate::http::fetch;
use crate::http::settings::Settings;
use crate::query::RunSource;
use crate::runs::Runs;
use crate::setting::check_duration;
use crate::stream::batch::Batch;
use crate::stream::pages::RunPages;
use crate::stream::stats::WalkStats;
use encoder::{encoder, wants_raw_rows};
use spec::ExportSpec;
use writer::{Content, Item, PartSize, Start, Writer, Written};

/// How often a cursor is committed that has moved over runs that are not written.
const QUIET_COMMIT: Duration = Duration::from_secs(5);
/// How long to wait for the number of runs at the end.
const LAST_COUNT: Duration = Duration::from_secs(10);
const DEFAULT_PART_ROWS: u64 = 250_000;
const DEFAULT_PART_INTERVAL: Duration = Duration::from_secs(5 * 60);
const MIN_PART_INTERVAL: Duration = Duration::from_secs(1);
const MAX_PART_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// A walk that ends in an output: not started yet.
///
/// Nothing is checked, opened or sent before it [runs](Self::run).
#[must_use = "an export does nothing until it runs"]
pub struct Export {
    runs: Runs,
    output: Output,
    format: Format,
    fields: Vec<String>,
    labels: BTreeMap<String, String>,
    restart: bool,
    part_size: PartSize,
    on_progress: Option<Box<OnProgress>>,
    on_unreadable: Option<Box<OnUnreadable>>,
}

type OnProgress = dyn Fn(&Progress) + Send + Sync;
type OnUnreadable = dyn Fn(&Error) + Send + Sync;

/// How far an export has come: [`Export::on_progress`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Rows that have come for the output, those of earlier starts included.
    pub rows: u64,
    /// Rows of these that are committed.
    pub committed_rows: u64,
    /// How many there were on the list when the export started. `None` if the service did not
    /// say.
    pub total: Option<u64>,
    /// What the walk of this start has done.
    pub stats: WalkStats,
}

/// What an export has done: what it takes to see that nothing is missing.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// Whether it was stopped before its end.
    pub interrupted: bool,
    /// Rows written by this start.
    pub rows: u64,
    /// Rows in the output, those of earlier starts included.
    pub output_rows: u64,
    /// How many different IDs the rows of this start have. Under
    /// [`Emit::Changes`](crate::Emit::Changes) there may be fewer than rows, and under
    /// [`Emit::Finished`](crate::Emit::Finished) if a run was resurrected and has finished again.
    /// A row without an ID counts as one of its own. `None` after more than 16,777,216 rows,
    /// which are too many to compare.
    pub distinct_ids: Option<u64>,
    /// Rows that could not be read and that the format cannot hold, those of earlier starts
    /// included.
    pub skipped: u64,
    /// The earliest start of a run in the output.
    pub first_started_at: Option<DateTime<Utc>>,
    /// The latest start of a run in the output.
    pub last_started_at: Option<DateTime<Utc>>,
    /// How many runs the list had before, by the service's count. `None` if the service did not
    /// say, or if the export was stopped before it had.
    pub total_before: Option<u64>,
    /// How many it had after. `None` if the export was interrupted, or the service did not say.
    pub total_after: Option<u64>,
    /// What the walk has done: requests, retries, how often the list moved, late rows.
    pub stats: WalkStats,
    /// Bytes written by this start, after compression.
    pub bytes: u64,
    /// How long this start took.
    pub elapsed: Duration,
}

impl Export {
    /// An export of a walk into an output.
    ///
    /// The format is the one that the output's name ends in, or JSON lines. A
    /// [`resume`](Runs::resume) cursor of the walk applies to an output that is new; from then
    /// on, the checkpoint says where to go on.
    pub fn new(runs: Runs, output: Output) -> Self {
        let format = Format::of_name(&output.to_string()).unwrap_or(Format::JSONL);
        Self {
            runs,
            output,
            format,
            fields: Vec::new(),
            labels: BTreeMap::new(),
            restart: false,
            part_size: PartSize {
                rows: DEFAULT_PART_ROWS,
                interval: DEFAULT_PART_INTERVAL,
            },
            on_progress: None,
            on_unreadable: None,
        }
    }

    /// What the rows are written as.
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Which fields of a run are written, in this order, by their names in the API, with a dot
    /// before a field of `meta`. Default: all.
    ///
    /// JSON lines take any name, though not a field together with one that is in it (`meta` and
    /// `meta.origin`), and leave out what a run does not have. CSV and Parquet know those of
    /// [`RunSummary`](crate::RunSummary), and take each once.
    pub fn fields<T: Into<String>>(mut self, fields: impl IntoIterator<Item = T>) -> Self {
        self.fields = fields.into_iter().map(Into::into).collect();
        self
    }

    /// A note in the checkpoint. An export that goes on must have the same.
    ///
    /// It is for what decides about the query, but is not in it: a time that is relative to the
    /// first start, say, which [`Checkpoint::query`] then has as a date.
    pub fn label(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.labels.insert(name.into(), text.into());
        self
    }

    /// Starts again, and forgets what is in the output. Default `false`.
    pub fn restart(mut self, restart: bool) -> Self {
        self.restart = restart;
        self
    }

    /// After how many rows a part ends, if it has not come to 64 MiB before (not compressed,
    /// but Parquet). At least 1; pages are not divided. Default 250,000.
    pub fn part_rows(mut self, rows: u64) -> Self {
        self.part_size.rows = rows;
        self
    }

    /// How long a row may wait for its part to end. From 1 s to 24 hours. Default 5 minutes.
    pub fn part_interval(mut self, interval: Duration) -> Self {
        self.part_size.interval = interval;
        self
    }

    /// Calls a function after each page and each row that cannot be read, and every 5 s in which
    /// nothing comes.
    pub fn on_progress(mut self, call: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(Box::new(call));
        self
    }

    /// Calls a function for each row that cannot be read: with an error of kind
    /// [`Item`](ErrorKind::Item), which [has it](Error::row). JSON lines hold it all the same.
    pub fn on_unreadable(mut self, call: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.on_unreadable = Some(Box::new(call));
        self
    }

    /// Runs it to the end of the list, or for ever if it [follows](Runs::follow) the list.
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
    /// ends soon after: on S3 as long as the runtime goes on, into a stream when that has taken
    /// them. [`run_until`](Self::run_until) waits for that.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    pub async fn run(self) -> Result<Summary> {
        self.run_until(pending()).await
    }

    /// The same, but when `stop` is ready, it commits what has come, and ends.
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
        // Also says whether the token is good, before anything is opened.
        let total_before =
            match select(stop.as_mut(), pin!(fetch::total(&settings, source.clone()))).await {
                Either::Left(_) => return Ok(self.not_begun(begun).await),
                Either::Right((total, _)) => total?,
            };
        let (mut walk, checkpoint) = self.begin(total_before).await?;
        let end = walk.run(stop.as_mut()).await;
        let stats = walk.pages.stats();
        // A walk that is given up must not go on asking while the rest is written.
        drop(walk.pages);
        let written = walk.writer.finish().await?;
        let interrupted = end? == End::Stopped;
        // The reader of a split may have to wait long for its turn.
        let total_after = match interrupted || source.is_split() {
            true => None,
            false => last_count(&settings, source, stop).await,
        };
        Ok(Summary {
            interrupted,
            total_after,
            ..Summary::new(&checkpoint, written, total_before, stats, begun)
        })
    }

    /// Opens the output, and the walk where that goes on.
    async fn begin(self, total_before: Option<u64>) -> Result<(Walk, Checkpoint)> {
        let job = self.job();
        let opened = Writer::open(self.output, job, self.restart, self.part_size);
        let (mut writer, checkpoint) = opened.await?;
        let mut runs = self.runs;
        runs.options.keeps_raw_rows = wants_raw_rows(self.format);
        if *checkpoint.cursor != Cursor::default() {
            runs.options.resume = Cursor::clone(&checkpoint.cursor);
        }
        let holds_unreadable = runs.options.keeps_raw_rows;
        let retention = runs.options.rules().memory(&runs.options.source.query);
        let mut pages = runs.pages();
        pages.keep_updates();
        writer.start(Start {
            cursor: pages.cursor().clone(),
            retention,
            pool: pages.pool(),
        });
        let walk = Walk {
            holds_unreadable,
            pages,
            writer,
            rows: checkpoint.rows(),
            total_before,
            on_progress: self.on_progress,
            on_unreadable: self.on_unreadable,
        };
        Ok((walk, checkpoint))
    }

    /// What is there, if the export was stopped before it opened its output.
    async fn not_begun(&self, begun: Instant) -> Summary {
        let there = self.output.read_checkpoint().await;
        Summary::nothing(there.ok().flatten().as_ref(), begun)
    }

    fn job(&self) -> ExportSpec {
        ExportSpec {
            query: self.runs.options.source.clone(),
            emit: self.runs.options.emit,
            format: self.format,
            fields: self.fields.clone(),
            labels: self.labels.clone(),
        }
    }

    fn validate(&self) -> Result<()> {
        self.runs.options.begin(&self.runs.settings.token)?;
        encoder(self.format, &self.fields, true)?;
        let is_parquet = self.format.encoding == Encoding::Parquet;
        if is_parquet && !self.output.has_parts() {
            let expected = "parquet is written in parts: name a folder";
            return Err(Error::config("output", &self.output, expected));
        }
        if self.part_size.rows == 0 {
            return Err(Error::config("part_rows", 0, "it must be at least 1"));
        }
        Ok(check_duration(
            "part_interval",
            self.part_size.interval,
            MIN_PART_INTERVAL..=MAX_PART_INTERVAL,
        )?)
    }
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export")
            .field("runs", &self.runs)
            .field("output", &self.output)
            .field("format", &self.format)
            .field("fields", &self.fields)
            .field("restart", &self.restart)
            .finish_non_exhaustive()
    }
}

/// How many runs there are at the end. The export is complete: nobody has to wait long for that.
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

/// A walk on its way into an output.
struct Walk {
    pages: RunPages,
    writer: Writer,
    /// Those of earlier starts, and what has come since.
    rows: u64,
    /// Whether rows that cannot be read are among them.
    holds_unreadable: bool,
    total_before: Option<u64>,
    on_progress: Option<Box<OnProgress>>,
    on_unreadable: Option<Box<OnUnreadable>>,
}

/// How a walk has ended, if not by an error.
#[derive(PartialEq)]
enum End {
    Complete,
    Stopped,
}

impl Walk {
    /// Sends what comes to the writer. That it cannot write is for the writer to say.
    async fn run(&mut self, mut stop: Pin<&mut impl Future<Output = ()>>) -> Result<End> {
        loop {
            let content = match next_batch(&mut self.pages, stop.as_mut()).await {
                Next::Batch(Batch { rows, raw_rows, .. }) => {
                    self.rows += rows.len() as u64;
                    Content::Rows { rows, raw_rows }
                }
                Next::Unreadable(error) => {
                    if let Some(call) = &self.on_unreadable {
                        call(&error);
                    }
                    self.rows += u64::from(self.holds_unreadable);
                    Content::Unreadable(error.row().unwrap_or_default().into())
                }
                // The cursor may have moved, and the writer may have something to say.
                Next::Nothing => Content::Moved,
                Next::End(end) => {
                    let last = self.item(Content::Moved);
                    self.writer.send(last).await;
                    return end;
                }
            };
            let item = self.item(content);
            if !self.writer.send(item).await {
                return Ok(End::Stopped);
            }
            if let Some(call) = &self.on_progress {
                call(&self.progress());
            }
        }
    }

    /// What comes next, and what it does to the cursor.
    fn item(&mut self, content: Content) -> Item {
        let updates = self.pages.take_updates();
        Item { content, updates }
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

/// What comes next.
enum Next {
    Batch(Batch),
    Unreadable(Error),
    /// Nothing for a while.
    Nothing,
    End(Result<End>),
}

async fn next_batch(pages: &mut RunPages, stop: Pin<&mut impl Future<Output = ()>>) -> Next {
    let next = pin!(timeout(QUIET_COMMIT, pages.next_batch()));
    match select(stop, next).await {
        Either::Left(_) => Next::End(Ok(End::Stopped)),
        Either::Right((Err(_), _)) => Next::Nothing,
        Either::Right((Ok(None), _)) => Next::End(Ok(End::Complete)),
        Either::Right((Ok(Some(Ok(batch))), _)) => Next::Batch(batch),
        Either::Right((Ok(Some(Err(error))), _)) if error.kind() == ErrorKind::Item => {
            Next::Unreadable(error)
        }
        Either::Right((Ok(Some(Err(error))), _)) => Next::End(Err(error)),
    }
}

impl Summary {
    fn new(
        before: &Checkpoint,
        written: Written,
        total_before: Option<u64>,
        stats: WalkStats,
        begun: Instant,
    ) -> Self {
        let committed = written.committed;
        Self {
            interrupted: false,
            rows: committed.rows - before.rows(),
            output_rows: committed.rows,
            distinct_ids: written.distinct_ids,
            skipped: committed.skipped,
            first_started_at: committed.first_started_at,
            last_started_at: committed.last_started_at,
            total_before,
            total_after: None,
            stats,
            bytes: written.bytes,
            elapsed: begun.elapsed(),
        }
    }

    /// Of an export that was stopped before it opened its output.
    fn nothing(there: Option<&Checkpoint>, begun: Instant) -> Self {
        let committed = there.map(|there| there.committed).unwrap_or_default();
        Self {
            interrupted: true,
            rows: 0,
            output_rows: committed.rows,
            distinct_ids: Some(0),
            skipped: committed.skipped,
            first_started_at: committed.first_started_at,
            last_started_at: committed.last_started_at,
            total_before: None,
            total_after: None,
            stats: WalkStats::default(),
            bytes: 0,
            elapsed: begun.elapsed(),
        }
    }
}
