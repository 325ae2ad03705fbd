//! Files that a power failure leaves complete or absent, never in part.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// The suffix of a file that is being written.
pub(super) const UNFINISHED: &str = ".unfinished";
/// How often a rename is tried while another process has the file open: for about a second.
const RENAMES: u32 = 20;
const BETWEEN_RENAMES: Duration = Duration::from_millis(50);

/// Writes a file under a temporary name and renames it to its own, replacing an older one. If it
/// is interrupted, either the old file or the new one exists.
///
/// The caller holds a lock on the file. The temporary name is always the same, so the next call
/// overwrites what an interrupted one left; random names would accumulate.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = unfinished(path);
    let written = write(&new, bytes).and_then(|()| rename(&new, path));
    if let Err(error) = written {
        // It may be what filled the disk.
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    sync_folder(folder(path))
}

/// Creates a folder and its parents if they do not exist.
pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = folder(path);
    if parent != path {
        create_folder(parent)?;
    }
    match fs::create_dir(path) {
        Err(error) if !path.is_dir() => Err(error),
        // It exists now, perhaps created by another process.
        _ => sync_folder(parent),
    }
}

/// On Windows, a rename fails while another process, such as a virus scanner, reads either file.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    // ERROR_ACCESS_DENIED and ERROR_SHARING_VIOLATION.
    let may_pass =
        |error: &io::Error| cfg!(windows) && matches!(error.raw_os_error(), Some(5 | 32));
    for _ in 1..RENAMES {
        match fs::rename(from, to) {
            Err(error) if may_pass(&error) => sleep(BETWEEN_RENAMES),
            result => return result,
        }
    }
    fs::rename(from, to)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The hidden name, in the same folder, that a file has before it is complete.
fn unfinished(path: &Path) -> PathBuf {
    hidden(path, UNFINISHED)
}

/// A hidden name for what belongs to a file, in the same folder.
pub(super) fn hidden(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(ending);
    path.with_file_name(name)
}

/// The folder that a file is in.
pub(super) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Makes the names in a folder permanent, where that is a step of its own.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_takes_the_place_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.checkpoint");
        replace(&path, b"first").unwrap();
        replace(&path, b"2nd").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2nd");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_is_made_with_those_it_is_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/c");
        create_folder(&path).unwrap();
        create_folder(&path).unwrap();
        assert!(path.is_dir());
        create_folder(Path::new(".")).unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        create_folder(&folder.path().join("file")).unwrap_err();
        create_folder(&folder.path().join("file/a")).unwrap_err();
    }

    #[test]
    fn what_cannot_take_its_place_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.checkpoint");
        fs::create_dir_all(path.join("not-empty")).unwrap();
        replace(&path, b"first").unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        replace(&folder.path().join("gone/a"), b"first").unwrap_err();
    }
}
