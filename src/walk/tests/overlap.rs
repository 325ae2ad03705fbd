//! In how many rows pages requested ahead overlap.

use super::*;
use crate::walk::offset::Rebase;

#[test]
fn the_overlap_grows_at_once_and_fades_slowly() {
    let mut walk = walk(&query());
    assert_eq!(walk.service.overlap, 2);
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
        walk.service.learn_overlap(needed);
        assert_eq!(walk.service.overlap, expected, "needed {needed}");
    }
    for _ in 0..100 {
        walk.service.learn_overlap(1);
    }
    assert_eq!(walk.service.overlap, 2);
}

#[test]
fn pages_in_flight_are_counted_from_the_new_anchor() {
    let to = DateTime::from_timestamp_millis(5);
    let rebase = Rebase::new(Offset::new(None, 100), Offset::new(to, 0));
    let counted = |request: PageRequest| Some(request.list_offset()?.rebased(Some(rebase)));
    let here = |rows| Offset::new(to, rows);
    let request = PageRequest::rows(150, 10);
    let offset = request.list_offset().unwrap();
    assert_eq!(offset.rebased(None), offset);
    assert_eq!(counted(request), Some(here(50)));
    assert_eq!(counted(PageRequest::rows(50, 10)), Some(here(0)));
    assert_eq!(counted(PageRequest::list(here(7), 10)), Some(here(7)));
    let again = PageRequest::window((to.unwrap(), to.unwrap()), 150, 10);
    assert_eq!(counted(again), None);
}
