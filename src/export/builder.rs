//! The settings of an export.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::encoding::encoder;
use super::format::Format;
use super::output::Output;
use super::spec::ExportSpec;
use super::summary::Progress;
use super::writer_thread::PartSize;
use crate::error::{Error, Result};
use crate::runs::Runs;
use crate::setting::check_duration;

const DEFAULT_PART_ROWS: u64 = 250_000;
const DEFAULT_PART_INTERVAL: Duration = Duration::from_secs(5 * 60);
const MIN_PART_INTERVAL: Duration = Duration::from_secs(1);
const MAX_PART_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// A walk that is written to an output. It is not started yet.
///
/// Nothing is checked, opened or sent before it [runs](Self::run).
#[must_use = "an export does nothing until it runs"]
pub struct Export {
    pub(super) runs: Runs,
    pub(super) output: Output,
    pub(super) format: Format,
    fields: Vec<String>,
    labels: BTreeMap<String, String>,
    pub(super) restart: bool,
    pub(super) part_size: PartSize,
    pub(super) on_progress: Option<Box<OnProgress>>,
    pub(super) on_unreadable: Option<Box<OnUnreadable>>,
}

pub(super) type OnProgress = dyn Fn(&Progress) + Send + Sync;
pub(super) type OnUnreadable = dyn Fn(&Error) + Send + Sync;

impl Export {
    /// An export of a walk into an output.
    ///
    /// The format is that of the output's extension, or JSON lines. A [`resume`](Runs::resume)
    /// cursor of the walk is used for a new output; later exports resume from the checkpoint.
    pub fn new(runs: Runs, output: Output) -> Self {
        let format = Format::of_name(&output.to_string()).unwrap_or_default();
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

    /// The format of the rows.
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Which fields of a run are written, in this order, by their names in the API, with a dot
    /// before a field of `meta`. Default: all.
    ///
    /// JSON lines accept any name, but not a field together with one of its own fields (`meta` and
    /// `meta.origin`), and omit what a run does not have. CSV and Parquet accept the fields of
    /// [`RunSummary`](crate::RunSummary), each once.
    pub fn fields<T: Into<String>>(mut self, fields: impl IntoIterator<Item = T>) -> Self {
        self.fields = fields.into_iter().map(Into::into).collect();
        self
    }

    /// A note in the checkpoint. An export that resumes must have the same note.
    ///
    /// It records the origin of a setting of the query: for example, that its time was 30 days
    /// before the first start. [`Checkpoint::query`](super::Checkpoint::query) has the date.
    pub fn label(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.labels.insert(name.into(), text.into());
        self
    }

    /// Starts again and discards what is in the output, even if it is damaged or belongs to
    /// another export. Default `false`.
    pub fn restart(mut self, restart: bool) -> Self {
        self.restart = restart;
        self
    }

    /// The number of rows after which a part ends, or earlier, when it reaches 64 MiB (before
    /// compression, except Parquet). At least 1; pages are not divided. Default 250,000.
    pub fn part_rows(mut self, rows: u64) -> Self {
        self.part_size.rows = rows;
        self
    }

    /// The maximum time a row waits until its part ends. From 1 s to 24 hours. Default 5 minutes.
    pub fn part_interval(mut self, interval: Duration) -> Self {
        self.part_size.interval = interval;
        self
    }

    /// Calls a function after each page and each row that cannot be read, and every 5 s while there
    /// are none.
    pub fn on_progress(mut self, call: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(Box::new(call));
        self
    }

    /// Calls a function for each row that cannot be read: with an error of kind
    /// [`Item`](crate::ErrorKind::Item), which has the [row](Error::row). JSON lines contain the
    /// row nevertheless.
    pub fn on_unreadable(mut self, call: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.on_unreadable = Some(Box::new(call));
        self
    }

    pub(super) fn spec(&self) -> ExportSpec {
        ExportSpec {
            source: self.runs.options.source.clone(),
            emit: self.runs.options.emit,
            format: self.format,
            fields: self.fields.clone(),
            labels: self.labels.clone(),
        }
    }

    pub(super) fn validate(&self) -> Result<()> {
        self.runs.options.begin(&self.runs.settings.token)?;
        encoder(self.format, &self.fields, true)?;
        if self.format == Format::Parquet && !self.output.has_parts() {
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
