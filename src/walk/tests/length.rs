//! How many rows a page may have, and how many are handed out of it.

use super::*;
use crate::RunStatus;

/// A walk over a list whose pages have at most seven rows: the IDs, and the number of requests.
fn read_saying(list: &List, limit: Option<u64>, total: Option<u64>) -> (Vec<String>, usize) {
    let mut walk = walk(&query().page_size(10));
    let (mut ids, mut requests) = (Vec::new(), 0);
    while let Next::Fetch(request) = walk.next() {
        requests += 1;
        assert!(requests < 500, "the walk does not end");
        let page = Page {
            limit,
            total,
            ..list.respond(request)
        };
        ids.extend(ids_of(&page, &walk.take(request, &page).unwrap()));
    }
    (ids, requests)
}

#[test]
fn a_service_that_says_nothing_of_its_pages_is_read_to_the_end() {
    for rows in [0, 1, 6, 7, 8, 50] {
        let list = List {
            cap: 7,
            ..List::of(rows)
        };
        for limit in [None, Some(0)] {
            let (ids, requests) = read_saying(&list, limit, None);
            assert_eq!(ids, list.ids());
            assert!(requests <= 6 + rows / 5, "{requests} requests, {rows} rows");
        }
    }
}

#[test]
fn a_limit_of_zero_is_no_limit() {
    for (rows, expected) in [(0, 1), (5, 1), (7, 1), (8, 2)] {
        let list = List {
            cap: 7,
            ..List::of(rows)
        };
        let (ids, requests) = read_saying(&list, Some(0), Some(rows as u64));
        assert_eq!((ids, requests), (list.ids(), expected), "{rows} rows");
    }
}

#[test]
fn a_limit_or_a_total_alone_says_where_the_list_ends() {
    let list = List {
        cap: 7,
        ..List::of(5)
    };
    assert_eq!(read_saying(&list, Some(7), None), (list.ids(), 1));
    assert_eq!(read_saying(&list, None, Some(5)), (list.ids(), 1));
}

#[test]
fn more_rows_than_requested_are_not_handed_out() {
    let rules = |emit| Rules {
        emit,
        ..walk(&query()).rules
    };
    for (query, emit) in [
        (query(), Emit::Snapshot),
        (query(), Emit::Changes),
        (query().status(RunStatus::from("X")), Emit::Snapshot),
    ] {
        let mut walk = Walk::new(&query.limit(3), rules(emit), Cursor::default());
        let request = next_request(&walk);
        let mut page = List::of(10).respond(PageRequest {
            limit: 10,
            ..request
        });
        page.rows.iter_mut().for_each(|row| row.status = "X".into());
        assert_eq!(walk.take(request, &page).unwrap().count(), 3);
        assert_eq!(walk.next(), Next::End);
    }
}

/// Who knows how many rows it takes to find those that are wanted.
#[test]
fn whole_pages_are_requested_where_rows_are_skipped() {
    let limit = |query: &RunQuery, emit| {
        let rules = Rules {
            emit,
            ..walk(query).rules
        };
        next_request(&Walk::new(query, rules, Cursor::default())).limit()
    };
    let query = query().page_size(50).limit(1);
    assert_eq!(limit(&query, Emit::Snapshot), 1);
    assert_eq!(limit(&query, Emit::Changes), 1);
    assert_eq!(limit(&query, Emit::Finished), 50);
    let filtered = query.status(RunStatus::Failed);
    assert_eq!(limit(&filtered, Emit::Snapshot), 50);
}

#[test]
fn more_runs_of_one_start_than_the_largest_page_holds_are_all_read() {
    let list = List::starting([[0; 1500].as_slice(), &[1; 20]].concat());
    let outcome = read_still(&query(), &list);
    assert_eq!(outcome.end, Ok(()));
    assert_eq!(outcome.ids.len(), 1520);
    assert!(outcome.requests < 10, "{} requests", outcome.requests);
}

#[test]
fn a_limit_may_be_reached_within_one_start() {
    let list = List::starting([[0; 1500].as_slice(), &[1; 20]].concat());
    let outcome = read_still(&query().limit(1200), &list);
    assert_eq!((outcome.ids.len(), outcome.requests), (1200, 3));
}

#[test]
fn a_run_outside_of_the_times_is_passed_over() {
    let query = query().started_before(DateTime::from_timestamp_millis(1000).unwrap());
    let mut walk = walk(&query);
    let request = next_request(&walk);
    let page = List::of(5).respond(request);
    assert_eq!(walk.take(request, &page).unwrap().count(), 2);
    let watermark = DateTime::from_timestamp_millis(4000);
    assert_eq!(walk.cursor.watermark(), watermark);
}
