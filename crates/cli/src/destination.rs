//! Where an export writes.

use std::ffi::OsStr;
use std::path::Path;

use apify_runs::export::{Compression, Format, Output};

use crate::arguments::DestinationArguments;
use crate::exit::Failure;
use crate::stdout::LineWriter;

const STANDARD_OUTPUT: &str = "-";

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
    let is_folder = format == Format::Parquet || Path::new(&arguments.out).is_dir();
    output(&arguments.out, is_folder, checkpoint)
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
    } else if is_folder || name.ends_with(std::path::is_separator) {
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
