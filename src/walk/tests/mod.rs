mod anchor;
mod circles;
mod exact;
mod following;
mod history;
mod in_flight;
mod length;
mod offset;
mod overlap;
mod patience;
mod read_ahead;
mod trouble;
mod undated;
mod window;

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::json;

use super::request::Part;
use super::*;
use crate::clocks::Clocks;

/// A list on a server that follows the rules of the API, or breaks them.
#[derive(Debug, Clone)]
struct List {
    /// IDs and starts, in milliseconds, in ascending order of the start.
    rows: Vec<(String, Option<i64>)>,
    cap: u64,
    report_cap: bool,
    total: Option<u64>,
    ignores_bounds: bool,
    descending: bool,
    made: usize,
}

impl List {
    /// Rows one second apart.
    fn of(rows: usize) -> Self {
        Self::starting((0..rows).map(|n| n as i64 * 1000))
    }

    fn starting(starts: impl IntoIterator<Item = i64>) -> Self {
        let mut list = Self {
            rows: Vec::new(),
            cap: 1000,
            report_cap: true,
            total: None,
            ignores_bounds: false,
            descending: false,
            made: 0,
        };
        for start in starts {
            list.insert(start);
        }
        list
    }

    /// Adds a row behind all that started at the same time or before.
    fn insert(&mut self, start: i64) {
        let at = self
            .rows
            .partition_point(|(_, other)| other.is_none_or(|other| other <= start));
        self.rows
            .insert(at, (format!("run{}", self.made), Some(start)));
        self.made += 1;
    }

    fn ids(&self) -> Vec<String> {
        let mut ids: Vec<_> = self.rows.iter().map(|(id, _)| id.clone()).collect();
        if self.descending {
            ids.reverse();
        }
        ids
    }

    fn respond(&self, request: PageRequest) -> Page {
        let direction = Direction::new(self.descending);
        let descending = request.whole_list().unwrap_or(direction) == Direction::Descending;
        let anchor = request.anchor().filter(|_| !self.ignores_bounds);
        let until = request.until().filter(|_| !self.ignores_bounds);
        let (from, to) = if descending {
            (until, anchor)
        } else {
            (anchor, until)
        };
        let is_within = |start: &Option<i64>| match start {
            None => from.is_none() && to.is_none(),
            Some(start) => {
                from.is_none_or(|from| from.timestamp_millis() <= *start)
                    && to.is_none_or(|to| *start <= to.timestamp_millis())
            }
        };
        let mut rows: Vec<_> = self
            .rows
            .iter()
            .filter(|(_, start)| is_within(start))
            .collect();
        if descending {
            rows.reverse();
        }
        let limit = request.limit().min(self.cap);
        let reported = if self.report_cap {
            limit
        } else {
            request.limit()
        };
        let total = rows.len() as u64;
        let rows = rows
            .into_iter()
            .skip(request.offset() as usize)
            .take(limit as usize);
        let json = |(id, start): &(String, Option<i64>)| {
            let start = start.and_then(DateTime::from_timestamp_millis);
            let start = start.map(|start| start.to_rfc3339());
            serde_json::from_value(json!({"id": id, "startedAt": start})).unwrap()
        };
        Page {
            total: Some(self.total.unwrap_or(total)),
            offset: Some(request.offset()),
            limit: Some(reported),
            desc: Some(descending),
            rows: rows.map(json).collect(),
            unreadable: Vec::new(),
            raw_rows: None,
            clocks: None,
        }
    }
}

/// The IDs a walk takes of a page.
fn ids_of(page: &Page, taken: &Selection) -> Vec<String> {
    let rows = taken.rows.clone().filter(|index| taken.includes(*index));
    rows.map(|index| page.rows[index].id.to_string()).collect()
}

/// The outcome of a walk.
#[derive(Debug)]
struct Outcome {
    ids: Vec<String>,
    requests: usize,
    incidents: Incidents,
    end: Result<(), WalkError>,
}

/// Walks a list that `change` changes before each request but the first.
fn read(query: &RunQuery, list: &mut List, mut change: impl FnMut(usize, &mut List)) -> Outcome {
    let mut walk = walk(query);
    let (mut ids, mut requests) = (Vec::new(), 0);
    let mut end = Ok(());
    while let Next::Fetch(request) = walk.next() {
        if requests > 0 {
            change(requests, list);
        }
        requests += 1;
        assert!(requests < 5000, "the walk does not end");
        let page = list.respond(request);
        match walk.take(request, &page) {
            Ok(taken) => ids.extend(ids_of(&page, &taken)),
            Err(error) => {
                end = Err(error);
                break;
            }
        }
    }
    Outcome {
        ids,
        requests,
        incidents: walk.incidents(),
        end,
    }
}

