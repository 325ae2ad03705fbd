//! Walks that read runs again, or poll: what they request, and when they end.

use std::time::Duration;

use super::*;
use crate::RunStatus;

/// A run: its ID, the second of its start, its status.
type Row = (String, i64, &'static str);

fn rows(seconds: std::ops::Range<i64>, status: impl Fn(i64) -> &'static str) -> Vec<Row> {
    let row = |second| (format!("run{second}"), second, status(second));
    seconds.map(row).collect()
}

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap()
}

/// The response of a service at this second.
fn respond(rows: &[Row], request: PageRequest, now: i64) -> Page {
    let is_within = |(_, start, _): &&Row| {
        let start = at(*start);
        request.anchor().is_none_or(|anchor| anchor <= start)
            && request.until().is_none_or(|until| start <= until)
    };
    let rows: Vec<_> = rows.iter().filter(is_within).collect();
    let total = Some(rows.len() as u64);
    let on_page = rows.into_iter().skip(request.offset() as usize);
    let json = |(id, start, status): &Row| {
        serde_json::from_value(json!({"id": id, "startedAt": at(*start), "status": status}))
            .unwrap()
    };
    Page {
        total,
        rows: on_page.take(request.limit() as usize).map(json).collect(),
        clocks: Some(Clocks {
            service: Some(at(now)),
            local: at(now),
            elapsed: Duration::from_secs(now as u64),
        }),
        ..List::of(0).respond(request)
    }
}

/// Reads until there is no next request: the requests, and the IDs.
fn read(walk: &mut Walk, rows: &[Row], now: i64) -> (Vec<PageRequest>, Vec<String>) {
    let (mut requests, mut ids) = (Vec::new(), Vec::new());
    while let Next::Fetch(request) = walk.next() {
        assert!(requests.len() < 500, "the walk does not end");
        requests.push(request);
        let page = respond(rows, request, now);
        ids.extend(ids_of(&page, &walk.take(request, &page).unwrap()));
    }
    (requests, ids)
}

fn rules(emit: Emit, lookback: i64, follow: bool) -> Rules {
    Rules {
        emit,
        lookback: TimeDelta::seconds(lookback),
        follow,
        undated_first: false,
    }
}

fn begin(query: &RunQuery, rules: Rules) -> Walk {
    Walk::new(query, rules, Cursor::default())
}

#[test]
fn a_part_of_the_past_is_followed_until_nothing_can_appear_late() {
    let query = query().started_before(at(100));
    let done = rows(0..5, |_| "SUCCEEDED");
    for (now, expected) in [
        (100, Next::Wait),
        (160, Next::Wait),
        (161, Next::End),
        (9999, Next::End),
    ] {
        let mut walk = begin(&query, rules(Emit::Finished, 60, true));
        let (_, ids) = read(&mut walk, &done, now);
        assert_eq!((ids.len(), walk.next()), (5, expected), "at {now}");
    }
    let mut walk = begin(&query, rules(Emit::Finished, 60, true));
    let running = rows(0..5, |second| {
        ["RUNNING", "SUCCEEDED"][usize::from(second > 0)]
    });
    let (_, ids) = read(&mut walk, &running, 9999);
    assert_eq!((ids.len(), walk.next()), (4, Next::Wait));
    // It has ended by every clock, or not at all.
    for (service, local, expected) in [
        (Some(9999), 160, Next::Wait),
        (Some(160), 9999, Next::Wait),
        (None, 161, Next::End),
        (None, 160, Next::Wait),
    ] {
        let mut walk = begin(&query, rules(Emit::Snapshot, 60, true));
        let request = next_request(&walk);
        let mut page = respond(&done, request, 0);
        page.clocks = Some(Clocks {
            service: service.map(at),
            local: at(local),
            elapsed: Duration::ZERO,
        });
        walk.take(request, &page).unwrap();
        assert_eq!(walk.next(), expected, "{service:?} {local}");
    }
    let mut walk = begin(&self::query(), rules(Emit::Snapshot, 60, true));
    read(&mut walk, &done, 9999);
    assert_eq!(walk.next(), Next::Wait, "without an end");
}

