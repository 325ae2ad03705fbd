//! Scenarios that hold for every database.

use std::future::{pending, ready};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apify_runs::Actor;
use apify_runs::emulator::{Emulator, Fault, Store};
use apify_runs::sync::SyncJob;
use apify_runs::{Error, ErrorKind, RetryPolicy, RunQuery, RunStatus};
use chrono::{DateTime, SecondsFormat, Utc};
use futures::{StreamExt, TryStreamExt};
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::database::{StoredRun, TestDatabase};
use crate::flaky::{Flaky, Loss};
use crate::list::{List, check, finish, job, rows, run_when_unlocked, runs};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Each run is stored, and stored again when it has finished.
pub(crate) async fn runs_are_stored_as_they_are_listed_last(database: &impl TestDatabase) {
    let mut list = List::new();
    let emulator = list.start(1000).await;
    emulator.change(|store| {
        (0..5).for_each(|_| list.insert(store, "RUNNING", 0));
        store.insert(&json!({"id": "undated", "status": "READY"}));
    });
    let db = database.open().await;
    let summary = job(&emulator, db.target()).run().await.unwrap();
    assert_eq!(
        (summary.rows, summary.new, summary.updated),
        (1006, 1006, 0)
    );
    assert_eq!(summary.list_rows, Some(1006));
    assert_eq!(summary.stats.total, Some(1006));
    assert!(summary.unfinished >= 5, "{summary:?}");
    assert!(check(&emulator, database).await.is_empty());

    // Nothing has changed.
    emulator.take_requests();
    let summary = job(&emulator, db.target()).run().await.unwrap();
    assert_eq!((summary.rows, summary.commits), (0, 1));
    assert!(emulator.requests().len() <= 3);

    emulator.change(|store| {
        finish(store, 1000, "FAILED");
        finish(store, 1003, "SUCCEEDED");
        list.insert(store, "SUCCEEDED", 0);
        list.insert(store, "SUCCEEDED", 40);
    });
    let summary = job(&emulator, db.target()).run().await.unwrap();
    assert_eq!((summary.new, summary.updated), (2, 2));
    assert_eq!(summary.list_rows, Some(1008));
    assert!(check(&emulator, database).await.is_empty());
}