/// Walks a list that stands still.
fn read_still(query: &RunQuery, list: &List) -> Outcome {
    read(query, &mut list.clone(), |_, _| {})
}

fn query() -> RunQuery {
    RunQuery::actor("a")
}

/// A walk that hands out each run once, with the default lookback.
fn walk(query: &RunQuery) -> Walk {
    let rules = Rules {
        emit: Emit::Snapshot,
        lookback: TimeDelta::seconds(60),
        follow: false,
        undated_first: false,
    };
    Walk::new(query, rules, Cursor::default())
}

/// A walk that begins with the runs that have no start, wherever they are listed.
fn walk_undated_first(query: &RunQuery) -> Walk {
    let rules = Rules {
        undated_first: true,
        ..walk(query).rules
    };
    Walk::new(query, rules, Cursor::default())
}

/// The request as a service understands it that adds this bound to the query's list.
fn bounded(request: PageRequest, bound: Option<DateTime<Utc>>) -> PageRequest {
    match request.part {
        Part::List(offset) => {
            let anchor = offset.anchor().max(bound);
            PageRequest::list(Offset::new(anchor, offset.rows()), request.limit())
        }
        Part::Window {
            first,
            last,
            offset,
        } => {
            let first = bound.map_or(first, |bound| first.max(bound));
            PageRequest::window((first, last), offset, request.limit())
        }
        Part::Whole { .. } => request,
    }
}

/// The pass that a walk is in.
fn pass_of(walk: &mut Walk) -> &mut Pass {
    match &mut walk.state {
        State::InPass(pass, _) => pass,
        other => panic!("no pass, but {other:?}"),
    }
}

/// Where the next page of a walk begins.
fn position_of(walk: &Walk) -> &Position {
    match &walk.state {
        State::InPass(_, Stage::Reading(position)) => position,
        other => panic!("no position, but {other:?}"),
    }
}

fn next_request(walk: &Walk) -> PageRequest {
    match walk.next() {
        Next::Fetch(request) => request,
        other => panic!("no request, but {other:?}"),
    }
}

#[test]
fn a_long_list_takes_one_request_for_999_rows() {
    let list = List::of(100_000);
    let outcome = read_still(&query(), &list);
    assert_eq!(outcome.ids, list.ids());
    assert_eq!(outcome.requests, 101);
    // No further request and no duplicate: a new anchor costs nothing.
    let expected = Incidents {
        reanchors: 4,
        ..Incidents::default()
    };
    assert_eq!(outcome.incidents, expected);
}

#[test]
fn an_empty_list_takes_one_request() {
    for (query, list) in [(query(), List::of(0)), (query().offset(9), List::of(5))] {
        let outcome = read_still(&query, &list);
        assert_eq!((outcome.ids.len(), outcome.requests), (0, 1));
        assert_eq!(outcome.end, Ok(()));
    }
}

#[test]
fn a_limit_asks_for_no_more_than_it_needs() {
    let list = List::of(5000);
    let outcome = read_still(&query().limit(1), &list);
    assert_eq!((outcome.ids.len(), outcome.requests), (1, 1));

    let mut walk = walk(&query().limit(1001));
    let first = next_request(&walk);
    walk.take(first, &list.respond(first)).unwrap();
    let second = next_request(&walk);
    assert_eq!((second.offset(), second.limit()), (998, 3));
}

#[test]
fn after_a_deletion_the_walk_continues_at_its_watermark() {
    let mut list = List::of(50);
    let expected = list.ids();
    let mut walk = walk(&query().page_size(10));
    let first = next_request(&walk);
    let page = list.respond(first);
    assert_eq!(
        ids_of(&page, &walk.take(first, &page).unwrap()),
        expected[..10]
    );
    list.rows.drain(..3);

    let second = next_request(&walk);
    let taken = walk.take(second, &list.respond(second)).unwrap();
    assert_eq!(taken.count(), 0, "the page does not follow the first");
    let third = next_request(&walk);
    let watermark = DateTime::from_timestamp_millis(9000);
    assert_eq!((third.anchor(), third.offset()), (watermark, 0));
    let page = list.respond(third);
    let taken = walk.take(third, &page).unwrap();
    assert_eq!(ids_of(&page, &taken), expected[10..20]);
    let expected = Incidents {
        drifts: 1,
        reanchors: 1,
        duplicates: 1,
        ..Incidents::default()
    };
    assert_eq!(walk.incidents(), expected);
}

#[test]
fn the_watermark_itself_may_be_deleted() {
    let mut list = List::of(50);
    let expected = list.ids();
    let outcome = read(&query().page_size(10), &mut list, |request, list| {
        if request == 1 {
            list.rows.drain(5..10);
        }
    });
    assert_eq!(outcome.ids, expected);
}

