use apify_runs::Client;
use apify_runs::sync::{Database, SyncJob, SyncSummary};

#[tokio::main]
async fn main() -> apify_runs::Result<()> {
    let database = Database::open("sqlite:runs.db").await?;
    let summary = sync(&Client::from_env()?, &database).await?;
    println!("{} new, {} updated", summary.new, summary.updated);
    Ok(())
}

/// Brings the database up to date with the list.
async fn sync(client: &Client, database: &Database) -> apify_runs::Result<SyncSummary> {
    let runs = client.runs("janedoe/my-actor");
    SyncJob::new(runs, database.target()).run().await
}

#[cfg(test)]
mod tests {
    use apify_runs::emulator::Emulator;

    use super::*;

    #[tokio::test]
    async fn the_second_time_finds_what_is_new() {
        let emulator = Emulator::builder().runs(1500).start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", folder.path().join("runs.db").display());
        let database = Database::open(address).await.unwrap();
        let first = sync(&emulator.client(), &database).await.unwrap();
        assert_eq!(first.new, 1500);
        emulator.change(|store| store.start_run("later"));
        let second = sync(&emulator.client(), &database).await.unwrap();
        assert_eq!(second.new, 1);
    }
}
