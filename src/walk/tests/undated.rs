//! Runs without a start, which a part of a split reads first.

use super::*;

/// A walk of the part of a list that began at this second.
fn part(from: i64) -> RunQuery {
    let mut query = query().page_size(5);
    query.started_after = DateTime::from_timestamp(from, 0);
    query
}

/// Runs one second apart, as the part sees them, and so many without a start at either end of
/// the whole list.
fn list(undated: usize, is_at_end: bool) -> List {
    let mut list = List::of(20);
    let runs = (0..undated).map(|n| (format!("undated{n}"), None));
    let place = if is_at_end { 20 } else { 0 };
    list.rows.splice(place..place, runs);
    list
}

impl List {
    /// Responds as a service does that knows the bound of the part, which the walk leaves to the
    /// query.
    fn respond_part(&self, query: &RunQuery, request: PageRequest) -> Page {
        self.respond(bounded(request, query.started_after))
    }
}

/// The IDs, the requests and the incidents of a walk of a part.
fn read_part(
    list: &mut List,
    from: i64,
    mut change: impl FnMut(usize, &mut List),
) -> (Vec<String>, usize, Incidents) {
    let query = part(from);
    let mut walk = walk_undated_first(&query);
    let (mut ids, mut requests) = (Vec::new(), 0);
    while let Next::Fetch(request) = walk.next() {
        change(requests, list);
        requests += 1;
        assert!(requests < 100, "the walk does not end");
        let page = list.respond_part(&query, request);
        ids.extend(ids_of(&page, &walk.take(request, &page).unwrap()));
    }
    (ids, requests, walk.incidents())
}

#[test]
fn they_are_read_first_wherever_they_are_listed() {
    for is_at_end in [true, false] {
        for undated in [0, 1, 4, 5, 6, 12, 30] {
            let (ids, _, incidents) = read_part(&mut list(undated, is_at_end), 15, |_, _| {});
            assert_eq!(incidents, Incidents::default());
            let (first, rest) = ids.split_at(undated);
            assert!(first.iter().all(|id| id.starts_with("undated")), "{ids:?}");
            assert_eq!(first.iter().collect::<HashSet<_>>().len(), undated);
            assert_eq!(rest, ["run15", "run16", "run17", "run18", "run19"]);
        }
    }
}

#[test]
fn without_undated_runs_the_scan_takes_two_requests() {
    let (_, requests, _) = read_part(&mut list(0, true), 18, |_, _| {});
    assert_eq!(requests, 3);
}

#[test]
fn one_that_gets_its_start_is_not_repeated() {
    let start = |list: &mut List| {
        let place = list.rows.iter().position(|(_, start)| start.is_none());
        let (id, _) = list.rows.remove(place.unwrap());
        list.rows.push((id, Some(100_000)));
    };
    for at in 0..4 {
        let (mut ids, _, _) = read_part(&mut list(1, true), 15, |request, list| {
            if request == at {
                start(list);
            }
        });
        ids.sort_unstable();
        let expected = ["run15", "run16", "run17", "run18", "run19", "undated0"];
        assert_eq!(ids, expected, "before request {at}");
    }
}

#[test]
fn a_list_that_moves_meanwhile_is_read_from_its_end_again() {
    let mut list = list(12, true);
    let (ids, _, _) = read_part(&mut list, 15, |request, list| {
        if request == 1 {
            list.rows.push(("undated_new".into(), None));
        }
    });
    let seen: HashSet<_> = ids.iter().collect();
    assert_eq!((ids.len(), seen.len()), (13 + 5, 13 + 5), "{ids:?}");
}

#[test]
fn a_list_that_never_rests_is_an_error_and_not_a_loop() {
    let mut list = list(12, true);
    let query = part(15);
    let mut walk = walk_undated_first(&query);
    for _ in 0..400 {
        let page = list.respond_part(&query, next_request(&walk));
        match walk.take(next_request(&walk), &page) {
            Ok(_) => list.rows[20..].rotate_right(1),
            Err(error) => return assert_eq!(error, WalkError::Unstable),
        }
    }
    panic!("the walk goes on and on");
}

#[test]
fn a_walk_that_resumes_scans_again_and_repeats_nothing() {
    let (mut list, query) = (list(3, true), part(15));
    let mut walk = walk_undated_first(&query);
    let first = next_request(&walk);
    let page = list.respond_part(&query, first);
    assert_eq!(walk.take(first, &page).unwrap().count(), 3);

    list.rows.push(("undated_new".into(), None));
    let mut walk = Walk::new(&query, walk.rules, walk.cursor);
    let mut ids = Vec::new();
    while let Next::Fetch(request) = walk.next() {
        let page = list.respond_part(&query, request);
        ids.extend(ids_of(&page, &walk.take(request, &page).unwrap()));
    }
    let expected = ["undated_new", "run15", "run16", "run17", "run18", "run19"];
    assert_eq!(ids, expected);
}

