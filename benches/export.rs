//! Runs a second into files, as a ratio to those of the bare stream, which drops them. Measured
//! in turns. The server's JSON is indented, but for one line.
//!
//! Files are in the folder that `TMPDIR` names, or on the disk of the system's temporary files,
//! and each commit waits until they are there.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "not an API; a benchmark may panic"
)]

mod server;
mod turns;

use std::time::Duration;

use apify_runs::Client;
use apify_runs::emulator::EmulatorBuilder;
use apify_runs::export::{Export, Output};
use tokio::runtime::Runtime;

use server::{Server, count, list, runtime};
use turns::{compare, is_test, time};

const RUNS: u64 = 1_000_000;
const TURNS: usize = 11;
const NAMES: [&str; 5] = [
    "runs.jsonl",
    "runs.jsonl.zst",
    "runs.csv",
    "runs.csv.zst",
    "runs.parquet",
];
/// What is added to a name where the service's JSON is compact.
const COMPACT: &str = ", compact";

fn main() {
    let (runs, turns) = if is_test() { (5000, 1) } else { (RUNS, TURNS) };
    // An argument is the only name to measure.
    let only = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let is_wanted = |name: &String| only.as_ref().is_none_or(|only| only == name);
    let indented: Vec<_> = NAMES
        .map(String::from)
        .into_iter()
        .filter(is_wanted)
        .collect();
    let compact = Some(format!("{}{COMPACT}", NAMES[0]));
    let compact: Vec<_> = compact.into_iter().filter(is_wanted).collect();
    measure(list(runs), &indented, runs, turns);
    measure(list(runs).compact(), &compact, runs, turns);
}

fn measure(emulator: EmulatorBuilder, names: &[String], runs: u64, turns: usize) {
    if names.is_empty() {
        return;
    }
    let server = Server::start_sleeping(emulator);
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
        let file = name.trim_end_matches(COMPACT);
        compare(name, runs, turns, &stream, &|| {
            export(&runtime, &client, file, runs)
        });
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
