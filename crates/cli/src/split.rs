//! `apify-runs split`.

use apify_runs::{RunQuery, Split};
use serde_json::json;

use crate::arguments::SplitArguments;
use crate::console::{Console, Level};
use crate::counts::counted;
use crate::exit::{Exit, Failure};
use crate::input;
use crate::query::{list, show_instants, with_filters};
use crate::service::Service;
use crate::stdout::print;

pub(crate) async fn run(arguments: SplitArguments, console: &Console) -> Result<Exit, Failure> {
    let queries = queries(&arguments)?;
    if let Some(query) = queries.first() {
        show_instants(&arguments.source, query, console);
    }
    let service = Service::open(&arguments.source, console).await?;
    let lists = service.client.split_all(&queries, arguments.into).await?;
    let (mut splits, mut failures) = (Vec::new(), Vec::new());
    for (query, list) in queries.iter().zip(lists) {
        match list {
            Ok(parts) => splits.extend(parts),
            Err(error) => failures.push((query, Failure::from(error))),
        }
    }
    if queries.len() == 1
        && let Some((_, failure)) = failures.pop()
    {
        return Err(failure);
    }
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
        "{} of {}: {} to {} each",
        counted(splits.len() as u64, "split"),
        counted(all, "run"),
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
    if failures.is_empty() {
        return Ok(printed);
    }
    for (query, failure) in &failures {
        let text = format!("{}: {}", query.scope, failure.message);
        console.log(Level::Warning, &text, json!({}));
    }
    let (failed, all) = (failures.len(), queries.len());
    let exit = match failed == all {
        true => failures[0].1.exit,
        false => Exit::SomeFailed,
    };
    let lists = counted(all as u64, "list");
    let message = format!("{failed} of {lists} could not be split, and are left out");
    Err(Failure::new(exit, message))
}

/// The lists to split.
fn queries(arguments: &SplitArguments) -> Result<Vec<RunQuery>, Failure> {
    let (source, file) = (&arguments.source, arguments.actors.actors_file.as_deref());
    match input::several_actors(&source.actor, file)? {
        None => Ok(vec![list(source, None)?]),
        Some(actors) => actors
            .iter()
            .map(|actor| with_filters(RunQuery::actor(actor), source, None))
            .collect(),
    }
}