/// It got its start while the service read its list.
#[test]
fn one_that_is_on_a_page_with_and_without_a_start_is_handed_out_once() {
    for emit in [Emit::Snapshot, Emit::Changes] {
        let rules = Rules {
            emit,
            lookback: TimeDelta::seconds(60),
            follow: false,
            undated_first: false,
        };
        let mut walk = Walk::new(&query(), rules, Cursor::default());
        let row = |id: &str, start: Option<i64>| {
            let start = start.and_then(DateTime::from_timestamp_millis);
            serde_json::from_value(json!({"id": id, "startedAt": start, "status": "RUNNING"}))
                .unwrap()
        };
        let rows = [("x", None), ("x", None), ("y", Some(1)), ("x", Some(2))];
        let request = next_request(&walk);
        let page = Page {
            rows: rows.map(|(id, start)| row(id, start)).into(),
            ..List::of(0).respond(request)
        };
        let taken = walk.take(request, &page).unwrap();
        assert_eq!(ids_of(&page, &taken), ["x", "y"]);
        assert_eq!(walk.incidents().duplicates, 2);
        let watched = if emit == Emit::Changes { 2 } else { 0 };
        assert_eq!(walk.unfinished(), watched, "{emit:?}");
    }
}

#[test]
fn each_page_begins_with_the_last_row_of_the_one_before() {
    let (list, query) = (list(12, true), part(15));
    let mut walk = walk_undated_first(&query);
    let mut asked = Vec::new();
    while asked.len() < 3 {
        let request = next_request(&walk);
        asked.push((request.offset(), request.limit()));
        walk.take(request, &list.respond_part(&query, request))
            .unwrap();
    }
    assert_eq!(asked, [(0, 5), (4, 6), (9, 6)]);
}

#[test]
fn pages_of_one_row_end_the_scan() {
    let mut list = list(3, true);
    list.cap = 1;
    let (ids, _, _) = read_part(&mut list, 18, |_, _| {});
    assert_eq!(ids.last().unwrap(), "run19");
}

#[test]
fn a_limit_may_be_reached_before_the_first_run_with_a_start() {
    let (list, query) = (list(12, true), part(15).limit(2));
    let mut walk = walk_undated_first(&query);
    let request = next_request(&walk);
    let page = list.respond_part(&query, request);
    assert_eq!(walk.take(request, &page).unwrap().count(), 2);
    assert_eq!(walk.next(), Next::End);
}

/// The only row of a page.
fn row(start: Option<i64>) -> Page {
    let start = start.and_then(DateTime::from_timestamp_millis);
    let row = json!({"id": "x", "startedAt": start, "status": "RUNNING"});
    Page {
        total: Some(1),
        rows: vec![serde_json::from_value(row).unwrap()],
        ..List::of(0).respond(PageRequest::rows(0, 1000))
    }
}

#[test]
fn an_unfinished_one_waits_for_its_start() {
    let rules = Rules {
        emit: Emit::Finished,
        ..walk(&query()).rules
    };
    let mut walk = Walk::new(&query(), rules, Cursor::default());
    let taken = walk.take(next_request(&walk), &row(None)).unwrap();
    assert!(taken.updates.is_empty());
    assert!(!walk.cursor.knows_undated(&"x".into()));
}

#[test]
fn one_that_got_its_start_is_remembered_by_it() {
    let rules = Rules {
        follow: true,
        undated_first: false,
        ..walk(&query()).rules
    };
    let mut walk = Walk::new(&query(), rules, Cursor::default());
    for (start, expected) in [(None, 1), (Some(5), 0)] {
        let taken = walk.take(next_request(&walk), &row(start)).unwrap();
        assert_eq!(taken.count(), expected);
        let knows_undated = walk.cursor.knows_undated(&"x".into());
        assert_eq!(knows_undated, start.is_none());
        walk.begin_pass();
    }
}

/// If such runs are last in the list, a page may end with them.
#[test]
fn those_that_fill_the_ends_of_pages_are_all_read() {
    let mut list = List::starting([0, 0]);
    list.rows
        .extend((0..7).map(|n| (format!("undated{n}"), None)));
    list.cap = 3;
    let outcome = read_still(&query(), &list);
    assert_eq!((outcome.end, outcome.ids), (Ok(()), list.ids()));
}
