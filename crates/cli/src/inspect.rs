//! `apify-runs count`, `verify` and `status`, which change nothing.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use apify_runs::export::{self, Output};
use serde_json::json;

use crate::arguments::{CountArguments, InspectArguments};
use crate::console::Console;
use crate::counts::counted;
use crate::destination;
use crate::exit::{Exit, Failure};
use crate::query::{list, show_instants};
use crate::service::Service;
use crate::stdout::{print, print_json};
use crate::times::shown;

pub(crate) async fn count(arguments: CountArguments, console: &Console) -> Result<Exit, Failure> {
    let source = &arguments.source;
    let query = list(source, None)?;
    show_instants(source, &query, console);
    let service = Service::open(source, console).await?;
    let count = service.client.count(query).await?;
    match arguments.json {
        true => print_json(&json!({"runs": count})),
        false => print(format!("{count}\n").as_bytes()),
    }
}

pub(crate) async fn verify(mut arguments: InspectArguments) -> Result<Exit, Failure> {
    let output = output(&mut arguments)?;
    let found = export::verify(&output).await?;
    let uncommitted = found.uncommitted_bytes;
    let state = match (found.problems.is_empty(), uncommitted) {
        (false, _) => "damaged",
        (true, 0) => "whole",
        (true, _) => "uncommitted",
    };
    if arguments.json {
        print_json(&json!({
            "output": output.to_string(),
            "state": state,
            "rows": found.rows,
            "distinct_ids": found.distinct_ids,
            "bytes": found.bytes,
            "parts": found.parts,
            "uncommitted_bytes": uncommitted,
            "problems": found.problems,
        }))?;
    }
    if !found.problems.is_empty() {
        let message = format!("{output} is damaged: {}", found.problems.join("; "));
        return Err(Failure::new(Exit::Output, message));
    }
    if uncommitted > 0 {
        let message = format!(
            "{output} has {found}, and behind them {} that a killed export did not commit: run the \
             export again, and it resumes",
            counted(uncommitted, "byte")
        );
        return Err(Failure::new(Exit::Incomplete, message));
    }
    match arguments.json {
        true => Ok(Exit::Complete),
        false => print(format!("whole: {output}: {found}\n").as_bytes()),
    }
}

pub(crate) async fn status(mut arguments: InspectArguments) -> Result<Exit, Failure> {
    let output = output(&mut arguments)?;
    let missing = || {
        let message = format!("{output} has no checkpoint: no export has written there");
        Failure::new(Exit::Failed, message)
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
    match arguments.json {
        true => print_json(&json!({
            "output": output.to_string(),
            "query": checkpoint.query(),
            "emit": checkpoint.emit(),
            "format": checkpoint.format().to_string(),
            "rows": checkpoint.rows(),
            "skipped": checkpoint.skipped(),
            "bytes": checkpoint.bytes(),
            "resumes_at": checkpoint.cursor().watermark().map(shown),
            "unfinished": checkpoint.cursor().unfinished(),
        })),
        false => print(format!("{checkpoint}\n").as_bytes()),
    }
}

/// The output that the arguments name, which become paths if they are `file:///path`.
fn output(arguments: &mut InspectArguments) -> Result<Output, Failure> {
    arguments.out = destination::resolve_output(&arguments.out)?;
    if let Some(checkpoint) = &arguments.checkpoint {
        arguments.checkpoint = Some(destination::resolve_checkpoint(checkpoint)?);
    }
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
