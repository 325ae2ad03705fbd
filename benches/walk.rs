//! What the walk costs for each row, without the network and without JSON: deciding which
//! rows are new, and moving the cursor.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "not an API; a benchmark may panic"
)]

mod server;

use apify_runs::__internals::bench::BareWalk;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use server::{Server, list};

const RUNS: u64 = 19_000;

fn walk(c: &mut Criterion) {
    let server = Server::start(list(RUNS));
    // Each page but the first begins with the last two rows of the one before.
    let bodies: Vec<_> = (0..RUNS)
        .step_by(998)
        .map(|offset| server.body(offset))
        .collect();
    drop(server);
    let walk = BareWalk::new(&bodies);

    let mut group = c.benchmark_group("walk");
    group.throughput(Throughput::Elements(RUNS));
    group.bench_function("rows", |b| b.iter(|| assert_eq!(walk.run(), RUNS)));
    group.finish();
}

criterion_group!(benches, walk);
criterion_main!(benches);
