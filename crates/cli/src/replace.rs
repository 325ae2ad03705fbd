//! Replaces a file as a whole.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};

/// Replaces a file, as a whole or not at all. The bytes are written to a [`hidden`] file first. A
/// symbolic link stays, and the file it refers to is replaced.
pub(crate) fn replace_file(path: &Path, hidden_ending: &str, bytes: &[u8]) -> Result<(), Failure> {
    replace(path, hidden_ending, bytes).map_err(|error| cannot_write(path, &error))
}

/// The failure of a file that cannot be written.
pub(crate) fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    let message = format!("{} cannot be written: {error}", path.display());
    Failure::new(Exit::Failed, message)
}

fn replace(path: &Path, hidden_ending: &str, bytes: &[u8]) -> io::Result<()> {
    let path = match path.is_symlink() {
        true => &fs::canonicalize(path)?,
        false => path,
    };
    let new = &hidden(path, hidden_ending);
    let write = || {
        let mut file = File::create(new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(new, path)
    };
    write().inspect_err(|_| {
        // The first error is reported.
        let _ = fs::remove_file(new);
    })?;
    sync_folder(path)
}

/// A hidden name in the same folder, for a file that belongs to `path`.
pub(crate) fn hidden(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(ending);
    path.with_file_name(name)
}

/// Stores the new name on the disk. Only Unix has a separate operation for that.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        replace(&path, ".new", b"first").unwrap();
        replace(&path, ".new", b"2nd").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2nd");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        let occupied = folder.path().join("folder");
        fs::create_dir_all(occupied.join("not-empty")).unwrap();
        replace(&occupied, ".new", b"first").unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn a_symbolic_link_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "first").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        replace(&link, ".new", b"2nd").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"2nd");
        fs::remove_file(&file).unwrap();
        replace(&link, ".new", b"3rd").unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
