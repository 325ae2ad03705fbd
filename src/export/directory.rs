//! A folder of parts.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::durable;
use super::file::{cannot_read, failed, open_locked, read_if_there};
use super::parts::{MANIFEST, Store, not_replaced};
use crate::error::{Error, ErrorKind, Result};

/// The file that is locked while an export writes to the folder.
pub(super) const LOCK: &str = ".lock";

/// A folder of parts, with nobody else at it.
pub(super) struct Directory {
    path: PathBuf,
    /// The manifest that was read or put last. `None`: there was none.
    last_manifest: Option<Vec<u8>>,
    /// Locked as long as it is open.
    _lock: File,
}

impl Directory {
    /// Opens it, or makes it if it is not there.
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        durable::create_folder(&path).map_err(|error| failed(&path, error))?;
        let lock = open_locked(&path.join(LOCK), &path)?;
        Ok(Self {
            path,
            last_manifest: None,
            _lock: lock,
        })
    }

    /// Where the manifest of a folder is.
    pub(super) fn manifest_path(path: &Path) -> PathBuf {
        path.join(MANIFEST)
    }
}

impl Store for Directory {
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
        durable::replace(&path, &manifest).map_err(|error| failed(&path, error))?;
        self.last_manifest = Some(manifest);
        Ok(())
    }

    fn put(&mut self, name: &str, part: Vec<u8>) -> Result<()> {
        let path = self.path.join(name);
        durable::replace(&path, &part).map_err(|error| failed(&path, error))
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