/// Runs are deleted, inserted, late and finished between syncs and during them, which are stopped,
/// dropped and fail.
pub(crate) async fn a_moving_list_is_stored_exactly(database: &impl TestDatabase, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let list = Arc::new(Mutex::new(List::new()));
    let hook = Arc::clone(&list);
    let hooked = Mutex::new(random.fork());
    let builder = Emulator::builder().before_each(move |_, store| {
        let mut random = hooked.lock().unwrap();
        if random.u8(..4) == 0 {
            happen(store, &mut hook.lock().unwrap(), &mut random);
        }
    });
    let builder = builder.faults(move |request| {
        let is_faulty = (request ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 61 == 0;
        is_faulty.then(|| Fault::status(503))
    });
    let first: Vec<_> = (0..700)
        .map(|_| list.lock().unwrap().row("SUCCEEDED", 0))
        .collect();
    let emulator = builder.rows(first).start().await.unwrap();
    let retry = RetryPolicy::default()
        .initial_delay(Duration::from_millis(1))
        .jitter(false);
    let client = emulator.client_builder().retry(retry).build().unwrap();
    let db = database.open().await;
    let sync = || {
        let runs = client.runs(RunQuery::actor("a").page_size(50));
        SyncJob::new(runs, db.target()).batch_rows(60)
    };
    for _ in 0..12 {
        emulator.change(|store| {
            (0..3).for_each(|_| happen(store, &mut list.lock().unwrap(), &mut random));
        });
        let pages = random.u64(1..12);
        let seen = Arc::new(AtomicU64::new(0));
        let enough = Arc::new(Notify::new());
        let (count, notify) = (Arc::clone(&seen), Arc::clone(&enough));
        let sync = sync().on_progress(move |_| {
            if count.fetch_add(1, Ordering::Relaxed) == pages {
                notify.notify_one();
            }
        });
        let stop = async { enough.notified().await };
        match random.u8(..4) {
            0 => drop(sync.run_until(stop).await.unwrap()),
            1 => {
                tokio::select! {
                    biased;
                    () = stop => {}
                    summary = sync.run() => drop(summary.unwrap()),
                }
            }
            _ => drop(sync.run().await.unwrap()),
        }
        let repeated = "SELECT count(*) - count(DISTINCT id) FROM runs";
        assert_eq!(database.number(repeated).await, 0.0, "seed {seed}");
    }
    // The list stands still.
    let still = Emulator::builder().rows(rows(&emulator));
    let still = still.start().await.unwrap();
    let summary = job(&still, db.target()).run().await.unwrap();
    let mut stored = database.runs().await;
    for row in rows(&still) {
        let id = row["id"].as_str().unwrap();
        let run = stored.remove(id);
        assert_eq!(run, Some(StoredRun::of(&row)), "{id}, seed {seed}");
    }
    // What else is stored was on the list once.
    assert!(stored.len() as u64 <= summary.list_rows.unwrap());
    let count = database.number("SELECT count(*) FROM runs").await;
    assert_eq!(summary.list_rows, Some(count as u64));
    assert!(database.has_key().await);
}

/// Something happens on the list.
fn happen(store: &mut Store, list: &mut List, random: &mut fastrand::Rng) {
    let length = store.len();
    match random.u8(..6) {
        0 => store.delete(..random.u64(..12)),
        1 if length > 300 => {
            let place = random.u64(..length);
            store.delete(place..=place);
        }
        2 => list.insert(store, "SUCCEEDED", random.i64(0..30)),
        3 => (0..8).for_each(|_| list.insert(store, "SUCCEEDED", 0)),
        4 => list.insert(store, "RUNNING", 0),
        _ => {
            let running = (0..length).rev().take(60).find(|place| {
                store
                    .run(*place)
                    .is_some_and(|run| run["status"] == "RUNNING")
            });
            if let Some(place) = running {
                finish(store, place, "TIMED-OUT");
            }
        }
    }
}

/// Whatever becomes of a commit, the sync goes on, and each run is there once.
pub(crate) async fn a_commit_that_is_lost_is_made_once(database: &impl TestDatabase) {
    let mut list = List::new();
    let emulator = list.start(0).await;
    let db = database.open().await;
    let mut expected = 0;
    for loss in [Loss::Before, Loss::After, Loss::Fatal] {
        for after in 0..3 {
            emulator.change(|store| (0..500).for_each(|_| list.insert(store, "FAILED", 0)));
            expected += 500;
            let target = Flaky {
                target: db.target(),
                loss,
                after,
            };
            let result = job(&emulator, target).batch_rows(150).run().await;
            if loss == Loss::Fatal {
                let error = result.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Output);
                assert!(!error.is_transient());
                assert!(format!("{error:?}").contains("the database is gone"));
                let stored = database.number("SELECT count(*) FROM runs").await as u64;
                assert!(stored < expected);
                let summary = job(&emulator, db.target()).run().await.unwrap();
                assert_eq!(summary.new, expected - stored);
                assert_eq!(summary.updated, 0);
            } else {
                let summary = result.unwrap();
                assert_eq!((summary.new, summary.updated), (500, 0), "{loss:?} {after}");
                assert_eq!(summary.list_rows, Some(expected));
            }
            assert!(check(&emulator, database).await.is_empty());
        }
    }
    let rows = database.number("SELECT rows FROM sync_state").await;
    assert_eq!(rows, expected as f64);
}

/// Rows that came before an error of the walk are committed.
pub(crate) async fn an_error_of_the_walk_leaves_what_came_before(database: &impl TestDatabase) {
    let mut list = List::new();
    let builder = Emulator::builder().fault(6..=6, Fault::status(403));
    let emulator = list.start_with(1000, builder).await;
    let db = database.open().await;
    let walk = runs(&emulator).concurrency(1);
    let error = SyncJob::new(walk, db.target()).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    let stored = database.number("SELECT count(*) FROM runs").await;
    assert!((400.0..=500.0).contains(&stored), "{stored}");
    let success = "SELECT last_success_at FROM sync_state";
    assert_eq!(database.value(success).await, "");
    let summary = job(&emulator, db.target()).run().await.unwrap();
    assert_eq!(summary.new as f64, 1000.0 - stored);
    assert_ne!(database.value(success).await, "");
    assert!(check(&emulator, database).await.is_empty());
}