#[test]
fn new_runs_push_a_descending_list_down_and_nothing_is_repeated() {
    let mut list = List::of(50);
    list.descending = true;
    let expected = list.ids();
    let query = query().page_size(10).descending(true);
    let outcome = read(&query, &mut list, |request, list| {
        list.insert(1_000_000 + request as i64)
    });
    assert_eq!(outcome.ids, expected);
    assert_eq!(outcome.incidents.drifts, 0, "rows in front are no drift");
}

#[test]
fn more_ties_than_a_page_holds_are_all_read() {
    let mut list = List::starting([0, 1].into_iter().chain([2; 100]).chain([3, 4]));
    let expected = list.ids();
    let outcome = read(&query().page_size(10), &mut list, |request, list| {
        if request == 4 {
            list.rows.remove(0);
        }
    });
    assert_eq!(outcome.ids, expected);
    assert_eq!(outcome.incidents.drifts, 1);
}

#[test]
fn ties_that_change_places_are_all_read() {
    let mut list = List::starting([0, 1, 1, 1, 1, 2, 3]);
    let expected: HashSet<_> = list.ids().into_iter().collect();
    let outcome = read(&query().page_size(3), &mut list, |request, list| {
        if request == 1 {
            // The last row of the first page stays; those before and behind it swap.
            list.rows.swap(1, 3);
        }
    });
    assert_eq!(outcome.ids.len(), 7);
    assert_eq!(outcome.ids.into_iter().collect::<HashSet<_>>(), expected);
    assert_eq!(outcome.incidents.drifts, 0);
}

#[test]
fn a_service_that_ignores_bounds_is_noticed_and_stepped_back_on() {
    for deleted in [1, 15, 35] {
        let mut list = List::of(100);
        list.ignores_bounds = true;
        let expected = list.ids();
        let outcome = read(&query().page_size(10), &mut list, |request, list| {
            if request == 4 {
                list.rows.drain(..deleted);
            }
        });
        assert_eq!(outcome.ids, expected, "{deleted} deleted");
        assert_eq!(outcome.incidents.drifts, 1);
        assert!(outcome.requests < 25, "{} requests", outcome.requests);
    }
}

#[test]
fn a_service_that_ignores_bounds_may_change_all_the_time() {
    for descending in [false, true] {
        let mut list = List::of(40_000);
        list.ignores_bounds = true;
        list.descending = descending;
        let before = list.ids();
        let query = query().descending(descending);
        let outcome = read(&query, &mut list, |request, list| match request % 3 {
            0 if descending => list.insert(100_000_000 + request as i64),
            0 => drop(list.rows.drain(..137)),
            _ => {}
        });
        assert_eq!(outcome.end, Ok(()));
        let seen: HashSet<_> = outcome.ids.iter().cloned().collect();
        assert_eq!(seen.len(), outcome.ids.len());
        let after: HashSet<_> = list.ids().into_iter().collect();
        let lost = before
            .iter()
            .filter(|id| after.contains(*id) && !seen.contains(*id));
        assert_eq!(lost.count(), 0, "descending: {descending}");
        assert!(outcome.requests < 400, "{} requests", outcome.requests);
    }
}

#[test]
fn an_undated_run_before_the_place_does_not_bring_others_back() {
    let mut list = List::of(30);
    list.ignores_bounds = true;
    list.descending = true;
    let expected = list.ids();
    let query = query().page_size(10).descending(true);
    let outcome = read(&query, &mut list, |request, list| {
        if request == 1 {
            (0..15).for_each(|n| list.insert(100_000 + n));
            let sixth_from_top = list.rows.len() - 6;
            list.rows.insert(sixth_from_top, ("undated".into(), None));
        }
    });
    let old: Vec<_> = outcome
        .ids
        .iter()
        .filter(|id| expected.contains(id))
        .cloned()
        .collect();
    assert_eq!(old, expected);
}

#[test]
fn a_total_that_is_too_large_does_not_turn_a_drift_at_the_end_into_an_error() {
    let mut list = List::of(10);
    list.descending = true;
    list.total = Some(1000);
    let expected = list.ids();
    let outcome = read(&query().descending(true), &mut list, |request, list| {
        if request == 2 {
            (0..3).for_each(|n| list.insert(100_000 + n));
        }
    });
    assert_eq!((outcome.end, outcome.ids), (Ok(()), expected));
}

#[test]
fn a_run_that_gets_its_start_later_is_not_repeated() {
    let mut list = List::of(25);
    list.rows.insert(0, ("undated".into(), None));
    let expected = list.ids();
    let outcome = read(&query().page_size(10), &mut list, |request, list| {
        if request == 1 {
            list.rows.remove(0);
            list.rows.push(("undated".into(), Some(1_000_000)));
        }
    });
    assert_eq!(outcome.ids, expected);
}

