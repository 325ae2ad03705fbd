//! Runs that have not finished when the walk comes to them.

use std::time::Duration;

use apify_runs::emulator::{Emulator, Store};
use apify_runs::{Cursor, Emit, RunQuery, RunStatus, RunStream, Runs};
use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt;
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::start;

const INTERVAL: Duration = Duration::from_secs(5);

fn now() -> DateTime<Utc> {
    "2025-06-01T00:00:00Z".parse().unwrap()
}

/// A service on which these runs have been running for an hour.
async fn running(ids: &[&str]) -> Emulator {
    let row = |(n, id): (usize, &&str)| {
        let start = now() - TimeDelta::hours(1) + TimeDelta::minutes(n as i64);
        json!({"id": id, "status": "RUNNING", "startedAt": start, "usageTotalUsd": 2.0})
    };
    let rows = ids.iter().enumerate().map(row);
    start(Emulator::builder().rows(rows).clock(now())).await
}

fn finish(emulator: &Emulator, id: &str, status: &str) {
    emulator.change(|store: &mut Store| {
        let place = store.place_of(id).unwrap();
        assert!(store.finish(place, status));
    });
}

/// What a walk hands out to its end: IDs with statuses. And its cursor.
async fn read(runs: Runs) -> (Vec<String>, Cursor) {
    let mut runs = runs.stream();
    let mut seen = Vec::new();
    while let Some(run) = runs.next().await {
        let run = run.unwrap();
        seen.push(format!("{} {}", run.id, run.status));
    }
    (seen, runs.cursor().clone())
}

