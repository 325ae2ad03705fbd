//! The first load of a database, which has no key until it ends.

use std::sync::Arc;

use apify_runs::RunQuery;
use apify_runs::emulator::Emulator;
use apify_runs::sync::{Database, DatabaseTarget, SyncJob, SyncSummary};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::database::TestDatabase;
use crate::list::{List, check, finish, run_when_unlocked};
use crate::scenarios::PATIENCE;

/// Reads the list of an Actor in small batches.
fn sync(emulator: &Emulator, db: &Database, query: RunQuery) -> SyncJob<DatabaseTarget> {
    let runs = emulator.client().runs(query.page_size(100));
    SyncJob::new(runs, db.target()).batch_rows(100)
}

/// As `sync`, of a whole list whose lock may still be that of a sync that was dropped.
pub(crate) async fn sync_again(emulator: &Emulator, db: &Database) -> SyncSummary {
    let again = run_when_unlocked(|| sync(emulator, db, RunQuery::actor("a")));
    timeout(PATIENCE, again).await.unwrap()
}

/// Drops the first sync of 3000 runs, when it has committed some. Then the table has no key.
pub(crate) async fn break_off(database: &impl TestDatabase, emulator: &Emulator, db: &Database) {
    let enough = Arc::new(Notify::new());
    let notify = Arc::clone(&enough);
    let first = sync(emulator, db, RunQuery::actor("a")).on_progress(move |progress| {
        if progress.committed_rows >= 500 {
            notify.notify_one();
        }
    });
    tokio::select! {
        biased;
        () = enough.notified() => {}
        summary = first.run() => panic!("it has ended: {summary:?}"),
    }
    assert!(!database.has_key().await);
}

/// Each run is there once at every moment, and the next sync adds the key.
pub(crate) async fn one_that_breaks_off_gets_its_key_later(database: &impl TestDatabase) {
    let mut list = List::new();
    let emulator = list.start(3000).await;
    let db = database.open().await;
    assert!(database.has_key().await);
    break_off(database, &emulator, &db).await;
    let summary = sync_again(&emulator, &db).await;
    assert_eq!((summary.list_rows, summary.updated), (Some(3000), 0));
    assert!((500..=2500).contains(&summary.new), "{summary:?}");
    assert!(database.has_key().await);
    assert!(check(&emulator, database).await.is_empty());
}

/// A run that is read a second time replaces its row.
pub(crate) async fn a_run_may_come_twice(database: &impl TestDatabase) {
    let mut list = List::new();
    let builder = Emulator::builder().before_each(|request, store| {
        if request == 5 {
            finish(store, 0, "FAILED");
        }
    });
    let emulator = list.start_with(0, builder).await;
    emulator.change(|store| {
        list.insert(store, "RUNNING", 0);
        (0..999).for_each(|_| list.insert(store, "SUCCEEDED", 0));
    });
    let db = database.open().await;
    let summary = sync(&emulator, &db, RunQuery::actor("a"))
        .run()
        .await
        .unwrap();
    assert_eq!((summary.new, summary.updated), (1000, 1));
    assert_eq!(summary.list_rows, Some(1000));
    assert!(database.has_key().await);
    assert!(check(&emulator, database).await.is_empty());
}

/// Two lists that have runs in common are loaded at a time. The second begins with the first, or
/// when that has stored this number of rows.
pub(crate) async fn another_list_may_begin_meanwhile(database: &impl TestDatabase, rows: u64) {
    let mut list = List::new();
    let emulator = list.start(3000).await;
    let db = database.open().await;
    let enough = Arc::new(Notify::new());
    if rows == 0 {
        enough.notify_one();
    }
    let notify = Arc::clone(&enough);
    let all = RunQuery::actor("a");
    let first = sync(&emulator, &db, all.clone()).on_progress(move |progress| {
        if progress.committed_rows >= rows {
            notify.notify_one();
        }
    });
    let second = async {
        enough.notified().await;
        sync(&emulator, &db, all.offset(2000)).run().await
    };
    let (first, second) = tokio::join!(first.run(), second);
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.new + second.new, 3000, "{first:?} {second:?}");
    assert_eq!(first.updated + second.updated, 1000);
    assert!(database.has_key().await);
    assert!(check(&emulator, database).await.is_empty());

    // A list that has rows is not loaded for the first time.
    let again = sync(&emulator, &db, RunQuery::actor("a")).restart(true);
    let summary = timeout(PATIENCE, again.run()).await.unwrap().unwrap();
    assert_eq!((summary.new, summary.updated), (0, 3000));
}
