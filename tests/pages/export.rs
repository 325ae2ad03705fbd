use apify_runs::Client;
use apify_runs::export::{Export, Output};

#[tokio::main]
async fn main() -> apify_runs::Result<()> {
    let runs = Client::from_env()?.runs("janedoe/my-actor");
    let summary = Export::new(runs, Output::file("runs.jsonl")).run().await?;
    println!("{} new runs, {} in all", summary.rows, summary.output_rows);
    Ok(())
}
