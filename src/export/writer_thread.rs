//! The thread that encodes rows while the walk continues.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::checkpoint::Committed;
use super::committer::Committer;
use super::encoder::Encoder;
use super::encoding::encoder;
use super::ids;
use super::sink::{Commit, Sink};
use super::spec::ExportSpec;
use crate::cursor::{Cursor, CursorUpdate, Retention};
use crate::error::Result;
use crate::pool::Pool;
use crate::run::RunSummary;
use crate::stream::batch::RawBatch;

/// A chunk for a file is handed over at this size, in bytes before compression.
const FILE_CHUNK_BYTES: usize = 8 << 20;
/// A part ends here, in bytes before compression by gzip or zstd.
const PART_BYTES: usize = 64 << 20;
/// More IDs than this are not compared. They take eight bytes each.
const MAX_IDS: usize = 1 << 24;

/// When a part is complete.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartSize {
    pub(super) rows: u64,
    pub(super) interval: Duration,
}

/// Where a walk starts, and where its rows go.
pub(super) struct Start {
    pub(super) cursor: Cursor,
    pub(super) retention: Retention,
    /// Takes back the memory of written rows.
    pub(super) pool: Arc<Pool<RunSummary>>,
}

/// What the walk has come to since the last message, and what that does to its cursor.
pub(super) struct Message {
    pub(super) content: Content,
    pub(super) updates: Vec<CursorUpdate>,
}

pub(super) enum Content {
    Rows {
        rows: VecDeque<RunSummary>,
        raw_rows: Option<RawBatch>,
    },
    /// A row that cannot be read, as it was received.
    Unreadable(String),
    /// Nothing to write.
    Moved,
}

/// What an export has written, all starts together unless it says otherwise.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) committed: Committed,
    /// By this start.
    pub(super) bytes: u64,
    /// By this start. `None` if there were too many to compare.
    pub(super) distinct_ids: Option<u64>,
}

/// Encodes rows into chunks, while another thread commits the chunks before.
pub(super) struct WriterThread {
    committer: Committer,
    spec: ExportSpec,
    encoder: Box<dyn Encoder>,
    has_parts: bool,
    /// Whether the file has nothing in it.
    is_blank: bool,
    part_size: PartSize,
    /// What the next chunk begins with, and what it ends with.
    before: Committed,
    next: Committed,
    cursor: Arc<Cursor>,
    retention: Retention,
    /// Whether the cursor has moved since the last commit.
    has_moved: bool,
    /// When the first row of the chunk came.
    since: Option<Instant>,
    ids: Option<Vec<u64>>,
    pool: Arc<Pool<RunSummary>>,
}

impl WriterThread {
    pub(super) fn new(
        sink: Box<dyn Sink>,
        spec: ExportSpec,
        part_size: PartSize,
        committed_rows: Arc<AtomicU64>,
        start: Start,
    ) -> Result<Self> {
        let checkpoint = sink.checkpoint();
        Ok(Self {
            encoder: encoder(spec.format, &spec.fields, sink.begins_file())?,
            spec,
            has_parts: sink.has_parts(),
            is_blank: sink.begins_file(),
            part_size,
            before: checkpoint.committed,
            next: checkpoint.committed,
            has_moved: start.cursor != *checkpoint.cursor,
            cursor: Arc::new(start.cursor),
            retention: start.retention,
            since: None,
            ids: Some(Vec::new()),
            pool: start.pool,
            committer: Committer::start(sink, committed_rows)?,
        })
    }

    pub(super) fn run(
        mut self,
        mut messages: mpsc::Receiver<Message>,
        runtime: &Handle,
    ) -> Result<Written> {
        loop {
            let message = match self.time_left() {
                None => messages.blocking_recv(),
                Some(left) => {
                    match runtime.block_on(async { timeout(left, messages.recv()).await }) {
                        Ok(message) => message,
                        Err(_) => {
                            self.commit()?;
                            continue;
                        }
                    }
                }
            };
            let Some(message) = message else {
                self.commit()?;
                return self.finish();
            };
            self.take(message)?;
            // One commit for all that has come meanwhile.
            while !self.is_full() {
                match messages.try_recv() {
                    Ok(message) => self.take(message)?,
                    Err(_) => break,
                }
            }
            if !self.has_parts || self.is_full() {
                self.commit()?;
            }
        }
    }

