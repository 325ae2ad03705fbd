//! The file that a page goes to.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::page::BEGINNING;
use crate::exit::Failure;
use crate::flags;
use crate::replace::{cannot_write, replace_file};

/// Whether the page goes to standard output.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// Refuses to replace a file that is not a page.
pub(crate) fn check(path: &Path) -> Result<(), Failure> {
    if is_stdout(path) || !path.exists() {
        return Ok(());
    }
    let mut beginning = Vec::new();
    let is_page = path.is_file() && {
        let file = File::open(path).map_err(|error| cannot_write(path, &error))?;
        let mut file = file.take(BEGINNING.len() as u64);
        let read = file.read_to_end(&mut beginning);
        read.map_err(|error| cannot_write(path, &error))?;
        beginning.is_empty() || beginning.eq_ignore_ascii_case(BEGINNING.as_bytes())
    };
    if is_page {
        return Ok(());
    }
    let expected = "the file exists, and is no HTML page: name another file";
    let shown = path.display().to_string();
    Err(Failure::usage(flags::invalid("--out", &shown, expected)))
}

/// Replaces the page, as a whole or not at all.
pub(crate) fn replace(path: &Path, page: &str) -> Result<(), Failure> {
    // Two reports may be written at once.
    let ending = format!(".{}.unfinished", std::process::id());
    replace_file(path, &ending, page.as_bytes())
}