/// A second sync of a list is refused, and one of another list is not.
pub(crate) async fn a_list_is_synced_once_at_a_time(database: &impl TestDatabase) {
    let mut list = List::new();
    let emulator = list.start(300).await;
    let db = database.open().await;
    let (committed, is_committed) = tokio::sync::oneshot::channel();
    let committed = Mutex::new(Some(committed));
    let walk = runs(&emulator).follow(Duration::from_millis(200));
    let first = SyncJob::new(walk, db.target()).on_progress(move |progress| {
        if progress.committed_rows == 300
            && let Some(committed) = committed.lock().unwrap().take()
        {
            let _ = committed.send(());
        }
    });
    let first = tokio::spawn(first.run());
    timeout(PATIENCE, is_committed).await.unwrap().unwrap();

    let other_handle = database.open().await;
    for db in [&db, &other_handle] {
        let error = job(&emulator, db.target()).run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked, "{error:?}");
        assert!(error.to_string().contains('a'), "{error}");
    }
    let other = emulator.client().runs("other");
    let summary = SyncJob::new(other, other_handle.target()).run().await;
    let summary = summary.unwrap();
    assert_eq!((summary.new, summary.updated), (0, 300));

    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    // What was under way keeps the lock to its end.
    let again = run_when_unlocked(|| job(&emulator, db.target()));
    let summary = timeout(PATIENCE, again).await.unwrap();
    assert_eq!(summary.rows, 0);
    assert_eq!(
        database.number("SELECT count(*) FROM sync_state").await,
        2.0
    );
}

/// Many lists at a time, each of its own runs.
pub(crate) async fn many_lists_are_synced_at_a_time(database: &impl TestDatabase, lists: usize) {
    let db = database.open().await;
    let syncs = (0..lists).map(|number| {
        let target = db.target();
        async move {
            let rows = (0..250).map(|row| {
                json!({"id": format!("{number}-{row}"), "status": "SUCCEEDED",
                    "startedAt": format!("2025-01-01T00:{:02}:{:02}.000Z", row / 60, row % 60)})
            });
            let emulator = Emulator::builder().rows(rows).start().await.unwrap();
            let runs = emulator.client().runs(format!("actor{number}"));
            SyncJob::new(runs, target)
                .batch_rows(100)
                .run()
                .await
                .unwrap()
                .new
        }
    });
    let new = futures::future::join_all(syncs).await;
    assert_eq!(new, vec![250; lists]);
    let count = database.number("SELECT count(*) FROM runs").await;
    assert_eq!(count, 250.0 * lists as f64);
    let lists_of_runs = "SELECT count(DISTINCT list) FROM runs";
    assert_eq!(database.number(lists_of_runs).await, lists as f64);
}

/// The first sync of a list meets runs that another list has stored, from its second batch on.
pub(crate) async fn lists_may_have_runs_in_common(database: &impl TestDatabase) {
    let mut list = List::new();
    let emulator = list.start(300).await;
    let db = database.open().await;
    let some = RunQuery::actor("a").offset(150);
    let sync = |query: RunQuery| {
        let runs = emulator.client().runs(query);
        SyncJob::new(runs, db.target()).batch_rows(100).run()
    };
    assert_eq!(sync(some).await.unwrap().new, 150);

    let summary = sync(RunQuery::actor("b")).await.unwrap();
    assert_eq!((summary.new, summary.updated), (150, 150));
    assert_eq!(summary.list_rows, Some(150));
    assert!(check(&emulator, database).await.is_empty());
    let of_second = "SELECT count(*) FROM runs WHERE list = (SELECT max(id) FROM sync_state)";
    assert_eq!(database.number(of_second).await, 300.0);
}