/// The same of a stream that follows the list, until nothing has come for a while.
async fn take(runs: &mut RunStream, quiet: Duration) -> Vec<String> {
    let mut seen = Vec::new();
    while let Ok(Some(run)) = timeout(quiet, runs.next()).await {
        let run = run.unwrap();
        let usd = run.usage_total_usd.unwrap_or_default();
        seen.push(format!("{} {} {usd}", run.id, run.status));
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn finished_hands_each_run_out_once_when_its_cost_has_settled() {
    let emulator = running(&["a", "b", "c"]).await;
    let follow = emulator
        .client()
        .runs("x")
        .emit(Emit::Finished)
        .follow(INTERVAL);
    let mut runs = follow.stream();
    assert!(take(&mut runs, INTERVAL * 2).await.is_empty());
    assert_eq!(
        (runs.cursor().unfinished(), runs.stats().unfinished),
        (3, 3)
    );

    finish(&emulator, "b", "SUCCEEDED");
    assert_eq!(take(&mut runs, INTERVAL * 4).await, ["b SUCCEEDED 2"]);
    finish(&emulator, "a", "FAILED");
    finish(&emulator, "c", "TIMED-OUT");
    assert_eq!(
        take(&mut runs, INTERVAL * 4).await,
        ["a FAILED 2", "c TIMED-OUT 2"]
    );
    assert_eq!(runs.cursor().unfinished(), 0);
}

#[tokio::test(start_paused = true)]
async fn changes_hands_each_run_out_at_first_sight_and_when_it_has_finished() {
    let emulator = running(&["a", "b"]).await;
    emulator.change(|store| store.finish(0, "SUCCEEDED"));
    sleep(Duration::from_secs(80)).await;
    let follow = emulator
        .client()
        .runs("x")
        .emit(Emit::Changes)
        .follow(INTERVAL);
    let mut runs = follow.stream();
    assert_eq!(
        take(&mut runs, INTERVAL).await,
        ["a SUCCEEDED 2", "b RUNNING 2"]
    );
    finish(&emulator, "b", "ABORTED");
    emulator.change(|store| store.start_run("c"));
    let seen = take(&mut runs, INTERVAL * 4).await;
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(seen[0].starts_with("c RUNNING"), "{seen:?}");
    assert_eq!(seen[1], "b ABORTED 2");
}

#[tokio::test(start_paused = true)]
async fn a_walk_that_resumes_hands_out_what_has_finished_since() {
    let emulator = running(&["a", "b", "c", "d"]).await;
    finish(&emulator, "d", "SUCCEEDED");
    sleep(Duration::from_secs(80)).await;
    let walk = || emulator.client().runs("x").emit(Emit::Finished);
    let (seen, cursor) = read(walk()).await;
    assert_eq!(seen, ["d SUCCEEDED"]);
    assert_eq!(cursor.unfinished(), 3);

    finish(&emulator, "c", "FAILED");
    emulator.change(|store| store.delete_run("b"));
    sleep(Duration::from_secs(80)).await;
    let stored: Cursor = cursor.to_string().parse().unwrap();
    let (seen, cursor) = read(walk().resume(stored)).await;
    assert_eq!(seen, ["c FAILED"]);
    assert_eq!(cursor.unfinished(), 2, "a still runs, and b may be hidden");
    sleep(Duration::from_secs(300)).await;
    let (seen, cursor) = read(walk().resume(cursor)).await;
    assert!(seen.is_empty());
    assert_eq!(cursor.unfinished(), 1, "b has been gone for minutes");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_finishes_during_a_walk_comes_at_its_end() {
    let rows = (0..50).map(|n| {
        let start = now() - TimeDelta::hours(2) + TimeDelta::minutes(n);
        let status = if n == 3 { "RUNNING" } else { "SUCCEEDED" };
        json!({"id": format!("run{n}"), "status": status, "startedAt": start})
    });
    let builder = Emulator::builder().rows(rows).clock(now());
    let emulator = start(
        builder
            .before_each(|request, store| {
                if request == 2 {
                    store.finish(3, "SUCCEEDED");
                }
            })
            .latency(Duration::from_secs(15)),
    )
    .await;
    let query = RunQuery::actor("x").page_size(10);
    // One page after the other, so that its cost has settled by the end.
    let runs = emulator.client().runs(query).concurrency(1);
    let (seen, cursor) = read(runs.emit(Emit::Finished)).await;
    assert_eq!(seen.len(), 50);
    assert_eq!(seen[49], "run3 SUCCEEDED");
    assert_eq!(cursor.unfinished(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_run_resurrected_inside_the_lookback_comes_when_it_finishes_again() {
    for emit in [Emit::Finished, Emit::Changes, Emit::Snapshot] {
        let emulator = running(&["old", "last"]).await;
        emulator.change(|store| (0..2).for_each(|place| assert!(store.finish(place, "SUCCEEDED"))));
        sleep(Duration::from_secs(80)).await;
        let mut runs = emulator
            .client()
            .runs("x")
            .emit(emit)
            .follow(INTERVAL)
            .stream();
        assert_eq!(take(&mut runs, INTERVAL).await.len(), 2);

        emulator.change(|store| store.resurrect(1));
        assert!(take(&mut runs, INTERVAL * 2).await.is_empty());
        finish(&emulator, "last", "FAILED");
        let again = take(&mut runs, INTERVAL * 4).await;
        match emit {
            Emit::Snapshot => assert!(again.is_empty(), "{again:?}"),
            _ => assert_eq!(again, ["last FAILED 2"]),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_filter_by_status_loses_no_run() {
    let emulator = running(&["a", "b", "c"]).await;
    let succeeded = RunQuery::actor("x").status(RunStatus::Succeeded);
    let walk = || emulator.client().runs(&succeeded);
    let (seen, cursor) = read(walk()).await;
    assert!(seen.is_empty());

    finish(&emulator, "a", "SUCCEEDED");
    finish(&emulator, "b", "FAILED");
    let (seen, cursor) = read(walk().resume(cursor)).await;
    assert_eq!(seen, ["a SUCCEEDED"]);
    assert_eq!(cursor.unfinished(), 1);
    finish(&emulator, "c", "SUCCEEDED");
    let (seen, cursor) = read(walk().resume(cursor)).await;
    assert_eq!(seen, ["c SUCCEEDED"]);
    assert_eq!(cursor.rows(), 2);
}

/// A run that starts between two walks does not pass the filter when the second one comes to it,
/// and lies behind its lookback when it does.
#[tokio::test(start_paused = true)]
async fn a_filter_by_status_loses_no_run_that_a_resumed_walk_sees_first() {
    let emulator = running(&["a"]).await;
    finish(&emulator, "a", "SUCCEEDED");
    let succeeded = RunQuery::actor("x").status(RunStatus::Succeeded);
    let walk = || emulator.client().runs(&succeeded).lookback(Duration::ZERO);
    let (seen, cursor) = read(walk()).await;
    assert_eq!(seen, ["a SUCCEEDED"]);

    emulator.change(|store| store.start_run("b"));
    sleep(Duration::from_secs(100)).await;
    emulator.change(|store| store.start_run("c"));
    finish(&emulator, "c", "SUCCEEDED");
    let (seen, cursor) = read(walk().resume(cursor)).await;
    assert_eq!(seen, ["c SUCCEEDED"]);
    assert_eq!(cursor.unfinished(), 1);
    finish(&emulator, "b", "SUCCEEDED");
    let (seen, _) = read(walk().resume(cursor)).await;
    assert_eq!(seen, ["b SUCCEEDED"]);
}

#[tokio::test(start_paused = true)]
async fn the_latest_run_with_a_status_takes_one_request() {
    let emulator = running(&["a", "b", "c"]).await;
    finish(&emulator, "a", "FAILED");
    let query = RunQuery::actor("x")
        .status(RunStatus::Failed)
        .descending(true)
        .limit(1);
    let (seen, _) = read(emulator.client().runs(query)).await;
    assert_eq!(seen, ["a FAILED"]);
    let requests = emulator.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].parameter("status"), Some("FAILED"));
}

/// 5,000 runs among 20,000 others, all to be read again on each look.
#[tokio::test(start_paused = true)]
async fn thousands_of_unfinished_runs_take_few_requests() {
    let rows = (0..25_000_i64).map(|n| {
        let start = now() - TimeDelta::seconds(50_000) + TimeDelta::milliseconds(n * 1700);
        let status = if n % 5 == 0 { "RUNNING" } else { "SUCCEEDED" };
        json!({"id": format!("run{n}"), "status": status, "startedAt": start})
    });
    let emulator = start(Emulator::builder().rows(rows).clock(now())).await;
    let walk = || emulator.client().runs("x").emit(Emit::Finished);
    let (seen, cursor) = read(walk()).await;
    assert_eq!((seen.len(), cursor.unfinished()), (20_000, 5000));

    emulator.change(|store| (0..5000).for_each(|n| assert!(store.finish(n * 5, "SUCCEEDED"))));
    sleep(Duration::from_secs(80)).await;
    let before = emulator.requests().len();
    let (seen, cursor) = read(walk().resume(cursor)).await;
    assert_eq!((seen.len(), cursor.unfinished()), (5000, 0));
    let requests = emulator.requests().len() - before;
    assert!(requests <= 40, "{requests} requests for 25,000 rows");
}

/// Where they are far between, the requests are small.
#[tokio::test(start_paused = true)]
async fn a_few_unfinished_runs_far_apart_take_few_rows() {
    let rows = (0..20_000_i64).map(|n| {
        let start = now() - TimeDelta::seconds(50_000) + TimeDelta::milliseconds(n * 1700);
        let status = if n % 2000 == 0 {
            "RUNNING"
        } else {
            "SUCCEEDED"
        };
        json!({"id": format!("run{n}"), "status": status, "startedAt": start})
    });
    let emulator = start(Emulator::builder().rows(rows).clock(now())).await;
    let walk = || emulator.client().runs("x").emit(Emit::Finished);
    let (_, cursor) = read(walk()).await;
    assert_eq!(cursor.unfinished(), 10);
    let before = emulator.requests().len();
    let (seen, cursor) = read(walk().resume(cursor)).await;
    assert_eq!((seen.len(), cursor.unfinished()), (0, 10));
    let requests = emulator.requests().split_off(before);
    let again = requests
        .iter()
        .filter(|request| request.parameter("startedBefore").is_some());
    let rows = again.map(|request| request.parameter("limit").unwrap().parse::<u64>().unwrap());
    let rows: Vec<_> = rows.collect();
    assert_eq!(rows.len(), 20, "once at the start, and once at the end");
    assert!(rows.iter().sum::<u64>() <= 1200, "{rows:?}");
}

/// A service that ignores bounds cannot be asked for a run by its start.
#[tokio::test(start_paused = true)]
async fn a_service_that_ignores_bounds_is_read_from_the_oldest_unfinished_run_on() {
    let rows = (0..300_i64).map(|n| {
        let start = now() - TimeDelta::hours(9) + TimeDelta::minutes(n);
        let status = if n % 100 == 50 {
            "RUNNING"
        } else {
            "SUCCEEDED"
        };
        json!({"id": format!("run{n}"), "status": status, "startedAt": start})
    });
    let builder = Emulator::builder()
        .rows(rows)
        .clock(now())
        .ignore_time_filters();
    let emulator = start(builder).await;
    let query = RunQuery::task("x").page_size(20);
    let walk = || emulator.client().runs(&query).emit(Emit::Finished);
    let (seen, cursor) = read(walk()).await;
    assert_eq!((seen.len(), cursor.unfinished()), (297, 3));
    finish(&emulator, "run50", "FAILED");
    finish(&emulator, "run250", "FAILED");
    emulator.change(|store| store.delete_run("run150"));
    sleep(Duration::from_secs(80)).await;
    let (seen, _) = read(walk().resume(cursor)).await;
    assert_eq!(seen, ["run50 FAILED", "run250 FAILED"]);
}
