//! Verifies an output against its checkpoint.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

#[cfg(feature = "object-store")]
use super::address::Address;
#[cfg(feature = "object-store")]
use super::bucket::Bucket;
use super::checkpoint::Checkpoint;
use super::checkpoint_file;
use super::checksum::Checksummed;
#[cfg(feature = "csv")]
use super::csv;
use super::directory;
use super::files::{cannot_read, damaged, lock_shared};
use super::format::Format;
use super::jsonl;
use super::output::{Destination, Output};
#[cfg(feature = "parquet")]
use super::parquet;
use super::part_names::{LOCK, MANIFEST, is_part};
use super::part_store::Found;
use super::row_check::RowCheck;
use super::segment::{Listing, PartEntry};
use super::threads::blocking;
use super::verification::Verification;
use crate::error::{Error, ErrorKind, Result};

/// The longest row that is read: no page has so many bytes.
const MAX_ROW_BYTES: u64 = 1 << 30;

/// Reads a whole output again, and compares it with its checkpoint: length, checksum, number of
/// rows, whether each row can be read, whether all parts are there, and whether each ID comes
/// once. Under [`Emit::Finished`] an ID may come once for each `finishedAt`, and under
/// [`Emit::Changes`] more often. Rows that were written without the
/// [fields](super::Export::fields) for that, `id` and `finishedAt`, are not compared.
///
/// It takes eight bytes of memory for each row, 16 under [`Emit::Finished`], and a part for parts.
/// No export can write to a file or folder meanwhile.
///
/// # Errors
///
/// - [`ErrorKind::Damaged`] if the checkpoint cannot be read, or if only one of checkpoint and
///   file, or of manifest and parts, exists.
/// - [`ErrorKind::Locked`] if an export is writing to the file or folder.
/// - [`ErrorKind::Output`] if no export has written there, or if the output cannot be read.
/// - [`ErrorKind::Config`] for a stream, or if a variable with the address of an object store has
///   a password in it.
///
/// What is wrong with the output itself is in [`Verification::problems`].
///
/// [`Emit::Changes`]: crate::Emit::Changes
/// [`Emit::Finished`]: crate::Emit::Finished
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
    match output.destination() {
        Destination::File { path, checkpoint } => {
            let (path, checkpoint) = (path.clone(), checkpoint.clone());
            blocking(move || verify_file(&path, &checkpoint)).await
        }
        Destination::Directory(path) => {
            let path = path.clone();
            blocking(move || verify_directory(&path)).await
        }
        #[cfg(feature = "object-store")]
        Destination::Bucket(address) => verify_bucket(address).await,
        Destination::Writer { .. } => {
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
    let checkpoint = checkpoint_file::read(checkpoint_path)?;
    let checkpoint = checkpoint.ok_or_else(|| match &file {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            nothing_at(path.display(), "does not exist")
        }
        _ => damaged(checkpoint_path, "is not there"),
    })?;
    let Some(state) = checkpoint.file else {
        return Err(damaged(checkpoint_path, "is no checkpoint of a file"));
    };
    let file = file.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => damaged(path, "cannot be read").with_source(error),
        _ => cannot_read(path, error),
    })?;
    let metadata = file.metadata().map_err(|error| cannot_read(path, error))?;
    let found = metadata.len();
    let mut problems = Vec::new();
    if found < state.length {
        problems.push(format!(
            "{} bytes are missing at its end",
            state.length - found
        ));
    }
    let mut rows = RowCheck::new(checkpoint.emit());
    let crc32 = read(&mut rows, checkpoint.format(), file.take(state.length))
        .map_err(|error| cannot_read(path, error))?;
    if crc32 != state.crc32 {
        problems.push("its checksum is another one: something has changed it".into());
    }
    Ok(Verification {
        uncommitted_bytes: found.saturating_sub(state.length),
        ..rows.finish(checkpoint.rows(), state.length.min(found), 1, problems)
    })
}

fn verify_directory(path: &Path) -> Result<Verification> {
    // Before the manifest is read, which an export would replace.
    let lock = File::open(path.join(LOCK));
    if let Ok(lock) = &lock {
        lock_shared(lock, path)?;
    }
    let manifest = checkpoint_file::read(&path.join(MANIFEST))?;
    let manifest = manifest.ok_or_else(|| {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        no_manifest(path.display(), names)
    })?;
    let listing = directory::read_listing(path, &manifest)?;
    let mut parts = PartCheck::new(manifest, &listing);
    for part in &listing.parts {
        parts.read(part, directory::find(&path.join(&part.name), part.length)?);
    }
    Ok(parts.finish())
}

