//! A millisecond that is read on its own.

use super::history::{Run, Service, time};
use super::*;
use crate::RunStatus;
use crate::walk::window::{Coverage, Window};

fn window() -> Window {
    let start = DateTime::from_timestamp_millis(1).unwrap();
    Window::new(Direction::Ascending.millisecond(start, false))
}

/// A page of runs with these numbers, of a list that is said to have so many rows.
fn page(request: PageRequest, ids: impl Iterator<Item = usize>, total: Option<u64>) -> Page {
    let start = DateTime::from_timestamp_millis(1);
    let row = |id| json!({"id": format!("run{id}"), "startedAt": start});
    Page {
        total,
        rows: ids
            .map(|id| serde_json::from_value(row(id)).unwrap())
            .collect(),
        ..List::of(0).respond(request)
    }
}

fn take(
    window: &mut Window,
    ids: impl Iterator<Item = usize>,
    total: u64,
) -> Result<Coverage, WalkError> {
    let request = window.request();
    window.take(request, &page(request, ids, Some(total)))
}

#[test]
fn one_pass_is_enough_where_the_order_stands_still() {
    let mut window = window();
    let request = window.request();
    assert_eq!((request.offset(), request.limit()), (0, 1000));
    assert_eq!((request.anchor(), request.until()), {
        let millisecond = DateTime::from_timestamp_millis(1);
        (millisecond, millisecond)
    });
    assert_eq!(take(&mut window, 0..1000, 1500), Ok(Coverage::Partial));
    assert_eq!(window.request().offset(), 1000);
    assert_eq!(take(&mut window, 1000..1500, 1500), Ok(Coverage::Whole));
    assert!(window.seen().contains("run1499") && !window.seen().contains("run1500"));
}

#[test]
fn a_run_that_was_returned_twice_leaves_one_unread() {
    let mut window = window();
    assert_eq!(take(&mut window, 0..1000, 1500), Ok(Coverage::Partial));
    assert_eq!(take(&mut window, 999..1499, 1500), Ok(Coverage::Partial));
    assert_eq!(window.request().offset(), 0, "another pass");
    assert_eq!(take(&mut window, 500..1500, 1500), Ok(Coverage::Partial));
    assert_eq!(take(&mut window, 0..500, 1500), Ok(Coverage::Whole));
}

#[test]
fn counting_begins_anew_where_the_number_of_rows_changes() {
    let mut window = window();
    assert_eq!(take(&mut window, 0..1000, 1500), Ok(Coverage::Partial));
    assert_eq!(take(&mut window, 1000..1499, 1499), Ok(Coverage::Partial));
    assert!(!window.seen().contains("run0") && window.seen().contains("run1000"));
    assert_eq!(take(&mut window, 0..1000, 1499), Ok(Coverage::Partial));
    assert_eq!(take(&mut window, 1000..1499, 1499), Ok(Coverage::Whole));
}

#[test]
fn a_pass_without_a_new_run_confirms_a_number_that_is_wrong() {
    let mut window = window();
    assert_eq!(take(&mut window, 0..5, 2), Ok(Coverage::Partial));
    assert_eq!(take(&mut window, 0..6, 2), Ok(Coverage::Partial));
    assert_eq!(take(&mut window, 0..6, 2), Ok(Coverage::Whole));
}

#[test]
fn more_rows_are_read_until_there_are_none_where_the_service_says_so() {
    let mut window = window();
    assert_eq!(take(&mut window, 0..5, 7), Ok(Coverage::Partial));
    assert_eq!(window.request().offset(), 5);
    assert_eq!(take(&mut window, 0..0, 7), Ok(Coverage::Partial));
    assert_eq!(window.request().offset(), 0);
    assert_eq!(take(&mut window, 0..5, 7), Ok(Coverage::Partial));
    assert_eq!(take(&mut window, 0..0, 7), Ok(Coverage::Whole));
}

#[test]
fn the_same_runs_page_after_page_are_an_error() {
    let mut window = window();
    for count in 1..=5 {
        let request = window.request();
        assert_eq!(request.offset(), (count - 1) * 1000);
        let end = window.take(request, &page(request, 0..1000, None));
        let expected = match count {
            // More than twice as many rows as runs, and 2,000.
            5 => Err(WalkError::Stalled { offset: 4000 }),
            _ => Ok(Coverage::Partial),
        };
        assert_eq!(end, expected, "page {count}");
    }
}

#[test]
fn runs_added_and_deleted_in_each_of_a_hundred_passes_are_an_error() {
    let mut window = window();
    for pass in 1..=100 {
        let end = take(&mut window, pass..pass + 2, 1);
        let expected = match pass {
            100 => Err(WalkError::Unstable),
            _ => Ok(Coverage::Partial),
        };
        assert_eq!(end, expected, "pass {pass}");
    }
}

#[test]
fn runs_that_are_gone_are_missed_where_the_list_ends_with_such_a_millisecond() {
    let mut service = Service {
        cap: 2,
        ..Service::empty()
    };
    let run = |n| Run::new(n, Some(5), RunStatus::Running, 0);
    service.runs = (0..3).map(run).collect();
    let query = query().started_before(time(5).unwrap());
    let rules = Rules {
        emit: Emit::Finished,
        lookback: TimeDelta::seconds(60),
        follow: true,
        undated_first: false,
    };
    let cursor = Cursor::default()
        .bind(&(&query).into(), Emit::Finished)
        .unwrap();
    let mut walk = Walk::new(&query, rules, cursor);
    for (look, expected) in [3, 3, 2].into_iter().enumerate() {
        while let Next::Fetch(request) = walk.next() {
            walk.take(request, &service.respond(request, &query))
                .unwrap();
        }
        assert_eq!(walk.unfinished(), expected, "poll {look}");
        service.runs.truncate(2);
        service.now += 301_000;
        walk.begin_pass();
    }
}
