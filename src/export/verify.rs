//! Whether an output is what its checkpoint says.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Take};
use std::path::Path;

use fs4::{FileExt, TryLockError};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::checkpoint::Checkpoint;
use super::directory;
use super::file::{Summed, damaged, read_checkpoint};
#[cfg(any(feature = "csv", feature = "parquet"))]
use super::format::Encoding;
use super::ids;
use super::output::{Output, Stored, blocking};
use super::part_names::{LOCK, MANIFEST};
use super::part_store::Found;
use super::segment::{Listing, Part};
use crate::emit::Emit;
use crate::error::{Error, ErrorKind, Result};

/// The longest row that is read: no page has so many bytes.
const MAX_ROW_BYTES: u64 = 1 << 30;

/// What was found in an output: [`verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// The rows that were read.
    pub rows: u64,
    /// How many different IDs they have. `None` if they have no field `id`.
    pub distinct_ids: Option<u64>,
    /// The bytes that were read.
    pub bytes: u64,
    /// The parts that were read: 1 for a file.
    pub parts: u64,
    /// What is wrong, in words. Empty: the output is whole.
    pub problems: Vec<String>,
}

/// Reads a whole output again, and compares it with its checkpoint: length, checksum, number of
/// rows, whether each row can be read, whether all parts are there, and whether each ID comes
/// once (under [`Emit::Finished`], once for each `finishedAt`; under [`Emit::Changes`] it may come
/// more often). RowCheck that were written without the [fields](super::Export::fields) for that, `id`
/// and `finishedAt`, are not compared.
///
/// It takes eight bytes of memory for each row, 16 under [`Emit::Finished`], and a part for parts.
/// No export can write to a file or folder meanwhile.
///
/// # Errors
///
/// [`ErrorKind::Damaged`] if there is no checkpoint, or none that can be read, or if there is
/// one, but not its file, [`ErrorKind::Locked`] if an export is writing to a file or folder,
/// [`ErrorKind::Output`] if it cannot be read, and [`ErrorKind::Config`] for a stream, or if the
/// address of a service for S3 has a password in it. What is wrong with the output itself is in
/// [`Verification::problems`].
///
/// # Panics
///
/// Outside of a tokio runtime with I/O and time enabled.
///
/// # Example
///
/// ```
/// use apify_runs::emulator::Emulator;
/// use apify_runs::export::{Export, Output, verify};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let emulator = Emulator::builder().runs(300).start().await?;
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("runs.jsonl");
/// let runs = emulator.client().runs("janedoe/my-actor");
/// Export::new(runs, Output::file(&path)).run().await?;
/// let whole = verify(&Output::file(&path)).await?;
/// assert_eq!((whole.rows, whole.distinct_ids), (300, Some(300)));
/// assert!(whole.problems.is_empty());
///
/// let text = std::fs::read_to_string(&path)?.replace("SUCCEEDED", "succeeded");
/// std::fs::write(&path, text)?;
/// let changed = verify(&Output::file(&path)).await?;
/// assert!(!changed.problems.is_empty());
/// # Ok(())
/// # }
/// ```
pub async fn verify(output: &Output) -> Result<Verification> {
    match output.place() {
        Stored::File { path, checkpoint } => {
            let (path, checkpoint) = (path.to_owned(), checkpoint.to_owned());
            blocking(move || verify_file(&path, &checkpoint)).await
        }
        Stored::Directory(path) => {
            let path = path.to_owned();
            blocking(move || verify_directory(&path)).await
        }
        #[cfg(feature = "object-store")]
        Stored::Bucket(address) => verify_bucket(address).await,
        Stored::Nowhere => {
            let expected = "what went down a stream cannot be read again";
            Err(Error::config("output", output, expected))
        }
    }
}

fn verify_file(path: &Path, checkpoint_path: &Path) -> Result<Verification> {
    let file = File::open(path);
    // Before the checkpoint is read, which an export would replace.
    if let Ok(file) = &file {
        lock_shared(file, path)?;
    }
    let checkpoint = read_checkpoint(checkpoint_path)?;
    let checkpoint = checkpoint.ok_or_else(|| damaged(checkpoint_path, "is not there"))?;
    let Some(state) = checkpoint.file else {
        return Err(damaged(checkpoint_path, "is no checkpoint of a file"));
    };
    let file = file.map_err(|error| unreadable(path, error))?;
    let mut rows = RowCheck::new(&checkpoint);
    let mut problems = Vec::new();
    let found = file
        .metadata()
        .map_err(|error| unreadable(path, error))?
        .len();
    if found > state.length {
        problems.push(format!(
            "{} bytes are behind the last commit: start the export again",
            found - state.length
        ));
    }
    if found < state.length {
        problems.push(format!(
            "{} bytes are missing at its end",
            state.length - found
        ));
    }
    let crc32 = read(&mut rows, &checkpoint, file.take(state.length))
        .map_err(|error| unreadable(path, error))?;
    if crc32 != state.crc32 {
        problems.push("its checksum is another one: something has changed it".into());
    }
    Ok(rows.verification(&checkpoint, state.length.min(found), 1, problems))
}