/// Unknown costs are counted, and are part of no sum.
pub(crate) async fn the_views_tell_unknown_costs(database: &impl TestDatabase) {
    let row = |id: &str, act: &str, status: &str, start: Option<&str>, cost: Option<f64>| {
        json!({"id": id, "actId": act, "status": status, "startedAt": start,
            "finishedAt": start, "usageTotalUsd": cost})
    };
    let (first, second) = ("2025-09-01T23:59:59.999Z", "2025-09-02T00:00:00.000Z");
    let rows = [
        row("a", "x", "SUCCEEDED", Some(first), Some(1.5)),
        row("b", "x", "FAILED", Some(first), None),
        row("c", "y", "FAILED", Some(second), None),
        row("d", "y", "TIMED-OUT", Some(second), None),
        row("e", "x", "FAILED", Some(second), Some(0.25)),
        row("f", "x", "FAILED", Some(second), Some(0.5)),
        row("g", "x", "READY", None, None),
    ];
    let emulator = Emulator::builder().rows(rows).start().await.unwrap();
    let db = database.open().await;
    job(&emulator, db.target()).run().await.unwrap();
    let expected = |rows: &[&[&str]]| -> Vec<Vec<Option<String>>> {
        let value = |value: &&str| (!value.is_empty()).then(|| (*value).to_owned());
        rows.iter()
            .map(|row| row.iter().map(value).collect())
            .collect()
    };
    let by_day = "SELECT day, runs, usage_total_usd, unknown_cost_runs FROM cost_by_day \
                  WHERE day IS NOT NULL ORDER BY day";
    assert_eq!(
        database.query(by_day).await,
        expected(&[
            &["2025-09-01", "2", "1.5", "1"],
            &["2025-09-02", "4", "0.75", "2"]
        ])
    );
    let undated = "SELECT runs FROM cost_by_day WHERE day IS NULL";
    assert_eq!(database.value(undated).await, "1");

    let unnamed = db.unnamed_actors().await.unwrap();
    assert_eq!(unnamed, ["x", "y"]);
    let mut actor = Actor::new("x");
    actor.name = Some("my-actor".into());
    actor.username = Some("janedoe".into());
    db.save_actors([actor.clone()]).await.unwrap();
    actor.title = Some("It's mine".into());
    db.save_actors([actor]).await.unwrap();
    assert_eq!(db.unnamed_actors().await.unwrap(), ["y"]);
    let by_actor = "SELECT act_id, username, name, title, runs, usage_total_usd, \
                    unknown_cost_runs FROM cost_by_actor ORDER BY act_id";
    assert_eq!(
        database.query(by_actor).await,
        expected(&[
            &["x", "janedoe", "my-actor", "It's mine", "5", "2.25", "2"],
            &["y", "", "", "", "2", "", "2"],
        ])
    );
    let failures = "SELECT day, act_id, name, status, runs, usage_total_usd, unknown_cost_runs \
                    FROM failures ORDER BY day, act_id, status";
    assert_eq!(
        database.query(failures).await,
        expected(&[
            &["2025-09-01", "x", "my-actor", "FAILED", "1", "", "1"],
            &["2025-09-02", "x", "my-actor", "FAILED", "2", "0.75", "0"],
            &["2025-09-02", "y", "", "FAILED", "1", "", "1"],
            &["2025-09-02", "y", "", "TIMED-OUT", "1", "", "1"],
        ])
    );
}

/// Runs that are gone are marked, and lose the mark when they are back.
pub(crate) async fn runs_that_are_gone_are_marked(database: &impl TestDatabase) {
    let mut list = List::new();
    let emulator = list.start(1000).await;
    emulator.change(|store| list.insert(store, "RUNNING", 0));
    let db = database.open().await;
    let sync = || job(&emulator, db.target()).reconcile(true);
    let first = sync().run().await.unwrap();
    assert_eq!((first.new, first.deleted), (1001, 0));
    assert_eq!(first.reconcile_stats, None, "all have just been read");

    let gone: Vec<_> = rows(&emulator)[..400].iter().map(StoredRun::of).collect();
    let back = rows(&emulator)[10].clone();
    emulator.change(|store| store.delete(..400));
    let second = sync().run().await.unwrap();
    assert_eq!(second.deleted, 0, "they were stored a moment ago");
    assert!(second.reconcile_stats.is_some());

    let long_ago = database.minutes_ago(6);
    let age = format!("UPDATE runs SET synced_at = {long_ago}");
    database.query(&age).await;
    let third = sync().run().await.unwrap();
    assert_eq!((third.deleted, third.restored, third.rows), (400, 0, 0));
    let stored = check(&emulator, database).await;
    assert_eq!(stored.len(), gone.len());
    assert!(stored.values().all(|run| run.is_deleted));

    let again = sync().run().await.unwrap();
    assert_eq!((again.deleted, again.restored), (0, 0));
    emulator.change(|store| store.insert(&back));
    let fourth = sync().run().await.unwrap();
    assert_eq!((fourth.deleted, fourth.restored), (0, 1));
    assert_eq!(check(&emulator, database).await.len(), 399);
}

