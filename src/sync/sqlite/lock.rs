//! Locks of lists: files beside the database that are locked while a list is synced.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use fs4::{FileExt, TryLockError};

use crate::error::{Error, ErrorKind, Result};

/// A lock of a list. The operating system releases it at the end of the process, however that ends.
pub(super) struct ListLock {
    path: PathBuf,
    file: File,
}

impl ListLock {
    /// Locks the list with this number in a database. `list` is what errors call it.
    pub(super) fn acquire(database: &Path, id: i64, list: &str) -> Result<Self> {
        let mut name = OsString::from(".");
        name.push(database.file_name().unwrap_or_default());
        name.push(format!(".list-{id}.lock"));
        let path = database.with_file_name(name);
        loop {
            let file = open(&path).map_err(|error| cannot_lock(&path, error))?;
            match FileExt::try_lock(&file) {
                Ok(()) if is_at(&file, &path) => return Ok(Self { path, file }),
                // The one that had it has removed it meanwhile.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let database = database.display();
                    let message = format!("another sync of {list} writes to {database}");
                    return Err(Error::new(ErrorKind::Locked, message));
                }
                Err(TryLockError::Error(error)) => return Err(cannot_lock(&path, error)),
            }
        }
    }
}

impl Drop for ListLock {
    fn drop(&mut self) {
        // While it is locked: whoever has opened it sees that it is gone.
        if cfg!(unix) {
            let _ = fs::remove_file(&self.path);
        }
        let _ = FileExt::unlock(&self.file);
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true);
    options.truncate(false).open(path)
}

/// Whether a file is still the one at its path.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let identity = |metadata: io::Result<fs::Metadata>| {
        let metadata = metadata.ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    let opened = identity(file.metadata());
    opened.is_some() && opened == identity(fs::metadata(path))
}

/// Elsewhere, the file is not removed.
#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> bool {
    true
}

fn cannot_lock(path: &Path, error: io::Error) -> Error {
    let message = format!("{} cannot be locked", path.display());
    Error::new(ErrorKind::Output, message).with_source(error)
}
