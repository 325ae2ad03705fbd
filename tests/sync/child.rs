//! A process that holds a list, and is killed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use apify_runs::ErrorKind;
use apify_runs::emulator::Emulator;
use apify_runs::sync::Database;
use tokio::time::timeout;

use crate::database::TestDatabase;
use crate::list::{job, run_when_unlocked, runs};

const HOLDS: &str = "the list is held";

/// Not a test, but the process that the tests below start.
#[tokio::test]
#[ignore = "started by other tests"]
async fn holds_a_list() {
    let Ok(address) = std::env::var("SYNC_TEST_ADDRESS") else {
        return;
    };
    let mut builder = Database::builder(address);
    if let Ok(schema) = std::env::var("SYNC_TEST_SCHEMA") {
        builder = builder.schema(schema);
    }
    let db = builder.open().await.unwrap();
    let emulator = Emulator::builder().runs(10).start().await.unwrap();
    let walk = runs(&emulator).follow(Duration::from_secs(1));
    let sync = apify_runs::sync::SyncJob::new(walk, db.target());
    let sync = sync.on_progress(|_| println!("{HOLDS}"));
    sync.run().await.unwrap();
}

pub(crate) async fn lock_is_released(database: &impl TestDatabase, address: &str, schema: &str) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let command = command
        .args(["--exact", "--ignored", "--nocapture", "child::holds_a_list"])
        .env("SYNC_TEST_ADDRESS", address)
        .stdout(Stdio::piped());
    if !schema.is_empty() {
        command.env("SYNC_TEST_SCHEMA", schema);
    }
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = lines.map(Result::unwrap);
    assert!(lines.any(|line| line.contains(HOLDS)));

    let db = database.open().await;
    let emulator = Emulator::builder().runs(10).start().await.unwrap();
    let error = job(&emulator, db.target()).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    child.kill().unwrap();
    child.wait().unwrap();
    // A server takes a moment to see it.
    let synced = run_when_unlocked(|| job(&emulator, db.target()));
    timeout(Duration::from_secs(20), synced).await.unwrap();
}
