use apify_runs::{Client, RunQuery, RunStatus};
use futures::TryStreamExt;

#[tokio::main]
async fn main() -> apify_runs::Result<()> {
    let client = Client::from_env()?;
    let query = RunQuery::actor("janedoe/my-actor").status(RunStatus::Failed);
    let mut runs = client.runs(query).stream();
    while let Some(run) = runs.try_next().await? {
        println!("{} {:?}", run.id, run.usage_total_usd);
    }
    Ok(())
}
