//! Runs a second from a server on a loopback socket to the program, end to end.
//!
//! The server has a thread to itself and serves pages it has rendered before, so that the
//! client is what is measured.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "not an API; a benchmark may panic"
)]

mod plain;

use std::future::Future;
use std::hint::black_box;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use apify_runs::Client;
use apify_runs::emulator::Emulator;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use futures::{Stream, StreamExt, pin_mut};
use tokio::runtime::Runtime;
use tokio::sync::oneshot::{self, error::TryRecvError};

const RUNS: u64 = 200_000;

/// An emulator on a thread of its own.
struct Server {
    base_url: String,
    token: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    fn start() -> Self {
        let (told, address) = mpsc::channel();
        let (stop, mut stopped) = oneshot::channel();
        let builder = thread::Builder::new().name("emulator".into());
        let thread = builder.spawn(move || {
            runtime().block_on(async {
                let builder = Emulator::builder().runs(RUNS).keep_pages();
                let emulator = builder.start().await.unwrap();
                let token = emulator.token().to_owned();
                told.send((emulator.base_url(), token)).unwrap();
                // A server that sleeps between two requests must be woken up, which takes longer
                // than its work and would be measured too: stay awake until told to stop.
                while stopped.try_recv() == Err(TryRecvError::Empty) {
                    tokio::task::yield_now().await;
                }
            });
        });
        let thread = thread.unwrap();
        let (base_url, token) = address.recv().unwrap();
        Self {
            base_url,
            token,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn client(&self) -> Client {
        let builder = Client::builder()
            .base_url(&self.base_url)
            .token(&self.token);
        builder.build().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

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

fn loopback(c: &mut Criterion) {
    let server = Server::start();
    let client = server.client();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();

    let mut group = c.benchmark_group("throughput/loopback");
    group.throughput(Throughput::Elements(RUNS));
    group.sample_size(20);
    bench(&mut group, "run_stream", || async {
        let mut runs = client.runs("a").stream();
        let mut count = 0;
        while let Some(run) = runs.next().await {
            run.unwrap();
            count += 1;
        }
        count
    });
    bench(&mut group, "run_pages", || async {
        let mut pages = client.runs("a").pages();
        let mut count = 0;
        while let Some(page) = pages.next().await {
            count += page.unwrap().items.len() as u64;
        }
        count
    });
    bench(&mut group, "hand_written_loop", || async {
        let runs = plain::runs(http.clone(), server.base_url.clone(), server.token.clone());
        pin_mut!(runs);
        let mut count = 0;
        while let Some(run) = runs.next().await {
            run.unwrap();
            count += 1;
        }
        count
    });
    bench(&mut group, "raw_bytes", || async {
        // The same requests as the loop, with the bodies thrown away.
        for offset in (0..=RUNS).step_by(1000) {
            let base_url = &server.base_url;
            let url = format!("{base_url}/v2/acts/a/runs?offset={offset}&limit=1000");
            let request = http.get(url).bearer_auth(&server.token);
            let answer = request.send().await.unwrap().error_for_status().unwrap();
            assert!(!answer.bytes().await.unwrap().is_empty());
        }
        RUNS
    });
    group.finish();
}

/// What a row costs once its page is there: taken from the stream, and from the page.
fn row(c: &mut Criterion) {
    let server = Server::start();
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
        let mut runs = client.runs("a").stream();
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
        let mut pages = client.runs("a").pages();
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

criterion_group!(benches, loopback, row);
criterion_main!(benches);
