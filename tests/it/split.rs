//! A query cut into parts, which together hand out what the whole would.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apify_runs::emulator::{Emulator, Fault, Store};
use apify_runs::{Client, Cursor, Emit, ErrorKind, RunQuery, RunSource, RunStatus, Split};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use futures::StreamExt;
use futures::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{client_by_default, drain, emulator, start};

fn query() -> RunQuery {
    RunQuery::actor("a")
}

/// So many milliseconds after the first run started.
fn time(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_740_787_200_000 + millis).unwrap()
}

fn row(id: &str, millis: Option<i64>) -> Value {
    let text = |millis| time(millis).to_rfc3339_opts(SecondsFormat::Millis, true);
    json!({"id": id, "status": "SUCCEEDED", "startedAt": millis.map(text)})
}

/// A row that started so many nanoseconds after the first.
fn fine_row(id: &str, nanos: i64) -> Value {
    let start = time(0) + TimeDelta::nanoseconds(nanos);
    let start = start.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    json!({"id": id, "status": "SUCCEEDED", "startedAt": start})
}

/// What the splits hand out, one after the other.
async fn read(client: &Client, splits: &[Split]) -> Vec<Vec<String>> {
    let mut read = Vec::new();
    for split in splits {
        let (ids, end) = drain(client.runs(split).stream()).await;
        end.unwrap();
        read.push(ids);
    }
    read
}

#[tokio::test(start_paused = true)]
async fn the_parts_of_a_list_are_the_list() {
    let emulator = emulator(10_000).await;
    let client = emulator.client();
    for descending in [false, true] {
        let query = query().descending(descending);
        let splits = client.split(&query, 8).await.unwrap();
        assert_eq!(splits.len(), 8);
        let read = read(&client, &splits).await;
        for (split, ids) in splits.iter().zip(&read) {
            assert_eq!(split.rows(), ids.len() as u64);
            assert_eq!(client.count(split).await.unwrap(), split.rows());
            assert!((1000..=1500).contains(&ids.len()), "{}", ids.len());
        }
        let mut expected = emulator.ids();
        if descending {
            expected.reverse();
        }
        assert_eq!(read.concat(), expected, "in the order of the list");
    }
}

#[tokio::test(start_paused = true)]
async fn to_cut_takes_one_request_a_part_for_one_row() {
    let emulator = emulator(1_000_000).await;
    emulator.client().split(&query(), 64).await.unwrap();
    let requests = emulator.requests();
    assert_eq!(requests.len(), 65);
    let one_row = ("limit".to_owned(), "1".to_owned());
    assert!(
        requests
            .iter()
            .all(|request| request.query.contains(&one_row))
    );
}

#[tokio::test(start_paused = true)]
async fn windows_end_where_the_next_begins_and_the_ends_are_the_querys() {
    let emulator = emulator(1000).await;
    let client = emulator.client();
    let open = client.split(&query(), 5).await.unwrap();
    for (place, split) in open.iter().enumerate() {
        let json = serde_json::to_value(split).unwrap();
        let excludes_end = json["query"]["excludes_end"].as_bool();
        assert_eq!(excludes_end, (place < 4).then_some(true));
    }
    let open = bounds(&open);
    assert_seamless(&open);
    assert_eq!((open[0].0, open[4].1), (None, None));

    let (from, to) = (
        emulator_start(&emulator, 100),
        emulator_start(&emulator, 900),
    );
    let bounded = query().started_after(from).started_before(to);
    let bounded = bounds(&client.split(&bounded, 5).await.unwrap());
    assert_seamless(&bounded);
    assert_eq!((bounded[0].0, bounded[4].1), (Some(from), Some(to)));
}

/// Starts as the service would list them with microseconds, most of them between milliseconds.
fn fine_rows(seed: i64) -> Vec<Value> {
    let nanos = |n: i64| n * 400_000 + n * n * (seed + 1) % 390_000;
    let dense = (0..2000).map(|n| fine_row(&format!("run{n}"), nanos(n)));
    // The last minute is not cut.
    let last = fine_row("last", 300_000_000_000);
    dense.chain([last]).collect()
}

