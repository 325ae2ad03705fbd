//! A page of 1000 runs, from bytes to values.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "not an API; a benchmark may panic"
)]

mod plain;
mod server;

use std::hint::black_box;

use apify_runs::ListPage;
use apify_runs::emulator::{Emulator, EmulatorBuilder};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};

use server::{Server, forms};

const RUNS: u64 = 1000;

/// Rows with the same fields, indented and not.
fn complete(c: &mut Criterion) {
    for (name, emulator) in forms(RUNS * 3) {
        let body = body(emulator);
        let mut group = group(c, name, &body);
        bench_rows(&mut group, &body);
        group.bench_function("json_value", |b| {
            b.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(&body)).unwrap());
        });
        group.bench_function("utf8_check", |b| {
            b.iter(|| std::str::from_utf8(black_box(&body)).unwrap().len());
        });
        group.finish();
    }
}

/// Rows as the service has them: some lack fields, others have fields that nobody knows.
fn untidy(c: &mut Criterion) {
    let body = body(Emulator::builder().runs(RUNS * 3));
    let mut group = group(c, "untidy", &body);
    bench_rows(&mut group, &body);
    group.finish();
}

/// A full page of an ordinary list.
fn body(emulator: EmulatorBuilder) -> Vec<u8> {
    Server::start(emulator).body(RUNS)
}

fn group<'a>(c: &'a mut Criterion, name: &str, body: &[u8]) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(format!("decode/{name}"));
    group.throughput(Throughput::ElementsAndBytes {
        elements: RUNS,
        bytes: body.len() as u64,
    });
    group
}

/// This crate, and what a program has without it.
fn bench_rows(group: &mut BenchmarkGroup<'_, WallTime>, body: &[u8]) {
    group.bench_function("run_page", |b| {
        b.iter(|| ListPage::from_json(black_box(body)).unwrap());
    });
    group.bench_function("string_struct", |b| {
        b.iter(|| serde_json::from_slice::<plain::ListResponse>(black_box(body)).unwrap());
    });
}

criterion_group!(benches, complete, untidy);
criterion_main!(benches);