#[test]
fn unfinished_runs_are_read_again_once_at_the_end() {
    let running = rows(0..5, |second| {
        ["RUNNING", "SUCCEEDED"][usize::from(second > 0)]
    });
    for emit in [Emit::Finished, Emit::Changes] {
        let mut walk = begin(&query(), rules(emit, 60, false));
        let (requests, ids) = read(&mut walk, &running, 50);
        let first = Some(at(0));
        let bounds = requests.iter().map(|it| (it.anchor(), it.until()));
        assert_eq!(bounds.collect::<Vec<_>>(), [(None, None), (first, first)]);
        assert_eq!(ids.len(), if emit == Emit::Changes { 5 } else { 4 });
        assert_eq!((walk.unfinished(), walk.next()), (1, Next::End));
    }
    // A row is handed out as it is, so there is nothing to read again.
    let query = query().status(RunStatus::Succeeded);
    let mut walk = begin(&query, rules(Emit::Snapshot, 60, false));
    let (requests, ids) = read(&mut walk, &running, 50);
    assert_eq!((requests.len(), ids.len(), walk.unfinished()), (1, 4, 1));
}

#[test]
fn a_run_that_is_gone_for_five_minutes_has_vanished() {
    let mut list = rows(0..5, |second| {
        ["RUNNING", "SUCCEEDED"][usize::from(second > 0)]
    });
    for lookback in [0, 60] {
        let mut walk = begin(&query(), rules(Emit::Finished, lookback, true));
        list.insert(0, ("gone".into(), 0, "RUNNING"));
        read(&mut walk, &list, 999);
        assert_eq!(walk.unfinished(), 2);
        list.remove(0);
        for (now, vanished) in [(1000, 0), (1299, 0), (1300, 1), (2000, 1)] {
            walk.begin_pass();
            read(&mut walk, &list, now);
            let unfinished = 2 - vanished as usize;
            assert_eq!(walk.incidents().vanished, vanished, "at {now}");
            assert_eq!(walk.unfinished(), unfinished, "at {now}");
        }
    }
}

/// How many rows a request asks for follows from how many of those before were of use.
#[test]
fn many_unfinished_runs_are_read_again_with_few_requests() {
    for (every, expected) in [
        (1, &[100, 200, 400, 800, 1000][..]),
        (16, &[100, 200]),
        (20, &[100, 100]),
        (60, &[100, 100]),
        (100, &[100, 50, 50]),
    ] {
        let list = rows(0..3000, |second| {
            ["RUNNING", "SUCCEEDED"][usize::from(second % every > 0)]
        });
        let mut walk = begin(&query(), rules(Emit::Finished, 0, true));
        read(&mut walk, &list, 5000);
        walk.begin_pass();
        let (requests, ids) = read(&mut walk, &list, 6000);
        let limits: Vec<_> = requests.iter().map(|request| request.limit()).collect();
        assert!(limits.starts_with(expected), "every {every}: {limits:?}");
        assert!(ids.is_empty());
        walk.begin_pass();
        let (_, ids) = read(&mut walk, &rows(0..3000, |_| "FAILED"), 7000);
        assert_eq!(ids.len(), 3000_usize.div_ceil(every as usize));
        assert_eq!((walk.unfinished(), walk.incidents().vanished), (0, 0));
    }
}

#[test]
fn a_small_page_size_holds_for_runs_that_are_read_again() {
    let list = rows(0..100, |second| {
        ["RUNNING", "SUCCEEDED"][usize::from(second % 2 > 0)]
    });
    for (page_size, limit) in [(50, 50), (10, 10), (5, 10)] {
        let query = query().page_size(page_size);
        let mut walk = begin(&query, rules(Emit::Finished, 0, true));
        read(&mut walk, &list, 5000);
        walk.begin_pass();
        let request = next_request(&walk);
        assert_eq!((request.offset(), request.limit()), (0, limit));
        // Every other one is running: half of the page would do, and more of them may be gone.
        let until = at(2 * (limit as i64 - 1)).min(at(98));
        assert_eq!(
            (request.anchor(), request.until()),
            (Some(at(0)), Some(until))
        );
    }
}

/// A poll of runs that are read again, up to the first request: one page of all six of them.
fn reread_of_six() -> (Walk, PageRequest, Vec<Row>) {
    let list = rows(0..10, |second| {
        ["RUNNING", "SUCCEEDED"][usize::from(second > 5)]
    });
    let mut walk = begin(&query(), rules(Emit::Finished, 0, true));
    read(&mut walk, &list, 5000);
    walk.begin_pass();
    let request = next_request(&walk);
    assert_eq!(
        (request.anchor(), request.until()),
        (Some(at(0)), Some(at(5)))
    );
    (walk, request, list)
}

