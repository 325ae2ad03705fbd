//! Where an export writes.

use std::ffi::OsStr;
use std::path::Path;

use apify_runs::export::{Compression, Format, Output};

use crate::arguments::DestinationArguments;
use crate::exit::Failure;
use crate::flags;
use crate::input::with_tilde;
use crate::stdout::LineWriter;

const STANDARD_OUTPUT: &str = "-";
/// What the name of an Actor takes the place of.
const PLACEHOLDER: &str = "{actor}";

/// The format that the arguments name, or that the name of the output tells.
pub(crate) fn format(arguments: &DestinationArguments) -> Result<Format, Failure> {
    if let Some(format) = arguments.format {
        return Ok(format);
    }
    if is_stdout(arguments) {
        return Ok(Format::default());
    }
    let name = arguments.out.to_string_lossy();
    Format::of_name(&name).ok_or_else(|| {
        let message = format!("the name {name} does not tell the format: add --format");
        Failure::usage(message)
    })
}

/// Whether an export writes to standard output.
pub(crate) fn is_stdout(arguments: &DestinationArguments) -> bool {
    arguments.out == STANDARD_OUTPUT
}

/// The output of an export in this format.
pub(crate) fn open(arguments: &DestinationArguments, format: Format) -> Result<Output, Failure> {
    let checkpoint = arguments.checkpoint.as_deref();
    if is_stdout(arguments) && format.compression() == Compression::None {
        let resumes = !arguments.restart && checkpoint.is_some_and(Path::exists);
        return with_checkpoint(Output::writer(LineWriter::new(resumes)), checkpoint);
    }
    output(
        &arguments.out,
        is_folder(&arguments.out, format),
        checkpoint,
    )
}

/// Whether the name of an Actor is to take a place in that of the output.
pub(crate) fn has_placeholder(arguments: &DestinationArguments) -> bool {
    arguments.out.to_string_lossy().contains(PLACEHOLDER)
}

/// Where the list of one of several Actors goes: in a folder of its name, or where its name takes the
/// place of `{actor}`.
pub(crate) fn of_actor(
    arguments: &DestinationArguments,
    actor: &str,
    format: Format,
) -> Result<DestinationArguments, Failure> {
    let name = file_name(actor)?;
    let Some(out) = arguments.out.to_str().filter(|_| !is_stdout(arguments)) else {
        let message = "several Actors cannot go into standard output: name a folder, or put {actor} \
                       into the name of a file";
        return Err(Failure::usage(message));
    };
    let is_prefix = out.starts_with("s3://") || is_folder(&arguments.out, format);
    let out = match out {
        out if out.contains(PLACEHOLDER) => out.replace(PLACEHOLDER, &name),
        out if is_prefix => format!("{}/{name}/", out.trim_end_matches(['/', '\\'])),
        out => {
            let expected = "several Actors need an output each: put {actor} into the name, or end \
                            it with / for a folder";
            return Err(Failure::usage(flags::invalid("--out", out, expected)));
        }
    };
    let checkpoint = match arguments.checkpoint.as_deref().map(Path::to_str) {
        None => None,
        Some(Some(path)) if path.contains(PLACEHOLDER) => Some(path.replace(PLACEHOLDER, &name)),
        Some(path) => {
            let expected = "several Actors need a checkpoint each: put {actor} into the name";
            let path = path.unwrap_or_default();
            return Err(Failure::usage(flags::invalid(
                "--checkpoint",
                path,
                expected,
            )));
        }
    };
    Ok(DestinationArguments {
        out: out.into(),
        checkpoint: checkpoint.map(Into::into),
        ..arguments.clone()
    })
}

/// Creates the folder that a file is in, if it does not exist.
pub(crate) fn create_folder(arguments: &DestinationArguments) -> Result<(), Failure> {
    let out = Path::new(&arguments.out);
    match out.parent() {
        Some(folder) if !out.starts_with("s3:") => std::fs::create_dir_all(folder)
            .map_err(|error| Failure::from(error).about(&folder.display())),
        _ => Ok(()),
    }
}

/// An Actor's name as part of a path.
fn file_name(actor: &str) -> Result<String, Failure> {
    let name = with_tilde(actor);
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.~".contains(letter);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(is_plain) {
        let expected = "it must be an ID or a name, of letters, digits, -, _, . and ~";
        return Err(Failure::usage(flags::invalid("ACTOR", actor, expected)));
    }
    Ok(name)
}

/// Whether an output of this name and format is a folder of parts.
fn is_folder(out: &OsStr, format: Format) -> bool {
    format == Format::Parquet || Path::new(out).is_dir() || ends_with_separator(out)
}

fn ends_with_separator(out: &OsStr) -> bool {
    out.to_string_lossy().ends_with(std::path::is_separator)
}

/// The output of this name.
pub(crate) fn output(
    out: &OsStr,
    is_folder: bool,
    checkpoint: Option<&Path>,
) -> Result<Output, Failure> {
    let name = out.to_string_lossy();
    let output = if out == STANDARD_OUTPUT {
        Output::writer(std::io::stdout())
    } else if name.starts_with("s3://") {
        Output::s3(&name)?
    } else if is_folder || ends_with_separator(out) {
        Output::directory(out)
    } else {
        Output::file(out)
    };
    with_checkpoint(output, checkpoint)
}

fn with_checkpoint(output: Output, checkpoint: Option<&Path>) -> Result<Output, Failure> {
    Ok(match checkpoint {
        Some(path) => output.checkpoint(path)?,
        None => output,
    })
}
