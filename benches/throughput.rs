//! Runs a second from a server on a loopback socket to the program, end to end: at the speed
//! of the machine, and with a latency on each request.
//!
//! The server has a thread to itself and serves pages it has rendered before, so that the
//! client is what is measured.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "not an API; a benchmark may panic"
)]

mod plain;
mod server;

use std::future::Future;
use std::hint::black_box;
use std::time::{Duration, Instant};

use apify_runs::Client;
use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use futures::{Stream, StreamExt};

use server::{Server, count, list, runtime};

const RUNS: u64 = 200_000;
const PAGE: u64 = 1000;

/// Measures a walk that returns how many runs it saw.
fn bench<F: Future<Output = u64>>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    walk: impl Fn() -> F,
) {
    let runtime = runtime();
    let mut checked = || assert_eq!(runtime.block_on(walk()), RUNS, "{name} lost runs");
    group.bench_function(name, |b| b.iter(&mut checked));
}

/// JSON as the service sends it.
fn loopback(c: &mut Criterion) {
    let server = Server::start(list(RUNS));
    let client = server.client();
    let mut group = c.benchmark_group("throughput/loopback");
    group.throughput(Throughput::Elements(RUNS));
    group.sample_size(20);
    bench(&mut group, "run_stream_1", || {
        count(client.runs("a").concurrency(1).stream())
    });
    bench(&mut group, "run_pages_8", || async {
        let mut pages = client.runs("a").pages();
        let mut count = 0;
        while let Some(page) = pages.next().await {
            count += page.unwrap().items.len() as u64;
        }
        count
    });
    bench_both(&mut group, &server);
    group.finish();
}

fn loopback_compact(c: &mut Criterion) {
    let server = Server::start(list(RUNS).compact());
    let mut group = c.benchmark_group("throughput/loopback_compact");
    group.throughput(Throughput::Elements(RUNS));
    group.sample_size(20);
    bench_both(&mut group, &server);
    group.finish();
}

/// This crate, a loop by hand, and the bytes alone.
fn bench_both(group: &mut BenchmarkGroup<'_, WallTime>, server: &Server) {
    let client = server.client();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    bench(group, "run_stream_8", || count(client.runs("a").stream()));
    bench(group, "hand_written_loop", || {
        let (base_url, token) = (server.base_url.clone(), server.token.clone());
        count(plain::runs(http.clone(), base_url, token))
    });
    bench(group, "raw_bytes", || async {
        // The same requests as the loop, with the bodies thrown away.
        let offsets = (0..=RUNS).step_by(PAGE as usize);
        server.read_bytes(&http, offsets).await;
        RUNS
    });
}

/// Measures page by page: a walk with one page in flight takes a minute where each request
/// takes 300 ms.
fn latency(c: &mut Criterion) {
    for milliseconds in [50, 300] {
        let server = Server::start(list(RUNS).latency(Duration::from_millis(milliseconds)));
        let client = server.client();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();

        let mut group = c.benchmark_group(format!("throughput/latency_{milliseconds}ms"));
        group.throughput(Throughput::Elements(PAGE));
        group.sampling_mode(SamplingMode::Flat);
        group.sample_size(10);
        group.measurement_time(Duration::from_secs(15));
        for concurrency in [1, 4, 8, 16] {
            let name = format!("run_stream_{concurrency}");
            bench_pages(&mut group, &name, || {
                client.runs("a").concurrency(concurrency).stream()
            });
        }
        bench_pages(&mut group, "hand_written_loop", || {
            let (base_url, token) = (server.base_url.clone(), server.token.clone());
            plain::runs(http.clone(), base_url, token).boxed()
        });
        group.finish();
    }
}

/// Measures how long the rows of a page take, over one walk after the other.
fn bench_pages<S: Stream<Item = Result<T, E>> + Unpin, T, E: std::fmt::Debug>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    walk: impl Fn() -> S,
) {
    let runtime = runtime();
    let mut runs = walk();
    group.bench_function(name, |b| {
        b.iter_custom(|pages| {
            runtime.block_on(async {
                let started = Instant::now();
                let mut rows = 0;
                while rows < pages * PAGE {
                    match runs.next().await {
                        Some(run) => drop(black_box(run.unwrap())),
                        None => {
                            runs = walk();
                            continue;
                        }
                    }
                    rows += 1;
                }
                started.elapsed()
            })
        });
    });
}

/// What a row costs once its page is there: taken from the stream, and from the page.
fn row(c: &mut Criterion) {
    let server = Server::start(list(RUNS));
    let client = server.client();
    let runtime = runtime();
    let mut group = c.benchmark_group("throughput/row");
    group.throughput(Throughput::Elements(1));
    group.bench_function("run_stream", |b| {
        b.iter_custom(|rows| runtime.block_on(time_in_stream(&client, rows)));
    });
    group.bench_function("run_pages", |b| {
        b.iter_custom(|rows| runtime.block_on(time_in_pages(&client, rows)));
    });
    group.finish();
}

/// How long it takes to get `rows` rows that have already arrived from streams.
async fn time_in_stream(client: &Client, rows: u64) -> Duration {
    let (mut spent, mut left) = (Duration::ZERO, rows);
    while left > 0 {
        let mut runs = client.runs("a").concurrency(1).stream();
        while left > 0 {
            // The first row of a page waits for the page: it is not timed.
            let Some(run) = runs.next().await else { break };
            black_box(run.unwrap());
            let buffered = left.min(runs.size_hint().0 as u64);
            let started = Instant::now();
            for _ in 0..buffered {
                black_box(runs.next().await.unwrap().unwrap());
            }
            spent += started.elapsed();
            left -= buffered;
        }
    }
    spent
}

/// How long it takes to get `rows` rows out of pages that have already arrived.
async fn time_in_pages(client: &Client, rows: u64) -> Duration {
    let (mut spent, mut left) = (Duration::ZERO, rows);
    while left > 0 {
        let mut pages = client.runs("a").concurrency(1).pages();
        while left > 0 {
            let Some(page) = pages.next().await else {
                break;
            };
            let mut items = page.unwrap().items.into_iter();
            let wanted = left.min(items.len() as u64);
            let started = Instant::now();
            for _ in 0..wanted {
                black_box(items.next().unwrap());
            }
            spent += started.elapsed();
            left -= wanted;
        }
    }
    spent
}

criterion_group!(benches, loopback, loopback_compact, latency, row);
criterion_main!(benches);
