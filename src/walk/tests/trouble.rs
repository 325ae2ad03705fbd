//! Lists and services that make trouble for longer than a random history does.

use super::history::{Change, REQUEST, Run, Service, Story, WAIT, followed, settling, time};
use super::*;
use crate::RunStatus;

/// Late enough for every run to have settled.
const NOW: i64 = 10_000_000;

/// The rows and requests of a walk that is read to its end.
struct Read {
    ids: Vec<String>,
    requests: usize,
    vanished: u64,
    end: Result<(), WalkError>,
}

/// Reads a list that `change` changes before each request: it gets the number of the request
/// in its poll, and that of the poll, both from 0.
fn read(story: &Story, mut change: impl FnMut(usize, usize, &mut Service)) -> Read {
    let mut service = story.service.clone();
    let wire = story.query.clone().widened();
    let cursor = Cursor::default()
        .bind(&(&story.query).into(), story.emit)
        .unwrap();
    let mut walk = Walk::new(&story.query, story.rules(), cursor);
    let (mut look, mut in_look) = (0, 0);
    let mut read = Read {
        ids: Vec::new(),
        requests: 0,
        vanished: 0,
        end: Ok(()),
    };
    loop {
        let request = match walk.next() {
            Next::Fetch(request) => request,
            Next::Wait if look < story.polls => {
                (look, in_look) = (look + 1, 0);
                service.now += WAIT;
                walk.begin_pass();
                continue;
            }
            Next::Wait | Next::End => break,
        };
        assert!(read.requests < 20_000, "the walk does not end");
        service.now += REQUEST;
        change(in_look, look, &mut service);
        (read.requests, in_look) = (read.requests + 1, in_look + 1);
        let page = service.respond(request, &wire);
        match walk.take(request, &page) {
            Ok(taken) => read.ids.extend(ids_of(&page, &taken)),
            Err(error) => {
                read.end = Err(error);
                break;
            }
        }
    }
    read.vanished = walk.incidents().vanished;
    read
}

/// Runs a millisecond apart that finished long ago, but for these, which are running.
fn service(runs: usize, running: &[usize]) -> Service {
    let mut service = settling(0..runs as i64);
    service.now = NOW;
    for &at in running {
        service.runs[at] = Run::new(at, Some(at as i64), RunStatus::Running, 0);
    }
    service
}

#[test]
fn a_list_that_changes_a_little_on_each_poll_can_be_followed_for_ever() {
    let story = Story {
        emit: Emit::Snapshot,
        lookback: 60_000,
        polls: 110,
        ..followed(service(3000, &[]), &[])
    };
    let read = read(&story, |request, look, service| {
        if look > 0 && request == 1 {
            service.runs.remove(0);
        }
    });
    assert_eq!((read.end, read.ids.len()), (Ok(()), 3000));
}

/// If bounds are ignored, unfinished runs are read again by reading on from the oldest one:
/// that has to come to an end on a list that moves.
#[test]
fn unfinished_runs_are_found_on_a_busy_list_where_bounds_are_ignored() {
    for every in [2, 3, 5, 20] {
        for descending in [false, true] {
            let oldest = if descending { 1990 } else { 0 };
            let query = RunQuery::actor("a").page_size(50).descending(descending);
            let story = Story {
                polls: 0,
                lookback: 60,
                query,
                service: Service {
                    ignores_bounds: true,
                    ..service(2000, &[oldest])
                },
                ..followed(settling([]), &[])
            };
            let mut requests = 0;
            let read = read(&story, |_, _, service| {
                requests += 1;
                match requests % every {
                    0 if descending => service.apply(&Change::Start(1)),
                    0 => drop(service.runs.remove(1)),
                    _ => {}
                }
            });
            assert_eq!((read.end, read.ids.len()), (Ok(()), 1999), "every {every}");
            assert!(
                read.requests < 300,
                "{} requests, every {every}",
                read.requests
            );
        }
    }
}

