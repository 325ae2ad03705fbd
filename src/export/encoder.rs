//! Rows into bytes.

use std::collections::VecDeque;

use crate::error::Result;
use crate::run::RunSummary;
use crate::stream::batch::RawBatch;

/// Makes chunks of bytes of rows: what one commit adds to a file, or one part of many.
pub(super) trait Encoder: Send {
    /// Adds rows to the chunk, with the rows as they were received if the format wants them.
    fn add(&mut self, rows: &VecDeque<RunSummary>, raw_rows: Option<&RawBatch>) -> Result<()>;

    /// Adds a row that this crate cannot read, if the format can hold it.
    fn add_unreadable(&mut self, _raw_row: &str) -> bool {
        false
    }

    /// About how many bytes the chunk has so far.
    fn size(&self) -> usize;

    /// The chunk, and the beginning of a new one.
    fn finish(&mut self) -> Result<Vec<u8>>;
}
