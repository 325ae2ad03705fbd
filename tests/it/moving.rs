//! A walk over a list that changes while it is read.

use std::collections::HashSet;

use apify_runs::RunQuery;
use apify_runs::emulator::{Emulator, EmulatorBuilder, Store};
use futures::StreamExt;
use serde_json::json;

use crate::start;

const RUNS: u64 = 12_000;

/// Walks a list to which `change` happens before each request, with one page in flight and
/// with several. Every row that is on the list from the first request to the last must come,
/// and none may come twice.
async fn walk(
    query: RunQuery,
    builder: impl Fn() -> EmulatorBuilder,
    rows_a_page: u64,
    is_in_front: bool,
    change: impl Fn(u64, &mut Store) + Clone + Send + Sync + 'static,
) {
    for concurrency in [1, 2, 8] {
        let query = query.clone();
        walk_with(
            concurrency,
            query,
            builder(),
            rows_a_page,
            is_in_front,
            change.clone(),
        )
        .await;
    }
}

async fn walk_with(
    concurrency: u64,
    query: RunQuery,
    builder: EmulatorBuilder,
    rows_a_page: u64,
    is_in_front: bool,
    change: impl Fn(u64, &mut Store) + Send + Sync + 'static,
) {
    let emulator = start(builder.runs(RUNS).before_each(change)).await;
    let before = ids(&emulator);
    let runs = emulator.client().runs(query);
    let mut runs = runs.concurrency(concurrency as usize).stream();
    let mut seen = Vec::new();
    while let Some(run) = runs.next().await {
        seen.push(run.unwrap().id.to_string());
    }

    let distinct: HashSet<_> = seen.iter().cloned().collect();
    assert_eq!(distinct.len(), seen.len(), "rows came twice");
    let after = ids(&emulator);
    assert_ne!(before, after, "nothing has changed");
    let lost: Vec<_> = before
        .intersection(&after)
        .filter(|id| !distinct.contains(*id))
        .collect();
    assert!(lost.is_empty(), "{} rows were lost", lost.len());
    let stats = runs.stats();
    // Rows that come in front of what has been read are no drift.
    assert_eq!(stats.drifts > 0, !is_in_front, "{stats:?}");
    // A page that does not follow costs its own request and those in flight behind it; the
    // one after it brings new rows.
    let pages = stats.rows.div_ceil(rows_a_page);
    let most = pages + stats.drifts * concurrency + 1;
    assert!(stats.requests <= most, "{stats:?}");
}

fn ids(emulator: &Emulator) -> HashSet<String> {
    emulator.ids().into_iter().collect()
}

fn delete_oldest(request: u64, store: &mut Store) {
    if request.is_multiple_of(3) {
        store.delete(..137);
    }
}

fn delete_anywhere(request: u64, store: &mut Store) {
    let place = request.wrapping_mul(0x9e37_79b9_7f4a_7c15) % store.len();
    store.delete(place..=place);
}

fn start_new_runs(request: u64, store: &mut Store) {
    for n in 0..5 {
        let (id, minute) = (format!("new-{request}-{n}"), request % 60);
        store.insert(&json!({"id": id, "startedAt": format!("2030-01-01T00:{minute:02}:00.000Z")}));
    }
}

#[tokio::test(start_paused = true)]
async fn the_oldest_runs_are_deleted() {
    walk(
        RunQuery::actor("a"),
        Emulator::builder,
        998,
        false,
        delete_oldest,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn runs_are_deleted_anywhere() {
    walk(
        RunQuery::actor("a"),
        Emulator::builder,
        998,
        false,
        delete_anywhere,
    )
    .await;
    let descending = RunQuery::actor("a").descending(true);
    walk(descending, Emulator::builder, 998, false, delete_anywhere).await;
}

#[tokio::test(start_paused = true)]
async fn new_runs_start_while_the_newest_are_read_first() {
    let descending = RunQuery::actor("a").descending(true);
    walk(descending, Emulator::builder, 998, true, start_new_runs).await;
}

#[tokio::test(start_paused = true)]
async fn everything_happens_at_once_on_small_pages() {
    let builder = || Emulator::builder().max_page_size(700).seed(5);
    walk(
        RunQuery::actor("a"),
        builder,
        698,
        false,
        |request, store| {
            delete_oldest(request, store);
            delete_anywhere(request, store);
            start_new_runs(request, store);
        },
    )
    .await;
}

/// What the walk guards against: by offset alone, rows are passed over without a word.
#[tokio::test(start_paused = true)]
async fn adding_to_the_offset_loses_rows() {
    let emulator = start(Emulator::builder().runs(RUNS).before_each(delete_oldest)).await;
    let before = ids(&emulator);
    let client = emulator.client();
    let (mut seen, mut offset) = (HashSet::new(), 0);
    loop {
        let page = client.page(&RunQuery::actor("a"), offset).await.unwrap();
        if page.items.is_empty() {
            break;
        }
        offset += page.items.len() as u64;
        seen.extend(page.items.into_iter().map(|run| run.id.to_string()));
    }
    let after = ids(&emulator);
    let lost = before
        .intersection(&after)
        .filter(|id| !seen.contains(*id))
        .count();
    assert!(lost > 500, "{lost} rows were lost");
}