/// A response in which runs are missing may be out of date.
#[test]
fn one_response_without_them_does_not_lose_unfinished_runs() {
    let mut before = service(11, &[0, 10]);
    before
        .runs
        .push(Run::new(11, Some(100_000), RunStatus::Failed, 0));
    for status in [None, Some(RunStatus::Succeeded)] {
        for lookback in [60, 1_000_000] {
            let mut query = RunQuery::actor("a");
            if let Some(status) = status.clone() {
                query = query.status(status);
            }
            let story = Story {
                lookback,
                query,
                ..followed(before.clone(), &[])
            };
            let (mut hidden, mut was_hidden) = (None, false);
            let read = read(&story, |_, look, service| {
                if look == 1 && !was_hidden {
                    (hidden, was_hidden) = (Some(std::mem::take(&mut service.runs)), true);
                } else if let Some(runs) = hidden.take() {
                    service.runs = runs;
                }
                if look == 2 {
                    service.finish(0, &RunStatus::Succeeded);
                    service.finish(10, &RunStatus::Succeeded);
                    service.now += 5000;
                }
            });
            let count = |id: &str| read.ids.iter().filter(|other| *other == id).count();
            assert_eq!((count("run0"), count("run10")), (1, 1), "{:?}", read.ids);
            assert_eq!(read.vanished, 0);
        }
    }
}

/// A filter hides it for a while: it is read again without.
#[test]
fn a_run_with_an_unknown_status_is_still_read_again() {
    for lookback in [0, 1_000_000] {
        let mut before = service(2, &[0]);
        before
            .runs
            .push(Run::new(2, Some(500), RunStatus::Failed, 0));
        let story = Story {
            emit: Emit::Snapshot,
            query: RunQuery::actor("a").status(RunStatus::Succeeded),
            lookback,
            ..followed(before, &[])
        };
        let read = read(&story, |_, look, service| match look {
            1..4 => service.runs[0].0.status = RunStatus::from("PAUSED"),
            4 => service.runs[0].0.status = RunStatus::Running,
            _ => service.finish(0, &RunStatus::Succeeded),
        });
        let mut ids = read.ids;
        ids.sort();
        assert_eq!(ids, ["run0", "run1"], "lookback {lookback}");
    }
}

#[test]
fn a_run_whose_start_is_lost_for_a_while_is_handed_out_once() {
    let story = Story {
        emit: Emit::Snapshot,
        lookback: 60_000,
        service: Service {
            ignores_bounds: true,
            ..service(3, &[])
        },
        ..followed(settling([]), &[])
    };
    let read = read(&story, |_, look, service| {
        service.runs[2].0.started_at = time(2).filter(|_| look != 1);
    });
    assert_eq!(read.ids, ["run0", "run1", "run2"]);
}