/// The rows of a window from this offset on.
fn at_offset(request: PageRequest, offset: u64) -> PageRequest {
    let range = (request.anchor().unwrap(), request.until().unwrap());
    PageRequest::window(range, offset, request.limit())
}

/// Whether a walk only reads unfinished runs again.
fn is_final(walk: &Walk) -> bool {
    match &walk.state {
        State::Rereading(reread) => reread.is_final,
        State::InPass(pass, _) => pass.is_final,
        _ => false,
    }
}

/// A page of only some of the rows of a list of six.
fn some(list: &[Row], indices: &[usize], request: PageRequest) -> Page {
    let rows: Vec<_> = indices.iter().map(|index| list[*index].clone()).collect();
    Page {
        total: Some(6),
        ..respond(&rows, at_offset(request, 0), 6000)
    }
}

fn missing(walk: &Walk) -> usize {
    let open = |(id, _): (&Id, _)| walk.cursor.known(id);
    let is_missing = |known: &crate::emit::SeenState| match known {
        crate::emit::SeenState::Open(open) => open.missing_since.is_some(),
        _ => false,
    };
    walk.cursor.open().map(open).filter(is_missing).count()
}

#[test]
fn a_page_that_is_too_short_shows_missing_runs_only_if_there_is_nothing_behind_it() {
    let (mut walk, request, list) = reread_of_six();
    walk.take(request, &some(&list, &[0, 1, 2], request))
        .unwrap();
    assert_eq!(missing(&walk), 0);
    let behind = next_request(&walk);
    assert_eq!(behind, at_offset(request, 3));
    walk.take(behind, &some(&list, &[], behind)).unwrap();
    assert_eq!((missing(&walk), walk.unfinished()), (3, 6));

    let (mut walk, request, list) = reread_of_six();
    walk.take(request, &some(&list, &[0, 1, 2], request))
        .unwrap();
    let behind = next_request(&walk);
    walk.take(behind, &some(&list, &[3], behind)).unwrap();
    assert_eq!(missing(&walk), 0);
    let rest = next_request(&walk);
    assert_eq!((rest.anchor(), rest.until()), (Some(at(2)), Some(at(5))));
    assert_eq!((rest.offset(), rest.limit()), (0, request.limit()));
}

#[test]
fn no_row_is_requested_behind_an_empty_page_or_one_with_a_run_twice() {
    for (shown, expected) in [(&[][..], 6), (&[0, 0, 1], 4)] {
        let (mut walk, request, list) = reread_of_six();
        walk.take(request, &some(&list, shown, request)).unwrap();
        assert_eq!(missing(&walk), expected, "{shown:?}");
        assert_ne!(next_request(&walk).until(), request.until());
    }
}

/// The pass that reads them again ends with the last of them.
#[test]
fn unfinished_runs_are_read_no_further_than_the_last_of_them_where_bounds_are_ignored() {
    let list = rows(0..100, |second| {
        ["RUNNING", "SUCCEEDED"][usize::from(second > 0)]
    });
    let mut walk = begin(&query().page_size(10), rules(Emit::Finished, 60, false));
    let (mut requests, mut at_end) = (0, 0);
    while let Next::Fetch(request) = walk.next() {
        requests += 1;
        at_end += usize::from(is_final(&walk));
        assert!(requests < 100, "the walk does not end");
        let unbounded = PageRequest::rows(request.offset(), request.limit());
        walk.take(request, &respond(&list, unbounded, 500)).unwrap();
    }
    // The one that shows that bounds are ignored, five steps back, and the page itself.
    assert!((2..=7).contains(&at_end), "{at_end} of {requests} requests");
    assert_eq!((walk.unfinished(), walk.incidents().vanished), (1, 0));
}

