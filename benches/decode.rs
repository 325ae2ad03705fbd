//! A page of 1000 runs, from bytes to values.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "not an API; a benchmark may panic"
)]

mod plain;
mod server;

use std::hint::black_box;
use std::time::Duration;

use apify_runs::RunPage;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use server::Server;

const RUNS: u64 = 1000;

fn decode(c: &mut Criterion) {
    // A full page of an ordinary list.
    let body = Server::start(RUNS * 3, Duration::ZERO).body(RUNS);
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::ElementsAndBytes {
        elements: RUNS,
        bytes: body.len() as u64,
    });
    group.bench_function("run_page", |b| {
        b.iter(|| RunPage::from_json(black_box(&body)).unwrap());
    });
    group.bench_function("string_struct", |b| {
        b.iter(|| serde_json::from_slice::<plain::Answer>(black_box(&body)).unwrap());
    });
    group.bench_function("json_value", |b| {
        b.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(&body)).unwrap());
    });
    group.bench_function("utf8_check", |b| {
        b.iter(|| std::str::from_utf8(black_box(&body)).unwrap().len());
    });
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