    /// How long the rows of an unfinished part may still wait for more.
    fn time_left(&self) -> Option<Duration> {
        let since = self.since.filter(|_| self.has_parts)?;
        Some(self.part_size.interval.saturating_sub(since.elapsed()))
    }

    fn is_full(&self) -> bool {
        if !self.has_parts {
            return self.encoder.size() >= FILE_CHUNK_BYTES;
        }
        self.next.rows - self.before.rows >= self.part_size.rows
            || self.encoder.size() >= PART_BYTES
            || self.time_left() == Some(Duration::ZERO)
    }

    fn take(&mut self, message: Message) -> Result<()> {
        self.committer.check()?;
        if !message.updates.is_empty() {
            // A copy, if the last commit still has it.
            let cursor = Arc::make_mut(&mut self.cursor);
            self.has_moved |= cursor.advance(&message.updates, &self.retention);
        }
        match message.content {
            Content::Rows { mut rows, raw_rows } => {
                self.since.get_or_insert_with(Instant::now);
                self.encoder.add(&rows, raw_rows.as_ref())?;
                self.count(&rows);
                // What is left in it would be moved to the beginning first.
                rows.clear();
                self.pool.keep(rows.into());
            }
            Content::Unreadable(text) => {
                self.since.get_or_insert_with(Instant::now);
                if self.encoder.add_unreadable(&text) {
                    self.next.rows += 1;
                    self.count_ids([ids::of_unreadable(&text)]);
                } else {
                    self.next.skipped += 1;
                }
            }
            // In parts, the cursor alone may wait as long as rows.
            Content::Moved if self.has_moved => {
                self.since.get_or_insert_with(Instant::now);
            }
            Content::Moved => {}
        }
        Ok(())
    }

    fn count(&mut self, rows: &VecDeque<RunSummary>) {
        self.next.rows += rows.len() as u64;
        let starts = rows.iter().filter_map(|run| run.started_at);
        for start in starts {
            let first = self.next.first_started_at.get_or_insert(start);
            *first = start.min(*first);
            let last = self.next.last_started_at.get_or_insert(start);
            *last = start.max(*last);
        }
        self.count_ids(rows.iter().map(|run| ids::hash(&run.id)));
    }

    fn count_ids(&mut self, more: impl IntoIterator<Item = u64>) {
        if let Some(ids) = &mut self.ids {
            ids.extend(more);
            if ids.len() > MAX_IDS {
                self.ids = None;
            }
        }
    }

    /// Commits a file without rows: a header where there are headers, and a frame where there are
    /// frames, so that it can be read like any other.
    fn commit_without_rows(&mut self) -> Result<()> {
        self.encoder.add(&VecDeque::new(), None)?;
        let chunk = self.encoder.finish()?;
        let chunk = self.spec.format.compression().compress(chunk)?;
        self.hand_over(vec![chunk])
    }

    /// Hands what has come over to be committed, if anything has.
    fn commit(&mut self) -> Result<()> {
        if self.since.is_none() && !self.has_moved {
            return Ok(());
        }
        let mut chunks = Vec::new();
        if self.since.take().is_some() {
            let chunk = self.encoder.finish()?;
            if !chunk.is_empty() {
                chunks.push(self.spec.format.compression().compress(chunk)?);
            }
        }
        if self.has_parts {
            // The next part is a file of its own: with a header, where there are headers.
            self.encoder = encoder(self.spec.format, &self.spec.fields, true)?;
        }
        self.is_blank &= chunks.is_empty();
        self.hand_over(chunks)
    }

    fn hand_over(&mut self, chunks: Vec<Vec<u8>>) -> Result<()> {
        self.has_moved = false;
        self.before = self.next;
        self.committer.commit(Commit {
            chunks,
            committed: self.next,
            cursor: Arc::clone(&self.cursor),
        })
    }

    fn finish(mut self) -> Result<Written> {
        if self.is_blank && !self.has_parts {
            self.commit_without_rows()?;
        }
        // While the last chunk is committed.
        let distinct_ids = self.ids.map(ids::distinct);
        Ok(Written {
            bytes: self.committer.finish()?,
            committed: self.next,
            distinct_ids,
        })
    }
}
