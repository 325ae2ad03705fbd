//! Writes every run of an Actor to `runs.jsonl`, one JSON object a line.
//!
//! `cargo run --release --example export` exports 100,000 generated runs
//! from the built-in emulator. With `APIFY_TOKEN` set and an Actor as its argument, as in
//! `… --example export -- janedoe/my-actor`, it exports that Actor's runs from Apify.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::{Duration, Instant};

use apify_runs::emulator::Emulator;
use apify_runs::{Client, ErrorKind};
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};

const OUT: &str = "runs.jsonl";
const GENERATED_RUNS: u64 = 100_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1) {
        Some(actor) => export(&Client::from_env()?, &actor).await,
        None => {
            let emulator = Emulator::builder().runs(GENERATED_RUNS).start().await?;
            println!("no Actor given: exporting from {emulator:?}");
            export(&emulator.client(), "janedoe/my-actor").await
        }
    }
}

async fn export(client: &Client, actor: &str) -> Result<(), Box<dyn Error>> {
    // The file gets its name when it is complete, so that a failed export replaces nothing.
    let part = format!("{OUT}.part");
    let mut file = BufWriter::new(File::create(&part)?);
    let progress = progress_bar()?;
    let started = Instant::now();
    let mut runs = client.runs(actor).stream();
    while let Some(run) = runs.next().await {
        match run {
            Ok(run) => {
                serde_json::to_writer(&mut file, &run)?;
                file.write_all(b"\n")?;
            }
            Err(error) if error.kind() == ErrorKind::Item => {
                progress.suspend(|| eprintln!("left out: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
        progress.inc(1);
        if progress.length().is_none()
            && let Some(total) = runs.stats().total
        {
            progress.set_length(total);
        }
    }
    file.into_inner()?.sync_all()?;
    std::fs::rename(part, OUT)?;
    progress.finish_and_clear();

    let (stats, seconds) = (runs.stats(), started.elapsed().as_secs_f64());
    println!(
        "{} runs in {seconds:.2} s: {:.0} runs/s, {} requests, {} retries",
        stats.rows,
        stats.rows as f64 / seconds,
        stats.requests,
        stats.retries,
    );
    println!("{}", std::path::absolute(OUT)?.display());
    Ok(())
}

fn progress_bar() -> Result<ProgressBar, Box<dyn Error>> {
    let template = "{bar:40} {human_pos} of {human_len} runs, {per_sec}, {eta} left";
    let bar = ProgressBar::no_length().with_style(ProgressStyle::with_template(template)?);
    bar.enable_steady_tick(Duration::from_millis(200));
    Ok(bar)
}
