//! `apify-runs split`.

use apify_runs::{RunQuery, Split};
use serde_json::json;

use crate::arguments::SplitArguments;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::input::{lines, text};
use crate::query::{list, with_filters};
use crate::service::Service;
use crate::stdout::print;

pub(crate) async fn run(arguments: SplitArguments, console: &Console) -> Result<Exit, Failure> {
    let queries = queries(&arguments)?;
    let service = Service::open(&arguments.source).await?;
    let splits = service.client.split_all(&queries, arguments.into).await?;
    let lines: String = splits.iter().map(|split| format!("{split}\n")).collect();
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
    console.result(&text, fields);
    Ok(printed)
}

/// The lists to split.
fn queries(arguments: &SplitArguments) -> Result<Vec<RunQuery>, Failure> {
    let Some(file) = &arguments.actors_file else {
        return Ok(vec![list(&arguments.source, None)?]);
    };
    let text = text(file)?;
    let actors = lines(&text).map(|(_, actor)| RunQuery::actor(actor));
    let queries: Result<Vec<_>, _> = actors
        .map(|query| with_filters(query, &arguments.source, None))
        .collect();
    match queries {
        Ok(queries) if queries.is_empty() => {
            let file = file.to_string_lossy();
            Err(Failure::usage(format!("{file} names no Actor")))
        }
        queries => queries,
    }
}
