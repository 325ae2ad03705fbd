//! Files of lines, or standard input, that say what to read.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};

use apify_runs::Split;

use crate::exit::Failure;

const STANDARD_INPUT: &str = "-";

/// The splits in a file, or in standard input.
pub(crate) fn splits(file: &OsStr) -> Result<Vec<Split>, Failure> {
    let text = text(file)?;
    lines(&text)
        .map(|(number, line)| {
            line.parse().map_err(|error| {
                let file = file.to_string_lossy();
                Failure::usage(format!("{file}, line {number}: {error}"))
            })
        })
        .collect()
}

/// The Actors that the arguments and the file name, each once. `None` if there is no file, and at most
/// one is named.
pub(crate) fn several_actors(
    named: &[String],
    file: Option<&OsStr>,
) -> Result<Option<Vec<String>>, Failure> {
    let text = match file {
        Some(file) => text(file)?,
        None if named.len() < 2 => return Ok(None),
        None => String::new(),
    };
    let of_file = lines(&text).map(|(_, actor)| actor.to_owned());
    let mut seen = HashSet::new();
    let actors: Vec<_> = named
        .iter()
        .cloned()
        .chain(of_file)
        .filter(|actor| seen.insert(with_tilde(actor)))
        .collect();
    match file {
        Some(file) if actors.is_empty() => {
            let file = file.to_string_lossy();
            Err(Failure::usage(format!("{file} names no Actor")))
        }
        _ => Ok(Some(actors)),
    }
}

/// The one spelling of an Actor's name: `me/a` and `me~a` are the same.
pub(crate) fn with_tilde(actor: &str) -> String {
    actor.replacen('/', "~", 1)
}

/// The lines that say something, and their numbers.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().map(str::trim).enumerate();
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(index, line)| (index + 1, line))
}

/// Whether this name means standard input.
pub(crate) fn is_stdin(file: &OsStr) -> bool {
    file == STANDARD_INPUT
}

pub(crate) fn text(file: &OsStr) -> Result<String, Failure> {
    let mut text = String::new();
    let read = match is_stdin(file) {
        true => io::stdin().read_to_string(&mut text).map(|_| text),
        false => fs::read_to_string(file),
    };
    read.map_err(|error| {
        let file = file.to_string_lossy();
        Failure::usage(format!("{file} cannot be read: {error}"))
    })
}
