//! Several lists read at a time.

use std::collections::HashSet;
use std::time::Duration;

use apify_runs::emulator::{Emulator, EmulatorBuilder, Fault};
use apify_runs::{Client, Cursor, ErrorKind, ListEvent, RunLists, RunQuery};
use futures::StreamExt;
use proptest::prelude::*;
use tokio::time::{Instant, timeout};

use crate::{emulator, start};

const SECOND: Duration = Duration::from_secs(1);

/// What has come of a list.
#[derive(Debug, Default)]
struct Read {
    ids: Vec<String>,
    unreadable: usize,
    /// Those of the walks that led here.
    rows_before: Option<u64>,
    failed: Option<ErrorKind>,
    /// From the end, or from the error.
    cursor: Option<Cursor>,
}

/// Reads all lists to their ends.
async fn read(mut lists: RunLists, count: usize) -> Vec<Read> {
    let mut read: Vec<Read> = (0..count).map(|_| Read::default()).collect();
    while let Some(item) = lists.next().await {
        let read = &mut read[item.list];
        assert!(read.cursor.is_none(), "it had ended");
        match item.event {
            ListEvent::Run(run) => {
                let rows = lists.cursor().unwrap().rows();
                let before = *read.rows_before.get_or_insert(rows - 1);
                read.ids.push(run.id.to_string());
                assert_eq!(rows - before, read.ids.len() as u64);
            }
            ListEvent::Unreadable(_) => read.unreadable += 1,
            ListEvent::Failed(error) => {
                read.failed = Some(error.kind());
                read.cursor = error.cursor().cloned();
            }
            ListEvent::End(cursor) => read.cursor = Some(cursor),
            _ => unreachable!(),
        }
    }
    read
}

fn actors(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("actor{number}")).collect()
}

#[tokio::test(start_paused = true)]
async fn every_run_of_every_list_comes_in_its_order() {
    let emulator = emulator(2500).await;
    let lists = emulator.client().runs_of(actors(30)).max_open(7);
    for read in read(lists, 30).await {
        assert_eq!(read.ids, emulator.ids());
        assert_eq!(read.cursor.unwrap().rows(), 2500);
    }
}

