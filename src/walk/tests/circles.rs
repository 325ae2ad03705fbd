//! Services whose responses never end and have no new rows.

use super::*;

/// A row: its ID, its start in microseconds, its status.
type Row<'a> = (&'a str, Option<i64>, &'a str);

/// A page of a list that is said to be endless.
fn page(rows: &[Row<'_>]) -> Page {
    let row = |&(id, start, status): &Row<'_>| {
        let start = start.and_then(DateTime::from_timestamp_micros);
        serde_json::from_value(json!({"id": id, "startedAt": start, "status": status})).unwrap()
    };
    Page {
        total: Some(1 << 40),
        limit: None,
        rows: rows.iter().map(row).collect(),
        ..List::of(0).respond(PageRequest::rows(0, 1))
    }
}

/// Reads until the walk ends: the rows, the number of requests, and the end.
fn outcome(query: &RunQuery, respond: impl FnMut(usize) -> Page) -> Outcome {
    outcome_of(walk(query), respond)
}

fn outcome_of(mut walk: Walk, mut respond: impl FnMut(usize) -> Page) -> Outcome {
    let (mut ids, mut requests, mut end) = (Vec::new(), 0, Ok(()));
    while let (Next::Fetch(request), Ok(())) = (walk.next(), &end) {
        let page = respond(requests);
        requests += 1;
        assert!(requests < 5000, "the walk does not end");
        match walk.take(request, &page) {
            Ok(taken) => ids.extend(ids_of(&page, &taken)),
            Err(error) => end = Err(error),
        }
    }
    Outcome {
        ids,
        requests,
        incidents: walk.incidents(),
        end,
    }
}

/// Responds in turn with rows from the anchor on, and with a page that does not continue the walk.
fn that_moves<'a>(first: &'a [Row<'a>], again: &'a [Row<'a>]) -> impl FnMut(usize) -> Page + 'a {
    move |request| match request {
        0 => page(first),
        _ if request % 2 == 0 => page(again),
        _ => page(&[("stranger", Some(20_000_000), "SUCCEEDED")]),
    }
}

/// A request has whole milliseconds only, so the page begins before the last row each time.
#[test]
fn a_list_that_moves_behind_a_start_finer_than_a_millisecond_is_an_error() {
    let last = ("b", Some(9_000_500), "SUCCEEDED");
    let first = [("a", Some(0), "SUCCEEDED"), last];
    let outcome = outcome(&query(), that_moves(&first, &[last]));
    assert!(outcome.end.is_err());
    assert!(outcome.requests < 250, "{} requests", outcome.requests);
}

/// They do not pass the filter, so the cursor does not remember them.
#[test]
fn rows_that_a_filter_should_have_removed_are_not_new_after_each_drift() {
    let last = ("b", Some(9_000_000), "SUCCEEDED");
    let unwanted = ("c", Some(9_000_000), "FAILED");
    let query = query().status(crate::RunStatus::Succeeded);
    let outcome = outcome(&query, that_moves(&[last], &[last, unwanted]));
    assert_eq!(outcome.ids, ["b", "stranger"]);
    assert!(outcome.requests < 1100, "{} requests", outcome.requests);
}

/// Each page begins with the last row of the one before, and continues with the other of two.
fn in_circles(start: Option<i64>, status: &'static str) -> impl FnMut(usize) -> Page {
    let ids = ["a", "c"];
    move |request| match request {
        0 => page(&[("b", Some(2_000_000), "SUCCEEDED")]),
        1 => page(&[("b", Some(2_000_000), "SUCCEEDED"), ("a", start, status)]),
        _ => page(&[
            (ids[request % 2], start, status),
            (ids[(request + 1) % 2], start, status),
        ]),
    }
}

#[test]
fn pages_that_follow_each_other_in_circles_are_an_error() {
    for start in [Some(1_000_000), Some(2_000_000), None] {
        let outcome = outcome(&query(), in_circles(start, "SUCCEEDED"));
        assert!(outcome.end.is_err());
        assert_eq!(outcome.ids, ["b", "a", "c"]);
        assert!(outcome.requests < 1100, "{} requests", outcome.requests);
    }
}

#[test]
fn rows_in_circles_that_do_not_pass_the_filter_are_an_error() {
    let query = query().status(crate::RunStatus::Succeeded);
    let outcome = outcome(&query, in_circles(Some(2_000_000), "FAILED"));
    assert!(matches!(outcome.end, Err(WalkError::Stalled { .. })));
    assert_eq!(outcome.ids, ["b"]);
}

#[test]
fn runs_without_a_start_in_circles_are_an_error() {
    let query = query().page_size(1);
    let ids = ["a", "b"];
    let outcome = outcome_of(walk_undated_first(&query), |request| match request {
        0 => page(&[("b", None, "READY")]),
        _ => page(&[
            (ids[request % 2], None, "READY"),
            (ids[(request + 1) % 2], None, "READY"),
        ]),
    });
    assert!(
        matches!(outcome.end, Err(WalkError::Stalled { .. })),
        "{:?}",
        outcome.end
    );
    assert_eq!(outcome.ids, ["b", "a"]);
}

/// Where bounds are ignored and many runs are gone, a walk steps back much too far.
#[test]
fn a_long_way_to_the_place_is_no_circle() {
    let mut list = List::of(5000);
    list.ignores_bounds = true;
    let query = query().page_size(1);
    let rules = Rules {
        follow: true,
        undated_first: false,
        ..walk(&query).rules
    };
    let mut walk = Walk::new(&query, rules, Cursor::default());
    for (deleted, expected) in [(2400, 5000), (0, 0)] {
        let (mut items, mut requests) = (0, 0);
        while let Next::Fetch(request) = walk.next() {
            requests += 1;
            items += walk.take(request, &list.respond(request)).unwrap().count();
        }
        assert_eq!(items, expected);
        assert!(requests > stall::MAX_STALLED_PAGES, "{requests} requests");
        list.rows.truncate(list.rows.len() - deleted);
        walk.begin_pass();
    }
}
