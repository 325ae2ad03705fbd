//! Walks a run list with this crate, and writes the IDs it got.
//! Usage: `ours BASE_URL TOKEN SCENARIO OUT_FILE`

use std::error::Error;

use apify_runs::{Client, Cursor, RunQuery, RunStatus};
use futures::StreamExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [base_url, token, scenario, out] = &arguments[..] else {
        return Err("usage: ours BASE_URL TOKEN SCENARIO OUT_FILE".into());
    };
    let client = Client::builder().base_url(base_url).token(token).build()?;
    let actor = RunQuery::actor("janedoe/my-actor");
    let query = match &scenario[..] {
        "running-finish" => actor.status(RunStatus::Running),
        "inserts-descending" => actor.descending(true),
        _ => actor,
    };

    let mut ids = String::new();
    let cursor = walk(&client, &query, Cursor::default(), &mut ids).await?;
    if scenario == "late-rows" {
        // As a job does that is started again and again: it goes on from where it was, with
        // the usual lookback, and takes what comes for new.
        walk(&client, &query, cursor, &mut ids).await?;
    }
    std::fs::write(out, ids)?;
    Ok(())
}

async fn walk(
    client: &Client,
    query: &RunQuery,
    cursor: Cursor,
    ids: &mut String,
) -> Result<Cursor, Box<dyn Error>> {
    let mut runs = client.runs(query).resume(cursor).stream();
    while let Some(run) = runs.next().await {
        ids.push_str(&run?.id);
        ids.push('\n');
    }
    Ok(runs.cursor().clone())
}