#[tokio::test(start_paused = true)]
async fn lists_are_read_at_the_same_time_but_no_more_than_asked_for() {
    for (max_open, rounds) in [(1, 100), (10, 10), (100, 1)] {
        let builder = Emulator::builder().runs(100).latency(SECOND);
        let emulator = start(builder).await;
        let started = Instant::now();
        let lists = emulator.client().runs_of(actors(100)).max_open(max_open);
        let read = read(lists, 100).await;
        assert!(read.iter().all(|read| read.ids.len() == 100));
        assert_eq!(emulator.requests().len(), 100, "one for each list");
        let elapsed = started.elapsed();
        let expected = rounds * SECOND..rounds * SECOND * 11 / 10;
        assert!(expected.contains(&elapsed), "{max_open}: {elapsed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_fails_ends_alone() {
    let emulator = start(Emulator::builder().runs(2500).actor("jane/one")).await;
    let lists = emulator
        .client()
        .runs_of(["jane/one", "jane/two", "jane~one"]);
    let read = read(lists, 3).await;
    assert_eq!(read[1].failed, Some(ErrorKind::NotFound));
    assert!(read[1].ids.is_empty());
    for read in [&read[0], &read[2]] {
        assert_eq!(read.ids, emulator.ids());
        assert_eq!(read.failed, None);
    }
}

#[tokio::test(start_paused = true)]
async fn each_list_resumes_from_its_own_cursor() {
    let builder = Emulator::builder().runs(500);
    let emulator = start(builder.fault(20..=20, Fault::status(403))).await;
    let client = emulator.client();
    let query = |actor: &str| RunQuery::actor(actor).page_size(50);
    let names = actors(5);
    let queries: Vec<_> = names.iter().map(|name| query(name)).collect();
    let first = read(client.runs_of(queries.clone()), 5).await;
    let failed = first.iter().filter(|read| read.failed.is_some()).count();
    assert_eq!(failed, 1);

    let walk = |client: &Client, query: RunQuery, read: &Read| {
        client.runs(query).resume(read.cursor.clone().unwrap())
    };
    let walks: Vec<_> = queries
        .into_iter()
        .zip(&first)
        .map(|(query, read)| walk(&client, query, read))
        .collect();
    let mut lists = RunLists::new(walks);
    let mut rest = vec![Vec::new(); 5];
    while let Some(item) = lists.next().await {
        match item.event {
            ListEvent::Run(run) => rest[item.list].push(run.id.to_string()),
            ListEvent::End(_) => {}
            other => panic!("{other:?}"),
        }
    }
    for (first, rest) in first.iter().zip(&rest) {
        assert_eq!([&first.ids[..], rest].concat(), emulator.ids());
    }
}

#[tokio::test(start_paused = true)]
async fn to_give_up_waiting_loses_nothing() {
    let builder = Emulator::builder().runs(300).latency(SECOND);
    let emulator = start(builder).await;
    let query = |actor: String| RunQuery::actor(actor).page_size(50);
    let queries: Vec<_> = actors(3).into_iter().map(query).collect();
    let mut lists = emulator.client().runs_of(queries);
    let mut rows = [0; 3];
    loop {
        match timeout(SECOND / 3, lists.next()).await {
            Err(_) => {}
            Ok(None) => break,
            Ok(Some(item)) => rows[item.list] += u64::from(matches!(item.event, ListEvent::Run(_))),
        }
    }
    assert_eq!(rows, [300; 3]);
}

/// Reads lists whose oldest runs are deleted meanwhile, and resumes those that fail until all have
/// ended.
async fn read_to_the_end(builder: EmulatorBuilder, count: usize, page_size: u32, max_open: usize) {
    let emulator = start(builder).await;
    let client = emulator.client();
    let all = emulator.ids();
    let query = |actor: &String| RunQuery::actor(actor.as_str()).page_size(page_size);
    let queries: Vec<_> = actors(count).iter().map(query).collect();
    let mut found: Vec<Vec<String>> = vec![Vec::new(); count];
    let mut open: Vec<(usize, Cursor)> = (0..count).map(|list| (list, Cursor::default())).collect();
    while !open.is_empty() {
        let walks = open.iter().map(|(list, cursor)| {
            let runs = client.runs(&queries[*list]);
            runs.resume(cursor.clone())
        });
        let lists = RunLists::new(walks.collect::<Vec<_>>()).max_open(max_open);
        let mut failed = Vec::new();
        for (read, (list, _)) in read(lists, open.len()).await.into_iter().zip(&open) {
            found[*list].extend(read.ids);
            if read.failed.is_some() {
                failed.push((*list, read.cursor.unwrap()));
            }
        }
        open = failed;
    }
    let place = |id: &String| all.iter().position(|other| other == id);
    for found in &found {
        assert!(
            found.iter().map(place).is_sorted(),
            "not in the order of the list"
        );
        let distinct: HashSet<_> = found.iter().collect();
        assert_eq!(distinct.len(), found.len(), "a run came twice");
        for id in emulator.ids() {
            assert!(distinct.contains(&id), "{id} is missing");
        }
    }
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        // The list fails at once.
        Just(Fault::status(403)),
        Just(Fault::status(404)),
        // It is retried.
        Just(Fault::status(429)),
        Just(Fault::status(503)),
        Just(Fault::Truncate),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(24)
    })]

    #[test]
    fn lists_that_come_and_go_are_whole(
        count in 1..12_usize,
        max_open in 1..6_usize,
        page_size in 10..200_u32,
        runs in 0..600_u64,
        deletions in 0..3_u64,
        faults in prop::collection::vec((1..60_u64, fault()), 0..8),
    ) {
        let mut builder = Emulator::builder().runs(runs).before_each(move |request, store| {
            if request.is_multiple_of(5) {
                store.delete(..deletions);
            }
        });
        for (request, fault) in faults {
            builder = builder.fault(request..=request, fault);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(read_to_the_end(builder, count, page_size, max_open));
    }
}
