//! How fast a list is loaded: `tests/sync/postgres.sh speed`.

use std::time::Instant;

use apify_runs::RunQuery;
use apify_runs::emulator::Emulator;
use apify_runs::sync::{Database, DatabaseBuilder, SyncJob};
use futures::StreamExt;

const RUNS: u64 = 1_000_000;

fn runs(emulator: &Emulator) -> apify_runs::Runs {
    emulator.client().runs(RunQuery::actor("a"))
}

/// An emulator that has all pages in memory, and how fast they are read.
async fn start() -> Emulator {
    let builder = Emulator::builder().runs(RUNS).complete_rows().keep_pages();
    let emulator = builder.start().await.unwrap();
    for name in ["rendered", "walk alone"] {
        let begun = Instant::now();
        let mut pages = runs(&emulator).pages();
        let mut rows = 0;
        while let Some(page) = pages.next().await {
            rows += page.unwrap().items.len();
        }
        report(name, rows as u64, begun);
    }
    emulator
}

fn report(name: &str, rows: u64, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{name}: {rows} rows in {seconds:.2} s, {:.0} rows/s",
        rows as f64 / seconds
    );
}

async fn load(name: &str, emulator: &Emulator, builder: DatabaseBuilder) {
    let rows = std::env::var("SYNC_SPEED_BATCH").ok();
    let rows = rows.map_or(50_000, |rows| rows.parse().unwrap());
    let db = builder.open().await.unwrap();
    for expected in [RUNS, 0] {
        let begun = Instant::now();
        let sync = SyncJob::new(runs(emulator), db.target()).batch_rows(rows);
        let summary = sync.run().await.unwrap();
        assert_eq!(summary.rows - summary.updated, expected);
        report(
            &format!("{name}, {} commits", summary.commits),
            summary.rows,
            begun,
        );
    }
    let begun = Instant::now();
    let sync = SyncJob::new(runs(emulator), db.target()).restart(true);
    let summary = sync.batch_rows(rows).run().await.unwrap();
    report(&format!("{name}, every row updated"), summary.rows, begun);
    let begun = Instant::now();
    let sync = SyncJob::new(runs(emulator), db.target()).reconcile(true);
    sync.run().await.unwrap();
    report(&format!("{name}, reconciled"), RUNS, begun);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn speed() {
    let emulator = start().await;
    let folder = tempfile::tempdir().unwrap();
    let address = format!("sqlite:{}", folder.path().join("runs.db").display());
    load("SQLite", &emulator, Database::builder(address)).await;
    if let Ok(port) = std::env::var("SYNC_POSTGRES_PORT") {
        let address = "postgres://postgres:secret-of-the-test@127.0.0.1";
        let address = format!("{address}:{port}/postgres?sslmode=disable");
        load("PostgreSQL", &emulator, Database::builder(address)).await;
    }
}
