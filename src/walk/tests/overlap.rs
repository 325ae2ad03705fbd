//! In how many rows pages overlap that are asked for ahead.

use super::*;

/// A place where the next page begins so many rows before the end of the last one.
fn position(overlap: u64) -> Position {
    Position {
        anchor: None,
        offset: 1000 - overlap,
        end: 1000,
        total: None,
        reached: None,
        undated: None,
        is_stuck: false,
    }
}

#[test]
fn the_overlap_grows_at_once_and_fades_slowly() {
    let mut walk = walk(&query());
    assert_eq!(walk.overlap_guess, 2);
    for (needed, expected) in [
        (2, 2),
        (100, 100),
        (2, 87),
        (90, 90),
        (90, 90),
        (82, 89),
        (2, 78),
        // At most a quarter of the largest page.
        (400, 250),
        (0, 219),
    ] {
        walk.learn_overlap(&position(needed));
        assert_eq!(walk.overlap_guess, expected, "needed {needed}");
    }
    for _ in 0..100 {
        walk.learn_overlap(&position(1));
    }
    assert_eq!(walk.overlap_guess, 2);
}

#[test]
fn pages_in_flight_are_counted_from_the_new_anchor() {
    let mut walk = walk(&query());
    let request = PageRequest::rows(150, 10);
    assert_eq!(walk.counted_from_here(request), request);
    let to = DateTime::from_timestamp_millis(5).unwrap();
    walk.nearer = Some(Rebase {
        from: None,
        to,
        by: 100,
    });
    let here = |offset| PageRequest {
        anchor: Some(to),
        ..PageRequest::rows(offset, 10)
    };
    assert_eq!(walk.counted_from_here(request), here(50));
    let earlier = PageRequest::rows(50, 10);
    assert_eq!(walk.counted_from_here(earlier), here(0));
    assert_eq!(walk.counted_from_here(here(7)), here(7));
    let again = PageRequest {
        until: Some(to),
        ..request
    };
    assert_eq!(walk.counted_from_here(again), again);
}
