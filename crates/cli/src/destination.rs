//! Where an export writes.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use apify_runs::export::{Compression, Format, Output};
use url::Url;

use crate::arguments::DestinationArguments;
use crate::exit::Failure;
use crate::flags;
use crate::input::with_tilde;
use crate::stdout::LineWriter;

const STANDARD_OUTPUT: &str = "-";
/// What the name of an Actor takes the place of.
const PLACEHOLDER: &str = "{actor}";

/// Checks the output and the checkpoint if they are URLs, and turns `file:///path` into the path.
pub(crate) fn resolve(arguments: &mut DestinationArguments) -> Result<(), Failure> {
    arguments.out = resolve_output(&arguments.out)?;
    if let Some(checkpoint) = &arguments.checkpoint {
        arguments.checkpoint = Some(resolve_checkpoint(checkpoint)?);
    }
    Ok(())
}

/// An output as it was named, or the path of `file:///path`. Fails if it is any other URL than
/// one of object storage, so that nothing of it is taken for a path, and no password is shown.
pub(crate) fn resolve_output(out: &OsStr) -> Result<OsString, Failure> {
    /// Stands for the objects, as the name may end with the bucket if there are several Actors.
    const PREFIX: &str = "/prefix";
    let name = out.to_string_lossy();
    if !is_url(&name) {
        return Ok(out.to_owned());
    }
    if is_file_url(&name) {
        return path_of_url("OUT", &name).map(Into::into);
    }
    let error = match Output::url(&format!("{}{PREFIX}", name.trim_end_matches('/'))) {
        Ok(_) => return Ok(out.to_owned()),
        Err(error) => error,
    };
    let Some(setting) = error.setting() else {
        return Err(error.into());
    };
    let shown = setting.value().replace(&format!("{PREFIX}\""), "\"");
    let expected = format!("{}, file:///path or a path", setting.expected());
    Err(Failure::usage(flags::invalid("OUT", &shown, &expected)))
}

/// A checkpoint as it was named, or the path of `file:///path`.
pub(crate) fn resolve_checkpoint(path: &Path) -> Result<PathBuf, Failure> {
    let name = path.to_string_lossy();
    if !is_url(&name) {
        return Ok(path.to_owned());
    }
    if is_file_url(&name) {
        return path_of_url("--checkpoint", &name);
    }
    let expected = "it must be a path or file:///path";
    Err(Failure::usage(flags::invalid("--checkpoint", "", expected)))
}

/// The path on this machine that something to be read has: as it was named, or of `file:///path`.
pub(crate) fn local(source: &str) -> Result<OsString, Failure> {
    if !is_url(source) {
        return Ok(source.into());
    }
    if is_file_url(source) {
        return path_of_url("SOURCE", source).map(Into::into);
    }
    // It may have a password in it.
    let expected = "it must be a file or folder on this machine, sqlite:PATH, or postgres://…; copy \
                    what is in object storage here first";
    Err(Failure::usage(flags::invalid("SOURCE", "", expected)))
}

/// Whether a name is a URL. `C:\runs`, `a:b` and `./a://b` are paths.
fn is_url(name: &str) -> bool {
    name.split_once("://").is_some_and(|(scheme, _)| {
        let is_drive = cfg!(windows) && scheme.len() == 1;
        !is_drive && !scheme.contains(std::path::is_separator)
    })
}

fn is_file_url(name: &str) -> bool {
    name.split_once("://")
        .is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("file"))
}

/// The path on this machine that a URL names.
fn path_of_url(flag: &str, url: &str) -> Result<PathBuf, Failure> {
    let url = Url::parse(url).ok();
    let url = url.filter(|url| url.query().is_none() && url.fragment().is_none());
    url.and_then(|url| url.to_file_path().ok()).ok_or_else(|| {
        let expected = "it must be file:///path, with %3F for ? and %23 for #";
        Failure::usage(flags::invalid(flag, "file://…", expected))
    })
}

/// The format that the arguments name, or that of the output's extension.
pub(crate) fn format(arguments: &DestinationArguments) -> Result<Format, Failure> {
    if let Some(format) = arguments.format {
        return Ok(format);
    }
    if is_stdout(arguments) {
        return Ok(Format::default());
    }
    let name = arguments.out.to_string_lossy();
    Format::of_name(&name).ok_or_else(|| {
        let message = format!(
            "cannot infer a format from '{name}': use .jsonl, .csv or .parquet, or pass --format"
        );
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

/// Where the list of one of several Actors goes: in a folder of its name, or where its name takes
/// the place of `{actor}`.
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
    let is_prefix = is_url(out) || is_folder(&arguments.out, format);
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

/// Creates the folders that a file and its checkpoint are in, if they do not exist.
pub(crate) fn create_folders(arguments: &DestinationArguments) -> Result<(), Failure> {
    let is_path = !is_url(&arguments.out.to_string_lossy());
    let out = is_path.then(|| Path::new(&arguments.out));
    let paths = out.into_iter().chain(arguments.checkpoint.as_deref());
    let folders = paths.filter_map(Path::parent);
    for folder in folders.filter(|folder| !folder.exists()) {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::from(error).about(&folder.display()))?;
    }
    Ok(())
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
    } else if is_url(&name) {
        Output::url(&name)?
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
