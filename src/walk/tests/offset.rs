//! Walks whose query leaves out the first rows.

use super::*;

/// Where each request begins, and how many rows it asks for, until a page has been taken.
fn requests(query: &RunQuery, list: &List) -> Vec<(u64, u64)> {
    let mut walk = walk(query);
    let mut requests = Vec::new();
    loop {
        let request = next_request(&walk);
        requests.push((request.offset(), request.limit()));
        let taken = walk.take(request, &list.respond(request)).unwrap();
        if taken.count() > 0 {
            return requests;
        }
    }
}

/// A walk that resumes where `walk` is.
fn resumed(walk: Walk, query: &RunQuery) -> Walk {
    Walk::new(query, walk.rules, walk.cursor)
}

fn rest(mut walk: Walk, list: &List) -> Vec<String> {
    let mut ids = Vec::new();
    while let Next::Fetch(request) = walk.next() {
        let page = list.respond(request);
        ids.extend(ids_of(&page, &walk.take(request, &page).unwrap()));
    }
    ids
}

#[test]
fn the_first_page_shows_one_row_more() {
    let list = List::of(3000);
    assert_eq!(requests(&query().page_size(10), &list), [(0, 10)]);
    let query = query().page_size(10).offset(2000);
    assert_eq!(requests(&query, &list), [(1999, 11)]);
}

/// A walk that resumes sees all runs of the millisecond.
#[test]
fn more_rows_are_shown_where_they_started_together() {
    let list = List::starting([0; 3000]);
    for (offset, expected) in [
        (1, &[(0, 11)][..]),
        (7, &[(6, 11), (0, 17)]),
        (10, &[(9, 11), (0, 20)]),
        (2000, &[(1999, 11), (1990, 20), (1900, 110), (1500, 510)]),
    ] {
        let query = query().page_size(10).offset(offset);
        assert_eq!(requests(&query, &list), expected, "offset {offset}");
    }
    // The five in front of them started earlier.
    let list = List::starting([0; 95].into_iter().chain([1; 100]));
    let query = query().page_size(10).offset(100);
    assert_eq!(requests(&query, &list), [(99, 11), (90, 20)]);
}

#[test]
fn skipped_rows_stay_skipped_when_the_walk_resumes() {
    for (starts, descending) in [
        ((0..60).map(|n| n / 40).collect::<Vec<_>>(), false),
        ((0..60).map(|n| n / 40).collect(), true),
        ((0..60).collect(), false),
        ((0..60).map(|n| i64::from(n >= 19)).collect(), false),
    ] {
        let list = List {
            descending,
            ..List::starting(starts)
        };
        let query = query().page_size(5).offset(20).descending(descending);
        let mut first = walk(&query);
        let mut ids = Vec::new();
        while ids.is_empty() {
            let request = next_request(&first);
            let page = list.respond(request);
            ids.extend(ids_of(&page, &first.take(request, &page).unwrap()));
        }
        ids.extend(rest(resumed(first, &query), &list));
        let (seen, expected) = (ids.len(), list.ids().split_off(20));
        assert_eq!(ids, expected, "{seen} rows");
    }
}

#[test]
fn a_skipped_row_is_known_only_if_it_started_with_the_first() {
    let list = List::starting([0, 1, 2, 2, 2, 3]);
    let query = query().offset(3);
    let mut walk = walk(&query);
    while walk.cursor.rows() == 0 {
        let request = next_request(&walk);
        walk.take(request, &list.respond(request)).unwrap();
    }
    let known = |run: &str| walk.cursor.known(&run.into()) != crate::emit::SeenState::New;
    let known = ["run0", "run1", "run2", "run3"].map(known);
    assert_eq!(known, [false, false, true, true]);
}