/// No run is marked after a walk that failed, was stopped, or read the list of somebody else.
pub(crate) async fn nothing_is_marked_in_doubt(database: &impl TestDatabase) {
    let mut list = List::new();
    let emulator = list.start(500).await;
    let db = database.open().await;
    job(&emulator, db.target()).run().await.unwrap();
    let long_ago = database.minutes_ago(6);
    let age = format!("UPDATE runs SET synced_at = {long_ago}");
    database.query(&age).await;
    let remaining = rows(&emulator)[100..].to_vec();
    let marked = "SELECT count(*) FROM runs WHERE deleted_at IS NOT NULL";

    // The sync takes one or two requests.
    let builder = Emulator::builder().rows(remaining.clone());
    let failing = builder
        .fault(4.., Fault::status(403))
        .start()
        .await
        .unwrap();
    let walk = runs(&failing).concurrency(1);
    let sync = SyncJob::new(walk, db.target()).reconcile(true);
    assert_eq!(sync.run().await.unwrap_err().kind(), ErrorKind::Auth);
    assert_eq!(database.number(marked).await, 0.0);

    let emulator = Emulator::builder().rows(remaining).start().await.unwrap();
    let stop = Arc::new(Notify::new());
    let notify = Arc::clone(&stop);
    let sync = job(&emulator, db.target())
        .reconcile(true)
        .on_progress(move |progress| {
            if progress.is_reconciling {
                notify.notify_one();
            }
        });
    let summary = sync.run_until(stop.notified()).await.unwrap();
    assert!(summary.interrupted && summary.deleted == 0, "{summary:?}");
    assert_eq!(database.number(marked).await, 0.0);

    let another = Emulator::builder().runs(30).start().await.unwrap();
    let sync = job(&another, db.target()).reconcile(true);
    let error = sync.run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error:?}");
    assert_eq!(database.number(marked).await, 0.0);

    for query in [
        RunQuery::actor("a").status(RunStatus::Failed),
        RunQuery::actor("a").limit(5),
        RunQuery::actor("a").offset(5),
    ] {
        let sync = SyncJob::new(emulator.client().runs(query), db.target()).reconcile(true);
        assert_eq!(setting(sync.run().await.unwrap_err()), "reconcile");
    }
    let sync = job(&emulator, db.target()).reconcile(true);
    assert_eq!(sync.run().await.unwrap().deleted, 100);
}

fn setting(error: Error) -> String {
    let setting = error.setting().map(|setting| setting.name().to_owned());
    setting.unwrap_or_else(|| panic!("{error:?}"))
}

/// A window of time may come to have no runs at all, and runs without a start may be anywhere.
pub(crate) async fn a_window_may_become_empty(database: &impl TestDatabase) {
    let mut list = List::new();
    let emulator = list.start(50).await;
    emulator.change(|store| store.insert(&json!({"id": "undated", "status": "READY"})));
    let db = database.open().await;
    let end = chrono::Utc::now() - chrono::TimeDelta::minutes(1);
    let sync = |query| SyncJob::new(emulator.client().runs(query), db.target());
    let window = RunQuery::actor("a").started_before(end);
    sync(RunQuery::actor("a")).run().await.unwrap();
    let summary = sync(window.clone()).run().await.unwrap();
    assert!(summary.updated >= 50, "{summary:?}");
    let long_ago = database.minutes_ago(6);
    let age = format!("UPDATE runs SET synced_at = {long_ago}");
    database.query(&age).await;
    emulator.change(|store| store.delete(..50));
    let summary = sync(window).reconcile(true).run().await.unwrap();
    assert_eq!(summary.deleted, 50);
    let undated = "SELECT deleted_at FROM runs WHERE started_at IS NULL";
    assert_eq!(database.value(undated).await, "");
}

/// A table that something else has made is neither used nor changed.
pub(crate) async fn foreign_tables_are_refused(database: &impl TestDatabase) {
    for made in ["TABLE actors (id text)", "VIEW failures AS SELECT 1 AS one"] {
        database.query(&format!("CREATE {made}")).await;
        let error = database.try_open().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error:?}");
        assert!(
            error.to_string().contains("was not made by a sync"),
            "{error}"
        );
        let dropped = made.split(' ').take(2).collect::<Vec<_>>().join(" ");
        database.query(&format!("DROP {dropped}")).await;
    }
    // Others do not matter, and stay.
    database.query("CREATE TABLE mine (id text)").await;
    database.open().await;
    assert_eq!(database.number("SELECT count(*) FROM mine").await, 0.0);
}

