//! Which way a walk goes through time.

use std::cmp::Ordering;

use chrono::{DateTime, Datelike, TimeDelta, Utc};

/// Which way a walk goes through time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

/// Where a start lies, seen from another in the direction of the walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    Same,
    Beyond,
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
        match (start.cmp(&from), self) {
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

    /// The bound in whole milliseconds that the rows at a start and before it are within.
    pub(crate) fn bound_behind(self, start: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Ascending => round_up(start),
            Self::Descending => round_down(start),
        }
    }
}

/// Whether a time can be in a request and in a stored cursor: other years have no four digits.
fn can_be_told(time: &DateTime<Utc>) -> bool {
    (0..=9999).contains(&time.year())
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
