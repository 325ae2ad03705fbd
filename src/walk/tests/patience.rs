//! How long a walk continues without new rows.

use super::*;

#[test]
fn a_row_behind_the_last_one_that_no_page_has_is_requested_twenty_times() {
    let list = List {
        total: Some(50),
        ..List::of(5)
    };
    let mut walk = walk(&query());
    walk.service.ignores_anchors = true;
    let mut probes = 0;
    while let Next::Fetch(request) = walk.next() {
        let mut page = list.respond(request);
        if request.limit() == 1 {
            probes += 1;
            page = List::of(1).respond(PageRequest::rows(0, 1));
        }
        assert!(probes < 100, "the walk does not end");
        if let Err(error) = walk.take(request, &page) {
            assert_eq!(error, WalkError::Stalled { offset: 3 });
            return assert_eq!(probes, listing::MAX_STALLED_PROBES);
        }
    }
    panic!("the list has ended");
}

#[test]
fn a_total_that_is_too_large_is_doubted_once() {
    let list = List {
        total: Some(50),
        ..List::of(5)
    };
    let mut walk = walk(&query());
    let mut asked = Vec::new();
    while let Next::Fetch(request) = walk.next() {
        asked.push((request.offset(), request.limit()));
        walk.take(request, &list.respond(request)).unwrap();
    }
    assert_eq!(asked, [(0, 1000), (3, 1000), (5, 1), (3, 1000)]);
}

#[test]
fn the_fifth_page_out_of_order_is_an_error() {
    let list = List::of(30);
    let mut unsorted = list.clone();
    unsorted.rows.swap(0, 9);
    unsorted.rows.swap(9, 12);
    let query = query().page_size(10);
    let mut walk = walk(&query);
    for _ in 0..2 {
        for _ in 1..stall::MAX_UNSORTED_PAGES {
            let request = next_request(&walk);
            let taken = walk.take(request, &unsorted.respond(request)).unwrap();
            assert_eq!((taken.count(), next_request(&walk)), (0, request));
        }
        let request = next_request(&walk);
        let taken = walk.take(request, &list.respond(request)).unwrap();
        assert_eq!(taken.count(), 10);
        unsorted.rows = list.rows.clone();
        unsorted.rows.swap(9, 12);
    }
    unsorted.rows.swap(19, 22);
    for count in 1..=stall::MAX_UNSORTED_PAGES {
        let request = next_request(&walk);
        let end = walk.take(request, &unsorted.respond(request)).map(drop);
        let offset = request.offset();
        let expected = match count {
            stall::MAX_UNSORTED_PAGES => Err(WalkError::Unsorted { offset }),
            _ => Ok(()),
        };
        assert_eq!(end, expected, "page {count}");
    }
}

#[test]
fn a_list_may_change_a_hundred_times_before_a_new_run_is_read() {
    let mut list = List::of(0);
    list.rows = (0..30).map(|n| (format!("run{n}"), None)).collect();
    list.cap = 10;
    // Every other response shows the list from its middle on.
    let outcome = read(&query().page_size(10), &mut list, |_, list| {
        list.rows.rotate_left(15);
    });
    assert_eq!(outcome.end, Err(WalkError::Unstable));
    assert_eq!(outcome.ids.len(), 10);
    assert_eq!((outcome.incidents.drifts, outcome.requests), (100, 202));
}

#[test]
fn a_thousand_pages_may_bring_nothing() {
    let mut walk = walk(&query().page_size(1));
    let start = DateTime::from_timestamp_millis(2000);
    let row = |id: &str| serde_json::from_value(json!({"id": id, "startedAt": start})).unwrap();
    let mut before = String::from("a");
    for count in 0.. {
        let request = next_request(&walk);
        let next = if before == "a" { "b" } else { "a" };
        let page = Page {
            total: Some(1 << 40),
            limit: None,
            rows: vec![row(&before), row(next)],
            ..List::of(0).respond(request)
        };
        before = next.into();
        if let Err(error) = walk.take(request, &page) {
            assert!(matches!(error, WalkError::Stalled { .. }));
            let most = stall::MAX_STALLED_PAGES;
            assert!((most..most + 10).contains(&count), "{count} pages");
            return;
        }
        assert!(count < 2000, "the walk does not end");
    }
}

