use std::collections::BTreeMap;

use apify_runs::{Client, Emit, Result, RunQuery};
use chrono::{NaiveDate, NaiveTime, TimeDelta, Utc};
use futures::TryStreamExt;

/// The cost in USD of the runs of each day and status.
type Costs = BTreeMap<(NaiveDate, String), f64>;

#[tokio::main]
async fn main() -> Result<()> {
    let costs = costs(&Client::from_env()?, 30).await?;
    for ((day, status), usd) in costs {
        println!("{day} {status:10} {usd:10.4} USD");
    }
    Ok(())
}

async fn costs(client: &Client, days: i64) -> Result<Costs> {
    // Days begin at midnight UTC. Only the last one, today, is incomplete.
    let first = Utc::now().date_naive() - TimeDelta::days(days);
    let query = RunQuery::account().started_after(first.and_time(NaiveTime::MIN).and_utc());
    let mut runs = client.runs(query).emit(Emit::Finished).stream();
    let mut costs = Costs::new();
    while let Some(run) = runs.try_next().await? {
        // Runs of other people's pay-per-event Actors have no cost.
        let (Some(start), Some(usd)) = (run.started_at, run.usage_total_usd) else {
            continue;
        };
        let key = (start.date_naive(), run.status.to_string());
        *costs.entry(key).or_default() += usd;
    }
    Ok(costs)
}

#[cfg(test)]
mod tests {
    use apify_runs::emulator::Emulator;

    use super::*;

    #[tokio::test]
    async fn each_day_and_status_has_a_sum() {
        let emulator = Emulator::builder().runs(1000).start().await.unwrap();
        // The generated runs started years ago.
        let costs = costs(&emulator.client(), 3000).await.unwrap();
        let rows = (0..emulator.len()).filter_map(|place| emulator.run(place));
        let finished = rows.filter(|run| run["finishedAt"].is_string());
        let total: f64 = finished
            .filter_map(|run| run["usageTotalUsd"].as_f64())
            .sum();
        assert!(costs.len() > 1, "{costs:?}");
        assert!((costs.values().sum::<f64>() - total).abs() < 1e-6);
    }
}
