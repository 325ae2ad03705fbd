//! `apify-runs count`, `verify` and `status`, which change nothing.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use apify_runs::export::{self, Output};
use serde_json::json;

use crate::arguments::{InspectArguments, SourceArguments};
use crate::console::Console;
use crate::destination;
use crate::exit::{Exit, Failure};
use crate::query::list;
use crate::service::Service;
use crate::stdout::print;

pub(crate) async fn count(arguments: SourceArguments) -> Result<Exit, Failure> {
    let query = list(&arguments, None)?;
    let service = Service::open(&arguments).await?;
    let count = service.client.count(query).await?;
    print(format!("{count}\n").as_bytes())
}

pub(crate) async fn verify(
    arguments: InspectArguments,
    console: &Console,
) -> Result<Exit, Failure> {
    let output = output(&arguments)?;
    let verification = export::verify(&output).await?;
    if verification.problems.is_empty() {
        let fields = json!({
            "rows": verification.rows,
            "distinct_ids": verification.distinct_ids,
            "bytes": verification.bytes,
            "parts": verification.parts,
        });
        console.result(&format!("whole: {output}: {verification}"), fields);
        return Ok(Exit::Complete);
    }
    let problems = verification.problems.join("; ");
    let message = format!("{output} is not whole: {problems}");
    Err(Failure::new(Exit::Output, message))
}

pub(crate) async fn status(arguments: InspectArguments) -> Result<Exit, Failure> {
    let output = output(&arguments)?;
    let missing = || {
        let message = format!("{output} has no checkpoint");
        Failure::new(Exit::Output, message)
    };
    let checkpoint = match output.read_checkpoint().await {
        Ok(Some(checkpoint)) => checkpoint,
        // The argument may name the checkpoint itself.
        Ok(None) => match named_checkpoint(&arguments) {
            Some(named) => named.read_checkpoint().await?.ok_or_else(missing)?,
            None => return Err(missing()),
        },
        Err(error) => return Err(error.into()),
    };
    print(format!("{checkpoint}\n").as_bytes())
}

/// The output that the arguments name.
fn output(arguments: &InspectArguments) -> Result<Output, Failure> {
    let is_folder = Path::new(&arguments.out).is_dir();
    destination::output(&arguments.out, is_folder, arguments.checkpoint.as_deref())
}

/// An output whose checkpoint is the file that the arguments name, if it begins like one. A file
/// that does not may be large.
fn named_checkpoint(arguments: &InspectArguments) -> Option<Output> {
    const BEGINNING: &[u8] = b"{\"version\"";
    let path = Path::new(&arguments.out);
    let mut beginning = [0; BEGINNING.len()];
    File::open(path).ok()?.read_exact(&mut beginning).ok()?;
    let looks_like_one = beginning == BEGINNING;
    let output = Output::writer(std::io::sink()).checkpoint(path).ok();
    output.filter(|_| looks_like_one)
}
