//! What compressed responses cost the client, and how much shorter they are.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "not an API; a benchmark may panic"
)]

mod server;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use server::{Server, count, list, runtime};

const RUNS: u64 = 50_000;

fn compression(c: &mut Criterion) {
    let server = Server::start(list(RUNS).compress());
    let plain = || reqwest::Client::builder().no_proxy();
    let clients = [
        ("identity", plain().no_gzip().no_brotli().no_zstd()),
        ("gzip", plain().no_brotli().no_zstd()),
        ("br", plain().no_gzip().no_zstd()),
        ("zstd", plain().no_gzip().no_brotli()),
    ];
    let mut group = c.benchmark_group("compression");
    group.throughput(Throughput::Elements(RUNS));
    group.sample_size(20);
    for (encoding, http) in clients {
        let bytes = server.bytes_a_page(encoding);
        println!("compression/{encoding}: {bytes} bytes for a page of 1000 runs");
        let builder = server.client_builder().http_client(http.build().unwrap());
        let client = builder.build().unwrap();
        let runtime = runtime();
        let walk = || count(client.runs("a").stream());
        group.bench_function(encoding, |b| {
            b.iter(|| assert_eq!(runtime.block_on(walk()), RUNS));
        });
    }
    group.finish();
}

criterion_group!(benches, compression);
criterion_main!(benches);
