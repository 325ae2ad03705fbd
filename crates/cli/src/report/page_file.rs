//! The file that a page goes to.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::page::BEGINNING;
use crate::exit::{Exit, Failure};
use crate::flags;

/// Whether the page goes to standard output.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// Refuses to replace what is no page.
pub(crate) fn check(path: &Path) -> Result<(), Failure> {
    if is_stdout(path) || !path.exists() {
        return Ok(());
    }
    let mut beginning = Vec::new();
    let is_page = path.is_file() && {
        let file = File::open(path).map_err(|error| cannot_write(path, error))?;
        let mut file = file.take(BEGINNING.len() as u64);
        let read = file.read_to_end(&mut beginning);
        read.map_err(|error| cannot_write(path, error))?;
        beginning.is_empty() || beginning.eq_ignore_ascii_case(BEGINNING.as_bytes())
    };
    if is_page {
        return Ok(());
    }
    let expected = "it is there, and is no HTML page: name another file";
    let shown = path.display().to_string();
    Err(Failure::usage(flags::invalid("--out", &shown, expected)))
}

/// Writes the page to a file beside it, and then puts that in its place: whoever opens it finds a
/// whole page.
pub(crate) fn replace(path: &Path, page: &str) -> Result<(), Failure> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.unfinished", std::process::id()));
    let beside: PathBuf = path.with_file_name(name);
    let write = || {
        let mut file = File::create(&beside)?;
        file.write_all(page.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&beside);
        cannot_write(path, error)
    })
}

fn cannot_write(path: &Path, error: io::Error) -> Failure {
    let message = format!("{} cannot be written: {error}", path.display());
    Failure::new(Exit::Failed, message)
}
