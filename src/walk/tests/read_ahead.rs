//! Which pages are requested ahead of those that have been taken.

use super::*;

/// The requests of a walk, and the rows it has read.
struct Reading {
    ids: Vec<String>,
    asked: Vec<PageRequest>,
    reanchors: u64,
}

/// Walks a list with so many pages in flight, and changes it before each page is taken.
fn read(
    query: &RunQuery,
    list: &mut List,
    concurrency: usize,
    mut change: impl FnMut(usize, &mut List),
) -> Reading {
    let mut walk = walk(query);
    let mut ahead = ReadAhead::new();
    let (mut ids, mut asked) = (Vec::new(), Vec::new());
    loop {
        ahead.fill(&walk, concurrency, |request| {
            asked.push(request);
            list.respond(request)
        });
        let Some((request, page)) = ahead.pop() else {
            break;
        };
        let taken = walk.take(request, &page).unwrap();
        ids.extend(ids_of(&page, &taken));
        change(asked.len(), list);
    }
    Reading {
        ids,
        asked,
        reanchors: walk.incidents().reanchors,
    }
}

fn read_still(query: &RunQuery, list: &List, concurrency: usize) -> Reading {
    read(query, &mut list.clone(), concurrency, |_, _| {})
}

#[test]
fn a_list_that_stands_still_costs_no_request_more() {
    for rows in [0, 1, 9, 10, 11, 20, 21, 95, 100, 101] {
        let list = List::of(rows);
        for query in [query().page_size(10), query().page_size(10).limit(33)] {
            let alone = read_still(&query, &list, 1);
            for concurrency in [2, 8, 64] {
                let reading = read_still(&query, &list, concurrency);
                assert_eq!(reading.ids, alone.ids);
                assert_eq!(reading.asked, alone.asked, "{rows} rows, {concurrency}");
            }
        }
    }
}

#[test]
fn a_new_anchor_costs_nothing_of_what_is_in_flight() {
    let list = List::of(100_000);
    for concurrency in [2, 8, 64] {
        let reading = read_still(&query(), &list, concurrency);
        assert_eq!(reading.ids, list.ids());
        assert_eq!(reading.asked.len(), 101);
        assert!((1..=4).contains(&reading.reanchors), "{concurrency}");
        let deepest = reading.asked.iter().map(|request| request.offset()).max();
        let most = DEEP_OFFSET + 2 * 1000 * concurrency as u64;
        assert!(deepest.unwrap() <= most, "{deepest:?}");
    }
}

#[test]
fn the_first_page_is_requested_alone() {
    let (list, walk) = (List::of(100), walk(&query().page_size(10)));
    let mut asked = 0;
    ReadAhead::new().fill(&walk, 8, |request| {
        asked += 1;
        list.respond(request)
    });
    assert_eq!(asked, 1);
}

#[test]
fn pages_shorter_than_the_limit_are_read_ahead_too() {
    for report_cap in [true, false] {
        let mut list = List::of(1000);
        (list.cap, list.report_cap) = (50, report_cap);
        let alone = read_still(&query(), &list, 1);
        let reading = read_still(&query(), &list, 8);
        assert_eq!(reading.ids, list.ids());
        assert_eq!(reading.asked.len(), alone.asked.len());
    }
}

#[test]
fn pages_that_no_longer_continue_the_walk_are_requested_again() {
    let mut list = List::of(500);
    let expected = list.ids();
    let query = query().page_size(10);
    let reading = read(&query, &mut list, 8, |asked, list| {
        if asked == 20 {
            list.rows.drain(..7);
        }
    });
    assert_eq!(reading.ids, expected);
    // Pages of ten new rows. The one after the drift, and those behind it, are wasted.
    let wasted = reading.asked.len() - 50;
    assert!((1..=9).contains(&wasted), "{wasted} wasted");
}
