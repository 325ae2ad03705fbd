//! Anchors that are taken by choice, so that offsets stay small.

use super::*;

/// Anchor, offset and limit of each request.
type Asked = Vec<(Option<i64>, u64, u64)>;

/// The requests of a walk over a list, and what it gives.
fn read_deep(list: &List, deep_offset: u64) -> (Asked, Vec<String>, Walk) {
    let mut walk = walk(&query().page_size(10));
    walk.deep_offset = deep_offset;
    let (mut asked, mut ids) = (Vec::new(), Vec::new());
    while let Next::Fetch(request) = walk.next() {
        assert!(asked.len() < 500, "the walk does not end");
        let anchor = request.anchor().map(|anchor| anchor.timestamp_millis());
        asked.push((anchor, request.offset(), request.limit()));
        let page = list.respond(request);
        ids.extend(ids_of(&page, &walk.take(request, &page).unwrap()));
    }
    (asked, ids, walk)
}

#[test]
fn a_deep_offset_is_counted_from_a_nearer_start() {
    let list = List::starting(0..45);
    let (asked, ids, walk) = read_deep(&list, 15);
    assert_eq!(ids, list.ids());
    let expected = [
        (None, 0, 10),
        (None, 8, 12),
        (Some(18), 0, 12),
        (Some(18), 10, 12),
        (Some(38), 0, 12),
    ];
    assert_eq!(asked, expected);
    let incidents = Incidents {
        reanchors: 2,
        ..Incidents::default()
    };
    assert_eq!(walk.incidents(), incidents);
}

/// The page begins with the last of four runs that started together.
#[test]
fn runs_of_the_new_anchor_that_are_known_are_passed_over() {
    let list = List::starting((0..45).map(|n| n / 4));
    let (asked, ids, walk) = read_deep(&list, 15);
    assert_eq!(ids, list.ids());
    assert_eq!(asked[..3], [(None, 0, 10), (None, 7, 13), (Some(3), 3, 15)]);
    assert_eq!(walk.incidents().duplicates, 0);
    assert!(walk.incidents().reanchors > 0);
}

#[test]
fn the_total_is_counted_from_the_new_anchor_too() {
    let list = List::starting(0..45);
    let mut walk = walk(&query().page_size(10));
    walk.deep_offset = 15;
    for _ in 0..2 {
        let request = next_request(&walk);
        walk.take(request, &list.respond(request)).unwrap();
    }
    let here = |rows| Offset::new(DateTime::from_timestamp_millis(18), rows);
    let position = position_of(&walk);
    assert_eq!((position.next, position.end()), (here(0), here(2)));
    assert_eq!(position.list_end, Some(here(45 - 18)));
    // A page in flight counts from the old anchor, and so does its total.
    let request = PageRequest::rows(18, 12);
    walk.take(request, &list.respond(request)).unwrap();
    let position = position_of(&walk);
    assert_eq!((position.next, position.end()), (here(10), here(12)));
    assert_eq!(position.list_end, Some(here(45 - 18)));
}

#[test]
fn no_anchor_is_taken_where_the_page_does_not_show_all_runs_of_it() {
    let starts = [[0; 5].as_slice(), &[1; 17], &[2; 10]].concat();
    let list = List::starting(starts);
    let (asked, ids, walk) = read_deep(&list, 5);
    assert_eq!(ids, list.ids());
    assert_eq!(walk.incidents().duplicates, 0, "{asked:?}");
}

#[test]
fn no_anchor_is_taken_where_anchors_are_ignored() {
    let list = List {
        ignores_bounds: true,
        ..List::starting(0..45)
    };
    let mut walk = walk(&query().page_size(10));
    (walk.deep_offset, walk.service.ignores_anchors) = (15, true);
    while let Next::Fetch(request) = walk.next() {
        assert_eq!(request.anchor(), None);
        walk.take(request, &list.respond(request)).unwrap();
    }
    assert_eq!(walk.incidents(), Incidents::default());
}
