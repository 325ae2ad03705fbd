//! Walks that go on when the list has ended.

use std::time::Duration;

use apify_runs::emulator::{Emulator, Fault};
use apify_runs::{Emit, ErrorKind, RetryPolicy, RunQuery, RunStream, WalkMonitor};
use futures::{FutureExt, StreamExt};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use crate::{emulator, start};

const INTERVAL: Duration = Duration::from_secs(10);

/// Takes items until none has come for a while.
async fn take(runs: &mut RunStream, quiet: Duration) -> Vec<String> {
    let mut seen = Vec::new();
    while let Ok(Some(run)) = timeout(quiet, runs.next()).await {
        seen.push(run.unwrap().id.to_string());
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn a_new_run_comes_within_one_interval() {
    let emulator = emulator(20).await;
    let mut runs = emulator.client().runs("a").follow(INTERVAL).stream();
    assert_eq!(take(&mut runs, INTERVAL / 2).await.len(), 20);
    for n in 0..3 {
        let id = format!("new{n}");
        emulator.change(|store| store.start_run(&id));
        let started = Instant::now();
        assert_eq!(runs.next().await.unwrap().unwrap().id, id.as_str());
        assert!(started.elapsed() <= INTERVAL + Duration::from_millis(100));
    }
    assert_eq!(runs.cursor().rows(), 23);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_list_costs_one_request_an_interval() {
    let emulator = emulator(20).await;
    let mut runs = emulator.client().runs("a").follow(INTERVAL).stream();
    take(&mut runs, INTERVAL * 12 + INTERVAL / 2).await;
    assert_eq!(emulator.requests().len(), 1 + 12);
    let late = emulator.requests().split_off(1);
    assert!(
        late.iter()
            .all(|request| request.parameter("startedAfter").is_some())
    );
    drop(runs);
    sleep(INTERVAL * 3).await;
    assert_eq!(
        emulator.requests().len(),
        1 + 12,
        "it ends when it is dropped"
    );
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_is_followed_too() {
    let emulator = emulator(0).await;
    let mut runs = emulator.client().runs("a").follow(INTERVAL).stream();
    assert!(take(&mut runs, INTERVAL).await.is_empty());
    emulator.change(|store| store.start_run("first"));
    assert_eq!(runs.next().await.unwrap().unwrap().id, "first");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_appears_late_is_found_within_the_lookback() {
    for (lookback, expected) in [(60, vec!["late"]), (5, vec![])] {
        let emulator = emulator(20).await;
        let runs = emulator.client().runs("a").follow(INTERVAL);
        let mut runs = runs.lookback(Duration::from_secs(lookback)).stream();
        take(&mut runs, INTERVAL / 2).await;
        let mut row = emulator.run(16).unwrap();
        row["id"] = json!("late");
        emulator.change(|store| store.after(INTERVAL, move |store| store.insert(&row)));
        assert_eq!(take(&mut runs, INTERVAL * 4).await, expected);
        assert_eq!(runs.stats().late, expected.len() as u64);
    }
}

/// The runs that the offset leaves out are within the lookback of those that it does not.
#[tokio::test(start_paused = true)]
async fn what_the_offset_leaves_out_does_not_come_later() {
    let emulator = emulator(20).await;
    let query = RunQuery::actor("a").offset(15).page_size(2);
    let mut runs = emulator.client().runs(&query).follow(INTERVAL).stream();
    assert_eq!(take(&mut runs, INTERVAL * 3).await, emulator.ids()[15..]);
    emulator.change(|store| store.start_run("new"));
    assert_eq!(take(&mut runs, INTERVAL * 3).await, ["new"]);
    let runs = emulator.client().runs(&query).resume(runs.cursor().clone());
    assert!(runs.stream().next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_limit() {
    let emulator = emulator(5).await;
    let query = RunQuery::actor("a").limit(7);
    let mut runs = emulator.client().runs(query).follow(INTERVAL).stream();
    assert_eq!(take(&mut runs, INTERVAL).await.len(), 5);
    emulator.change(|store| (0..9).for_each(|n| store.start_run(&format!("new{n}"))));
    assert_eq!(take(&mut runs, INTERVAL * 2).await, ["new0", "new1"]);
    assert_eq!(runs.next().now_or_never().unwrap().map(drop), None);
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_started_before_has_passed_by_the_lookback() {
    let now = "2025-06-01T00:00:00Z".parse().unwrap();
    let emulator = start(Emulator::builder().clock(now)).await;
    let query = RunQuery::actor("a").started_before(now + Duration::from_secs(20));
    let runs = emulator.client().runs(query).follow(INTERVAL);
    let mut runs = runs.lookback(Duration::from_secs(15)).stream();
    for second in [5, 30] {
        let start_run = move |store: &mut apify_runs::emulator::Store| {
            store.start_run(&format!("at{second}"));
        };
        emulator.change(|store| store.after(Duration::from_secs(second), start_run));
    }
    let started = Instant::now();
    let mut seen = Vec::new();
    while let Some(run) = runs.next().await {
        seen.push(run.unwrap().id.to_string());
    }
    assert_eq!(seen, ["at5"]);
    let seconds = started.elapsed().as_secs();
    assert!((36..=50).contains(&seconds), "ended after {seconds} s");
}

/// The filter hides the run when it has failed, so that only its absence tells.
#[tokio::test(start_paused = true)]
async fn it_does_not_wait_for_a_run_that_a_filter_will_never_let_through() {
    let now = "2025-06-01T00:00:00Z".parse().unwrap();
    let emulator = start(Emulator::builder().clock(now)).await;
    emulator.change(|store| {
        store.start_run("fails");
        store.after(INTERVAL * 2, |store| assert!(store.finish(0, "FAILED")));
    });
    let query = RunQuery::actor("a")
        .status(apify_runs::RunStatus::Succeeded)
        .started_before(now + INTERVAL);
    let mut runs = emulator.client().runs(query).follow(INTERVAL).stream();
    let ended = timeout(INTERVAL * 10, runs.next()).await;
    assert!(ended.unwrap().is_none());
    assert_eq!(runs.cursor().unfinished(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_failing_service_is_retried_and_then_an_error_with_a_cursor() {
    let builder = Emulator::builder().runs(20);
    let emulator = start(
        builder
            .fault(3..=4, Fault::status(500))
            .fault(6.., Fault::Hang),
    )
    .await;
    let policy = RetryPolicy::default().max_elapsed(Duration::from_secs(20));
    let client = emulator.client_builder().retry(policy).build().unwrap();
    let mut runs = client.runs("a").follow(INTERVAL).stream();
    assert_eq!(take(&mut runs, INTERVAL * 3).await.len(), 20);
    assert_eq!(runs.stats().retries, 2);

    let error = runs.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.cursor().unwrap().rows(), 20);
    assert!(runs.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn settings_that_make_no_sense_are_refused_before_any_request() {
    let emulator = emulator(5).await;
    let client = emulator.client();
    let query = RunQuery::actor("a");
    let running = query.clone().status(apify_runs::RunStatus::Running);
    let day = Duration::from_secs(24 * 60 * 60 + 1);
    for (runs, expected) in [
        (
            client.runs(&query).follow(Duration::ZERO),
            "invalid follow 0ns: it must be from 100ms",
        ),
        (client.runs(&query).follow(day), "invalid follow 86401s"),
        (
            client.runs(&query).lookback(day),
            "invalid lookback 86401s: it must be from 0ns",
        ),
        (
            client.runs(query.clone().descending(true)).follow(INTERVAL),
            "invalid follow 10s: a descending walk cannot follow the list",
        ),
        (
            client.runs(running).emit(Emit::Finished),
            "invalid emit Finished: the query lets only unfinished runs through",
        ),
    ] {
        let error = runs.stream().next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    assert!(emulator.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_monitor_sees_each_look_and_goes_on_with_the_next_walk() {
    let emulator = emulator(20).await;
    let client = emulator.client_builder().max_requests_per_second(40.0);
    let client = client.build().unwrap();
    let monitor = WalkMonitor::default();
    assert_eq!(monitor.status().last_pass, None);
    assert_eq!(monitor.status().max_rate, None);
    let walk = || client.runs("a").follow(INTERVAL).monitor(&monitor);
    let mut runs = walk().stream();
    take(&mut runs, INTERVAL * 2 + INTERVAL / 2).await;
    let first = monitor.status();
    assert_eq!((first.rows, first.requests, first.passes), (20, 3, 3));
    assert_eq!(first.newest_start, runs.cursor().watermark());
    assert_eq!(first.total, Some(20));
    assert!(first.last_pass.is_some());
    assert!(
        first
            .max_rate
            .is_some_and(|rate| (30.0..=40.0).contains(&rate))
    );

    let cursor = runs.cursor().clone();
    drop(runs);
    emulator.change(|store| store.start_run("new"));
    let mut runs = walk().resume(cursor).stream();
    take(&mut runs, INTERVAL / 2).await;
    let second = monitor.status();
    assert_eq!((second.rows, second.requests, second.passes), (21, 4, 4));
    assert_eq!(second.newest_start, runs.cursor().watermark());
    assert_ne!(second.newest_start, first.newest_start);
}
