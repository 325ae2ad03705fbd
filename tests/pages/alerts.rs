use std::time::Duration;

use apify_runs::{Client, Cursor, Emit, ErrorKind, Result, RunQuery, RunStatus};
use chrono::{TimeDelta, Utc};
use futures::StreamExt;

/// At least as long as your longest run takes.
const LONGEST_RUN: TimeDelta = TimeDelta::days(7);

#[tokio::main]
async fn main() -> Result<()> {
    let client = Client::from_env()?;
    watch(&client, |message| println!("{message}")).await
}

async fn watch(client: &Client, tell: impl Fn(&str)) -> Result<()> {
    let begin = Utc::now();
    let failed = [RunStatus::Failed, RunStatus::TimedOut, RunStatus::Aborted];
    let query = RunQuery::account()
        .statuses(failed)
        .started_after(begin - LONGEST_RUN);
    let mut cursor = Cursor::default();
    loop {
        let runs = client.runs(&query).emit(Emit::Finished).resume(cursor);
        let mut runs = runs.follow(Duration::from_secs(10)).stream();
        while let Some(run) = runs.next().await {
            match run {
                // It failed before this program started.
                Ok(run) if run.finished_at.is_some_and(|end| end < begin) => {}
                Ok(run) => tell(&format!("run {} ended: {}", run.id, run.status)),
                Err(error) if error.kind() == ErrorKind::Item => eprintln!("skipped: {error}"),
                // All retries failed, or the list changed too often. Nothing is lost: the cursor
                // stays where it is.
                Err(error) if error.is_transient() => eprintln!("trying again: {error}"),
                Err(error) => return Err(error),
            }
        }
        cursor = runs.cursor().clone();
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}
