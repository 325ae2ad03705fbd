//! A folder of parts.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::checkpoint::Checkpoint;
use super::checkpoint_file;
use super::committed_file::CommittedFile;
use super::durable;
use super::files::{cannot_read, cannot_write, open_locked, read_if_there};
use super::part_names::{LOCK, MANIFEST};
use super::part_store::{Found, PartStore, not_replaced};
use super::segment::{Listing, PartEntry};
use crate::error::{Error, ErrorKind, Result};

/// A folder of parts that is locked for this export.
pub(super) struct Directory {
    path: PathBuf,
    /// The manifest that was read or put last. `None`: there was none.
    last_manifest: Option<Vec<u8>>,
    /// Locked as long as it is open.
    _lock: File,
}

impl Directory {
    /// Opens it, or creates it if it does not exist.
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        durable::create_folder(&path).map_err(|error| cannot_write(&path, error))?;
        let lock = open_locked(&path.join(LOCK), &path)?;
        Ok(Self {
            path,
            last_manifest: None,
            _lock: lock,
        })
    }
}

/// The manifest of a folder, if there is one.
///
/// # Errors
///
/// `ErrorKind::Damaged` also if a segment is missing or damaged.
pub(super) fn read_manifest(folder: &Path) -> Result<Option<Checkpoint>> {
    Ok(read_all(folder)?.map(|(manifest, _)| manifest))
}

/// The parts that the manifest of a folder lists, if there is one.
///
/// # Errors
///
/// As [`read_manifest`].
pub(super) fn committed_files(folder: &Path) -> Result<Option<Vec<CommittedFile>>> {
    let file = |part: &PartEntry| CommittedFile::new(folder.join(&part.name), part.length);
    let files = |listing: Listing| listing.parts.iter().map(file).collect();
    Ok(read_all(folder)?.map(|(_, listing)| files(listing)))
}

/// The manifest of a folder, and all that it lists, if there is one.
fn read_all(folder: &Path) -> Result<Option<(Checkpoint, Listing)>> {
    let path = folder.join(MANIFEST);
    loop {
        let Some(manifest) = checkpoint_file::read(&path)? else {
            return Ok(None);
        };
        let listing = read_listing(folder, &manifest)?;
        let full_name = |name: &str| folder.join(name).display().to_string();
        let error = match listing.complete(full_name) {
            Ok(listing) => return Ok(Some((manifest, listing))),
            Err(error) => error,
        };
        // An export that starts again may have removed them meanwhile.
        let now = checkpoint_file::read(&path)?;
        if now.is_some_and(|now| now.segment == manifest.segment) {
            return Err(error);
        }
    }
}

/// Reads which parts are in a folder.
pub(super) fn read_listing(folder: &Path, manifest: &Checkpoint) -> Result<Listing> {
    Listing::read(manifest.listing(), |segment| {
        find(&folder.join(&segment.name), segment.length)
    })
}

/// Reads a part or a segment that should have this length.
pub(super) fn find(path: &Path, length: u64) -> Result<Found> {
    let found = || -> io::Result<Found> {
        let found = match fs::metadata(path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(error),
        };
        // What is no file may have no end.
        if !found.is_file() || found.len() != length {
            return Ok(Found::OtherLength);
        }
        fs::read(path).map(Found::Bytes)
    };
    found().map_err(|error| cannot_read(path, error))
}

impl PartStore for Directory {
    fn full_name(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }

    fn manifest(&mut self) -> Result<Option<Vec<u8>>> {
        self.last_manifest = self.current_manifest()?;
        Ok(self.last_manifest.clone())
    }

    fn current_manifest(&self) -> Result<Option<Vec<u8>>> {
        read_if_there(&self.path.join(MANIFEST))
    }

    fn replace_manifest(&mut self, manifest: Vec<u8>) -> Result<()> {
        // The lock keeps others away, but not where the file system has none, nor when somebody
        // has removed the folder with it and started again.
        let found = self.current_manifest()?;
        if found != self.last_manifest {
            let (place, name) = (self.path.display().to_string(), self.full_name(MANIFEST));
            return Err(not_replaced(&place, &name, found.is_some()));
        }
        let path = self.path.join(MANIFEST);
        durable::replace(&path, &manifest).map_err(|error| cannot_write(&path, error))?;
        self.last_manifest = Some(manifest);
        Ok(())
    }

    fn put(&mut self, name: &str, bytes: Vec<u8>) -> Result<()> {
        let path = self.path.join(name);
        durable::replace(&path, &bytes).map_err(|error| cannot_write(&path, error))
    }

    fn find(&self, name: &str, length: u64) -> Result<Found> {
        find(&self.path.join(name), length)
    }

    fn list(&self) -> Result<Vec<String>> {
        let listed = fs::read_dir(&self.path).and_then(|entries| {
            let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
            entries.map(|entry| entry.map(name)).collect()
        });
        let mut names: Vec<String> = listed.map_err(|error| cannot_read(&self.path, error))?;
        names.sort_unstable();
        Ok(names)
    }

    fn delete(&self, name: &str) -> Result<()> {
        let path = self.path.join(name);
        fs::remove_file(&path).map_err(|error| {
            let message = format!("{} cannot be removed", path.display());
            Error::new(ErrorKind::Output, message).with_source(error)
        })
    }
}