#[tokio::test(start_paused = true)]
async fn starts_finer_than_a_millisecond_are_in_one_split_each() {
    let mut losing = 0;
    for seed in 0..20 {
        let emulator = start(Emulator::builder().rows(fine_rows(seed))).await;
        let client = emulator.client();
        let descending = seed % 2 == 1;
        let query = query().descending(descending);
        let splits = client.split(&query, 16).await.unwrap();
        assert!(splits.len() > 10, "{}", splits.len());
        let mut expected = emulator.ids();
        if descending {
            expected.reverse();
        }
        losing += u32::from(read(&client, &splits).await.concat() != expected);
    }
    assert_eq!(losing, 0, "of 20 lists");
}

#[tokio::test(start_paused = true)]
async fn what_appears_late_is_in_the_last_split_whatever_the_clock_shows() {
    let rows = || (0..100).map(|n| row(&format!("run{n}"), Some(n * 2000)));
    let newest = 99 * 2000;
    let day = 24 * 60 * 60 * 1000;
    let mut losing = Vec::new();
    for clock in [-day, -61_000, -59_000, 0, 55_000, 61_000, day] {
        for descending in [false, true] {
            let emulator = Emulator::builder().rows(rows()).clock(time(newest + clock));
            let emulator = start(emulator).await;
            let client = emulator.client();
            let query = query().descending(descending);
            let splits = client.split(&query, 8).await.unwrap();
            assert!(splits.len() > 2);
            let newest_split = if descending { 0 } else { splits.len() - 1 };
            // The others may have been read long before.
            let mut read_ids = Vec::new();
            for (place, split) in splits.iter().enumerate() {
                if place != newest_split {
                    read_ids.extend(read(&client, std::slice::from_ref(split)).await.concat());
                }
            }
            emulator.change(|store| {
                for n in 0..=60 {
                    store.insert(&row(&format!("late{n}"), Some(newest - n * 1000)));
                }
            });
            read_ids.extend(
                read(&client, &splits[newest_split..=newest_split])
                    .await
                    .concat(),
            );
            let read_ids: HashSet<_> = read_ids.into_iter().collect();
            let lost = emulator.ids().len() - read_ids.len();
            if lost > 0 {
                losing.push((clock, descending, lost));
            }
        }
    }
    assert_eq!(losing, [], "clock, order, and how many runs were lost");
}

type Bounds = (Option<DateTime<Utc>>, Option<DateTime<Utc>>);

fn bounds(splits: &[Split]) -> Vec<Bounds> {
    let bounds = splits.iter().map(|split| {
        let json = serde_json::to_value(split.query()).unwrap();
        let time = |name: &str| json[name].as_str().map(|text| text.parse().unwrap());
        (time("started_after"), time("started_before"))
    });
    bounds.collect()
}

fn assert_seamless(bounds: &[Bounds]) {
    for pair in bounds.windows(2) {
        assert_eq!(pair[0].1.unwrap(), pair[1].0.unwrap());
    }
}