fn verify_directory(path: &Path) -> Result<Verification> {
    // Before the manifest is read, which an export would replace.
    let lock = File::open(path.join(LOCK));
    if let Ok(lock) = &lock {
        lock_shared(lock, path)?;
    }
    let manifest = read_checkpoint(&path.join(MANIFEST))?;
    let manifest = manifest.ok_or_else(|| damaged(path, "has no manifest"))?;
    let listing = directory::read_listing(path, &manifest)?;
    let mut parts = Parts::new(manifest, &listing);
    for part in &listing.parts {
        parts.read(part, directory::find(&path.join(&part.name), part.length)?);
    }
    Ok(parts.verification())
}

#[cfg(feature = "object-store")]
async fn verify_bucket(address: &super::bucket::Address) -> Result<Verification> {
    let bucket = address.clone().open()?;
    let manifest = bucket.read_manifest().await?;
    let manifest = manifest.ok_or_else(|| {
        let message = format!("{address} has no manifest");
        Error::new(ErrorKind::Damaged, message)
    })?;
    let listing = bucket.read_listing(&manifest).await?;
    let mut parts = Parts::new(manifest, &listing);
    for part in listing.parts {
        let found = bucket.find_part(&part.name, part.length).await?;
        // To read 64 MiB of it takes a while, in which the runtime has other things to do.
        let read = blocking(move || {
            parts.read(&part, found);
            Ok(parts)
        });
        parts = read.await?;
    }
    blocking(move || Ok(parts.verification())).await
}

/// The parts of an output, as they are read one after the other.
struct Parts {
    checkpoint: Checkpoint,
    rows: RowCheck,
    bytes: u64,
    parts: u64,
    problems: Vec<String>,
}

impl Parts {
    fn new(checkpoint: Checkpoint, listing: &Listing) -> Self {
        let damage = listing.damage.iter();
        Self {
            rows: RowCheck::new(&checkpoint),
            checkpoint,
            bytes: 0,
            parts: 0,
            problems: damage.map(|damage| damage.text(str::to_owned)).collect(),
        }
    }

    fn read(&mut self, part: &Part, found: Found) {
        let name = &part.name;
        let changed = format!("{name} was changed by something else");
        let bytes = match found {
            Found::Nothing => return self.problems.push(format!("{name} is missing")),
            Found::OtherLength => return self.problems.push(changed),
            Found::Bytes(bytes) => bytes,
        };
        self.parts += 1;
        self.bytes += bytes.len() as u64;
        if bytes.len() as u64 != part.length || crc32fast::hash(&bytes) != part.crc32 {
            return self.problems.push(changed);
        }
        let before = self.rows.rows;
        let problem = match self.checkpoint.format().encoding {
            #[cfg(feature = "parquet")]
            Encoding::Parquet => super::parquet::read(bytes, &mut self.rows).err(),
            _ => read(&mut self.rows, &self.checkpoint, &bytes[..])
                .err()
                .map(|error| error.to_string()),
        };
        if let Some(problem) = problem {
            self.problems
                .push(format!("{name} cannot be read: {problem}"));
        }
        let found = self.rows.rows - before;
        if found != part.rows {
            let problem = format!(
                "{name} has {found} rows, and the manifest says {}",
                part.rows
            );
            self.problems.push(problem);
        }
    }

    fn verification(self) -> Verification {
        self.rows
            .verification(&self.checkpoint, self.bytes, self.parts, self.problems)
    }
}

/// Reads the rows of a file, and returns its checksum. What is wrong with the rows is for
/// `rows` to say.
fn read(rows: &mut RowCheck, checkpoint: &Checkpoint, file: impl Read + Send) -> io::Result<u32> {
    let mut file = Summed::new(file);
    let format = checkpoint.format();
    let reader = format.compression.reader(&mut file)?.take(MAX_ROW_BYTES);
    let result = match format.encoding {
        #[cfg(feature = "csv")]
        Encoding::Csv => super::csv::read(reader, rows),
        _ => read_lines(reader, rows),
    };
    if let Err(error) = result {
        rows.problem(&format!(
            "what is behind row {} cannot be read: {error}",
            rows.rows
        ));
    }
    // To the end, whatever came between.
    file.finish()
}

/// Lets a reader go on to the next row, which may be as long as any. What is compressed in a few
/// bytes may have a row without end.
pub(super) fn next_row<R: Read>(reader: &mut Take<R>, longest: u64) -> io::Result<()> {
    if reader.limit() == 0 {
        let message = format!("a row has more than {longest} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    reader.set_limit(longest);
    Ok(())
}

fn read_lines(reader: Take<impl Read>, rows: &mut RowCheck) -> io::Result<()> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Line<'a> {
        #[serde(borrow, default)]
        id: Option<&'a RawValue>,
        #[serde(borrow, default)]
        finished_at: Option<&'a RawValue>,
    }
    let longest = reader.limit();
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        next_row(reader.get_mut(), longest)?;
        match serde_json::from_slice::<Line<'_>>(&line) {
            Ok(run) if line.last() == Some(&b'\n') => {
                let id = run.id.map(RawValue::get);
                rows.row(id, run.finished_at.map(RawValue::get));
            }
            // A run is an object, but the service may have sent something else.
            _ if serde_json::from_slice::<&RawValue>(&line).is_ok() => rows.row(None, None),
            _ => rows.problem(&format!("row {} is no JSON", rows.rows + 1)),
        }
        line.clear();
    }
    Ok(())
}

