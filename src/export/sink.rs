//! The trait of an open output.

use std::sync::Arc;

use super::checkpoint::{Checkpoint, Committed};
use crate::cursor::Cursor;
use crate::error::Result;

/// An output that is open for one export: it holds what its checkpoint says, and nothing else
/// writes to it. Its methods block.
pub(super) trait Sink: Send {
    /// What is committed.
    fn checkpoint(&self) -> &Checkpoint;

    /// Whether the next chunk begins a file.
    fn begins_file(&self) -> bool;

    /// Whether a chunk is a part, which should not be small.
    fn has_parts(&self) -> bool;

    /// Makes chunks permanent together with the checkpoint behind them, in one step.
    ///
    /// If it fails, what was committed before still is, and the sink is of no more use.
    fn commit(&mut self, commit: Commit) -> Result<()>;
}

/// Rows as bytes, in chunks, and what is committed with them. There may be no chunks.
pub(super) struct Commit {
    pub(super) chunks: Vec<Vec<u8>>,
    pub(super) committed: Committed,
    pub(super) cursor: Arc<Cursor>,
}

impl Commit {
    /// The bytes of its chunks.
    pub(super) fn size(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }

    /// Appends a later one, so that both are committed at once.
    pub(super) fn join(&mut self, later: Self) {
        self.chunks.extend(later.chunks);
        self.committed = later.committed;
        self.cursor = later.cursor;
    }
}
