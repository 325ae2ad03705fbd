//! Rows into bytes.

use std::collections::VecDeque;

use super::format::{Encoding, Format};
use super::jsonl::Jsonl;
use crate::error::Result;
use crate::run::RunSummary;
use crate::stream::batch::RawBatch;

/// Makes chunks of bytes of rows: what one commit adds to a file, or one part of many.
pub(super) trait Encoder: Send {
    /// Adds rows to the chunk. The texts are there if [`wants_raw_rows`] says so.
    fn add(&mut self, rows: &VecDeque<RunSummary>, texts: Option<&RawBatch>) -> Result<()>;

    /// Adds a row that this crate cannot read, if the format can hold it.
    fn add_unreadable(&mut self, _text: &str) -> bool {
        false
    }

    /// About how many bytes the chunk has so far.
    fn size(&self) -> usize;

    /// The chunk, and the beginning of a new one.
    fn finish(&mut self) -> Result<Vec<u8>>;
}

/// Whether rows are written from the text that was received, and not from what was read of it.
pub(super) fn wants_raw_rows(format: Format) -> bool {
    format.encoding == Encoding::Jsonl
}

/// An encoder for this format. `is_first` is whether the chunk begins a file.
///
/// # Errors
///
/// `ErrorKind::Config` if a field is none of the format's, or if this build cannot write it.
pub(super) fn encoder(
    format: Format,
    fields: &[String],
    is_first: bool,
) -> Result<Box<dyn Encoder>> {
    format.validate()?;
    let _ = is_first;
    Ok(match format.encoding {
        #[cfg(feature = "csv")]
        Encoding::Csv => Box::new(super::csv::Csv::new(fields, is_first)?),
        #[cfg(feature = "parquet")]
        Encoding::Parquet => Box::new(super::parquet::Parquet::new(fields)?),
        _ => Box::new(Jsonl::new(fields)?),
    })
}
