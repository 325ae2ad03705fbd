//! Walks with Apify's official Rust client, once for each line on stdin.
//! Usage: `official BASE_URL TOKEN`

use apify_client::{ApifyClient, ListOptions, RunListOptions};
use apify_runs_bench_peers::{Result, walk_for_each_line};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [base_url, token] = &arguments[..] else {
        return Err("usage: official BASE_URL TOKEN".into());
    };
    let client = ApifyClient::builder()
        .base_url(base_url)
        .token(token)
        .build();
    let runs = client.actor("janedoe/my-actor").runs();

    walk_for_each_line(async || {
        let mut walk = runs.iterate(ListOptions::default(), RunListOptions::default());
        let mut count = 0;
        while walk.next().await?.is_some() {
            count += 1;
        }
        Ok(count)
    })
    .await
}
