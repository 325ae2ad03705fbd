//! A checkpoint in a file of its own.

use std::path::{Path, PathBuf};

use super::checkpoint::Checkpoint;
use super::durable;
use super::files::{cannot_write, first_bytes, read_if_there};
use super::spec::ExportSpec;
use crate::error::Result;

/// Where the checkpoint of a file is, if no other place is named.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut checkpoint = path.as_os_str().to_owned();
    checkpoint.push(".checkpoint");
    checkpoint.into()
}

/// Reads a checkpoint, if there is one.
pub(super) fn read(path: &Path) -> Result<Option<Checkpoint>> {
    let text = read_if_there(path)?;
    let name = path.display().to_string();
    text.map(|text| Checkpoint::parse(&text, &name)).transpose()
}

/// Reads the checkpoint to resume from, if there is one.
///
/// # Errors
///
/// With `restart`, `ErrorKind::Damaged` if what is there is none and must not be replaced.
pub(super) fn resume(path: &Path, spec: &ExportSpec, restart: bool) -> Result<Option<Checkpoint>> {
    let name = path.display().to_string();
    if restart {
        Checkpoint::check_replaced(&first_bytes(path)?, &name)?;
        return Ok(None);
    }
    let stored = read(path)?;
    if let Some(stored) = &stored {
        stored.check(spec, &name)?;
    }
    Ok(stored)
}

/// Puts a checkpoint in the place of the one before.
pub(super) fn save(path: &Path, checkpoint: &Checkpoint) -> Result<()> {
    durable::replace(path, &checkpoint.to_json()?).map_err(|error| cannot_write(path, error))
}
