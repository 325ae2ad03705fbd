//! Commands that look and change nothing.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use apify_runs::export::{self, Output};
use serde_json::json;

use crate::arguments::{PlaceArguments, SourceArguments};
use crate::exit::{Exit, Failure};
use crate::export::output;
use crate::generated::print;
use crate::screen::Screen;
use crate::source::{Source, query};

pub(crate) async fn count(arguments: SourceArguments) -> Result<Exit, Failure> {
    let query = query(&arguments, None)?;
    let source = Source::open(&arguments).await?;
    let count = source.client.count(query).await?;
    print(format!("{count}\n").as_bytes())
}

pub(crate) async fn verify(arguments: PlaceArguments, screen: &Screen) -> Result<Exit, Failure> {
    let output = place(&arguments)?;
    let verification = export::verify(&output).await?;
    if verification.problems.is_empty() {
        let fields = json!({
            "rows": verification.rows,
            "distinct_ids": verification.distinct_ids,
            "bytes": verification.bytes,
            "parts": verification.parts,
        });
        screen.result(&format!("whole: {output}: {verification}"), fields);
        return Ok(Exit::Complete);
    }
    let problems = verification.problems.join("; ");
    let message = format!("{output} is not whole: {problems}");
    Err(Failure::new(Exit::Output, message))
}

pub(crate) async fn status(arguments: PlaceArguments) -> Result<Exit, Failure> {
    let output = place(&arguments)?;
    let missing = || {
        let message = format!("{output} has no checkpoint");
        Failure::new(Exit::Output, message)
    };
    let checkpoint = match output.read_checkpoint().await {
        Ok(Some(checkpoint)) => checkpoint,
        // What is named may be the checkpoint itself.
        Ok(None) => match itself(&arguments) {
            Some(itself) => itself.read_checkpoint().await?.ok_or_else(missing)?,
            None => return Err(missing()),
        },
        Err(error) => return Err(error.into()),
    };
    print(format!("{checkpoint}\n").as_bytes())
}

/// The output that the arguments name.
fn place(arguments: &PlaceArguments) -> Result<Output, Failure> {
    let is_folder = Path::new(&arguments.out).is_dir();
    output(&arguments.out, is_folder, arguments.checkpoint.as_deref())
}

/// An output whose checkpoint is the file that the arguments name, if that looks like one. What
/// does not may be large.
fn itself(arguments: &PlaceArguments) -> Option<Output> {
    const BEGINNING: &[u8] = b"{\"version\"";
    let path = Path::new(&arguments.out);
    let mut beginning = [0; BEGINNING.len()];
    File::open(path).ok()?.read_exact(&mut beginning).ok()?;
    let looks_like_one = beginning == BEGINNING;
    let output = Output::writer(std::io::sink()).checkpoint(path).ok();
    output.filter(|_| looks_like_one)
}
