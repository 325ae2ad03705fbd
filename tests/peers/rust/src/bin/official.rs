//! Walks a run list with Apify's official Rust client, and writes the IDs it got.
//! Usage: `official BASE_URL TOKEN SCENARIO OUT_FILE`

use std::collections::HashSet;
use std::error::Error;

use apify_client::{ApifyClient, ListOptions, RunListOptions};
use chrono::SecondsFormat;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [base_url, token, scenario, out] = &arguments[..] else {
        return Err("usage: official BASE_URL TOKEN SCENARIO OUT_FILE".into());
    };
    let client = ApifyClient::builder()
        .base_url(base_url)
        .token(token)
        .build();
    let runs = client.actor("janedoe/my-actor").runs();
    let options = ListOptions {
        desc: (scenario == "inserts-descending").then_some(true),
        ..ListOptions::default()
    };
    let mut filter = RunListOptions::default();
    if scenario == "running-finish" {
        filter.status = vec!["RUNNING".into()];
    }

    let (mut ids, mut last_start) = (Vec::new(), None);
    let mut walk = runs.iterate(options.clone(), filter.clone());
    while let Some(run) = walk.next().await? {
        ids.push(run.id);
        last_start = run.started_at;
    }
    if scenario == "late-rows" {
        // As a job does that is started again and again: it asks for what started since the
        // last run it has, and passes over those it has.
        let seen: HashSet<_> = ids.iter().cloned().collect();
        filter.started_after =
            last_start.map(|time| time.to_rfc3339_opts(SecondsFormat::Millis, true));
        let mut walk = runs.iterate(options, filter);
        while let Some(run) = walk.next().await? {
            if !seen.contains(&run.id) {
                ids.push(run.id);
            }
        }
    }
    std::fs::write(out, ids.join("\n") + "\n")?;
    Ok(())
}
