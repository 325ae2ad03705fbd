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
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let is_test = arguments.iter().any(|argument| argument == "--test");
    let (runs, turns) = if is_test { (5000, 1) } else { (RUNS, TURNS) };
    // As with other benchmarks, an argument is a part of the names to measure.
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let is_wanted = |name: &&str| filter.is_none_or(|filter| name.contains(filter.as_str()));
    let names: Vec<_> = NAMES.into_iter().filter(is_wanted).collect();

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
    let mut bare = Vec::new();
    let mut exports = vec![Vec::new(); names.len()];
    for _ in 0..turns {
        bare.push(stream());
        for (times, name) in exports.iter_mut().zip(&names) {
            times.push(export(&runtime, &client, name, runs));
        }
    }
    println!("bare stream     {:>9.0} runs/s", rate(runs, &bare));
    for (name, times) in names.iter().zip(&exports) {
        let shares = bare.iter().zip(times);
        let shares = shares.map(|(bare, time)| bare.as_secs_f64() / time.as_secs_f64());
        let (rate, share) = (rate(runs, times), 100.0 * median(shares));
        println!("{name:15} {rate:>9.0} runs/s {share:>4.0} %");
    }
}

fn rate(runs: u64, times: &[Duration]) -> f64 {
    runs as f64 / median(times.iter().map(Duration::as_secs_f64))
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
