//! Runs a second into files, as a ratio to those of the bare stream, which drops them. Measured
//! in turns, so that a machine that is slower for a while is slower for all.
//!
//! Files are in the folder that `TMPDIR` names, or on the disk of the system's temporary files,
//! and each commit waits until they are there.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "not an API; a benchmark may panic"
)]

mod server;

use std::time::{Duration, Instant};

use apify_runs::Client;
use apify_runs::export::{Export, Output};
use tokio::runtime::Runtime;

use server::{Server, count, runtime};

const RUNS: u64 = 500_000;
const TURNS: usize = 11;
const NAMES: [&str; 5] = [
    "runs.jsonl",
    "runs.jsonl.zst",
    "runs.csv",
    "runs.csv.zst",
    "runs.parquet",
];

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let (runs, turns) = if is_test { (5000, 1) } else { (RUNS, TURNS) };
    let server = Server::start_sleeping(runs);
    let client = server.client();
    // The walk has one thread, as in the other benchmarks; what writes has its own.
    let runtime = runtime();
    let stream = || {
        let stream = client.runs("a").stream();
        time(|| assert_eq!(runtime.block_on(count(stream)), runs))
    };

    // The server renders its pages.
    stream();
    let mut turns_of: Vec<[Duration; 6]> = Vec::new();
    for _ in 0..turns {
        let mut times = [stream(); 6];
        for (time, name) in times[1..].iter_mut().zip(NAMES) {
            *time = export(&runtime, &client, name, runs);
        }
        turns_of.push(times);
    }
    for (index, name) in ["bare stream"].iter().chain(&NAMES).enumerate() {
        let seconds = turns_of.iter().map(|times| times[index].as_secs_f64());
        let shares = turns_of
            .iter()
            .map(|times| times[0].as_secs_f64() / times[index].as_secs_f64());
        let rate = runs as f64 / median(seconds);
        println!(
            "{name:15} {rate:>9.0} runs/s {:>4.0} %",
            100.0 * median(shares)
        );
    }
}

fn export(runtime: &Runtime, client: &Client, name: &str, runs: u64) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let output = match name.ends_with(".parquet") {
        true => Output::directory(path),
        false => Output::file(path),
    };
    let export = Export::new(client.runs("a"), output).run();
    time(|| assert_eq!(runtime.block_on(export).unwrap().output_rows, runs))
}

fn time(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