/// Tables of a newer version are neither used nor changed; missing columns are added.
pub(crate) async fn other_versions_are_known_by_their_mark(database: &impl TestDatabase) {
    let mut list = List::new();
    let emulator = list.start(10).await;
    let db = database.open().await;
    job(&emulator, db.target()).run().await.unwrap();
    drop(db);

    let named = database.builder().table("others").open().await;
    assert_eq!(setting(named.unwrap_err()), "table");

    database
        .query("ALTER TABLE runs DROP COLUMN meta_user_agent")
        .await;
    let db = database.open().await;
    assert_eq!(
        database
            .value("SELECT count(meta_user_agent) FROM runs")
            .await,
        "0"
    );
    let summary = job(&emulator, db.target())
        .restart(true)
        .run()
        .await
        .unwrap();
    assert_eq!((summary.new, summary.updated), (0, 10));
    assert!(check(&emulator, database).await.is_empty());
    drop(db);

    database
        .query("UPDATE apify_runs_schema SET version = 2")
        .await;
    let error = database.try_open().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert_eq!(
        error.to_string(),
        "the tables have version 2; this program reads up to 1"
    );
    database.query("DELETE FROM apify_runs_schema").await;
    assert_eq!(
        database.try_open().await.unwrap_err().kind(),
        ErrorKind::Damaged
    );
}

/// A database is read as it is at one moment, whatever is written meanwhile, and is not changed.
pub(crate) async fn a_snapshot_is_read_of_one_moment(database: &impl TestDatabase) {
    const RUNS: usize = 12_000;
    let read_only = || database.builder().open_read_only();
    assert!(read_only().await.is_err(), "there is nothing to read");
    database.query("CREATE TABLE mine (id text)").await;
    let error = read_only().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.to_string().contains("no tables of a sync"), "{error}");

    let mut list = List::new();
    let emulator = list.start(RUNS).await;
    emulator.change(|store| {
        list.insert(store, "RUNNING", 0);
        store.update(0, |run| run["actorTaskId"] = "task".into());
    });
    let db = database.open().await;
    let walk = emulator.client().runs("a");
    SyncJob::new(walk, db.target()).run().await.unwrap();
    let mut actor = Actor::new("act1");
    actor.name = Some("one".into());
    db.save_actors([actor.clone()]).await.unwrap();
    let expected = database.runs().await;

    let reader = read_only().await.unwrap();
    let snapshot = reader.snapshot().await.unwrap();
    database.query("DELETE FROM runs").await;
    assert_eq!(snapshot.actors, [actor]);
    let [list] = &snapshot.lists[..] else {
        panic!("{:?}", snapshot.lists);
    };
    assert_eq!((list.rows, list.skipped), (RUNS as u64 + 1, 0));
    assert!(list.is_complete() && list.query.contains('a'), "{list:?}");
    let age = Utc::now() - list.last_sync_at.unwrap();
    assert!((0..600).contains(&age.num_seconds()), "{age}");
    let found: Vec<_> = snapshot.runs.try_collect().await.unwrap();
    assert_eq!(found.len(), expected.len());
    for run in &found {
        let stored = &expected[run.id.as_str()];
        let text = |time: Option<DateTime<Utc>>| {
            time.map(|it| it.to_rfc3339_opts(SecondsFormat::Millis, true))
        };
        assert_eq!(stored.status.as_deref(), Some(run.status.as_str()));
        assert_eq!(stored.started_at, text(run.started_at));
        assert_eq!(stored.finished_at, text(run.finished_at));
        assert_eq!(stored.usage_total_usd, run.usage_total_usd);
        assert_eq!(
            stored.origin.as_deref(),
            run.origin.as_ref().map(|it| it.as_str())
        );
        assert_eq!(stored.act_id.as_deref(), run.act_id.as_deref());
    }
    let with_task = found
        .iter()
        .filter(|run| run.actor_task_id.as_deref() == Some("task"));
    assert_eq!(with_task.count(), 1);

    // The next one is of a later moment. It may be left unread.
    let later = reader.snapshot().await.unwrap();
    assert_eq!(later.runs.count().await, 0);
    drop(reader.snapshot().await.unwrap());

    let other = database.builder().table("others").open_read_only().await;
    assert_eq!(setting(other.unwrap_err()), "table");
    let newer = "UPDATE apify_runs_schema SET version = 2";
    database.query(newer).await;
    let error = read_only().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    assert_eq!(
        database
            .number("SELECT version FROM apify_runs_schema")
            .await,
        2.0
    );
}

