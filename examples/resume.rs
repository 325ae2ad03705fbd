//! Appends every run to `resumed.jsonl`, can be stopped at any row, and resumes there.
//!
//! `cargo run --example resume -- 1234` stops after 1234 rows of an
//! emulated list; the same command again writes the next 1234, and without a number it writes
//! the rest. With `APIFY_TOKEN` set, `… --example resume -- 1234 janedoe/my-actor` reads that
//! Actor's runs from Apify.
//!
//! The checkpoint holds the cursor and the length the file had then: what was written after
//! it, before a crash, is cut off and comes again.

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Seek, SeekFrom, Write};

use apify_runs::emulator::Emulator;
use apify_runs::{Client, Cursor, ErrorKind};
use futures::StreamExt;
use serde::{Deserialize, Serialize};

const OUT: &str = "resumed.jsonl";
const CHECKPOINT: &str = "resumed.checkpoint";

#[derive(Default, Serialize, Deserialize)]
struct Checkpoint {
    cursor: Cursor,
    /// How long the file is up to that cursor.
    bytes: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let most = arguments.next().map_or(Ok(u64::MAX), |rows| rows.parse())?;
    if let Some(actor) = arguments.next() {
        return export(&Client::from_env()?, &actor, most).await;
    }
    let emulator = Emulator::builder().runs(5000).start().await?;
    export(&emulator.client(), "janedoe/my-actor", most).await
}

async fn export(client: &Client, actor: &str, most: u64) -> Result<(), Box<dyn Error>> {
    let checkpoint = load()?;
    let mut file = open(checkpoint.bytes)?;
    let before = checkpoint.cursor.rows();
    println!("resuming after {before} rows");
    let mut runs = client.runs(actor).resume(checkpoint.cursor).stream();
    while runs.stats().rows < most
        && let Some(run) = runs.next().await
    {
        match run {
            Ok(run) => serde_json::to_writer(&mut file, &run)?,
            Err(error) if error.kind() == ErrorKind::Item => {
                eprintln!("left out: {error}");
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        file.write_all(b"\n")?;
        // More often costs time, more seldom costs rows that are read again after a crash.
        if runs.stats().rows.is_multiple_of(1000) {
            save(runs.cursor(), &mut file)?;
        }
    }
    save(runs.cursor(), &mut file)?;
    println!("{} rows are in {OUT}", runs.cursor().rows());
    Ok(())
}

fn load() -> Result<Checkpoint, Box<dyn Error>> {
    if !fs::exists(CHECKPOINT)? {
        return Ok(Checkpoint::default());
    }
    Ok(serde_json::from_str(&fs::read_to_string(CHECKPOINT)?)?)
}

/// Opens the file behind what the checkpoint knows of.
fn open(bytes: u64) -> Result<BufWriter<File>, Box<dyn Error>> {
    let mut options = OpenOptions::new();
    let mut file = options.create(true).write(true).truncate(false).open(OUT)?;
    if file.metadata()?.len() < bytes {
        return Err(format!("{OUT} is shorter than {CHECKPOINT} says: remove both").into());
    }
    file.set_len(bytes)?;
    file.seek(SeekFrom::Start(bytes))?;
    Ok(BufWriter::new(file))
}

/// Rows first, then the checkpoint that speaks of them.
fn save(cursor: &Cursor, file: &mut BufWriter<File>) -> Result<(), Box<dyn Error>> {
    file.flush()?;
    file.get_ref().sync_all()?;
    let checkpoint = Checkpoint {
        cursor: cursor.clone(),
        bytes: file.stream_position()?,
    };
    // The new checkpoint takes the place of the old one whole, or not at all.
    let part = format!("{CHECKPOINT}.part");
    let mut new = File::create(&part)?;
    new.write_all(&serde_json::to_vec(&checkpoint)?)?;
    new.sync_all()?;
    drop(new);
    fs::rename(part, CHECKPOINT)?;
    Ok(())
}
