//! Walks with the loop a program writes without this crate, once for each line on stdin.
//! Usage: `by_hand BASE_URL TOKEN`

#[path = "../../../plain.rs"]
mod plain;

use std::pin::pin;

use apify_runs_bench_peers::{Result, walk_for_each_line};
use futures::TryStreamExt;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [base_url, token] = &arguments[..] else {
        return Err("usage: by_hand BASE_URL TOKEN".into());
    };
    let http = reqwest::Client::new();

    walk_for_each_line(async || {
        let mut runs = pin!(plain::runs(http.clone(), base_url.clone(), token.clone()));
        let mut count = 0;
        while runs.try_next().await?.is_some() {
            count += 1;
        }
        Ok(count)
    })
    .await
}