#[test]
fn a_run_that_appears_behind_the_watermark_is_late() {
    for (query, emit) in [
        (query(), Emit::Snapshot),
        (query().status(RunStatus::Succeeded), Emit::Snapshot),
        (query(), Emit::Finished),
    ] {
        let mut list = rows(0..5, |_| "SUCCEEDED");
        let mut walk = begin(&query, rules(emit, 60, true));
        read(&mut walk, &list, 500);
        assert_eq!(walk.incidents().late, 0);
        list.insert(3, ("late".into(), 2, "SUCCEEDED"));
        list.insert(3, ("later".into(), 2, "SUCCEEDED"));
        list.push(("tie".into(), 4, "SUCCEEDED"));
        list.push(("new".into(), 9, "SUCCEEDED"));
        walk.begin_pass();
        let (_, ids) = read(&mut walk, &list, 600);
        assert_eq!(ids, ["later", "late", "tie", "new"]);
        assert_eq!(walk.incidents().late, 2);
        assert_eq!(walk.incidents().duplicates, 5);
    }
}

/// Who only takes each run as it is has no use for its finish.
#[test]
fn a_cursor_knows_the_finish_of_runs_only_where_they_are_read_again() {
    for (emit, expected) in [
        (Emit::Snapshot, None),
        (Emit::Finished, Some(at(3))),
        (Emit::Changes, Some(at(3))),
    ] {
        let query = query().status(RunStatus::Succeeded);
        let mut walk = begin(&query, rules(emit, 60, false));
        let request = next_request(&walk);
        let mut page = respond(&rows(0..1, |_| "SUCCEEDED"), request, 500);
        page.rows[0].finished_at = Some(at(3));
        walk.take(request, &page).unwrap();
        let known = walk.cursor.known(&"run0".into());
        let finished_at = expected;
        assert_eq!(known, crate::emit::SeenState::Closed { finished_at });
    }
}

#[test]
fn an_empty_page_of_a_service_without_counts_shows_which_runs_are_missing() {
    let (mut walk, request, list) = reread_of_six();
    let page = Page {
        total: None,
        limit: None,
        ..some(&list, &[], request)
    };
    walk.take(request, &page).unwrap();
    assert_eq!(missing(&walk), 6);
}

#[test]
fn no_bound_is_sent_where_bounds_are_ignored() {
    let list = rows(0..30, |second| {
        ["RUNNING", "SUCCEEDED"][usize::from(second > 0)]
    });
    for follow in [false, true] {
        let mut walk = begin(&query().page_size(10), rules(Emit::Finished, 0, follow));
        walk.service.ignores_anchors = true;
        for _ in 0..2 {
            let (requests, _) = read(&mut walk, &list, 500);
            let mut bounds = requests.iter().flat_map(|it| [it.anchor(), it.until()]);
            assert!(bounds.all(|bound| bound.is_none()), "follow: {follow}");
            walk.begin_pass();
        }
    }
}

#[test]
fn a_run_that_a_pass_cannot_see_is_not_missing() {
    let list = rows(0..5, |second| {
        ["RUNNING", "SUCCEEDED"][usize::from(second > 0)]
    });
    let mut walk = begin(&query(), rules(Emit::Finished, 0, true));
    read(&mut walk, &list, 500);
    walk.begin_pass();
    read(&mut walk, &list, 600);
    assert_eq!((missing(&walk), walk.unfinished()), (0, 1));
}

/// Without the service's clock, the newest time on the list stands in for it.
#[test]
fn a_run_that_starts_a_minute_later_shows_that_one_has_settled() {
    for (newest, expected) in [(1060, 2), (1059, 1)] {
        let mut list = rows(0..1, |_| "SUCCEEDED");
        list.push(("newest".into(), newest, "SUCCEEDED"));
        let mut walk = begin(&query(), rules(Emit::Finished, 60, false));
        let request = next_request(&walk);
        let mut page = respond(&list, request, 9999);
        page.rows[0].finished_at = Some(at(1000));
        page.clocks = page.clocks.map(|clocks| Clocks {
            service: None,
            ..clocks
        });
        let taken = walk.take(request, &page).unwrap();
        assert_eq!(taken.count(), expected, "{newest}");
    }
}

#[test]
fn a_run_that_is_as_it_was_changes_nothing() {
    let list = rows(0..1, |_| "RUNNING");
    let mut walk = begin(&query(), rules(Emit::Changes, 60, true));
    for expected in [1, 0, 0] {
        let request = next_request(&walk);
        let taken = walk.take(request, &respond(&list, request, 500)).unwrap();
        assert_eq!((taken.count(), taken.updates.len()), (expected, expected));
        walk.begin_pass();
    }
}
