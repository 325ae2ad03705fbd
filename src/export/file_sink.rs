//! One file that is appended to, and its checkpoint.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use super::checkpoint::{Checkpoint, FileState, Tail};
use super::checkpoint_file;
use super::checksum::Checksummed;
use super::durable;
use super::files::{cannot_write, damaged, lock_checkpoint, open_locked};
use super::sink::{Commit, Sink};
use super::spec::ExportSpec;
use crate::error::{Error, Result};

/// A file to which chunks are appended.
///
/// A commit appends a chunk, waits until it is on the disk, and only then replaces the
/// checkpoint that says how long the file is. What a crash leaves behind that length is cut off
/// on the next start.
pub(super) struct FileSink {
    path: PathBuf,
    /// Locked as long as it is open.
    file: File,
    /// Of a checkpoint that is not beside the file. Locked as long as it is open.
    _lock: Option<File>,
    checkpoint_path: PathBuf,
    checkpoint: Checkpoint,
    /// What is committed of the file.
    state: FileState,
}

impl FileSink {
    pub(super) fn open(
        path: PathBuf,
        checkpoint_path: PathBuf,
        spec: &ExportSpec,
        restart: bool,
    ) -> Result<Self> {
        // Before the file is opened, which makes it if it is not there.
        let before = checkpoint_file::resume(&checkpoint_path, spec, restart)?;
        let has_content = |stored: &Checkpoint| stored.file.is_some_and(|file| file.length > 0);
        if before.as_ref().is_some_and(has_content) && !path.exists() {
            return Err(damaged(&path, "is not there, but its checkpoint is"));
        }
        let lock = (checkpoint_path != checkpoint_file::beside(&path)).then_some(&checkpoint_path);
        let lock = lock.map(|path| lock_checkpoint(path)).transpose()?;
        let file = open_locked(&path, &path)?;
        // The name of a new file. Its checkpoint may be in another folder.
        durable::sync_folder(durable::folder(&path)).map_err(|error| cannot_write(&path, error))?;
        // Another export may have come to its end meanwhile.
        let stored = checkpoint_file::resume(&checkpoint_path, spec, restart)?;
        let is_new = stored.is_none();
        let checkpoint = stored.unwrap_or_else(|| Checkpoint::new(spec.clone()));
        let Some(state) = checkpoint.file.or(is_new.then(FileState::default)) else {
            let what = "has a checkpoint of an output of another kind";
            return Err(damaged(&path, what));
        };
        let mut sink = Self {
            path,
            file,
            _lock: lock,
            checkpoint_path,
            checkpoint,
            state,
        };
        sink.begin(is_new, restart)?;
        Ok(sink)
    }

    /// Looks whether the file may be written to, and cuts off what is not committed.
    fn begin(&mut self, is_new: bool, restart: bool) -> Result<()> {
        let length = self.file.metadata().map(|file| file.len());
        let length = length.map_err(|error| cannot_write(&self.path, error))?;
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
            .map_err(|error| cannot_write(&self.path, error))
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
        let tail = tail(&self.file, state).map_err(|error| cannot_write(&self.path, error))?;
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
        let stored = checkpoint_file::read(&self.checkpoint_path);
        let is_as_before = |stored: Checkpoint| stored.file == Some(self.state);
        if stored.ok().flatten().is_some_and(is_as_before) {
            // If it cannot be cut, the next start does.
            let _ = self.cut(&self.file);
        }
        error
    }

    fn save(&mut self, state: FileState) -> Result<()> {
        self.checkpoint.file = Some(state);
        checkpoint_file::save(&self.checkpoint_path, &self.checkpoint)?;
        self.state = state;
        Ok(())
    }
}

impl Sink for FileSink {
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
                return Err(cannot_write(&self.path, error));
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
    Checksummed::new(file.take(state.tail.length)).finish()
}
