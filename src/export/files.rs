//! Locks and other operations on files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use fs4::{FileExt, TryLockError};

use super::durable;
use crate::error::{Error, ErrorKind, Result};

/// Opens a file for writing, creates it if it does not exist, and locks it.
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
    let file = options
        .open(path)
        .map_err(|error| cannot_write(meant, error))?;
    match FileExt::try_lock(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::new(ErrorKind::Locked, is_locked)),
        Err(TryLockError::Error(error)) => {
            let message = format!("{} cannot be locked", meant.display());
            Err(Error::new(ErrorKind::Output, message).with_source(error))
        }
    }
}

/// Keeps exports away from a file that is read. `output` is what it belongs to.
pub(super) fn lock_shared(file: &File, output: &Path) -> Result<()> {
    match FileExt::try_lock_shared(file) {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            let message = format!("an export is writing to {}", output.display());
            Err(Error::new(ErrorKind::Locked, message))
        }
        Err(TryLockError::Error(error)) => Err(cannot_read(output, error)),
    }
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
pub(super) fn first_bytes(path: &Path) -> Result<Vec<u8>> {
    let mut first = Vec::new();
    let read = match File::open(path) {
        Ok(file) => file.take(64).read_to_end(&mut first),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    };
    read.map_err(|error| cannot_read(path, error))?;
    Ok(first)
}

/// A file or folder that cannot be read.
pub(super) fn cannot_read(path: &Path, error: io::Error) -> Error {
    let message = format!("{} cannot be read", path.display());
    Error::new(ErrorKind::Output, message).with_source(error)
}

/// A file that cannot be written.
pub(super) fn cannot_write(path: &Path, error: io::Error) -> Error {
    let message = format!("{} cannot be written", path.display());
    Error::new(ErrorKind::Output, message).with_source(error)
}

/// A file that is not what its checkpoint says.
pub(super) fn damaged(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Damaged, format!("{} {what}", path.display()))
}
