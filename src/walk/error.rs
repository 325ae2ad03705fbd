//! Why a walk ends before the list does.

use std::fmt;

use super::stall::{MAX_STALLED_DRIFTS, MAX_UNSORTED_PAGES};

/// Why a walk ends before the list does.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WalkError {
    /// Page after page had no new row, though there are more rows.
    Stalled { offset: u64 },
    /// The list changed too often before one new run could be read.
    Unstable,
    /// Page after page was not sorted by start.
    Unsorted { offset: u64 },
}

impl fmt::Display for WalkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stalled { offset } => write!(
                f,
                "the list does not continue at offset {offset}, though the service says there is more"
            ),
            Self::Unstable => write!(
                f,
                "the list moved {MAX_STALLED_DRIFTS} times before one new run could be read: go \
                 on from the cursor when it is quieter"
            ),
            Self::Unsorted { offset } => write!(
                f,
                "the runs at offset {offset} are not sorted by startedAt, and were not in \
                 {MAX_UNSORTED_PAGES} responses in a row"
            ),
        }
    }
}
