//! Offsets, and the anchors that they are counted from.

use std::cmp::Ordering;
use std::ops::{Add, Sub};

use chrono::{DateTime, Utc};

/// A position in the query's list: a number of rows, counted from an anchor.
///
/// The anchor is a bound on the start of the runs: `startedAfter`, or `startedBefore` if the walk
/// is descending. Without an anchor, the offset is counted from the first row of the list.
///
/// Offsets of different anchors have no order: every comparison of them is false, and
/// [`rows_since`](Self::rows_since) is `None`. A [`Rebase`] converts between anchors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offset {
    anchor: Option<DateTime<Utc>>,
    rows: u64,
}

impl Offset {
    pub(crate) fn new(anchor: Option<DateTime<Utc>>, rows: u64) -> Self {
        Self { anchor, rows }
    }

    pub(crate) fn anchor(self) -> Option<DateTime<Utc>> {
        self.anchor
    }

    /// The number of rows between the anchor and this position, as it is sent in a request.
    pub(crate) fn rows(self) -> u64 {
        self.rows
    }

    /// How many rows lie between an earlier position and this one. 0 if the other one is not
    /// earlier, and `None` if it has another anchor.
    pub(crate) fn rows_since(self, earlier: Self) -> Option<u64> {
        let is_comparable = self.anchor == earlier.anchor;
        is_comparable.then(|| self.rows.saturating_sub(earlier.rows))
    }

    /// This position counted from the new anchor, if it is counted from the old one.
    pub(crate) fn rebased(self, rebase: Option<Rebase>) -> Self {
        rebase.map_or(self, |rebase| rebase.apply(self))
    }
}

impl PartialOrd for Offset {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self.anchor == other.anchor).then(|| self.rows.cmp(&other.rows))
    }
}

/// The position `rows` rows after this one.
impl Add<u64> for Offset {
    type Output = Self;

    fn add(self, rows: u64) -> Self {
        Self {
            rows: self.rows.saturating_add(rows),
            ..self
        }
    }
}

/// The position `rows` rows before this one, but not before the anchor.
impl Sub<u64> for Offset {
    type Output = Self;

    fn sub(self, rows: u64) -> Self {
        Self {
            rows: self.rows.saturating_sub(rows),
            ..self
        }
    }
}

/// A change of the anchor: one row of the list, counted from the old anchor and from the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rebase {
    old: Offset,
    new: Offset,
}

impl Rebase {
    pub(crate) fn new(old: Offset, new: Offset) -> Self {
        Self { old, new }
    }

    /// Converts an offset of the old anchor. Positions before the new anchor become the anchor
    /// itself. Offsets of other anchors stay as they are.
    fn apply(self, offset: Offset) -> Offset {
        if offset.anchor != self.old.anchor {
            return offset;
        }
        let removed = self.old.rows.saturating_sub(self.new.rows);
        Offset {
            anchor: self.new.anchor,
            rows: offset.rows.saturating_sub(removed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64, rows: u64) -> Offset {
        Offset::new(DateTime::from_timestamp(second, 0), rows)
    }

    #[test]
    fn offsets_of_one_anchor_are_ordered_by_their_rows() {
        assert!(at(1, 4) < at(1, 5) && at(1, 5) <= at(1, 5));
        assert_eq!(at(1, 5).rows_since(at(1, 3)), Some(2));
        assert_eq!(at(1, 3).rows_since(at(1, 5)), Some(0));
        assert_eq!((at(1, 3) + 2, at(1, 3) - 5), (at(1, 5), at(1, 0)));
    }

    #[test]
    fn offsets_of_different_anchors_have_no_order() {
        for other in [at(2, 5), Offset::new(None, 5)] {
            assert!(at(1, 4).partial_cmp(&other).is_none());
            assert_ne!(at(1, 5), other);
            assert_eq!(at(1, 9).rows_since(other), None);
        }
    }

    #[test]
    fn a_rebase_converts_offsets_of_the_old_anchor_only() {
        let rebase = Some(Rebase::new(at(1, 103), at(5, 3)));
        assert_eq!(at(1, 150).rebased(rebase), at(5, 50));
        assert_eq!(at(1, 50).rebased(rebase), at(5, 0));
        assert_eq!(at(2, 150).rebased(rebase), at(2, 150));
        assert_eq!(at(5, 7).rebased(rebase), at(5, 7));
        assert_eq!(at(1, 150).rebased(None), at(1, 150));
    }
}
