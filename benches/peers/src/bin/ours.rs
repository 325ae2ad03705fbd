//! Walks with this crate, once for each line on stdin.
//! Usage: `ours IN_FLIGHT BASE_URL TOKEN`

use apify_runs::Client;
use apify_runs_bench_peers::{Result, walk_for_each_line};
use futures::TryStreamExt;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [in_flight, base_url, token] = &arguments[..] else {
        return Err("usage: ours IN_FLIGHT BASE_URL TOKEN".into());
    };
    let in_flight = in_flight.parse()?;
    let client = Client::builder()
        .base_url(base_url)
        .token(token)
        // The emulator has no limit, and the others keep none.
        .max_requests_per_second(f64::INFINITY)
        .build()?;

    walk_for_each_line(async || {
        let runs = client.runs("janedoe/my-actor").concurrency(in_flight);
        let mut runs = runs.stream();
        let mut count = 0;
        while runs.try_next().await?.is_some() {
            count += 1;
        }
        Ok(count)
    })
    .await
}
