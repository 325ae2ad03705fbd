use apify_runs::{Client, RunQuery};

#[tokio::main]
async fn main() -> apify_runs::Result<()> {
    let client = Client::from_env()?;
    let query = RunQuery::actor("janedoe/my-actor");
    for split in client.split(&query, 64).await? {
        // Send the line to whoever calls `client.runs(line.parse::<Split>()?)`.
        println!("{split}");
    }
    Ok(())
}