/// When the run at this place of the list started.
fn emulator_start(emulator: &Emulator, place: u64) -> DateTime<Utc> {
    let run = emulator.run(place).unwrap();
    run["startedAt"].as_str().unwrap().parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn runs_without_a_start_are_in_the_newest_part_and_come_once() {
    let dated = (0..100).map(|n| row(&format!("run{n}"), Some(n * 10_000)));
    let undated = ["new1", "new2"].map(|id| row(id, None));
    for descending in [false, true] {
        let emulator = start(Emulator::builder().rows(dated.clone().chain(undated.clone()))).await;
        let client = emulator.client();
        let query = query().descending(descending);
        let splits = client.split(&query, 4).await.unwrap();
        let read = read(&client, &splits).await;
        let newest = if descending { &read[0] } else { &read[3] };
        assert!(newest.contains(&"new1".into()) && newest.contains(&"new2".into()));
        assert_eq!(read.concat().len(), 102);
        let all: HashSet<_> = read.concat().into_iter().collect();
        assert_eq!(all, emulator.ids().into_iter().collect());
    }
}

#[tokio::test(start_paused = true)]
async fn the_look_for_runs_without_a_start_is_short_and_counts_for_nothing_else() {
    let emulator = emulator(10_000).await;
    let client = emulator.client();
    let splits = client.split(&query(), 4).await.unwrap();
    let before = emulator.requests().len();
    let mut runs = client.runs(&splits[3]).stream();
    while let Some(run) = runs.next().await {
        run.unwrap();
    }
    let stats = runs.stats();
    assert_eq!(
        (stats.total, stats.rows),
        (Some(splits[3].rows()), splits[3].rows())
    );
    let limit = |place: usize| {
        let limit = emulator.requests()[before + place]
            .parameter("limit")
            .map(String::from);
        limit.unwrap().parse::<u64>().unwrap()
    };
    assert_eq!([limit(0), limit(1), limit(2)], [10, 10, 1000]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_cut_is_one_part() {
    // Nothing there, nothing but runs without a start, one millisecond, and one run.
    let lists = [
        vec![],
        vec![row("new", None)],
        (0..50).map(|n| row(&format!("run{n}"), Some(7))).collect(),
        vec![row("only", Some(7))],
    ];
    for rows in lists {
        let emulator = start(Emulator::builder().rows(rows)).await;
        let client = emulator.client();
        let splits = client.split(&query(), 10).await.unwrap();
        assert_eq!(splits.len(), 1);
        assert_eq!(read(&client, &splits).await.concat(), emulator.ids());
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_ignores_bounds_is_noticed_soon() {
    let emulator = start(Emulator::builder().runs(500).ignore_time_filters()).await;
    let client = emulator.client();
    let (early, late) = (
        emulator_start(&emulator, 100),
        emulator_start(&emulator, 400),
    );
    for (query, rows) in [
        (query(), 0..500),
        (query().started_after(early), 100..500),
        (query().started_before(late), 0..401),
        (query().started_after(early).started_before(late), 100..401),
    ] {
        let before = emulator.requests().len();
        let splits = client.split(&query, 300).await.unwrap();
        assert!(emulator.requests().len() - before <= 12);
        assert_eq!(splits.len(), 1);
        assert_eq!(read(&client, &splits).await.concat(), emulator.ids()[rows]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_just_started_is_not_cut_off_from_what_appears_late() {
    let rows: Vec<_> = (0..100)
        .map(|n| row(&format!("run{n}"), Some(n * 2000)))
        .collect();
    // A cut at 150,000 would be in the last minute before 200,000: there is none, and what it
    // would have cut off is in the last part.
    let expected = [50_000, 100_000];
    for clock in [200_000, 10_000_000, -10_000_000] {
        let emulator = Emulator::builder().rows(rows.clone()).clock(time(clock));
        let emulator = start(emulator).await;
        let splits = emulator.client().split(&query(), 4).await.unwrap();
        let begins = bounds(&splits).into_iter().filter_map(|(from, _)| from);
        let cuts: Vec<_> = begins
            .map(|cut| (cut - time(0)).num_milliseconds())
            .collect();
        assert_eq!(cuts.len(), expected.len(), "{cuts:?}");
        for (cut, expected) in cuts.iter().zip(expected) {
            // Two runs more or less.
            assert!(
                (expected - 4000..=expected + 4000).contains(cut),
                "{cuts:?}"
            );
        }
        let last = 100 - (cuts[cuts.len() - 1] as u64).div_ceil(2000);
        assert_eq!(splits[splits.len() - 1].rows(), last);
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_read_does_not_keep_a_list_from_being_cut() {
    let mut rows: Vec<_> = (0..100)
        .map(|n| row(&format!("run{n}"), Some(n * 10_000)))
        .collect();
    for bad in [0, 50, 99] {
        rows[bad]["status"] = 5.into();
    }
    let emulator = start(Emulator::builder().rows(rows)).await;
    let client = emulator.client();
    let splits = client.split(&query(), 4).await.unwrap();
    assert_eq!(splits.len(), 4);
    let (mut good, mut bad) = (0, 0);
    for split in &splits {
        let mut runs = client.runs(split).stream();
        while let Some(run) = runs.next().await {
            match run {
                Ok(_) => good += 1,
                Err(error) if error.kind() == ErrorKind::Item => bad += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert_eq!((good, bad), (97, 3));
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_read_is_in_one_split_also_where_it_begins() {
    let mut rows: Vec<_> = (0..300).map(|n| row(&format!("run{n}"), Some(n))).collect();
    for row in &mut rows {
        row["status"] = 5.into();
    }
    rows.push(row("last", Some(300_000)));
    let emulator = start(Emulator::builder().rows(rows)).await;
    let client = emulator.client();
    for descending in [false, true] {
        let splits = client.split(&query().descending(descending), 4).await;
        let splits = splits.unwrap();
        assert!(splits.len() > 2);
        let mut bad = 0;
        for split in &splits {
            let runs: Vec<_> = client.runs(split).stream().collect().await;
            bad += runs.iter().filter(|run| run.is_err()).count();
        }
        assert_eq!(bad, 300);
    }
}

#[tokio::test(start_paused = true)]
async fn many_lists_share_the_parts_by_their_length() {
    let emulator = emulator(9000).await;
    let client = emulator.client();
    let whole = RunQuery::actor("long");
    let short = RunQuery::actor("short").started_after(emulator_start(&emulator, 8990));
    let empty = RunQuery::actor("empty").started_after(time(0) + TimeDelta::days(10_000));
    let lists = client.split_all(&[short, whole, empty], 10).await.unwrap();
    let splits: Vec<_> = lists.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(splits.len(), 12);
    let lengths: Vec<_> = splits.iter().map(Split::rows).collect();
    assert_eq!((lengths[0], lengths[11]), (10, 0));
    let of_whole = &lengths[1..11];
    assert_eq!(of_whole.iter().sum::<u64>(), 9000);
}

#[tokio::test(start_paused = true)]
async fn a_split_is_a_line_of_json_without_a_token() {
    let emulator = start(Emulator::builder().runs(100).token("secret_token")).await;
    let client = emulator.client();
    let query = query().status(RunStatus::Succeeded).page_size(7);
    for split in client.split(&query, 3).await.unwrap() {
        let line = split.to_string();
        assert!(!line.contains('\n') && !line.contains("secret"), "{line}");
        assert_eq!(line.parse::<Split>().unwrap(), split);
        assert_eq!(serde_json::to_string(&split).unwrap(), line);

        let newer = line.replace("\"version\":1", "\"version\":2,\"new\":true");
        let error = newer.parse::<Split>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("version 2"), "{error}");
        let damaged = &line[..line.len() - 9];
        let error = damaged.parse::<Split>().unwrap_err();
        assert!(error.to_string().starts_with("invalid split"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stored_split_with_an_inclusive_end_means_what_it_meant() {
    let line = r#"{"version":1,"rows":334,"query":{"scope":{"actor":"demo"},"started_before":"2025-03-01T00:00:00.999Z","descending":false,"offset":0,"page_size":1000,"share":{"readers":3,"turn":0}}}"#;
    let split: Split = line.parse().unwrap();
    let stored: Split = split.to_string().parse().unwrap();
    assert_eq!(stored, split);
    let rows = (0..4).map(|n| fine_row(&format!("run{n}"), n * 333_000_000));
    let emulator = start(Emulator::builder().rows(rows)).await;
    let client = emulator.client();
    let expected = ["run0", "run1", "run2", "run3"];
    assert_eq!(read(&client, &[split]).await.concat(), expected);
    let requests = emulator.requests();
    let sent = requests[0].parameter("startedBefore");
    assert_eq!(sent, Some("2025-03-01T00:00:00.999Z"));
}

#[tokio::test(start_paused = true)]
async fn what_a_part_cannot_keep_is_refused() {
    let emulator = emulator(100).await;
    let client = emulator.client();
    let part = client.split(&query(), 2).await.unwrap()[1].clone();
    let before = emulator.requests().len();
    for (source, n, setting) in [
        (RunSource::from(query().limit(5)), 2, "limit 5"),
        (query().offset(5).into(), 2, "offset 5"),
        (query().page_size(0).into(), 2, "page_size 0"),
        (query().into(), 0, "n 0"),
        (query().into(), 10_001, "n 10001"),
        (part.into(), 2, "it is a part already"),
    ] {
        let error = client.split(source, n).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(setting), "{error}");
    }
    assert_eq!(emulator.requests().len(), before);
}

#[tokio::test(start_paused = true)]
async fn to_cut_is_retried_and_fails_as_other_requests_do() {
    let builder = Emulator::builder().runs(1000);
    let emulator = start(builder.fault(2..=3, Fault::status(503))).await;
    assert_eq!(emulator.client().split(&query(), 4).await.unwrap().len(), 4);

    let emulator = start(
        Emulator::builder()
            .runs(1000)
            .fault(3.., Fault::status(404)),
    )
    .await;
    let error = emulator.client().split(&query(), 4).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn readers_of_splits_share_what_the_service_allows() {
    let builder = Emulator::builder().runs(100_000).rate_limit(60);
    let emulator = start(builder.latency(Duration::from_millis(100))).await;
    let splits = emulator.client().split(&query().page_size(50), 2).await;
    let before = emulator.requests().len();
    let started = Instant::now();
    let reads = splits.unwrap().into_iter().map(|split| {
        let client = client_by_default(&emulator);
        async move {
            let read = drain(client.runs(split).stream()).await.0;
            (read, started.elapsed())
        }
    });
    let (read, elapsed): (Vec<_>, Vec<_>) = join_all(reads).await.into_iter().unzip();
    assert_eq!(read.concat(), emulator.ids());
    let (first, last) = (elapsed.iter().min().unwrap(), elapsed.iter().max().unwrap());
    assert!(*last < *first * 2, "{elapsed:?}");
    let (requests, refused) = (emulator.requests().len() - before, emulator.refused());
    let good = (requests as u64 - refused) as f64 / last.as_secs_f64();
    assert!(good > 60.0 * 0.8, "{good} a second");
    assert!(
        refused * 20 < requests as u64,
        "{refused} of {requests} refused"
    );
}

/// Each begins with a new client, which does not know that there are others.
#[tokio::test(start_paused = true)]
async fn workers_that_take_one_short_split_after_the_other_end_without_an_error() {
    for workers in [8, 30] {
        let builder = Emulator::builder().runs(12_000).rate_limit(20);
        let emulator = start(builder.latency(Duration::from_millis(100))).await;
        let splits = emulator.client().split(&query(), 400).await.unwrap();
        let before = emulator.requests().len();
        let started = Instant::now();
        let queue = Mutex::new(splits.into_iter());
        let work = (0..workers).map(|_| async {
            loop {
                let next = queue.lock().unwrap().next();
                let Some(split) = next else { return };
                let client = client_by_default(&emulator);
                // As an export does.
                client.count(&split).await.unwrap();
                drain(client.runs(split).stream()).await.1.unwrap();
            }
        });
        join_all(work).await;
        let (requests, refused) = (emulator.requests().len() - before, emulator.refused());
        let good = (requests as u64 - refused) as f64 / started.elapsed().as_secs_f64();
        // Usually 9 to 18: it depends on the jitter.
        assert!(good > 5.0, "{workers}: {good} a second");
    }
}

#[tokio::test(start_paused = true)]
async fn a_split_goes_on_from_its_cursor_and_from_no_other() {
    let emulator = emulator(1000).await;
    let client = emulator.client();
    let splits = client.split(&query().page_size(50), 3).await.unwrap();
    let (whole, _) = drain(client.runs(&splits[1]).stream()).await;
    let mut runs = client.runs(&splits[1]).stream();
    let first: Vec<_> = runs.by_ref().take(77).collect().await;
    let cursor: Cursor = runs.cursor().to_string().parse().unwrap();
    let (rest, end) = drain(client.runs(&splits[1]).resume(cursor.clone()).stream()).await;
    end.unwrap();
    assert_eq!((first.len(), &rest[..]), (77, &whole[77..]));
    let (_, end) = drain(client.runs(&splits[2]).resume(cursor).stream()).await;
    assert_eq!(end.unwrap_err().kind(), ErrorKind::CursorMismatch);
}

/// A list that changes while it is cut and while its parts are read, at once or one after the
/// other.
#[derive(Debug, Clone)]
struct Story {
    /// The nanoseconds between the runs, for some no start at all, and their statuses.
    gaps: Vec<(Option<i64>, &'static str)>,
    /// By how many milliseconds the service's clock is ahead of the newest run. It may be wrong.
    clock_ahead: i64,
    parts: usize,
    page_size: u32,
    descending: bool,
    emit: Emit,
    statuses: Vec<RunStatus>,
    is_at_once: bool,
    /// What happens before the request of this number.
    changes: Vec<(u64, Change)>,
    /// After how many items each reader stops, to go on with another client.
    stops_after: usize,
}

#[derive(Debug, Clone)]
enum Change {
    DeleteOldest(u64),
    DeleteAt(u64),
    /// A run appears in the middle that started with another one.
    Appear(u64),
    /// A run starts: so many nanoseconds after the newest that there has been.
    Start(i64),
    StartUndated,
    /// A run appears that started so many nanoseconds before the newest that there has been.
    AppearLate(i64),
    /// A run without a start gets one: so many nanoseconds before that one.
    Date(i64),
    /// A run that is RUNNING ends.
    Finish(u64),
}

/// What has happened to the list.
struct World {
    made: u64,
    /// The newest start that there has been, in nanoseconds.
    newest: i64,
    /// The runs that have to come: those that have been there from the beginning and pass the
    /// filter since, and those that have appeared where somebody looks for them.
    expected: HashSet<String>,
    /// Whether runs that appear are looked for.
    is_looked_for: bool,
    /// Whether nothing happens any more.
    is_over: bool,
}

impl World {
    fn apply(&mut self, change: &Change, store: &mut Store) {
        if self.is_over {
            return;
        }
        let length = store.len();
        self.made += 1;
        let id = format!("made{}", self.made);
        match change {
            Change::Start(after) => {
                self.newest += after;
                self.appear(&fine_row(&id, self.newest), store);
            }
            Change::AppearLate(before) => {
                self.appear(&fine_row(&id, self.newest - before), store);
            }
            Change::StartUndated => store.insert(&row(&id, None)),
            _ if length == 0 => {}
            Change::DeleteOldest(some) => self.delete(0..length.min(*some), store),
            Change::DeleteAt(at) => self.delete(at % length..at % length + 1, store),
            Change::Appear(at) => {
                let mut run = store.run(at % length).unwrap();
                if run["startedAt"].is_string() {
                    run["id"] = id.into();
                    store.insert(&run);
                }
            }
            Change::Date(before) => {
                let is_undated = |run: &Value| !run["startedAt"].is_string();
                let place = (0..length).find(|place| is_undated(&store.run(*place).unwrap()));
                if let Some(place) = place {
                    let start = fine_row("", self.newest - before)["startedAt"].clone();
                    store.update(place, |run| run["startedAt"] = start);
                }
            }
            Change::Finish(at) => {
                let run = store.run(at % length).unwrap();
                if run["status"] == "RUNNING" && run["startedAt"].is_string() {
                    store.update(at % length, |run| run["status"] = "SUCCEEDED".into());
                }
            }
        }
    }

    fn appear(&mut self, row: &Value, store: &mut Store) {
        store.insert(row);
        if self.is_looked_for {
            let id = row["id"].as_str().unwrap();
            self.expected.insert(id.to_owned());
        }
    }

    fn delete(&mut self, places: std::ops::Range<u64>, store: &mut Store) {
        for place in places.clone() {
            let run = store.run(place).unwrap();
            self.expected.remove(run["id"].as_str().unwrap());
        }
        store.delete(places);
    }
}

impl Story {
    fn rows(&self) -> Vec<Value> {
        let mut start = 0;
        let rows = self.gaps.iter().enumerate().map(|(number, (gap, status))| {
            start += gap.unwrap_or(0);
            let id = format!("run{number}");
            let mut row = match gap {
                Some(_) => fine_row(&id, start),
                None => row(&id, None),
            };
            row["status"] = (*status).into();
            row
        });
        rows.collect()
    }

    /// Whether the filter lets a row through.
    fn wants(&self, row: &Value) -> bool {
        let is_of = |status: &RunStatus| row["status"] == status.as_str();
        self.statuses.is_empty() || self.statuses.iter().any(is_of)
    }

    fn query(&self) -> RunQuery {
        let query = query().page_size(self.page_size);
        let query = query.statuses(self.statuses.clone());
        query.descending(self.descending)
    }

    /// Tells whether the list could be cut.
    async fn play(&self) -> Result<bool, TestCaseError> {
        let rows = self.rows();
        let id = |row: &Value| row["id"].as_str().unwrap().to_owned();
        let wanted = rows.iter().filter(|row| self.wants(row));
        let world = Arc::new(Mutex::new(World {
            made: 0,
            newest: self.gaps.iter().filter_map(|(gap, _)| *gap).sum(),
            expected: wanted.map(id).collect(),
            is_looked_for: true,
            is_over: false,
        }));
        let (seen, changes) = (Arc::clone(&world), self.changes.clone());
        let newest = world.lock().unwrap().newest / 1_000_000;
        let builder = Emulator::builder()
            .rows(rows)
            .clock(time(newest + self.clock_ahead));
        let emulator = builder.before_each(move |number, store| {
            let mut world = seen.lock().unwrap();
            let now = changes.iter().filter(|(request, _)| *request == number);
            now.for_each(|(_, change)| world.apply(change, store));
        });
        let emulator = start(emulator).await;
        let splits = emulator.client().split(&self.query(), self.parts).await;
        let splits = splits.unwrap();
        if splits.len() == 1 {
            // What could not be cut is walked as any other list.
            return Ok(false);
        }
        // A descending walk does not come back to where runs appear.
        world.lock().unwrap().is_looked_for = !self.descending;
        let reads = splits.iter().map(|split| self.read(&emulator, split));
        let reads = if self.is_at_once {
            join_all(reads).await
        } else {
            futures::stream::iter(reads)
                .then(|read| read)
                .collect()
                .await
        };
        let (mut read, mut ends): (Vec<_>, Vec<_>) = reads.into_iter().unzip();
        // Nothing appears any more, and each walk looks once more for what it has missed.
        world.lock().unwrap().is_over = true;
        for (split, cursor) in splits.iter().zip(ends.drain(..)) {
            read.push(self.read_from(&emulator, split, cursor).await.0);
        }
        let read = read.concat();
        let mut times: HashMap<_, u32> = HashMap::new();
        for (id, status) in &read {
            let is_end = self.emit == Emit::Changes && status.is_finished();
            *times.entry((id, is_end)).or_default() += 1;
            let is_wanted = self.statuses.is_empty() || self.statuses.contains(status);
            prop_assert!(is_wanted, "{id} came as {status}");
        }
        let again: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
        prop_assert!(again.is_empty(), "came again: {again:?}");
        let came: HashSet<_> = read.iter().map(|(id, _)| id).collect();
        let expected = &world.lock().unwrap().expected;
        let lost = expected.iter().find(|id| !came.contains(id));
        prop_assert!(lost.is_none(), "lost: {lost:?} of {splits:#?}");
        Ok(true)
    }

    async fn read(&self, emulator: &Emulator, split: &Split) -> (Vec<Item>, Cursor) {
        self.read_from(emulator, split, Cursor::default()).await
    }

    /// Reads a split in several walks, each by a client of its own.
    async fn read_from(
        &self,
        emulator: &Emulator,
        split: &Split,
        mut cursor: Cursor,
    ) -> (Vec<Item>, Cursor) {
        let mut read = Vec::new();
        loop {
            let client = emulator.client_builder().build().unwrap();
            let runs = client.runs(split).emit(self.emit).resume(cursor);
            let mut runs = runs.stream();
            let mut count = 0;
            while let Some(run) = runs.next().await {
                let run = run.unwrap();
                read.push((run.id.to_string(), run.status));
                count += 1;
                if count == self.stops_after {
                    break;
                }
            }
            cursor = runs.cursor().clone();
            if count < self.stops_after {
                return (read, cursor);
            }
        }
    }
}

/// In nanoseconds.
const MILLI: i64 = 1_000_000;

/// What a walk has handed out.
type Item = (String, RunStatus);

fn story() -> impl Strategy<Value = Story> {
    let gap = prop_oneof![
        3 => Just(Some(0_i64)),
        2 => (1..4 * MILLI).prop_map(Some),
        2 => (1_i64..4).prop_map(|millis| Some(millis * MILLI)),
        2 => (1..1_000_000 * MILLI).prop_map(Some),
        1 => Just(None),
    ];
    let status = prop_oneof![3 => Just("SUCCEEDED"), 1 => Just("FAILED"), 1 => Just("RUNNING")];
    let change = prop_oneof![
        2 => (1_u64..10).prop_map(Change::DeleteOldest),
        2 => (0_u64..1000).prop_map(Change::DeleteAt),
        2 => (0_u64..1000).prop_map(Change::Appear),
        2 => (0..200 * MILLI).prop_map(Change::Start),
        1 => Just(Change::StartUndated),
        // Less than a lookback, as much as runs can start until somebody looks.
        2 => (0..55_000 * MILLI).prop_map(Change::Date),
        2 => (0..55_000 * MILLI).prop_map(Change::AppearLate),
        2 => (0_u64..1000).prop_map(Change::Finish),
    ];
    let statuses = prop_oneof![3 => Just(vec![]), 1 => Just(vec![RunStatus::Succeeded])];
    let emit = prop_oneof![Just(Emit::Snapshot), Just(Emit::Changes)];
    (
        (
            proptest::collection::vec((gap, status), 0..60),
            prop_oneof![0_i64..100_000, -200_000_i64..200_000, Just(1 << 40)],
        ),
        2_usize..9,
        2_u32..20,
        any::<(bool, bool)>(),
        (emit, statuses),
        proptest::collection::vec((1_u64..60, change), 0..20),
        prop_oneof![Just(usize::MAX), 1_usize..20],
    )
        .prop_map(
            |(
                (gaps, clock_ahead),
                parts,
                page_size,
                (descending, is_at_once),
                (emit, statuses),
                changes,
                stops_after,
            )| {
                Story {
                    gaps,
                    clock_ahead,
                    parts,
                    page_size,
                    descending,
                    emit,
                    statuses,
                    is_at_once,
                    changes,
                    stops_after,
                }
            },
        )
}

fn config() -> ProptestConfig {
    let is_chosen = std::env::var_os("PROPTEST_CASES").is_some();
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    ProptestConfig {
        cases: if is_chosen { config.cases } else { 80 },
        ..config
    }
}

#[test]
fn whatever_happens_the_parts_lose_nothing_and_share_nothing() {
    let (played, cut) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(config());
    let outcome = runner.run(&story(), |story| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .start_paused(true)
            .enable_all()
            .build()
            .unwrap();
        let is_cut = runtime.block_on(story.play())?;
        played.set(played.get() + 1);
        cut.set(cut.get() + u32::from(is_cut));
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let (played, cut) = (played.get(), cut.get());
    assert!(2 * cut > played, "only {cut} of {played} lists were cut");
}
