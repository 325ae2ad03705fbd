//! Which way a walk goes through time.

use std::cmp::Ordering;

use chrono::{DateTime, Datelike, TimeDelta, Utc};

/// Which way a walk goes through time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

/// Where a start lies, seen from another in the direction of the walk. Starts are told apart by
/// the millisecond: a request has room for no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    Same,
    Beyond,
}

/// Where all rows lie that started in the same millisecond: [`Direction::millisecond`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Millisecond {
    pub(crate) first: DateTime<Utc>,
    pub(crate) last: DateTime<Utc>,
    pub(crate) behind: Option<DateTime<Utc>>,
}

impl Direction {
    pub(crate) fn new(descending: bool) -> Self {
        if descending {
            Self::Descending
        } else {
            Self::Ascending
        }
    }

    pub(crate) fn side(self, start: DateTime<Utc>, from: DateTime<Utc>) -> Side {
        let mut order = start.cmp(&from);
        if order.is_ne() && (is_finer(start) || is_finer(from)) {
            // Rare, and takes longer.
            order = start.timestamp_millis().cmp(&from.timestamp_millis());
        }
        match (order, self) {
            (Ordering::Equal, _) => Side::Same,
            (Ordering::Less, Self::Ascending) | (Ordering::Greater, Self::Descending) => {
                Side::Before
            }
            (Ordering::Greater, Self::Ascending) | (Ordering::Less, Self::Descending) => {
                Side::Beyond
            }
        }
    }

    /// The one of two starts that the walk comes to later.
    pub(crate) fn later(self, one: DateTime<Utc>, other: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Ascending => one.max(other),
            Self::Descending => one.min(other),
        }
    }

    /// A time that the walk has passed this long before it comes to `start`. Where there is no
    /// such time, `start` itself.
    pub(crate) fn back(self, start: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
        let time = match self {
            Self::Ascending => start.checked_sub_signed(by),
            Self::Descending => start.checked_add_signed(by),
        };
        time.filter(can_be_told).unwrap_or(start)
    }

    /// The bound in whole milliseconds that the rows at a start and beyond it are within: a
    /// request has room for no more.
    pub(crate) fn bound_before(self, start: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Ascending => round_down(start),
            Self::Descending => round_up(start),
        }
    }

    /// The bounds in whole milliseconds, in the order of the walk, of all rows that started in
    /// the same millisecond, and where a start behind them may be. There is none at the end of
    /// time.
    ///
    /// Where starts are finer, the bounds also let rows through that started at the next whole
    /// millisecond.
    pub(crate) fn millisecond(self, start: DateTime<Utc>, is_finer: bool) -> Millisecond {
        let millisecond = TimeDelta::milliseconds(1);
        let floor = round_down(start);
        let next = floor.checked_add_signed(millisecond).filter(can_be_told);
        let ceiling = next.filter(|_| is_finer).unwrap_or(floor);
        match self {
            Self::Ascending => Millisecond {
                first: floor,
                last: ceiling,
                behind: next,
            },
            Self::Descending if is_finer => Millisecond {
                first: ceiling,
                last: floor,
                behind: floor
                    .checked_sub_signed(TimeDelta::nanoseconds(1))
                    .filter(can_be_told),
            },
            Self::Descending => Millisecond {
                first: floor,
                last: floor,
                behind: floor.checked_sub_signed(millisecond).filter(can_be_told),
            },
        }
    }

    /// The bound in whole milliseconds that the rows at a start and before it are within.
    pub(crate) fn bound_behind(self, start: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Ascending => round_up(start),
            Self::Descending => round_down(start),
        }
    }
}

/// Whether a time can be in a request and in a stored cursor: other years have no four digits.
pub(crate) fn can_be_told(time: &DateTime<Utc>) -> bool {
    (0..=9999).contains(&time.year())
}

/// Whether a start has digits beyond the millisecond.
pub(crate) fn is_finer(start: DateTime<Utc>) -> bool {
    finer_than_millis(start) != 0
}

fn finer_than_millis(time: DateTime<Utc>) -> i64 {
    i64::from(time.timestamp_subsec_nanos() % 1_000_000)
}

fn round_down(time: DateTime<Utc>) -> DateTime<Utc> {
    let by = TimeDelta::nanoseconds(finer_than_millis(time));
    time.checked_sub_signed(by).unwrap_or(time)
}

fn round_up(time: DateTime<Utc>) -> DateTime<Utc> {
    match finer_than_millis(time) {
        0 => time,
        finer => {
            let by = TimeDelta::nanoseconds(1_000_000 - finer);
            let next = time.checked_add_signed(by);
            next.filter(can_be_told).unwrap_or(time)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_has_room_for_a_finer_start() {
        let start = DateTime::from_timestamp_nanos(1_234_567_891);
        for (direction, before, behind) in [
            (Direction::Ascending, 1_234_000_000, 1_235_000_000),
            (Direction::Descending, 1_235_000_000, 1_234_000_000),
        ] {
            let nanos = |time: DateTime<Utc>| time.timestamp_nanos_opt();
            assert_eq!(nanos(direction.bound_before(start)), Some(before));
            assert_eq!(nanos(direction.bound_behind(start)), Some(behind));
        }
        let whole = DateTime::from_timestamp_nanos(1_234_000_000);
        assert_eq!(Direction::Descending.bound_before(whole), whole);
    }

    #[test]
    fn starts_of_one_millisecond_are_the_same() {
        let nanos = DateTime::from_timestamp_nanos;
        for direction in [Direction::Ascending, Direction::Descending] {
            let side = direction.side(nanos(1_234_000_000), nanos(1_234_999_999));
            assert_eq!(side, Side::Same);
        }
        let side = Direction::Descending.side(nanos(1_234_999_999), nanos(1_235_000_000));
        assert_eq!(side, Side::Beyond);
    }

    #[test]
    fn the_bounds_of_a_millisecond_hold_all_of_it_and_what_is_behind_none() {
        let millis = |millis| DateTime::from_timestamp_millis(millis).unwrap();
        let nano = TimeDelta::nanoseconds(1);
        let start = DateTime::from_timestamp_nanos(1_234_567_891);
        for (direction, is_finer, first, last, behind) in [
            (Direction::Ascending, false, 1234, 1234, millis(1235)),
            (Direction::Ascending, true, 1234, 1235, millis(1235)),
            (Direction::Descending, false, 1234, 1234, millis(1233)),
            (Direction::Descending, true, 1235, 1234, millis(1234) - nano),
        ] {
            let expected = Millisecond {
                first: millis(first),
                last: millis(last),
                behind: Some(behind),
            };
            assert_eq!(direction.millisecond(start, is_finer), expected);
        }
        let last: DateTime<Utc> = "9999-12-31T23:59:59.999Z".parse().unwrap();
        assert_eq!(Direction::Ascending.millisecond(last, true).behind, None);
    }

    #[test]
    fn no_time_is_made_that_cannot_be_told() {
        for (direction, start) in [
            (Direction::Ascending, "0000-01-01T00:00:00.000Z"),
            (Direction::Descending, "9999-12-31T23:59:59.999900000Z"),
        ] {
            let start: DateTime<Utc> = start.parse().unwrap();
            assert_eq!(direction.back(start, TimeDelta::seconds(60)), start);
            for bound in [direction.bound_before(start), direction.bound_behind(start)] {
                assert!(can_be_told(&bound), "{bound}");
            }
        }
    }
}
