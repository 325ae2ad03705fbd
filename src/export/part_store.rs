//! The storage of parts.

use crate::error::{Error, ErrorKind, Result};

/// Where parts are kept, with the manifest that lists them. Its methods block.
pub(super) trait PartStore: Send {
    /// The full name of a file, for errors.
    fn full_name(&self, name: &str) -> String;

    /// Reads the manifest, if there is one, and remembers which one it is.
    fn manifest(&mut self) -> Result<Option<Vec<u8>>>;

    /// Reads the manifest, if there is one, whichever it is.
    fn current_manifest(&self) -> Result<Option<Vec<u8>>>;

    /// Puts a manifest in the place of the one that was read or put last.
    ///
    /// # Errors
    ///
    /// `ErrorKind::Locked` if there is another manifest, and `ErrorKind::Damaged` if there is none.
    fn replace_manifest(&mut self, manifest: Vec<u8>) -> Result<()>;

    /// Stores a part or a segment, which is permanent when this returns.
    fn put(&mut self, name: &str, bytes: Vec<u8>) -> Result<()>;

    /// Reads a part or a segment that should have this length.
    fn find(&self, name: &str, length: u64) -> Result<Found>;

    /// The names of all existing files.
    fn list(&self) -> Result<Vec<String>>;

    /// Removes a file.
    fn delete(&self, name: &str) -> Result<()>;
}

/// What is stored under the name of a part or a segment.
pub(super) enum Found {
    Nothing,
    /// Something longer or shorter than expected. It is not read.
    OtherLength,
    /// Something of this length.
    Bytes(Vec<u8>),
}

/// Why a manifest is not replaced: another export has replaced or removed it.
pub(super) fn not_replaced(place: &str, manifest: &str, is_there: bool) -> Error {
    match is_there {
        true => {
            let message = format!("another export has taken over {place}");
            Error::new(ErrorKind::Locked, message)
        }
        false => Error::new(ErrorKind::Damaged, format!("{manifest} is gone")),
    }
}