/// Odd rows: without most fields, unreadable, twice within a commit, with a zero character.
pub(crate) async fn odd_rows_are_stored(database: &impl TestDatabase) {
    let start = "2025-09-01T00:00:00.000Z";
    let rows = [
        json!({"id": "a", "startedAt": start}),
        json!({"id": 5, "startedAt": start}),
        json!({"id": "b\u{0}c", "startedAt": start, "status": "NEW-STATUS", "extra": ["\u{0}", 1e300],
            "meta": {"origin": "NEW \u{1F600}", "userAgent": "x\u{0}y"}}),
    ];
    let emulator = Emulator::builder().rows(rows).start().await.unwrap();
    let db = database.open().await;
    let unreadable = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&unreadable);
    let sync = job(&emulator, db.target())
        .raw(true)
        .on_unreadable(move |error| {
            assert!(error.row().unwrap().contains('5'));
            count.fetch_add(1, Ordering::Relaxed);
        });
    let summary = sync.run().await.unwrap();
    assert_eq!((summary.new, summary.skipped), (2, 1));
    assert_eq!(unreadable.load(Ordering::Relaxed), 1);
    let stored = database
        .query("SELECT id, status, raw FROM runs ORDER BY id")
        .await;
    assert_eq!(stored[0][..2], [Some("a".into()), None]);
    let raw = stored[0][2].as_deref().unwrap();
    assert_eq!(raw, format!(r#"{{"id":"a","startedAt":"{start}"}}"#));
    assert!(
        stored[1][2]
            .as_deref()
            .unwrap()
            .contains(r#""extra":["\u0000",1e"#)
    );
    let skipped = database.number("SELECT skipped FROM sync_state").await;
    assert_eq!(skipped, 1.0);
}

/// A sync that is stopped before it begins writes nothing, and a wrong setting is named.
pub(crate) async fn settings_are_checked(database: &impl TestDatabase) {
    let mut list = List::new();
    let emulator = list.start(10).await;
    let db = database.open().await;
    let stopped = job(&emulator, db.target())
        .run_until(ready(()))
        .await
        .unwrap();
    assert!(stopped.interrupted && stopped.list_rows.is_none());
    let zero = job(&emulator, db.target()).batch_rows(0).run().await;
    assert_eq!(setting(zero.unwrap_err()), "batch_rows");
    let interval = job(&emulator, db.target()).batch_interval(Duration::ZERO);
    assert_eq!(setting(interval.run().await.unwrap_err()), "batch_interval");
    let query = RunQuery::actor("a").descending(true);
    let descending = SyncJob::new(emulator.client().runs(query), db.target());
    assert_eq!(setting(descending.run().await.unwrap_err()), "descending");
    assert!(emulator.requests().is_empty());
    let stop = pending::<()>();
    let summary = job(&emulator, db.target()).run_until(stop).await.unwrap();
    assert_eq!((summary.interrupted, summary.new), (false, 10));
    for table in ["sync_state", "a-b"] {
        let refused = database.builder().table(table).open().await;
        assert_eq!(setting(refused.unwrap_err()), "table");
    }
}

/// A commit that fails in the middle leaves nothing of its batch.
pub(crate) async fn a_commit_is_whole_or_not_there<D: TestDatabase>(database: &D, fail: &str) {
    let mut list = List::new();
    let emulator = list.start(300).await;
    let db = database.open().await;
    job(&emulator, db.target()).run().await.unwrap();
    let cursor = "SELECT cursor FROM sync_state";
    let before = database.value(cursor).await;
    emulator.change(|store| (0..100).for_each(|_| list.insert(store, "FAILED", 0)));
    database.query(fail).await;
    let failed = job(&emulator, db.target()).run().await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Output, "{failed:?}");
    assert!(format!("{failed:?}").contains("not today"), "{failed:?}");
    assert_eq!(database.value(cursor).await, before);
    assert_eq!(database.number("SELECT count(*) FROM runs").await, 300.0);
}