/// A row with this start that cannot be read.
fn unreadable(id: &str, start: i64) -> String {
    let start = time(start).unwrap().to_rfc3339();
    format!(r#"{{"id":"{id}","startedAt":"{start}","status":5}}"#)
}

fn page(rows: &[String], total: usize, limit: u64) -> Page {
    let rows = rows.join(",");
    let body = format!(r#"{{"data":{{"total":{total},"limit":{limit},"items":[{rows}]}}}}"#);
    crate::page::decode::page(body.as_bytes()).unwrap()
}

/// They have a place in the list like others, so the cursor need not know them for ever.
#[test]
fn rows_that_cannot_be_read_are_handed_out_once_however_many_there_are() {
    let query = RunQuery::actor("a");
    let rules = Rules {
        emit: Emit::Snapshot,
        lookback: TimeDelta::seconds(1),
        follow: true,
        undated_first: false,
    };
    let rows: Vec<_> = (0..15_000)
        .map(|n| unreadable(&format!("bad{n}"), n))
        .collect();
    let cursor = Cursor::default()
        .bind(&(&query).into(), Emit::Snapshot)
        .unwrap();
    let mut walk = Walk::new(&query, rules, cursor);
    for expected in [15_000, 0, 0] {
        let mut items = 0;
        while let Next::Fetch(request) = walk.next() {
            let first = request
                .anchor()
                .map_or(0, |anchor| anchor.timestamp_millis() as usize);
            let rows = &rows[first..];
            let on_page = rows
                .iter()
                .skip(request.offset() as usize)
                .take(request.limit() as usize);
            let on_page: Vec<_> = on_page.cloned().collect();
            let page = page(&on_page, rows.len(), request.limit());
            items += walk.take(request, &page).unwrap().count();
        }
        assert_eq!(items, expected);
        let bytes = walk.cursor.to_string().len();
        assert!(bytes < 100_000, "{bytes} bytes");
        walk.begin_pass();
    }
}

#[test]
fn a_row_that_cannot_be_read_any_more_is_not_repeated() {
    let query = RunQuery::actor("a");
    let rules = Rules {
        emit: Emit::Snapshot,
        lookback: TimeDelta::seconds(60),
        follow: true,
        undated_first: false,
    };
    let mut walk = Walk::new(&query, rules, Cursor::default());
    let good = r#"{"id":"a","startedAt":"1970-01-01T00:00:00.000Z"}"#.to_owned();
    let undated = r#"{"id":"a","status":5}"#.to_owned();
    for (row, expected) in [(good, 1), (unreadable("a", 0), 0), (undated, 0)] {
        let request = next_request(&walk);
        let taken = walk.take(request, &page(&[row], 1, 1000)).unwrap();
        assert_eq!(taken.count(), expected);
        walk.begin_pass();
    }
}

/// It is unknown where in the list they are. The cursor remembers the last of them.
#[test]
fn rows_whose_start_cannot_be_read_are_handed_out_once_though_there_are_many() {
    let query = RunQuery::actor("a");
    let rules = Rules {
        emit: Emit::Snapshot,
        lookback: TimeDelta::seconds(1),
        follow: true,
        undated_first: false,
    };
    let mut rows: Vec<_> = (0..12_000)
        .map(|n| format!(r#"{{"id":"bad{n}","startedAt":"yesterday"}}"#))
        .collect();
    rows.push(r#"{"id":"good","startedAt":"1970-01-01T00:00:09.000Z"}"#.into());
    let mut walk = Walk::new(&query, rules, Cursor::default());
    for expected in [12_001, 0, 0] {
        let mut items = 0;
        while let Next::Fetch(request) = walk.next() {
            // For the service they have starts, and these are in the lookback.
            let rows = &rows[request.anchor().map_or(0, |_| 11_500)..];
            let on_page = rows.iter().skip(request.offset() as usize);
            let on_page: Vec<_> = on_page.take(request.limit() as usize).cloned().collect();
            let page = page(&on_page, rows.len(), request.limit());
            items += walk.take(request, &page).unwrap().count();
        }
        assert_eq!(items, expected);
        walk.begin_pass();
    }
}

#[test]
fn what_a_walk_of_the_first_or_the_last_second_there_is_writes_can_be_read() {
    for (start, descending) in [
        ("0000-01-01T00:00:00.000Z", false),
        ("9999-12-31T23:59:59.999900000Z", true),
    ] {
        let query = RunQuery::actor("a").descending(descending);
        let cursor = Cursor::default()
            .bind(&(&query).into(), Emit::Snapshot)
            .unwrap();
        let mut walk = Walk::new(&query, walk(&query).rules, cursor);
        let request = next_request(&walk);
        let row = format!(r#"{{"id":"a","startedAt":"{start}"}}"#);
        walk.take(request, &page(&[row], 1, 1000)).unwrap();
        let stored = walk.cursor.to_string();
        assert_eq!(stored.parse::<Cursor>().unwrap(), walk.cursor);
    }
}

#[test]
fn equal_rows_that_cannot_be_read_are_an_error_each() {
    let mut walk = walk(&query());
    let row = r#"{"id":"a","status":5}"#.to_owned();
    let page = page(&[row.clone(), row], 2, 1000);
    let request = next_request(&walk);
    assert_eq!(walk.take(request, &page).unwrap().count(), 2);
}
