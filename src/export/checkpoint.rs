//! What an export has committed, and where it resumes.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::format::Format;
use super::segment::{self, ListingReader, PartEntry, SegmentRef, first_wrong_name};
use super::spec::{ExportSpec, emit_name};
use crate::cursor::Cursor;
use crate::emit::Emit;
use crate::error::{Error, ErrorKind, Result};
use crate::excerpt::excerpt;
use crate::query::RunQuery;
use crate::timestamp;

/// The version of the form below. A change that older versions of the crate would misread
/// needs another.
const VERSION: u32 = 1;
/// How every version begins, as far as it is stored.
const BEGINNING: &[u8] = b"{\"version\":";
/// More than any export has written.
const MAX_ROWS: u64 = u64::MAX / 2;

/// What an export has committed, and where it resumes: a file beside its output, or the
/// manifest among its parts.
///
/// It is one JSON object, holds no token, and is replaced as a whole with each commit.
/// `Display` says in words what it holds.
///
/// The format has a version. This version of the crate reads versions 1 and 2, and writes 2 only
/// for a manifest of more than 200 parts: that lists the newest parts, and refers to files that
/// list the older ones.
///
/// ```
/// use apify_runs::emulator::Emulator;
/// use apify_runs::export::{Export, Output};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let emulator = Emulator::builder().runs(300).start().await?;
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("runs.jsonl");
/// let runs = emulator.client().runs("janedoe/my-actor");
/// Export::new(runs, Output::file(&path)).run().await?;
///
/// let checkpoint = Output::file(&path).read_checkpoint().await?.unwrap();
/// assert_eq!(checkpoint.rows(), 300);
/// assert_eq!(checkpoint.bytes(), std::fs::metadata(&path)?.len());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    pub(super) version: u32,
    /// Which start of an export in parts wrote it: no two have the same. Empty for files and
    /// streams, which are locked.
    pub(super) writer: String,
    #[serde(rename = "job")]
    pub(super) spec: ExportSpec,
    pub(super) committed: Committed,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<FileState>,
    /// The newest parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parts: Option<Vec<PartEntry>>,
    /// Where the parts before them are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) segment: Option<SegmentRef>,
    pub(super) cursor: Arc<Cursor>,
}

/// The rows of an output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Committed {
    pub(super) rows: u64,
    /// Rows that could not be read and that the format cannot hold.
    #[serde(default)]
    #[serde(rename = "left_out")]
    pub(super) skipped: u64,
    #[serde(default, with = "timestamp::optional")]
    pub(super) first_started_at: Option<DateTime<Utc>>,
    #[serde(default, with = "timestamp::optional")]
    pub(super) last_started_at: Option<DateTime<Utc>>,
}

/// How much of a file is committed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileState {
    /// Its length in bytes. What is behind it does not count.
    pub(super) length: u64,
    /// Of all of it.
    pub(super) crc32: u32,
    /// Its last bytes, which are checked before the export resumes.
    pub(super) tail: Tail,
}

/// What the last commit has added to a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tail {
    pub(super) length: u64,
    pub(super) crc32: u32,
}

impl Checkpoint {
    /// The beginning of an export.
    pub(super) fn new(spec: ExportSpec) -> Self {
        Self {
            version: VERSION,
            writer: String::new(),
            spec,
            committed: Committed::default(),
            file: None,
            parts: None,
            segment: None,
            cursor: Arc::default(),
        }
    }

    /// Reads one that is stored. `name` is where, for errors.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Damaged`] if it is no checkpoint, or one of another version.
    pub(crate) fn parse(text: &[u8], name: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let damaged = |what: String| Error::new(ErrorKind::Damaged, format!("{name} {what}"));
        let version = serde_json::from_slice::<Versioned>(text).map(|form| form.version);
        if let Ok(version) = version
            && !(VERSION..=segment::VERSION).contains(&version)
        {
            let newest = segment::VERSION;
            let what = format!("has version {version}; this program reads up to {newest}");
            return Err(damaged(what));
        }
        let checkpoint: Self = serde_json::from_slice(text).map_err(|error| {
            let reason = excerpt(&error.to_string());
            damaged(format!("is no checkpoint of an export: {reason}"))
        })?;
        let Committed { rows, skipped, .. } = checkpoint.committed;
        if rows.max(skipped) > MAX_ROWS {
            let what = format!("says that there are {rows} rows, and {skipped} left out");
            return Err(damaged(what));
        }
        let (parts, segment) = (checkpoint.parts(), checkpoint.segment.as_ref());
        if let Some(part) = first_wrong_name(parts, segment) {
            let part = excerpt(part);
            return Err(damaged(format!(
                "lists {part:?}, which is no name of a part"
            )));
        }
        if segment.is_some() && checkpoint.version < segment::VERSION {
            let what = "refers to a segment, which its version does not have";
            return Err(damaged(what.into()));
        }
        Ok(checkpoint)
    }

