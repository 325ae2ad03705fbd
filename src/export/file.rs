//! One file that grows, and its checkpoint.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fs4::{FileExt, TryLockError};

use super::checkpoint::{Checkpoint, FileState, Tail};
use super::durable;
use super::sink::{Commit, Sink};
use super::spec::ExportSpec;
use crate::error::{Error, ErrorKind, Result};

/// A file to which chunks are appended.
///
/// A commit appends a chunk, waits until it is on the disk, and only then replaces the
/// checkpoint that says how long the file is. What a crash leaves behind that length is cut off
/// on the next start.
pub(super) struct FileTarget {
    path: PathBuf,
    /// Locked as long as it is open.
    file: File,
    /// The same for a checkpoint that is not the file's own.
    _lock: Option<File>,
    checkpoint_path: PathBuf,
    checkpoint: Checkpoint,
    /// What is committed of the file.
    state: FileState,
}

impl FileTarget {
    pub(super) fn open(
        path: PathBuf,
        checkpoint_path: PathBuf,
        job: &ExportSpec,
        restart: bool,
    ) -> Result<Self> {
        // Before the file is opened, which makes it if it is not there.
        let before = stored(&checkpoint_path, job, restart)?;
        let has_content = |stored: &Checkpoint| stored.file.is_some_and(|file| file.length > 0);
        if before.as_ref().is_some_and(has_content) && !path.exists() {
            return Err(damaged(&path, "is not there, but its checkpoint is"));
        }
        let lock = (checkpoint_path != own_checkpoint(&path)).then_some(&checkpoint_path);
        let lock = lock.map(|path| lock_checkpoint(path)).transpose()?;
        let file = open_locked(&path, &path)?;
        // The name of a new file. Its checkpoint may be in another folder.
        durable::sync_folder(durable::folder(&path)).map_err(|error| failed(&path, error))?;
        // Another export may have come to its end meanwhile.
        let stored = stored(&checkpoint_path, job, restart)?;
        let is_new = stored.is_none();
        let checkpoint = stored.unwrap_or_else(|| Checkpoint::new(job.clone()));
        let Some(state) = checkpoint.file.or(is_new.then(FileState::default)) else {
            let what = "has a checkpoint of an output of another kind";
            return Err(damaged(&path, what));
        };
        let mut target = Self {
            path,
            file,
            _lock: lock,
            checkpoint_path,
            checkpoint,
            state,
        };
        target.begin(is_new, restart)?;
        Ok(target)
    }

    /// Looks whether the file may be written to, and cuts off what is not committed.
    fn begin(&mut self, is_new: bool, restart: bool) -> Result<()> {
        let length = self.file.metadata().map(|file| file.len());
        let length = length.map_err(|error| failed(&self.path, error))?;
        if is_new && !restart && length > 0 {
            let what = "has content, but no checkpoint: it is not overwritten";
            return Err(damaged(&self.path, what));
        }
        if is_new {
            // From here on the file is ours to cut.
            self.save(self.state)?;
        } else {
            self.check_tail(length)?;
        }
        self.cut(&self.file)
            .map_err(|error| failed(&self.path, error))
    }

    /// Looks whether the file ends as it was left, but for what came behind that.
    fn check_tail(&self, length: u64) -> Result<()> {
        let state = self.state;
        if length < state.length {
            let what = format!(
                "has {length} bytes, and its checkpoint says {}: something has cut it",
                state.length
            );
            return Err(damaged(&self.path, &what));
        }
        let tail = tail(&self.file, state).map_err(|error| failed(&self.path, error))?;
        if tail != state.tail.crc32 {
            let what = "does not end as its checkpoint says: something has changed it";
            return Err(damaged(&self.path, what));
        }
        Ok(())
    }

    /// Cuts off what is not committed.
    fn cut(&self, mut file: &File) -> io::Result<()> {
        file.set_len(self.state.length)?;
        file.seek(SeekFrom::Start(self.state.length))?;
        Ok(())
    }

    fn append(&mut self, chunks: &[Vec<u8>]) -> io::Result<()> {
        for chunk in chunks {
            self.file.write_all(chunk)?;
        }
        self.file.sync_data()
    }

    /// Looks whether the file that is written is the one that has the name, and nobody else has
    /// written to it.
    fn check_length(&self, length: u64) -> Result<()> {
        let found = fs::metadata(&self.path).map(|file| file.len());
        match found {
            Ok(found) if found == length => Ok(()),
            Ok(_) => Err(damaged(&self.path, "was changed by something else")),
            Err(error) => Err(damaged(&self.path, "is gone").with_source(error)),
        }
    }

    /// Finds out why a checkpoint could not be saved, and cuts off what it was to add.
    fn take_back(&self, length: u64, error: Error) -> Error {
        if let Err(error) = self.check_length(length) {
            return error;
        }
        // It may have been the last step that failed, after the new one took its place.
        let stored = read_checkpoint(&self.checkpoint_path);
        let is_as_before = |stored: Checkpoint| stored.file == Some(self.state);
        if stored.ok().flatten().is_some_and(is_as_before) {
            // If it cannot be cut, the next start does.
            let _ = self.cut(&self.file);
        }
        error
    }

    fn save(&mut self, state: FileState) -> Result<()> {
        self.checkpoint.file = Some(state);
        save_checkpoint(&self.checkpoint_path, &self.checkpoint)?;
        self.state = state;
        Ok(())
    }
}

impl Sink for FileTarget {
    fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    fn begins_file(&self) -> bool {
        self.state.length == 0
    }

