use apify_runs::Client;
use futures::StreamExt;

#[tokio::main]
async fn main() -> apify_runs::Result<()> {
    let client = Client::from_env()?; // APIFY_TOKEN
    let mut runs = client.runs("janedoe/my-actor").stream(); // every run, oldest first
    while let Some(run) = runs.next().await {
        let run = run?;
        println!("{} {} {:?}", run.id, run.status, run.usage_total_usd);
    }
    Ok(())
}