#[test]
fn without_a_watermark_a_list_that_moved_is_read_from_its_beginning() {
    let mut list = List::of(0);
    list.rows = (0..30).map(|n| (format!("run{n}"), None)).collect();
    let expected = list.ids();
    let outcome = read(&query().page_size(10), &mut list, |request, list| {
        if request < 5 {
            list.rows.remove(0);
        }
    });
    assert_eq!(outcome.ids, expected);
    assert!(outcome.incidents.drifts > 0);
}

#[test]
fn more_ties_than_a_page_holds_may_even_change_places_with_every_response() {
    let mut list = List::starting([[0; 40], [1; 40]].concat());
    let expected: HashSet<_> = list.ids().into_iter().collect();
    let outcome = read(&query().page_size(5), &mut list, |_, list| {
        list.rows[..40].rotate_right(7);
    });
    assert_eq!(outcome.end, Ok(()));
    assert_eq!(outcome.ids.len(), 80);
    assert_eq!(outcome.ids.into_iter().collect::<HashSet<_>>(), expected);
}

#[test]
fn a_service_whose_responses_never_agree_is_no_loop() {
    let mut list = List::of(5);
    list.total = Some(50);
    let mut walk = walk(&query().page_size(5));
    let mut other = List::of(0);
    other.rows = vec![("stranger".into(), Some(1_000_000))];
    other.total = Some(50);
    let mut responses = 0;
    while let Next::Fetch(request) = walk.next() {
        // At the anchor, the rows handed out; anywhere else, a row that does not follow.
        let page = match request.offset() {
            0 => list.respond(PageRequest {
                limit: 5,
                ..request
            }),
            _ => other.respond(PageRequest::rows(0, request.limit())),
        };
        responses += 1;
        assert!(responses < 250, "the walk does not end");
        if walk.take(request, &page).is_err() {
            break;
        }
    }
}

#[test]
fn a_server_that_caps_pages_at_one_row_or_two_can_be_read() {
    for (cap, report_cap) in [(1, true), (1, false), (2, true), (2, false)] {
        for rows in [1, 2, 3, 50] {
            let list = List {
                cap,
                report_cap,
                ..List::of(rows)
            };
            let outcome = read_still(&query(), &list);
            assert_eq!((outcome.end, outcome.ids), (Ok(()), list.ids()));
            assert!(
                outcome.requests <= 6 * rows,
                "{} requests",
                outcome.requests
            );
        }
    }
}

#[test]
fn a_server_that_ignores_bounds_and_caps_pages_at_one_row_is_an_error_not_a_loop() {
    for report_cap in [true, false] {
        let list = List {
            cap: 1,
            report_cap,
            ignores_bounds: true,
            ..List::of(3)
        };
        let outcome = read_still(&query(), &list);
        assert!(matches!(outcome.end, Err(WalkError::Stalled { .. })));
        assert_eq!(outcome.ids, ["run0"]);
    }
}

#[test]
fn responses_that_differ_in_their_limit_are_an_end_not_a_loop() {
    let list = List::of(1);
    let mut walk = walk(&query());
    for responses in 0..100 {
        let Next::Fetch(request) = walk.next() else {
            assert!(responses < 10);
            return;
        };
        let page = Page {
            limit: Some(if responses % 2 == 0 { 1 } else { 1000 }),
            total: Some(50),
            ..list.respond(request)
        };
        walk.take(request, &page).unwrap();
    }
    panic!("the walk does not end");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Whatever the server says of its total or of its page size, the rows decide.
    #[test]
    fn a_list_that_does_not_change_is_read_whole_and_in_order(
        rows in 0_usize..400,
        page_size in 1_u32..=50,
        cap in 3_u64..60,
        report_cap: bool,
        total in proptest::option::of(prop_oneof![
            Just(0), Just(u64::MAX), Just(1 << 40), 0_u64..500,
        ]),
        offset in 0_u64..50,
        limit in proptest::option::of(1_u64..300),
    ) {
        // A short page with a total that is too small is indistinguishable from the end.
        let total = total.filter(|total| report_cap || *total >= rows as u64);
        let list = List { cap, report_cap, total, ..List::of(rows) };
        let mut query = query().page_size(page_size).offset(offset);
        if let Some(limit) = limit {
            query = query.limit(limit);
        }

        let outcome = read_still(&query, &list);
        let expected: Vec<_> = list.ids().into_iter()
            .skip(offset as usize)
            .take(limit.unwrap_or(u64::MAX) as usize)
            .collect();
        let rows_a_page = u64::from(page_size).min(cap - 2) as usize;
        let ideal = expected.len().div_ceil(rows_a_page);
        prop_assert_eq!(outcome.ids, expected);
        prop_assert!(outcome.requests <= ideal + 8, "{} requests, ideal {}", outcome.requests, ideal);
        prop_assert_eq!(outcome.incidents, Incidents::default());
    }
}
