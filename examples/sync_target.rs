//! Syncs into something that this crate has no database for: here, a log of commits in a folder, as
//! a message broker or a data lake keeps one.
//!
//! `cargo run --release --example sync_target` syncs a generated list twice, from the built-in
//! emulator, and reads the log as a program that loads it elsewhere does: the last row of each ID
//! counts.

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;

use apify_runs::RunSummary;
use apify_runs::emulator::Emulator;
use apify_runs::sync::{
    Committed, SyncBatch, SyncJob, SyncList, SyncTarget, TargetResult, Written,
};

/// A folder with a file for each commit: a line with the cursor, and a line for each row.
///
/// It has no lock, so only one job may write to it at a time.
struct CommitLog {
    folder: PathBuf,
}

impl CommitLog {
    /// The files of all commits, in their order.
    fn commits(&self) -> std::io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(&self.folder)?;
        let mut paths = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<std::io::Result<Vec<_>>>()?;
        // A commit that was interrupted has another extension.
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
        paths.sort();
        Ok(paths)
    }

    /// The rows after the last commit.
    fn rows(&self) -> Result<HashMap<String, RunSummary>, Box<dyn Error>> {
        let mut rows = HashMap::new();
        for path in self.commits()? {
            for line in BufReader::new(File::open(path)?).lines().skip(1) {
                let run: RunSummary = serde_json::from_str(&line?)?;
                rows.insert(run.id.to_string(), run);
            }
        }
        Ok(rows)
    }
}

impl SyncTarget for CommitLog {
    async fn load(&mut self, _list: &SyncList) -> TargetResult<Committed> {
        fs::create_dir_all(&self.folder)?;
        let Some(last) = self.commits()?.pop() else {
            return Ok(Committed::default());
        };
        let mut cursor = String::new();
        BufReader::new(File::open(last)?).read_line(&mut cursor)?;
        let cursor: apify_runs::Cursor = cursor.parse()?;
        let rows = cursor.rows();
        Ok(Committed::new(cursor, rows))
    }

    async fn commit(&mut self, _list: &SyncList, batch: &SyncBatch) -> TargetResult<Written> {
        let number = self.commits()?.len();
        let path = self.folder.join(format!("commit-{number:08}.jsonl"));
        let unfinished = path.with_extension("unfinished");
        let mut file = BufWriter::new(File::create(&unfinished)?);
        writeln!(file, "{}", batch.cursor())?;
        for run in batch.runs() {
            writeln!(file, "{}", serde_json::to_string(run)?)?;
        }
        file.into_inner()?.sync_all()?;
        // From now on, the rows and the cursor are part of the log.
        fs::rename(unfinished, path)?;
        File::open(&self.folder)?.sync_all()?;
        Ok(Written::default())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("apify-runs-{}", std::process::id()));
    let log = || CommitLog {
        folder: folder.clone(),
    };
    let emulator = Emulator::builder().runs(100_000).start().await?;
    for _ in 0..2 {
        let job = SyncJob::new(emulator.client().runs("janedoe/my-actor"), log());
        let summary = job.run().await?;
        println!("{} rows in {} commits", summary.rows, summary.commits);
        emulator.change(|store| store.start_run("one-more"));
    }
    println!("{} runs are in {}", log().rows()?.len(), folder.display());
    fs::remove_dir_all(folder)?;
    Ok(())
}