#[cfg(feature = "object-store")]
async fn verify_bucket(address: &Address) -> Result<Verification> {
    let bucket = Bucket::open(address.clone())?;
    let manifest = bucket.read_manifest().await?;
    let Some(manifest) = manifest else {
        return Err(no_manifest(address, bucket.names().await?));
    };
    let listing = bucket.read_listing(&manifest).await?;
    let mut parts = PartCheck::new(manifest, &listing);
    for part in listing.parts {
        let found = bucket.find_part(&part.name, part.length).await?;
        // To read 64 MiB of it takes a while, in which the runtime has other things to do.
        let read = blocking(move || {
            parts.read(&part, found);
            Ok(parts)
        });
        parts = read.await?;
    }
    blocking(move || Ok(parts.finish())).await
}

/// The error if nothing was exported there.
fn nothing_at(place: impl std::fmt::Display, what: &str) -> Error {
    let message = format!("{place} {what}: no export has written there");
    Error::new(ErrorKind::Output, message)
}

/// The error of an output in parts without a manifest. With parts, it has been there.
fn no_manifest(place: impl std::fmt::Display, names: impl IntoIterator<Item = String>) -> Error {
    if names.into_iter().any(|name| is_part(&name)) {
        let message = format!("{place} has parts, but no manifest");
        return Error::new(ErrorKind::Damaged, message);
    }
    nothing_at(place, "has no manifest")
}

/// The parts of an output, as they are read one after the other.
struct PartCheck {
    manifest: Checkpoint,
    rows: RowCheck,
    bytes: u64,
    parts: u64,
    problems: Vec<String>,
}

impl PartCheck {
    fn new(manifest: Checkpoint, listing: &Listing) -> Self {
        let damage = listing.damage.iter();
        Self {
            rows: RowCheck::new(manifest.emit()),
            manifest,
            bytes: 0,
            parts: 0,
            problems: damage.map(|damage| damage.text(str::to_owned)).collect(),
        }
    }

    fn read(&mut self, part: &PartEntry, found: Found) {
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
        let before = self.rows.count();
        if let Err(problem) = read_part(&mut self.rows, self.manifest.format(), bytes) {
            self.problems
                .push(format!("{name} cannot be read: {problem}"));
        }
        let found = self.rows.count() - before;
        if found != part.rows {
            let expected = part.rows;
            let problem = format!("{name} has {found} rows, and the manifest says {expected}");
            self.problems.push(problem);
        }
    }

    fn finish(self) -> Verification {
        let expected = self.manifest.rows();
        self.rows
            .finish(expected, self.bytes, self.parts, self.problems)
    }
}

/// Reads the rows of a part. The error says why they cannot be read.
fn read_part(rows: &mut RowCheck, format: Format, bytes: Vec<u8>) -> Result<(), String> {
    match format {
        #[cfg(feature = "parquet")]
        Format::Parquet => parquet::read(bytes, rows),
        _ => match read(rows, format, &bytes[..]) {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        },
    }
}

/// Reads the rows of a file, and returns its checksum. What is wrong with the rows is for
/// `rows` to say.
fn read(rows: &mut RowCheck, format: Format, file: impl Read + Send) -> io::Result<u32> {
    let mut file = Checksummed::new(file);
    let reader = format.compression().reader(&mut file)?.take(MAX_ROW_BYTES);
    let result = match format {
        #[cfg(feature = "csv")]
        Format::Csv(_) => csv::read(reader, rows),
        _ => jsonl::read(reader, rows),
    };
    if let Err(error) = result {
        let count = rows.count();
        rows.problem(format!(
            "what is behind row {count} cannot be read: {error}"
        ));
    }
    // To the end, whatever came between.
    file.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emit::Emit;

    #[test]
    fn a_row_without_an_end_is_not_read_to_its_end() {
        let lines = b"{\"id\":\"a\"}\n".repeat(10_000);
        let lines = &lines[..];
        let mut found = RowCheck::new(Emit::Snapshot);
        jsonl::read(lines.take(100_000), &mut found).unwrap();
        assert_eq!(found.count(), 10_000);
        let endless = lines.chain(io::repeat(b' ')).take(100_000);
        let error = jsonl::read(endless, &mut RowCheck::new(Emit::Snapshot)).unwrap_err();
        assert_eq!(error.to_string(), "a row has more than 100000 bytes");
    }

    #[cfg(feature = "csv")]
    #[test]
    fn a_record_without_an_end_is_not_read_to_its_end() {
        let records = [&b"id\r\n"[..], &b"abcdefg\r\n".repeat(10_000)].concat();
        let mut found = RowCheck::new(Emit::Snapshot);
        csv::read((&records[..]).take(50_000), &mut found).unwrap();
        assert_eq!(found.count(), 10_000);
        let quoted = [&records[..], b"\""].concat();
        let endless = (&quoted[..]).chain(io::repeat(b'\n')).take(50_000);
        let error = csv::read(endless, &mut RowCheck::new(Emit::Snapshot)).unwrap_err();
        assert_eq!(error.to_string(), "a row has more than 50000 bytes");
    }
}