/// What has been read of the rows.
pub(super) struct RowCheck {
    emit: Emit,
    rows: u64,
    ids: Vec<u64>,
    /// What no two rows may have in common, if that is not the ID.
    keys: Vec<u64>,
    problems: Vec<String>,
}

impl RowCheck {
    fn new(checkpoint: &Checkpoint) -> Self {
        Self {
            emit: checkpoint.emit(),
            rows: 0,
            ids: Vec::new(),
            keys: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// One more row.
    pub(super) fn row(&mut self, id: Option<&str>, finished_at: Option<&str>) {
        self.rows += 1;
        let Some(id) = id else { return };
        self.ids.push(ids::hash(id));
        if self.emit == Emit::Finished
            && let Some(finished_at) = finished_at
        {
            self.keys.push(ids::hash(&format!("{id} {finished_at}")));
        }
    }

    /// Something is wrong with a row. What is wrong with many is said once.
    fn problem(&mut self, problem: &str) {
        if self.problems.len() < 10 {
            self.problems.push(problem.into());
        }
    }

    fn verification(
        mut self,
        checkpoint: &Checkpoint,
        bytes: u64,
        parts: u64,
        mut problems: Vec<String>,
    ) -> Verification {
        problems.append(&mut self.problems);
        if self.rows != checkpoint.rows() {
            let (rows, expected) = (self.rows, checkpoint.rows());
            problems.push(format!(
                "it has {rows} rows, and its checkpoint says {expected}"
            ));
        }
        let repeated = |numbers: usize, distinct: u64| numbers as u64 - distinct;
        let (ids, keys) = (self.ids.len(), self.keys.len());
        let distinct_ids = ids::distinct(self.ids);
        let repeated = match self.emit {
            Emit::Snapshot => repeated(ids, distinct_ids),
            Emit::Finished => repeated(keys, ids::distinct(self.keys)),
            Emit::Changes => 0,
        };
        if repeated > 0 {
            problems.push(format!(
                "{repeated} rows have an ID that another row has too"
            ));
        }
        let has_ids = ids > 0 || self.rows == 0;
        Verification {
            rows: self.rows,
            distinct_ids: has_ids.then_some(distinct_ids),
            bytes,
            parts,
            problems,
        }
    }
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows", self.rows)?;
        if let Some(ids) = self.distinct_ids {
            write!(f, ", {ids} distinct ids")?;
        }
        write!(f, ", {} bytes", self.bytes)
    }
}

fn lock_shared(file: &File, path: &Path) -> Result<()> {
    match FileExt::try_lock_shared(file) {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            let message = format!("an export is writing to {}", path.display());
            Err(Error::new(ErrorKind::Locked, message))
        }
        Err(TryLockError::Error(error)) => Err(unreadable(path, error)),
    }
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    let message = format!("{} cannot be read", path.display());
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::Damaged,
        _ => ErrorKind::Output,
    };
    Error::new(kind, message).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RunSource;
    use crate::export::format::Format;
    use crate::export::spec::ExportSpec;

    fn rows(format: Format) -> RowCheck {
        let job = ExportSpec {
            query: RunSource::from("a"),
            emit: Emit::Snapshot,
            format,
            fields: Vec::new(),
            labels: std::collections::BTreeMap::new(),
        };
        RowCheck::new(&Checkpoint::new(job))
    }

    #[test]
    fn a_row_without_an_end_is_not_read_to_its_end() {
        let lines = b"{\"id\":\"a\"}\n".repeat(10_000);
        let lines = &lines[..];
        let mut found = rows(Format::JSONL);
        read_lines(lines.take(100_000), &mut found).unwrap();
        assert_eq!(found.rows, 10_000);
        let endless = lines.chain(io::repeat(b' ')).take(100_000);
        let error = read_lines(endless, &mut rows(Format::JSONL)).unwrap_err();
        assert_eq!(error.to_string(), "a row has more than 100000 bytes");
    }

    #[cfg(feature = "csv")]
    #[test]
    fn a_record_without_an_end_is_not_read_to_its_end() {
        use crate::export::csv::read;
        let records = [&b"id\r\n"[..], &b"abcdefg\r\n".repeat(10_000)].concat();
        let mut found = rows(Format::CSV);
        read((&records[..]).take(50_000), &mut found).unwrap();
        assert_eq!(found.rows, 10_000);
        let quoted = [&records[..], b"\""].concat();
        let endless = (&quoted[..]).chain(io::repeat(b'\n')).take(50_000);
        let error = read(endless, &mut rows(Format::CSV)).unwrap_err();
        assert_eq!(error.to_string(), "a row has more than 50000 bytes");
    }
}
