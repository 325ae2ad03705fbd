//! A file that holds committed rows.

use std::path::PathBuf;

/// A file on this machine that holds rows of an export: [`Output::committed_files`].
///
/// [`Output::committed_files`]: super::Output::committed_files
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommittedFile {
    /// Where it is.
    pub path: PathBuf,
    /// The number of committed bytes: all of a part. Any bytes after them were left by an export
    /// that was killed, and are not part of the output.
    pub bytes: u64,
}

impl CommittedFile {
    pub(super) fn new(path: PathBuf, bytes: u64) -> Self {
        Self { path, bytes }
    }
}
