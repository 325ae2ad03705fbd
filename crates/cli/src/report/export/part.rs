//! The files of one output.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use apify_runs::Emit;
use apify_runs::export::{Checkpoint, Compression, Format};

use super::count::Count;
use super::{csv, jsonl, parquet};
use crate::counts::counted;
use crate::exit::{Exit, Failure};
use crate::report::coverage::{Coverage, CoveredList};
use crate::report::fields::Fields;
use crate::report::row::ReportRow;

/// One output of an export.
pub(super) struct Part {
    /// The files with its rows, and how many of their bytes count.
    pub(super) files: Vec<(PathBuf, u64)>,
    pub(super) format: Format,
    pub(super) checkpoint: Option<Checkpoint>,
}

/// What the files of an export hold.
#[derive(Default)]
pub(super) struct Found {
    pub(super) rows: u64,
    /// Rows that are no run.
    pub(super) unreadable: u64,
    /// Rows that would be runs if they had an ID.
    pub(super) without_id: u64,
    pub(super) fields: Fields,
}

impl Part {
    /// Whether each run has one row.
    pub(super) fn is_once(&self) -> bool {
        let checkpoint = self.checkpoint.as_ref();
        checkpoint.is_some_and(|checkpoint| checkpoint.emit() == Emit::Snapshot)
    }

    pub(super) fn read(
        &self,
        found: &mut Found,
        each: &mut impl FnMut(ReportRow),
    ) -> Result<(), Failure> {
        for (path, bytes) in &self.files {
            let damaged = |error: &dyn std::fmt::Display| {
                let message = format!("{} cannot be read: {error}", path.display());
                Failure::new(Exit::Output, message)
            };
            let file = File::open(path).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => damaged(&"its manifest lists it, and it is not there"),
                _ => cannot_read(path, error),
            })?;
            let mut count = Count::default();
            let each = &mut |row: ReportRow| {
                found.fields.note(&row);
                match row.id.is_empty() {
                    true => found.without_id += 1,
                    false => each(row),
                }
            };
            match self.format {
                Format::Parquet => {
                    parquet::read(file, &mut count, each).map_err(|it| damaged(&it))?;
                }
                Format::Csv(compression) => {
                    let reader = reader(file.take(*bytes), compression);
                    let reader = reader.map_err(|it| damaged(&it))?;
                    csv::read(reader, &mut count, each).map_err(|it| damaged(&it))?;
                }
                format => {
                    let reader = reader(file.take(*bytes), format.compression());
                    let reader = reader.map_err(|it| damaged(&it))?;
                    jsonl::read(reader, &mut count, each).map_err(|it| damaged(&it))?;
                }
            }
            found.rows += count.rows;
            found.unreadable += count.unreadable;
        }
        Ok(())
    }

    /// Adds what the checkpoint says.
    pub(super) fn note(&self, rows: u64, coverage: &mut Coverage) -> Result<(), Failure> {
        let Some(checkpoint) = &self.checkpoint else {
            return Ok(());
        };
        let source = &coverage.source;
        if checkpoint.rows() != rows {
            let expected = checkpoint.rows();
            let message = format!(
                "{source} has {rows} rows, and its checkpoint says {expected}: apify-runs verify \
                 {source} says what is wrong"
            );
            return Err(Failure::new(Exit::Output, message));
        }
        if checkpoint.skipped() > 0 {
            let skipped = counted(checkpoint.skipped(), "row");
            let problem = format!("{skipped} of {source} could not be read by its export");
            coverage.problems.push(problem);
        }
        coverage.lists.push(CoveredList {
            query: checkpoint.query().to_string(),
            rows,
            synced_at: None,
        });
        Ok(())
    }
}

/// Reads what may be compressed, in one frame or several.
fn reader(file: impl Read + 'static, compression: Compression) -> io::Result<Box<dyn BufRead>> {
    let mut file = BufReader::with_capacity(1 << 16, file);
    // Nothing is no frame, but the beginning of an output.
    if file.fill_buf()?.is_empty() {
        return Ok(Box::new(io::empty()));
    }
    Ok(match compression {
        Compression::Gzip => Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(file))),
        Compression::Zstd => Box::new(BufReader::new(zstd::Decoder::with_buffer(file)?)),
        _ => Box::new(file),
    })
}

pub(super) fn cannot_read(path: &Path, error: io::Error) -> Failure {
    let path = path.display();
    let message = match error.kind() {
        io::ErrorKind::NotFound => format!("{path} does not exist"),
        _ => format!("{path} cannot be read: {error}"),
    };
    Failure::new(Exit::Failed, message)
}
