//! What a cursor remembers, and for how long.

use super::*;
use crate::error::{Error, ErrorKind};
use crate::query::RunQuery;

const RETENTION: Retention = Retention {
    direction: Direction::Ascending,
    lookback: TimeDelta::seconds(10),
    skips_rows: false,
};

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap()
}

fn id(id: &str) -> Id {
    Id::from(id)
}

/// A cursor that has come to these runs, each with the second of its start.
fn cursor(runs: &[(&str, i64)]) -> Cursor {
    let mut cursor = Cursor::default();
    for (run, start) in runs {
        cursor.advance(
            &[CursorUpdate::hand_out(&id(run), Some(at(*start)))],
            &RETENTION,
        );
    }
    cursor
}

/// The update of a run that is to be read again.
fn open(run: &str, start: i64, open: Open) -> CursorUpdate {
    CursorUpdate {
        hand_out: open.handed_out,
        disposition: Disposition::Open(open),
        ..CursorUpdate::hand_out(&id(run), Some(at(start)))
    }
}

fn is_closed(cursor: &Cursor, run: &str) -> bool {
    matches!(cursor.known(&id(run)), SeenState::Closed { .. })
}

#[test]
fn a_cursor_belongs_to_one_query_and_one_rule() {
    let query = RunSource::from("a");
    let cursor = Cursor::default().bind(&query, Emit::Changes).unwrap();
    let again = cursor.bind(&RunQuery::actor("a").limit(5).into(), Emit::Changes);
    assert_eq!(again.unwrap(), cursor);

    let error = Error::from(cursor.bind(&query, Emit::Snapshot).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::CursorMismatch);
    let message = error.to_string();
    assert!(
        message.ends_with("emit Changes (now Snapshot)"),
        "{message}"
    );
    let descending = RunQuery::actor("a").descending(true).into();
    let error = cursor.bind(&descending, Emit::Changes);
    let message = error.unwrap_err().to_string();
    assert!(
        message.ends_with("descending false (now true)"),
        "{message}"
    );
}

#[test]
fn a_cursor_is_of_the_walk_that_it_was_bound_to() {
    let query = RunSource::from("a");
    let bound = Cursor::default().bind(&query, Emit::Finished).unwrap();
    assert_ne!(bound, Cursor::default());
    let other = bound.bind(&"b".into(), Emit::Finished);
    assert!(other.is_err());
}

#[test]
fn runs_are_remembered_for_a_lookback() {
    let cursor = cursor(&[("a", 0), ("b", 10), ("c", 20)]);
    assert_eq!((cursor.rows(), cursor.watermark()), (3, Some(at(20))));
    let known = ["a", "b", "c"].map(|run| is_closed(&cursor, run));
    assert_eq!(known, [false, true, true]);
    assert_eq!(cursor.floor(&RETENTION), Some(at(10)));
    for (second, is_forgotten, known) in [(9, true, 2), (10, false, 2), (11, false, 1)] {
        let start = at(second);
        assert_eq!(
            cursor.has_forgotten(start, RETENTION.direction),
            is_forgotten
        );
        assert_eq!(cursor.known_from(start, RETENTION.direction), known);
    }
}

#[test]
fn a_longer_lookback_does_not_reach_what_is_forgotten() {
    let cursor = cursor(&[("a", 0), ("b", 20)]);
    let retention = Retention {
        lookback: TimeDelta::seconds(100),
        ..RETENTION
    };
    assert_eq!(cursor.floor(&retention), Some(at(10)));
    let retention = Retention {
        lookback: TimeDelta::seconds(2),
        ..RETENTION
    };
    assert_eq!(cursor.floor(&retention), Some(at(18)));
}

#[test]
fn a_run_behind_the_watermark_moves_nothing_back() {
    let mut cursor = cursor(&[("a", 20)]);
    cursor.advance(
        &[CursorUpdate::hand_out(&id("late"), Some(at(12)))],
        &RETENTION,
    );
    assert_eq!((cursor.rows(), cursor.watermark()), (2, Some(at(20))));
    assert!(is_closed(&cursor, "late"));
    cursor.advance(
        &[CursorUpdate::hand_out(&id("later"), Some(at(5)))],
        &RETENTION,
    );
    assert!(!is_closed(&cursor, "later"), "it is before the lookback");
}

#[test]
fn what_is_skipped_is_known_and_no_row() {
    let retention = Retention {
        skips_rows: true,
        ..RETENTION
    };
    let mut cursor = Cursor::default();
    cursor.advance(&[CursorUpdate::skip(&id("a"), at(5))], &retention);
    assert_eq!((cursor.rows(), cursor.watermark()), (0, Some(at(5))));
    assert!(is_closed(&cursor, "a"));
    assert!(cursor.has_forgotten(at(4), retention.direction));
    assert!(!cursor.has_forgotten(at(5), retention.direction));
}

#[test]
fn only_unfinished_runs_and_those_without_a_start_are_strays() {
    let mut dated = cursor(&[("a", 1)]);
    assert!(!dated.knows_strays());
    let mut undated = dated.clone();
    undated.advance(&[CursorUpdate::hand_out(&id("u"), None)], &RETENTION);
    assert!(undated.knows_strays() && undated.knows_undated(&id("u")));
    assert!(!undated.knows_undated(&id("a")));
    dated.advance(&[open("b", 2, Open::default())], &RETENTION);
    assert!(dated.knows_strays() && !dated.knows_undated(&id("b")));
    assert_eq!(dated.open().collect::<Vec<_>>(), [(&id("b"), at(2))]);
}

