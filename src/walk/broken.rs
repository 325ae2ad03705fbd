//! Why a walk cannot go on.

use std::fmt;

use super::progress::{MAX_STALLED_DRIFTS, MAX_UNSORTED_PAGES};

/// Why a walk cannot go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Page after page brought nothing new, though there is more.
    Stalled { offset: u64 },
    /// The list moved again and again before a single new run could be read.
    Unstable,
    /// The rows of a page are not sorted by their start, again and again.
    Unsorted { offset: u64 },
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stalled { offset } => write!(
                f,
                "the list does not go on at offset {offset}, though the service says there is more"
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
