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

use std::time::Duration;

use apify_runs::Client;
use apify_runs::export::{Export, Output};
use tokio::runtime::Runtime;

use server::{Server, count, runtime, time};

const RUNS: u64 = 1_000_000;
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
    // An argument is the only name to measure.
    let only = arguments.iter().find(|argument| !argument.starts_with('-'));
    let is_wanted = |name: &&str| only.is_none_or(|only| only == name);
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
    for name in names {
        let (mut bare, mut exports, mut shares) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..turns {
            bare.push(runs as f64 / stream().as_secs_f64());
            exports.push(runs as f64 / export(&runtime, &client, name, runs).as_secs_f64());
            shares.extend(
                exports
                    .last()
                    .zip(bare.last())
                    .map(|(export, bare)| export / bare),
            );
        }
        let [bare, export, share] = [bare, exports, shares].map(median);
        let percent = 100.0 * share;
        println!("{name:15} {export:>9.0} of {bare:>9.0} runs/s: {percent:>3.0} %");
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

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
