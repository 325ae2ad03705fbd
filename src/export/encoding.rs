//! The encoder of each format.

#[cfg(feature = "csv")]
use super::csv::Csv;
use super::encoder::Encoder;
use super::format::Format;
use super::jsonl::Jsonl;
#[cfg(feature = "parquet")]
use super::parquet::Parquet;
use crate::error::Result;

/// Whether rows are written as they were received, and not from what was read of them.
pub(super) fn wants_raw_rows(format: Format) -> bool {
    matches!(format, Format::Jsonl(_))
}

/// An encoder for this format. `_is_first` is whether the chunk begins a file.
///
/// # Errors
///
/// `ErrorKind::Config` if a field is none of the format's, or if this build cannot write it.
pub(super) fn encoder(
    format: Format,
    fields: &[String],
    _is_first: bool,
) -> Result<Box<dyn Encoder>> {
    format.validate()?;
    Ok(match format {
        #[cfg(feature = "csv")]
        Format::Csv(_) => Box::new(Csv::new(fields, _is_first)?),
        #[cfg(feature = "parquet")]
        Format::Parquet => Box::new(Parquet::new(fields)?),
        _ => Box::new(Jsonl::new(fields)?),
    })
}