#[test]
fn a_run_that_gets_its_start_is_no_longer_without_one() {
    let mut cursor = cursor(&[("a", 1)]);
    let finished = CursorUpdate {
        finished_at: Some(at(3)),
        ..CursorUpdate::hand_out(&id("u"), None)
    };
    cursor.advance(&[finished], &RETENTION);
    let finished_at = Some(at(3));
    assert_eq!(cursor.known(&id("u")), SeenState::Closed { finished_at });
    let dated = CursorUpdate {
        hand_out: false,
        ..CursorUpdate::hand_out(&id("u"), Some(at(2)))
    };
    cursor.advance(&[dated], &RETENTION);
    assert!(!cursor.knows_undated(&id("u")) && is_closed(&cursor, "u"));
}

#[test]
fn what_nobody_wants_is_forgotten() {
    let mut cursor = cursor(&[("a", 1)]);
    cursor.advance(&[open("b", 2, Open::default())], &RETENTION);
    let close = CursorUpdate {
        hand_out: false,
        ..CursorUpdate::hand_out(&id("b"), Some(at(2)))
    };
    cursor.advance(std::slice::from_ref(&close), &RETENTION);
    assert_eq!(cursor.known(&id("b")), SeenState::New);

    let handed_out = Open {
        handed_out: true,
        ..Open::default()
    };
    cursor.advance(&[open("b", 2, handed_out), close], &RETENTION);
    assert!(is_closed(&cursor, "b"));
}

#[test]
fn a_run_is_gone_when_it_has_been_missing_for_five_minutes() {
    for handed_out in [false, true] {
        let finished_before = handed_out.then(|| at(0));
        let run = Open {
            handed_out,
            finished_before,
            missing_since: None,
        };
        let mut cursor = cursor(&[]);
        cursor.advance(&[open("a", 1, run)], &RETENTION);
        let mut miss = |second| {
            let is_gone = cursor.is_gone(&id("a"), at(second));
            cursor.advance(&[CursorUpdate::miss(id("a"), at(second))], &RETENTION);
            assert_eq!(cursor.unfinished(), usize::from(!is_gone));
            assert_eq!(cursor.rows(), u64::from(handed_out));
            is_gone
        };
        assert!(!miss(1000) && !miss(1299));
        // A clock that is put back begins anew.
        assert!(!miss(900) && !miss(1199));
        assert!(miss(1200));
        // It is new, or has been resurrected if it comes back.
        let finished_at = finished_before;
        let expected = match handed_out {
            true => SeenState::Closed { finished_at },
            false => SeenState::New,
        };
        assert_eq!(cursor.known(&id("a")), expected);
    }
}

#[test]
fn a_run_that_is_not_to_be_read_again_cannot_be_missed() {
    let before = cursor(&[("a", 1)]);
    let mut after = before.clone();
    after.advance(&[CursorUpdate::miss(id("a"), at(5))], &RETENTION);
    assert!(after == before && !after.is_gone(&id("a"), at(1_000_000)));
}

/// Whoever stores a cursor need not compare it with the last one.
#[test]
fn an_update_says_whether_it_changes_anything() {
    let mut dice = fastrand::Rng::with_seed(1);
    let mut cursor = cursor(&[("a", 1)]);
    let mut unchanged = 0;
    for second in 0..10_000 {
        let handed_out = dice.bool();
        let open = Open {
            handed_out,
            ..Open::default()
        };
        let disposition = match dice.u8(..5) {
            0 => Disposition::Close,
            1 => Disposition::Open(open),
            2 => Disposition::Skip,
            _ => Disposition::Miss(at(second)),
        };
        let is_start_known = dice.u8(..9) > 0;
        let update = CursorUpdate {
            id: id(dice.choice(["a", "b", "c"]).unwrap()),
            start: is_start_known.then(|| at(second / 100 + dice.i64(-12..1))),
            finished_at: dice.bool().then(|| at(second / 100)),
            hand_out: !is_start_known || disposition == Disposition::Close && dice.bool(),
            disposition,
        };
        let before = cursor.clone();
        let is_changed = cursor.advance(std::slice::from_ref(&update), &RETENTION);
        assert_eq!(is_changed, cursor != before, "{update:?}");
        unchanged += u32::from(!is_changed);
    }
    assert!((1000..9000).contains(&unchanged), "{unchanged}");
}

/// The cursor moves with each item, and what comes between two items goes with the one before.
#[test]
fn the_cursor_of_a_stream_is_behind_its_last_item() {
    let update = |run: &str, start, hand_out| CursorUpdate {
        hand_out,
        ..CursorUpdate::hand_out(&id(run), Some(at(start)))
    };
    let updates = [
        update("a", 1, true),
        update("passed", 2, false),
        update("b", 3, true),
        update("c", 4, true),
        update("last", 5, false),
    ];
    // Whether the cursor is asked for on the way makes no difference.
    for asked in 0..8 {
        let mut trail = CursorTracker::new(cursor(&[("before", 0)]), RETENTION);
        trail.extend(updates.to_vec());
        for (item, watermark) in [(0, 0), (1, 1), (2, 3), (3, 4)] {
            assert_eq!(trail.rows(), item + 1);
            if asked >> item & 1 == 1 || item == 3 {
                let cursor = trail.cursor();
                assert_eq!(
                    (cursor.rows(), cursor.watermark()),
                    (item + 1, Some(at(watermark)))
                );
            }
            if item < 3 {
                trail.hand_out();
            }
        }
        trail.finish();
        assert_eq!((trail.rows(), trail.cursor().watermark()), (4, Some(at(5))));
        trail.extend(vec![update("d", 6, true)]);
        trail.hand_out();
        assert_eq!((trail.rows(), trail.cursor().watermark()), (5, Some(at(6))));
    }
}
