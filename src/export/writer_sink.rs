//! The sink of a stream, such as standard output.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use super::checkpoint::Checkpoint;
use super::checkpoint_file;
use super::files::{damaged, lock_checkpoint};
use super::sink::{Commit, Sink};
use super::spec::ExportSpec;
use crate::error::{Error, ErrorKind, Result};

/// A stream to which chunks are written, with a checkpoint or without.
pub(super) struct WriterSink {
    writer: Box<dyn Write + Send>,
    checkpoint_path: Option<PathBuf>,
    checkpoint: Checkpoint,
    /// Locked as long as it is open.
    _lock: Option<File>,
}

impl WriterSink {
    pub(super) fn open(
        writer: Box<dyn Write + Send>,
        checkpoint_path: Option<PathBuf>,
        spec: &ExportSpec,
        restart: bool,
    ) -> Result<Self> {
        let lock = checkpoint_path
            .as_deref()
            .map(lock_checkpoint)
            .transpose()?;
        let stored = match &checkpoint_path {
            Some(path) => checkpoint_file::resume(path, spec, restart)?,
            None => None,
        };
        if let (Some(path), Some(stored)) = (&checkpoint_path, &stored)
            && (stored.file.is_some() || stored.parts.is_some())
        {
            return Err(damaged(path, "is the checkpoint of a file or of parts"));
        }
        let is_new = stored.is_none();
        let checkpoint = stored.unwrap_or_else(|| Checkpoint::new(spec.clone()));
        if let Some(path) = checkpoint_path.as_deref().filter(|_| is_new) {
            // If it cannot be saved, no row is to have gone down the stream.
            checkpoint_file::save(path, &checkpoint)?;
        }
        Ok(Self {
            writer,
            checkpoint_path,
            checkpoint,
            _lock: lock,
        })
    }
}

impl Sink for WriterSink {
    fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    fn begins_file(&self) -> bool {
        true
    }

    fn has_parts(&self) -> bool {
        false
    }

    fn commit(&mut self, commit: Commit) -> Result<()> {
        let mut chunks = commit.chunks.iter();
        let written = chunks.try_for_each(|chunk| self.writer.write_all(chunk));
        written
            .and_then(|()| self.writer.flush())
            .map_err(|error| {
                Error::new(ErrorKind::Output, "the stream cannot be written to").with_source(error)
            })?;
        self.checkpoint.committed = commit.committed;
        self.checkpoint.cursor = commit.cursor;
        match &self.checkpoint_path {
            Some(path) => checkpoint_file::save(path, &self.checkpoint),
            None => Ok(()),
        }
    }
}
