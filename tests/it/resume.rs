//! A walk that goes on where another one was.

use apify_runs::emulator::{Emulator, Fault};
use apify_runs::{Cursor, Emit, Error, ErrorKind, RetryPolicy, RunQuery, RunStatus};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use std::time::Duration;

use crate::{emulator, start};

/// Reads so many items, and gives their IDs and the cursor as it would be stored.
async fn read(
    emulator: &Emulator,
    query: &RunQuery,
    from: &str,
    items: usize,
) -> (Vec<String>, String) {
    let cursor = from.parse().unwrap();
    let mut runs = emulator.client().runs(query).resume(cursor).stream();
    let mut seen = Vec::new();
    while seen.len() < items
        && let Some(run) = runs.next().await
    {
        seen.push(run.unwrap().id.to_string());
    }
    (seen, runs.cursor().to_string())
}

fn the_start() -> String {
    Cursor::default().to_string()
}

#[tokio::test(start_paused = true)]
async fn a_walk_may_stop_after_any_item_and_goes_on_with_the_next() {
    let emulator = emulator(45).await;
    for descending in [false, true] {
        let query = RunQuery::actor("a").page_size(10).descending(descending);
        let mut expected = emulator.ids();
        if descending {
            expected.reverse();
        }
        for stop in 0..=expected.len() {
            let (mut seen, cursor) = read(&emulator, &query, &the_start(), stop).await;
            let (rest, _) = read(&emulator, &query, &cursor, usize::MAX).await;
            seen.extend(rest);
            assert_eq!(seen, expected, "stopped after {stop}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_item_at_a_time_is_as_good_as_all_at_once() {
    let emulator = emulator(30).await;
    let query = RunQuery::actor("a").page_size(7);
    let (mut seen, mut cursor) = (Vec::new(), the_start());
    for _ in 0..30 {
        let (item, next) = read(&emulator, &query, &cursor, 1).await;
        seen.extend(item);
        cursor = next;
    }
    assert_eq!(seen, emulator.ids());
    assert_eq!(cursor.parse::<Cursor>().unwrap().rows(), 30);
    assert!(read(&emulator, &query, &cursor, 1).await.0.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_the_end_is_found_by_the_next_walk() {
    let emulator = emulator(30).await;
    let query = RunQuery::actor("a");
    let (seen, cursor) = read(&emulator, &query, &the_start(), usize::MAX).await;
    assert_eq!(seen.len(), 30);

    emulator.change(|store| {
        store.delete(..5);
        store.start_run("new");
    });
    let (seen, cursor) = read(&emulator, &query, &cursor, usize::MAX).await;
    assert_eq!(seen, ["new"]);
    assert!(
        read(&emulator, &query, &cursor, usize::MAX)
            .await
            .0
            .is_empty()
    );
    let last = emulator.requests().pop().unwrap();
    assert!(last.parameter("startedAfter").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_cursor_stays_small_however_long_the_walk() {
    let emulator = emulator(20_000).await;
    let mut runs = emulator.client().runs("a").stream();
    let mut longest = 0;
    while let Some(run) = runs.next().await {
        run.unwrap();
        if runs.stats().rows.is_multiple_of(501) {
            longest = longest.max(runs.cursor().to_string().len());
        }
    }
    longest = longest.max(runs.cursor().to_string().len());
    assert!((500..4096).contains(&longest), "{longest} bytes");
    assert_eq!(runs.cursor().rows(), 20_000);
    assert_eq!(
        runs.cursor().unfinished(),
        0,
        "snapshots are not read again"
    );
}

#[tokio::test(start_paused = true)]
async fn pages_and_rows_lead_to_the_same_cursor() {
    let emulator = emulator(25).await;
    let query = RunQuery::actor("a").page_size(10);
    let mut pages = emulator.client().runs(&query).pages();
    let page = pages.next().await.unwrap().unwrap();
    let after_page = pages.cursor().clone();
    let (_, after_rows) = read(&emulator, &query, &the_start(), page.items.len()).await;
    assert_eq!(after_page.to_string(), after_rows);

    let runs = emulator.client().runs(&query).resume(after_page).stream();
    let rest: Vec<_> = runs
        .map_ok(|run| run.id.to_string())
        .try_collect()
        .await
        .unwrap();
    assert_eq!(rest, emulator.ids()[10..]);
}

#[tokio::test(start_paused = true)]
async fn an_error_says_where_to_go_on() {
    let builder = Emulator::builder().runs(50);
    let emulator = start(builder.fault(3..=4, Fault::status(500))).await;
    let client = emulator
        .client_builder()
        .retry(RetryPolicy::none())
        .build()
        .unwrap();
    let query = RunQuery::actor("a").page_size(10);
    let mut seen = Vec::new();
    let mut cursor = Cursor::default();
    for _ in 0..3 {
        let runs = client.runs(&query).concurrency(1);
        let mut runs = runs.resume(cursor.clone()).stream();
        while let Some(run) = runs.next().await {
            match run {
                Ok(run) => seen.push(run.id.to_string()),
                Err(error) => {
                    assert_eq!(error.cursor(), Some(runs.cursor()));
                    cursor = error.cursor().unwrap().clone();
                }
            }
        }
    }
    assert_eq!(seen, emulator.ids());
    assert_eq!(cursor.rows(), 20, "the error came after two pages, twice");
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_read_is_an_item_too() {
    let row = |n: u32| {
        let start = format!("2025-01-01T00:00:0{n}.000Z");
        match n {
            2 => json!({"startedAt": start, "status": "READY"}),
            4 => json!({"id": "bad", "startedAt": start, "status": 5}),
            _ => json!({"id": format!("run{n}"), "startedAt": start}),
        }
    };
    let emulator = start(Emulator::builder().rows((0..9).map(row))).await;
    let query = RunQuery::actor("a").page_size(4);
    for stop in 0..9 {
        let (mut good, mut bad) = (0, 0);
        let mut cursor = Cursor::default();
        for items in [stop, usize::MAX] {
            let mut runs = emulator.client().runs(&query).resume(cursor).stream();
            let mut left = items;
            while left > 0
                && let Some(run) = runs.next().await
            {
                left -= 1;
                match run {
                    Ok(_) => good += 1,
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Item);
                        assert_eq!(error.cursor(), Some(runs.cursor()));
                        bad += 1;
                    }
                }
            }
            cursor = runs.cursor().clone();
        }
        assert_eq!((good, bad), (7, 2), "stopped after {stop}");
        assert_eq!(cursor.rows(), 9);
    }
}

/// What a walk says that resumes from the cursor of another one.
async fn mismatch(emulator: &Emulator, query: &RunQuery, emit: Emit, now: RunQuery) -> Error {
    let mut before = emulator.client().runs(query).emit(emit).stream();
    before.next().await.unwrap().unwrap();
    let mut runs = emulator
        .client()
        .runs(now)
        .resume(before.cursor().clone())
        .stream();
    let error = runs.next().await.unwrap().unwrap_err();
    assert_eq!(runs.cursor(), before.cursor(), "the cursor is not lost");
    assert!(runs.next().await.is_none());
    error
}

#[tokio::test(start_paused = true)]
async fn the_cursor_of_another_query_is_refused_by_what_differs() {
    let emulator = emulator(5).await;
    let query = RunQuery::actor("user/name");
    let time = "2025-01-01T00:00:00Z".parse().unwrap();
    for (now, expected) in [
        (
            RunQuery::actor("b"),
            r#"scope actor "user~name" (now actor "b")"#,
        ),
        (
            RunQuery::account(),
            r#"scope actor "user~name" (now account)"#,
        ),
        (
            query.clone().status(RunStatus::Failed),
            "statuses any (now FAILED)",
        ),
        (
            query.clone().started_after(time),
            "started_after none (now 2025-01-01T00:00:00+00:00)",
        ),
        (query.clone().started_before(time), "started_before none"),
        (
            query.clone().descending(true),
            "descending false (now true)",
        ),
        (query.clone().offset(1), "offset 0 (now 1)"),
    ] {
        let error = mismatch(&emulator, &query, Emit::Snapshot, now).await;
        assert_eq!(error.kind(), ErrorKind::CursorMismatch);
        let message = error.to_string();
        assert!(
            message.starts_with("the cursor is of another walk: "),
            "{message}"
        );
        assert!(message.contains(expected), "{message}");
    }
    let error = mismatch(&emulator, &query, Emit::Changes, query.clone()).await;
    assert!(
        error.to_string().ends_with("emit Changes (now Snapshot)"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn page_size_limit_lookback_and_spelling_may_change() {
    let emulator = emulator(30).await;
    let query = RunQuery::actor("user/name").page_size(10).limit(12);
    let (seen, cursor) = read(&emulator, &query, &the_start(), usize::MAX).await;
    assert_eq!(seen, emulator.ids()[..12]);
    let (more, _) = read(&emulator, &query, &cursor, usize::MAX).await;
    assert!(more.is_empty(), "the limit counts over both walks");

    let query = RunQuery::actor("user~name").page_size(3).limit(20);
    let runs = emulator.client().runs(query);
    let runs = runs
        .lookback(Duration::from_secs(3600))
        .resume(cursor.parse().unwrap());
    let rest: Vec<_> = runs
        .stream()
        .map_ok(|run| run.id.to_string())
        .try_collect()
        .await
        .unwrap();
    assert_eq!(rest, emulator.ids()[12..20]);
}

#[test]
fn damaged_cursors_and_other_versions_are_clear_errors() {
    let message = |text: &str| {
        let error = text.parse::<Cursor>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let message = error.to_string();
        assert!(message.starts_with("invalid cursor \""), "{message}");
        // From any other place than a string it is the same error.
        if let Ok(value) = serde_json::from_str::<Value>(text) {
            let error = serde_json::from_value::<Cursor>(value).unwrap_err();
            assert!(message.ends_with(&error.to_string()), "{message} / {error}");
        }
        message
    };
    let query = json!({"scope": {"actor": "a"}});
    let time = "2025-01-01T00:00:00.000Z";

    assert!(message("").contains("EOF"));
    assert!(message(r#"{"version":1,"rows":5,"wat"#).contains("EOF"));
    assert!(message("[]").contains("it has no version"));
    let newer = message(r#"{"version":2,"anything":"else"}"#);
    assert!(
        newer.contains("version 2, and this version of the crate knows only 1"),
        "{newer}"
    );
    assert!(message(r#"{"version":1}"#).contains("missing field `rows`"));
    assert!(message(r#"{"version":1,"rows":-1}"#).contains("the cursor is damaged"));
    assert!(message(r#"{"version":1,"rows":0,"row":0}"#).contains("unknown field `row`"));
    assert!(message(r#"{"version":1,"rows":9}"#).contains("has no query"));
    let run = json!({"id": "x", "started": "2025-01-02T00:00:00.000Z"});
    let beyond =
        json!({"version": 1, "query": query, "rows": 1, "watermark": time, "recent": [run]});
    assert!(message(&beyond.to_string()).contains("run x lies beyond its watermark"));
    let later = "2025-01-02T00:00:00.000Z";
    for lossy in [
        json!({"version": 1, "query": query, "rows": 1, "watermark": time, "complete_from": later}),
        json!({"version": 1, "query": query, "rows": 1, "complete_from": later}),
    ] {
        assert!(message(&lossy.to_string()).contains("begin beyond its watermark"));
    }
    let endless = json!({"version": 1, "query": query, "rows": u64::MAX / 4 + 1});
    assert!(message(&endless.to_string()).contains("no walk has handed out"));
    let nowhere = json!({"version": 1, "query": query, "rows": 1, "recent": [run]});
    assert!(message(&nowhere.to_string()).contains("no watermark"));
    let bad_query = json!({"version": 1, "query": {"scope": {"actor": ""}}, "rows": 0});
    assert!(message(&bad_query.to_string()).contains("invalid actor"));
}

/// Written by the first version: every later one must read it.
#[tokio::test(start_paused = true)]
async fn a_cursor_of_version_1_is_read() {
    let stored = include_str!("../fixtures/v1/cursor.json");
    let cursor: Cursor = stored.parse().unwrap();
    assert_eq!((cursor.rows(), cursor.unfinished()), (3, 1));
    assert_eq!(cursor.to_string(), stored.trim_end());

    let row = |id: &str, second: u32, status: &str| json!({"id": id, "status": status, "startedAt": format!("2025-01-01T00:00:0{second}.000Z")});
    let rows = [
        row("open", 1, "FAILED"),
        row("known", 2, "SUCCEEDED"),
        row("new", 3, "SUCCEEDED"),
    ];
    let emulator = start(Emulator::builder().rows(rows)).await;
    let query = RunQuery::actor("janedoe/my-actor");
    let runs = emulator
        .client()
        .runs(query)
        .emit(Emit::Changes)
        .resume(cursor);
    let seen: Vec<_> = runs
        .stream()
        .map_ok(|run| run.id.to_string())
        .try_collect()
        .await
        .unwrap();
    assert_eq!(seen, ["open", "new"]);
}