/// The first step goes half a page back, and each further one twice as far.
#[test]
fn steps_back_double() {
    let mut list = List::of(100);
    list.ignores_bounds = true;
    let mut walk = walk(&query().page_size(10));
    for _ in 0..4 {
        let request = next_request(&walk);
        walk.take(request, &list.respond(request)).unwrap();
    }
    list.rows.drain(..35);
    let mut asked = Vec::new();
    loop {
        let request = next_request(&walk);
        asked.push((
            request.anchor().is_some(),
            request.offset(),
            request.limit(),
        ));
        let page = list.respond(request);
        let taken = walk.take(request, &page).unwrap();
        if taken.count() > 0 {
            assert_eq!(ids_of(&page, &taken)[0], "run40");
            break;
        }
    }
    let expected = [
        (false, 38, 12),
        (true, 0, 11),
        (false, 35, 12),
        (false, 25, 12),
        (false, 5, 12),
        (false, 0, 12),
    ];
    assert_eq!(asked[0], expected[0]);
    assert_eq!(asked[2..], expected[2..]);
}

/// Before each page that begins somewhere behind the anchor, two runs are gone from there.
#[test]
fn a_list_may_change_for_ever_if_new_runs_are_read_meanwhile() {
    let mut list = List::of(2500);
    let expected = list.ids();
    let mut walk = walk(&query().page_size(10));
    let mut ids = Vec::new();
    while let Next::Fetch(request) = walk.next() {
        if request.offset() > 4 {
            let anchor = request.anchor().map(|anchor| anchor.timestamp_millis());
            let first = list.rows.partition_point(|(_, start)| *start < anchor);
            list.rows.drain(first..first + 2);
        }
        let page = list.respond(request);
        ids.extend(ids_of(&page, &walk.take(request, &page).unwrap()));
    }
    assert_eq!(ids, expected);
    let drifts = walk.incidents().drifts;
    assert!(drifts > u64::from(stall::MAX_STALLED_DRIFTS), "{drifts}");
}

#[test]
fn why_a_walk_cannot_go_on_is_said_with_numbers() {
    for (error, expected) in [
        (WalkError::Stalled { offset: 7 }, "at offset 7"),
        (WalkError::Unstable, "moved 100 times"),
        (WalkError::Unsorted { offset: 7 }, "5 responses in a row"),
    ] {
        let message = error.to_string();
        assert!(message.contains(expected), "{message}");
    }
}

/// It continues at the start that it has reached, not a lookback before.
#[test]
fn a_walk_steps_back_no_further_than_the_start_it_has_reached() {
    let mut list = List::of(100);
    list.ignores_bounds = true;
    let query = query().page_size(10);
    let rules = Rules {
        lookback: TimeDelta::seconds(10),
        ..walk(&query).rules
    };
    let mut walk = Walk::new(&query, rules, Cursor::default());
    for _ in 0..4 {
        let request = next_request(&walk);
        walk.take(request, &list.respond(request)).unwrap();
    }
    list.rows.drain(..12);
    let mut offsets = Vec::new();
    let mut taken = 0;
    while taken == 0 {
        let request = next_request(&walk);
        offsets.push(request.offset());
        taken = walk.take(request, &list.respond(request)).unwrap().count();
    }
    assert_eq!(offsets, [38, 0, 35, 25]);
}

/// The next time that promised rows are missing, another probe is sent.
#[test]
fn new_rows_reset_the_probe() {
    let list = List::of(100);
    for probe in [Probe::FoundNothing, Probe::FoundMore { times: 3 }] {
        let mut walk = walk(&query().page_size(10));
        for set in [Probe::NotSent, probe] {
            pass_of(&mut walk).probe = set;
            let request = next_request(&walk);
            let taken = walk.take(request, &list.respond(request)).unwrap();
            assert_eq!(
                (taken.count(), pass_of(&mut walk).probe),
                (10, Probe::NotSent)
            );
        }
    }
}
