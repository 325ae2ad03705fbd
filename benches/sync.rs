//! Runs a second of a first sync into a database, and of the bare stream, which drops them.
//! Measured in turns. The server's JSON is indented.
//!
//! The file of SQLite is in the folder that `TMPDIR` names, or on the disk of the system's
//! temporary files. PostgreSQL is measured if `SYNC_POSTGRES_ADDRESS` has its address:
//! `tests/sync/postgres.sh speed` starts a server.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "not an API; a benchmark may panic"
)]

mod server;
mod turns;

use std::time::Duration;

use apify_runs::Client;
use apify_runs::sync::{Database, SyncJob};
use tokio::runtime::Runtime;

use server::{Server, count, list, runtime};
use turns::{compare, is_test, time};

const RUNS: u64 = 1_000_000;
const TURNS: usize = 5;

fn main() {
    let (runs, turns) = if is_test() { (5000, 1) } else { (RUNS, TURNS) };
    let server = Server::start_sleeping(list(runs));
    let client = server.client();
    // The walk has one thread, as in the other benchmarks; the database has its own.
    let runtime = runtime();
    let stream = || {
        let stream = client.runs("a").stream();
        time(|| assert_eq!(runtime.block_on(count(stream)), runs))
    };
    let sqlite = || {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", folder.path().join("runs.db").display());
        let database = runtime.block_on(Database::open(address)).unwrap();
        sync(&runtime, &client, database, runs)
    };
    // The server renders its pages.
    stream();
    compare("SQLite", runs, turns, &stream, &sqlite);

    let Ok(address) = std::env::var("SYNC_POSTGRES_ADDRESS") else {
        return;
    };
    let schemas = std::cell::Cell::new(0);
    let postgres = || {
        schemas.set(schemas.get() + 1);
        let schema = format!("bench_{}_{}", std::process::id(), schemas.get());
        let builder = Database::builder(address.as_str()).schema(schema);
        let database = runtime.block_on(builder.open()).unwrap();
        sync(&runtime, &client, database, runs)
    };
    compare("PostgreSQL", runs, turns, &stream, &postgres);
}

/// Syncs, and closes the database: SQLite then writes what is still in its log.
fn sync(runtime: &Runtime, client: &Client, database: Database, runs: u64) -> Duration {
    time(move || {
        let job = SyncJob::new(client.runs("a"), database.target()).run();
        assert_eq!(runtime.block_on(job).unwrap().new, runs);
    })
}