    /// Looks whether what begins like this may be replaced by a checkpoint: it is one, perhaps a
    /// damaged one, or nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Damaged`] if it is something else.
    pub(super) fn check_replaced(bytes: &[u8], name: &str) -> Result<()> {
        let length = bytes.len().min(BEGINNING.len());
        if bytes[..length] == BEGINNING[..length] {
            return Ok(());
        }
        let what = "is no checkpoint of an export, and would be replaced by one: remove it, or \
                    name another place";
        Err(Error::new(ErrorKind::Damaged, format!("{name} {what}")))
    }

    /// As it is stored.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| {
            Error::new(ErrorKind::Output, "the checkpoint cannot be written").with_source(error)
        })
    }

    /// Whether it is one of this export.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CursorMismatch`], naming what differs.
    pub(super) fn check(&self, spec: &ExportSpec, name: &str) -> Result<()> {
        let differences = self.spec.differences(spec);
        if differences.is_empty() {
            return Ok(());
        }
        let differences = differences.join(", ");
        let message = format!("{name} belongs to another export: {differences}");
        Err(Error::new(ErrorKind::CursorMismatch, message))
    }

    /// Which runs the export is about.
    pub fn query(&self) -> &RunQuery {
        &self.spec.source.query
    }

    /// When a run is written.
    pub fn emit(&self) -> Emit {
        self.spec.emit
    }

    /// What the rows are written as.
    pub fn format(&self) -> Format {
        self.spec.format
    }

    /// The text that [`Export::label`](super::Export::label) gave a name.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.spec.labels.get(name).map(String::as_str)
    }

    /// How many rows are committed.
    pub fn rows(&self) -> u64 {
        self.committed.rows
    }

    /// How many rows could not be read, and are not in the output.
    pub fn skipped(&self) -> u64 {
        self.committed.skipped
    }

    /// How many bytes are committed.
    pub fn bytes(&self) -> u64 {
        let (_, _, bytes) = segment::totals(self.parts(), self.segment.as_ref());
        let file = self.file.map_or(0, |file| file.length);
        bytes.saturating_add(file)
    }

    /// How many parts are committed.
    pub(super) fn part_count(&self) -> u64 {
        segment::totals(self.parts(), self.segment.as_ref()).0
    }

    /// The newest parts.
    pub(super) fn parts(&self) -> &[PartEntry] {
        self.parts.as_deref().unwrap_or_default()
    }

    /// Reads which parts there are.
    pub(super) fn listing(&self) -> ListingReader {
        ListingReader::new(self.parts().to_vec(), self.segment.clone())
    }

    /// Where the walk resumes.
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |time: Option<DateTime<Utc>>| time.map_or("none".into(), timestamp::to_text);
        let committed = &self.committed;
        writeln!(f, "runs of     {}", self.spec.source.query)?;
        writeln!(f, "written     {}", emit_name(self.spec.emit))?;
        writeln!(f, "as          {}", self.spec.format)?;
        if !self.spec.fields.is_empty() {
            writeln!(f, "fields      {}", self.spec.fields.join(","))?;
        }
        writeln!(f, "rows        {}", committed.rows)?;
        if committed.skipped > 0 {
            writeln!(f, "left out    {}", committed.skipped)?;
        }
        match &self.parts {
            Some(_) => {
                let (bytes, parts) = (self.bytes(), self.part_count());
                writeln!(f, "bytes       {bytes} in {parts} parts")?;
            }
            None => writeln!(f, "bytes       {}", self.bytes())?,
        }
        writeln!(f, "first start {}", time(committed.first_started_at))?;
        writeln!(f, "last start  {}", time(committed.last_started_at))?;
        writeln!(f, "resumes at {}", time(self.cursor.watermark()))?;
        write!(f, "unfinished  {}", self.cursor.unfinished())
    }
}
