//! `apify-runs split`, and reading what it has written.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};

use apify_runs::{RunQuery, Split};
use serde_json::json;

use crate::arguments::SplitArguments;
use crate::exit::{Exit, Failure};
use crate::generated::print;
use crate::screen::Screen;
use crate::source::{self, Source};

const STANDARD_INPUT: &str = "-";

pub(crate) async fn run(arguments: SplitArguments, screen: &Screen) -> Result<Exit, Failure> {
    let queries = queries(&arguments)?;
    let source = Source::open(&arguments.source).await?;
    let splits = source.client.split_all(&queries, arguments.into).await?;
    let workers = arguments.workers.unwrap_or(usize::MAX);
    let lines: String = splits
        .iter()
        .map(|split| format!("{}\n", split.clone().readers(workers)))
        .collect();
    let printed = print(lines.as_bytes())?;
    let rows = || splits.iter().map(Split::rows);
    let (all, shortest, longest) = (
        rows().fold(0, u64::saturating_add),
        rows().min(),
        rows().max(),
    );
    let count = indicatif::HumanCount;
    let text = format!(
        "{} splits of {} runs: {} to {} each",
        splits.len(),
        count(all),
        count(shortest.unwrap_or(0)),
        count(longest.unwrap_or(0)),
    );
    let fields = json!({
        "splits": splits.len(),
        "rows": all,
        "shortest": shortest,
        "longest": longest,
    });
    screen.result(&text, fields);
    Ok(printed)
}

/// The lists that are to be cut.
fn queries(arguments: &SplitArguments) -> Result<Vec<RunQuery>, Failure> {
    let Some(file) = &arguments.actors_file else {
        return Ok(vec![source::query(&arguments.source, None)?]);
    };
    let text = text(file)?;
    let actors = lines(&text).map(|(_, actor)| RunQuery::actor(actor));
    let queries: Result<Vec<_>, _> = actors
        .map(|query| source::narrowed(query, &arguments.source, None))
        .collect();
    match queries {
        Ok(queries) if queries.is_empty() => {
            let file = file.to_string_lossy();
            Err(Failure::usage(format!("{file} names no Actor")))
        }
        queries => queries,
    }
}

/// The splits in a file, or in standard input.
pub(crate) fn read(file: &OsStr) -> Result<Vec<Split>, Failure> {
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

/// The lines that say something, and their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().map(str::trim).enumerate();
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(index, line)| (index + 1, line))
}

/// Whether this name means standard input.
pub(crate) fn is_stdin(file: &OsStr) -> bool {
    file == STANDARD_INPUT
}

fn text(file: &OsStr) -> Result<String, Failure> {
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
