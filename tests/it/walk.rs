//! Which rows a walk hands out, and what it asks for.

use apify_runs::emulator::{Emulator, Fault};
use apify_runs::{ErrorKind, RunQuery, RunStatus};
use chrono::{DateTime, Utc};
use serde_json::json;

use crate::{drain, emulator, start};

fn asked(emulator: &Emulator, name: &str) -> Vec<Option<String>> {
    let requests = emulator.requests();
    let values = requests.iter().map(|request| request.parameter(name));
    values.map(|value| value.map(str::to_owned)).collect()
}

#[tokio::test(start_paused = true)]
async fn every_run_comes_once_and_in_order() {
    let emulator = emulator(2500).await;
    let (seen, end) = drain(emulator.client().runs("a").stream()).await;

    end.unwrap();
    assert_eq!(seen, emulator.ids());
    let offsets = asked(&emulator, "offset");
    assert_eq!(offsets, ["0", "998", "1996"].map(|n| Some(n.to_owned())));
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_is_an_empty_stream() {
    let emulator = emulator(0).await;
    let (seen, end) = drain(emulator.client().runs("a").stream()).await;

    end.unwrap();
    assert!(seen.is_empty());
    assert_eq!(emulator.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn descending_is_the_other_way_round() {
    let emulator = emulator(230).await;
    let query = RunQuery::actor("a").descending(true).page_size(50);
    let (seen, end) = drain(emulator.client().runs(query).stream()).await;

    end.unwrap();
    let mut expected = emulator.ids();
    expected.reverse();
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn any_page_size_gives_the_same_rows() {
    let emulator = emulator(60).await;
    for page_size in [1, 2, 3, 59, 60, 61, 1000] {
        let query = RunQuery::actor("a").page_size(page_size);
        let (seen, end) = drain(emulator.client().runs(query).stream()).await;
        end.unwrap();
        assert_eq!(seen, emulator.ids(), "page_size {page_size}");
    }
}

#[tokio::test(start_paused = true)]
async fn offset_and_limit_cut_the_list() {
    let emulator = emulator(100).await;
    let query = RunQuery::actor("a").offset(15).limit(42).page_size(20);
    let (seen, end) = drain(emulator.client().runs(query).stream()).await;

    end.unwrap();
    assert_eq!(seen, emulator.ids()[15..57]);
    // One row that the offset leaves out, and two in which pages overlap.
    let asked_rows = asked(&emulator, "limit");
    assert_eq!(asked_rows, ["21", "22", "4"].map(|n| Some(n.to_owned())));
}

#[tokio::test(start_paused = true)]
async fn filters_reach_the_service() {
    let emulator = emulator(500).await;
    let time = |index: u64| -> DateTime<Utc> {
        let started = &emulator.run(index).unwrap()["startedAt"];
        started.as_str().unwrap().parse().unwrap()
    };
    let query = RunQuery::actor("a")
        .statuses([RunStatus::Failed, RunStatus::Aborted])
        .started_after(time(100))
        .started_before(time(400))
        .page_size(10);
    let (seen, end) = drain(emulator.client().runs(query).stream()).await;

    end.unwrap();
    let expected: Vec<_> = (100..=400)
        .filter_map(|index| emulator.run(index))
        .filter(|run| run["status"] == "FAILED" || run["status"] == "ABORTED")
        .map(|run| run["id"].as_str().unwrap().to_owned())
        .collect();
    assert!(expected.len() > 10);
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn filters_by_time_hold_where_the_service_ignores_them() {
    let emulator = start(Emulator::builder().runs(100).ignore_time_filters()).await;
    let time = |index: u64| -> DateTime<Utc> {
        let started = &emulator.run(index).unwrap()["startedAt"];
        started.as_str().unwrap().parse().unwrap()
    };
    for descending in [false, true] {
        let query = RunQuery::task("t")
            .started_after(time(30))
            .started_before(time(60))
            .descending(descending)
            .page_size(7);
        let (mut seen, end) = drain(emulator.client().runs(query).stream()).await;
        end.unwrap();
        if descending {
            seen.reverse();
        }
        assert_eq!(seen, emulator.ids()[30..=60]);
    }
}

#[tokio::test(start_paused = true)]
async fn tasks_and_accounts_have_lists_of_their_own() {
    let emulator = emulator(3).await;
    for query in [RunQuery::task("user/my-task"), RunQuery::account()] {
        let (seen, end) = drain(emulator.client().runs(query).stream()).await;
        end.unwrap();
        assert_eq!(seen.len(), 3);
    }
    let paths: Vec<_> = emulator.requests().into_iter().map(|r| r.path).collect();
    assert_eq!(
        paths,
        ["/v2/actor-tasks/user~my-task/runs", "/v2/actor-runs"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_smaller_page_than_asked_for_is_not_the_end() {
    for builder in [
        Emulator::builder().max_page_size(100),
        Emulator::builder().hidden_max_page_size(100),
    ] {
        let emulator = start(builder.runs(1234)).await;
        let (seen, end) = drain(emulator.client().runs("a").stream()).await;
        end.unwrap();
        assert_eq!(seen, emulator.ids());
    }
}

#[tokio::test(start_paused = true)]
async fn rows_without_a_start_are_handed_out() {
    let rows = (0..7).map(|n| match n {
        0..5 => {
            json!({"id": format!("run{n}"), "startedAt": format!("2025-01-01T00:00:0{n}.000Z")})
        }
        5 => json!({"id": "run5", "startedAt": null}),
        _ => json!({"id": "run6"}),
    });
    let emulator = start(Emulator::builder().rows(rows)).await;
    let query = RunQuery::actor("a").page_size(2);
    let (seen, end) = drain(emulator.client().runs(query).stream()).await;

    end.unwrap();
    assert_eq!(seen, emulator.ids());
}

/// A page that follows no other: its row has no start.
fn moved() -> Fault {
    Fault::body(
        json!({"data": {
            "total": 19, "offset": 9, "limit": 11, "desc": false, "count": 1,
            "items": [{"id": "another"}],
        }})
        .to_string(),
    )
}

/// The second page begins with another row than the first one ended with, and no row has a
/// start that the walk could go on from.
#[tokio::test(start_paused = true)]
async fn a_list_without_starts_that_moved_is_read_from_its_beginning() {
    for descending in [false, true] {
        let rows = (0..20).map(|n| json!({"id": format!("run{n}")}));
        let emulator = start(Emulator::builder().rows(rows).fault(2..=2, moved())).await;
        let query = RunQuery::actor("a").page_size(10).descending(descending);
        let mut runs = emulator.client().runs(query).stream();
        let mut seen = Vec::new();
        while let Some(run) = futures::StreamExt::next(&mut runs).await {
            seen.push(run.unwrap().id.to_string());
        }
        let mut expected = emulator.ids();
        if descending {
            expected.reverse();
        }
        assert_eq!(seen, expected);
        assert_eq!(runs.stats().drifts, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_moves_too_often_is_an_error_that_may_pass_and_is_not_retried() {
    let rows: Vec<_> = (0..10).map(|n| json!({"id": format!("run{n}")})).collect();
    let page = json!({"data": {"total": 19, "limit": 10, "items": rows}}).to_string();
    let faults = move |request: u64| match request % 2 {
        0 => Some(moved()),
        _ => Some(Fault::body(page.clone())),
    };
    let emulator = start(Emulator::builder().rows(rows).faults(faults)).await;
    let query = RunQuery::actor("a").page_size(10);
    let mut runs = emulator.client().runs(query).concurrency(1).stream();
    let mut seen = Vec::new();
    let error = loop {
        match futures::StreamExt::next(&mut runs).await.unwrap() {
            Ok(run) => seen.push(run.id.to_string()),
            Err(error) => break error,
        }
    };
    assert_eq!(seen, emulator.ids());
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.is_transient(), "{error}");
    assert!(
        error.to_string().contains("go on from the cursor"),
        "{error}"
    );
    assert_eq!((error.attempts(), runs.stats().retries), (0, 0));
    let requests = emulator.requests().len();
    assert!(requests < 250, "{requests} requests");

    assert!(futures::StreamExt::next(&mut runs).await.is_none());
    assert_eq!(emulator.requests().len(), requests);
}

/// Some services refuse an offset behind the end of the list. The fifth request looks there,
/// as the list is said to be longer than it is.
#[tokio::test(start_paused = true)]
async fn a_refused_offset_behind_the_end_is_the_end() {
    let faults = |request| match request {
        5 => Some(Fault::status(400)),
        _ => Some(Fault::Total(1000)),
    };
    let emulator = start(Emulator::builder().runs(30).faults(faults)).await;
    let query = RunQuery::actor("a").page_size(10);
    let runs = emulator.client().runs(query).concurrency(1);
    let (seen, end) = drain(runs.stream()).await;
    end.unwrap();
    assert_eq!(seen, emulator.ids());
    let offsets = asked(&emulator, "offset");
    assert_eq!(offsets[4].as_deref(), Some("30"));
}

#[tokio::test(start_paused = true)]
async fn a_refused_first_request_is_an_error() {
    let builder = Emulator::builder()
        .runs(30)
        .fault(1..=1, Fault::status(400));
    let emulator = start(builder).await;
    let query = RunQuery::actor("a").offset(5);
    let (seen, end) = drain(emulator.client().runs(query).stream()).await;
    assert_eq!(end.unwrap_err().status(), Some(400));
    assert!(seen.is_empty());
}

/// The second page does not follow the first, so the third is asked for by its start.
#[tokio::test(start_paused = true)]
async fn a_list_that_moved_is_read_on_from_the_watermark() {
    let moved = json!({"data": {"total": 25, "items": [{"id": "another"}]}});
    for descending in [false, true] {
        let builder = Emulator::builder().runs(25);
        let emulator = start(builder.fault(2..=2, Fault::body(moved.to_string()))).await;
        let query = RunQuery::actor("a").page_size(10).descending(descending);
        let mut runs = emulator.client().runs(query).concurrency(1).stream();
        let mut seen = Vec::new();
        while let Some(run) = futures::StreamExt::next(&mut runs).await {
            seen.push(run.unwrap().id.to_string());
        }

        let mut expected = emulator.ids();
        if descending {
            expected.reverse();
        }
        assert_eq!(seen, expected);
        let stats = runs.stats();
        assert_eq!((stats.drifts, stats.reanchors, stats.duplicates), (1, 1, 1));
        assert_eq!(
            stats.total,
            Some(25),
            "a part of the list has another total"
        );
        let bound = if descending {
            "startedBefore"
        } else {
            "startedAfter"
        };
        let bounds: Vec<_> = asked(&emulator, bound)
            .into_iter()
            .map(|b| b.is_some())
            .collect();
        assert_eq!(bounds, [false, false, true, true]);
    }
}
