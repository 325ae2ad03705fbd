//! Which pages are in flight at a time.

use super::*;

type InFlight = ReadAhead<PageRequest>;

/// Asks for pages until this many are in flight: where they begin, and their limits.
fn fill(ahead: &mut InFlight, walk: &Walk, concurrency: usize) -> Vec<(u64, u64)> {
    let mut asked = Vec::new();
    ahead.fill(walk, concurrency, |request| {
        asked.push((request.offset(), request.limit()));
        request
    });
    asked
}

fn take(ahead: &mut InFlight, walk: &mut Walk, list: &List) -> usize {
    let (request, _) = ahead.pop().unwrap();
    walk.take(request, &list.respond(request)).unwrap().count()
}

/// A walk that has taken its first page, and what it asks for then.
fn second(query: &RunQuery, list: &List, set: impl Fn(&mut Walk)) -> Vec<(u64, u64)> {
    let (mut walk, mut ahead) = (walk(query), ReadAhead::new());
    assert_eq!(fill(&mut ahead, &walk, 4).len(), 1);
    take(&mut ahead, &mut walk, list);
    set(&mut walk);
    fill(&mut ahead, &walk, 4)
}

#[test]
fn as_many_pages_are_in_flight_as_may_be() {
    let query = query().page_size(10);
    let asked = second(&query, &List::of(1000), |_| {});
    assert_eq!(asked, [(8, 12), (18, 12), (28, 12), (38, 12)]);
    // A larger overlap is no reason to request a page again.
    let asked = second(&query, &List::of(1000), |walk| walk.service.overlap = 5);
    assert_eq!(asked, [(8, 12), (15, 15), (25, 15), (35, 15)]);
}

#[test]
fn nothing_is_requested_behind_the_end_or_beyond_the_limit() {
    let query = query().page_size(10);
    for (rows, pages) in [(19, 1), (20, 2), (29, 2), (30, 3)] {
        let asked = second(&query, &List::of(rows), |_| {});
        assert_eq!(asked.len(), pages, "{rows} rows");
    }
    let asked = second(&query.clone().limit(23), &List::of(1000), |_| {});
    assert_eq!(asked, [(8, 12), (18, 5)]);
    let asked = second(&query.limit(20), &List::of(1000), |_| {});
    assert_eq!(asked, [(8, 12)]);
}

#[test]
fn one_page_is_in_flight_where_there_is_nothing_to_go_by() {
    let query = query().page_size(10);
    let list = List::of(1000);
    let asked = second(&query, &list, |walk| walk.service.overlap = 250);
    assert_eq!(asked, [(8, 12)]);
    let asked = second(&query, &list, |walk| {
        pass_of(walk).probe = Probe::FoundNothing
    });
    assert_eq!(asked, [(8, 12)]);
}

#[test]
fn a_short_page_says_how_long_the_next_ones_are() {
    let list = List {
        cap: 7,
        ..List::of(1000)
    };
    let asked = second(&query().page_size(100), &list, |_| {});
    assert_eq!(asked, [(5, 102), (10, 102), (15, 102), (20, 102)]);
}

#[test]
fn after_a_wrong_guess_pages_double_again() {
    let mut list = List::of(1000);
    let (mut walk, mut ahead) = (walk(&query().page_size(10)), ReadAhead::new());
    fill(&mut ahead, &walk, 8);
    take(&mut ahead, &mut walk, &list);
    assert_eq!(fill(&mut ahead, &walk, 8).len(), 8);
    list.rows.drain(..3);
    assert_eq!(take(&mut ahead, &mut walk, &list), 0);
    // Pages in flight are dropped, and the walk finds its position again.
    assert_eq!(fill(&mut ahead, &walk, 8), [(0, 11)]);
    let mut in_flight = Vec::new();
    for _ in 0..5 {
        assert!(take(&mut ahead, &mut walk, &list) > 0);
        fill(&mut ahead, &walk, 8);
        in_flight.push(ahead.iter().count());
    }
    assert_eq!(in_flight, [2, 4, 8, 8, 8]);
}

#[test]
fn a_guess_that_was_too_careful_is_no_reason_to_ask_again() {
    let list = List::of(1000);
    let (mut walk, mut ahead) = (walk(&query().page_size(10)), ReadAhead::new());
    fill(&mut ahead, &walk, 4);
    take(&mut ahead, &mut walk, &list);
    walk.service.overlap = 5;
    fill(&mut ahead, &walk, 4);
    for _ in 0..3 {
        take(&mut ahead, &mut walk, &list);
        assert_eq!(fill(&mut ahead, &walk, 4).len(), 1);
        assert_eq!(ahead.iter().count(), 4);
    }
}

#[test]
fn pages_of_runs_without_a_start_begin_with_the_last_of_them() {
    let mut list = List::of(0);
    list.rows = (0..100).map(|n| (format!("run{n}"), None)).collect();
    let (mut walk, mut ahead) = (walk(&query().page_size(10)), ReadAhead::new());
    fill(&mut ahead, &walk, 4);
    take(&mut ahead, &mut walk, &list);
    let asked = fill(&mut ahead, &walk, 4);
    assert_eq!(asked, [(9, 11), (19, 11), (29, 11), (39, 11)]);
    take(&mut ahead, &mut walk, &list);
    assert_eq!(fill(&mut ahead, &walk, 4), [(49, 11)]);
}

/// The page that is in doubt was requested before the walk took another anchor.
#[test]
fn a_probe_is_sent_once_where_pages_are_counted_from_the_old_anchor() {
    let list = List {
        total: Some(1000),
        ..List::of(30)
    };
    let (mut walk, mut ahead) = (walk(&query().page_size(10)), ReadAhead::new());
    walk.deep_offset = 15;
    fill(&mut ahead, &walk, 4);
    while !matches!(walk.state, State::InPass(_, Stage::Probing { .. })) {
        take(&mut ahead, &mut walk, &list);
        fill(&mut ahead, &walk, 4);
    }
    assert_eq!(walk.incidents().reanchors, 1);
    assert_eq!(ahead.iter().count(), 1);
    assert_eq!(fill(&mut ahead, &walk, 4), []);
}