    fn has_parts(&self) -> bool {
        false
    }

    fn commit(&mut self, commit: Commit) -> Result<()> {
        let chunks = commit.chunks;
        let mut state = self.state;
        if !chunks.is_empty() {
            self.check_length(state.length)?;
            state = behind(state, &chunks);
            if let Err(error) = self.append(&chunks) {
                // It may be what fills the disk. If it cannot be cut, the next start does.
                let _ = self.cut(&self.file);
                return Err(failed(&self.path, error));
            }
            self.check_length(state.length)?;
        }
        self.checkpoint.committed = commit.committed;
        self.checkpoint.cursor = commit.cursor;
        self.save(state)
            .map_err(|error| self.take_back(state.length, error))
    }
}

/// The state of a file behind one more commit.
fn behind(state: FileState, chunks: &[Vec<u8>]) -> FileState {
    let length = chunks.iter().map(|chunk| chunk.len() as u64).sum();
    let mut whole = crc32fast::Hasher::new_with_initial_len(state.crc32, state.length);
    let mut tail = crc32fast::Hasher::new();
    for chunk in chunks {
        tail.update(chunk);
    }
    whole.combine(&tail);
    FileState {
        length: state.length + length,
        crc32: whole.finalize(),
        tail: Tail {
            length,
            crc32: tail.finalize(),
        },
    }
}

/// The checksum of what the last commit has added to a file.
fn tail(mut file: &File, state: FileState) -> io::Result<u32> {
    file.seek(SeekFrom::Start(
        state.length.saturating_sub(state.tail.length),
    ))?;
    Summed::new(file.take(state.tail.length)).finish()
}

/// A reader that adds up the checksum of what it has read.
pub(super) struct Summed<R> {
    reader: R,
    hasher: crc32fast::Hasher,
}

impl<R: Read> Summed<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            hasher: crc32fast::Hasher::new(),
        }
    }

    /// The checksum of all there is, which it reads to its end.
    pub(super) fn finish(mut self) -> io::Result<u32> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(self.hasher.finalize())
    }
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

/// Opens a file to write to it, makes it if it is not there, and keeps others away from it.
/// `output` is what it belongs to.
pub(super) fn open_locked(path: &Path, output: &Path) -> Result<File> {
    let output = output.display();
    let message = format!("another export writes to {output}, or verify reads it");
    lock(path, path, message)
}

/// Keeps others away from a checkpoint. It is replaced as a whole, so the lock is on a hidden
/// file beside it.
pub(super) fn lock_checkpoint(path: &Path) -> Result<File> {
    let message = format!("another export has its checkpoint at {}", path.display());
    lock(&durable::hidden(path, ".lock"), path, message)
}

/// `meant` is what errors name, and `is_locked` what they say if somebody else has the lock.
fn lock(path: &Path, meant: &Path, is_locked: String) -> Result<File> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    let file = options.open(path).map_err(|error| failed(meant, error))?;
    match FileExt::try_lock(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::new(ErrorKind::Locked, is_locked)),
        Err(TryLockError::Error(error)) => {
            let message = format!("{} cannot be locked", meant.display());
            Err(Error::new(ErrorKind::Output, message).with_source(error))
        }
    }
}

/// Where the checkpoint of a file is, if no other place is named.
pub(super) fn own_checkpoint(path: &Path) -> PathBuf {
    let mut checkpoint = path.as_os_str().to_owned();
    checkpoint.push(".checkpoint");
    checkpoint.into()
}

/// The checkpoint to go on from, if there is one.
///
/// # Errors
///
/// With `restart`, `ErrorKind::Damaged` if what is there is none and must not be replaced.
pub(super) fn stored(path: &Path, job: &ExportSpec, restart: bool) -> Result<Option<Checkpoint>> {
    if restart {
        let first = first_bytes(path).map_err(|error| cannot_read(path, error))?;
        Checkpoint::check_replaced(&first, &path.display().to_string())?;
        return Ok(None);
    }
    let stored = read_checkpoint(path)?;
    if let Some(stored) = &stored {
        stored.check(job, &path.display().to_string())?;
    }
    Ok(stored)
}

/// Reads a checkpoint, if there is one.
pub(super) fn read_checkpoint(path: &Path) -> Result<Option<Checkpoint>> {
    let text = read_if_there(path)?;
    let name = path.display().to_string();
    text.map(|text| Checkpoint::parse(&text, &name)).transpose()
}

/// Reads a file, if there is one.
pub(super) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot_read(path, error)),
    }
}

/// How a file begins. Nothing if there is none.
fn first_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut first = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(64).read_to_end(&mut first)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(first)
}

/// Puts a checkpoint in the place of the one before.
pub(super) fn save_checkpoint(path: &Path, checkpoint: &Checkpoint) -> Result<()> {
    durable::replace(path, &checkpoint.to_json()?).map_err(|error| failed(path, error))
}

/// A file or folder that cannot be read.
pub(super) fn cannot_read(path: &Path, error: io::Error) -> Error {
    let message = format!("{} cannot be read", path.display());
    Error::new(ErrorKind::Output, message).with_source(error)
}

/// A file that cannot be written.
pub(super) fn failed(path: &Path, error: io::Error) -> Error {
    let message = format!("{} cannot be written", path.display());
    Error::new(ErrorKind::Output, message).with_source(error)
}

pub(super) fn damaged(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Damaged, format!("{} {what}", path.display()))
}
