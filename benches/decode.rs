//! A page of 1000 runs, from bytes to values.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "not an API; a benchmark may panic"
)]

mod plain;

use std::hint::black_box;

use apify_runs::RunPage;
use apify_runs::emulator::Emulator;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const RUNS: u64 = 1000;

/// The body of a full page, as the emulator serves it.
fn body() -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let emulator = Emulator::builder().runs(RUNS * 3).start().await.unwrap();
        let url = format!(
            "{}/v2/acts/a/runs?offset=1000&limit=1000",
            emulator.base_url()
        );
        let request = reqwest::Client::new()
            .get(url)
            .bearer_auth(emulator.token());
        let answer = request.send().await.unwrap().error_for_status().unwrap();
        answer.bytes().await.unwrap().to_vec()
    })
}

fn decode(c: &mut Criterion) {
    let body = body();
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(RUNS));
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
