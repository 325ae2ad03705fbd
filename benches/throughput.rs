//! Runs a second from a server on a loopback socket to the program, end to end.
//!
//! The server has a thread to itself and serves pages it has rendered before, so that the
//! client is what is measured.

mod plain;

use std::future::Future;
use std::sync::mpsc;
use std::thread;

use apify_runs::Client;
use apify_runs::emulator::Emulator;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use futures::{StreamExt, pin_mut};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

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
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            runtime().block_on(async {
                let builder = Emulator::builder().runs(RUNS).keep_pages();
                let emulator = builder.start().await.unwrap();
                let token = emulator.token().to_owned();
                told.send((emulator.base_url(), token)).unwrap();
                let _ = stopped.await;
            });
        });
        let (base_url, token) = address.recv().unwrap();
        Self {
            base_url,
            token,
            stop: Some(stop),
            thread: Some(thread),
        }
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
    let client = Client::builder()
        .base_url(&server.base_url)
        .token(&server.token)
        .build()
        .unwrap();
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

criterion_group!(benches, loopback);
criterion_main!(benches);
