//! Why a walk cannot go on.

use std::fmt;

use super::MOST_FRUITLESS_DRIFTS;
use crate::run::Id;

/// Why a walk cannot go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The page does not begin with the last row of the page before, and no row that was
    /// handed out has a start to go on from.
    Moved {
        offset: u64,
        expected: Id,
        found: Option<Id>,
    },
    /// The same request brought nothing new again and again, though there is more, or page
    /// after page did.
    Stalled { offset: u64 },
    /// The list moved again and again before a single new row could be read.
    Restless,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moved {
                offset,
                expected,
                found,
            } => {
                write!(
                    f,
                    "the list moved while it was read: run {expected} was at offset {offset}, now "
                )?;
                match found {
                    Some(found) => write!(f, "{found} is there"),
                    None => f.write_str("no run is there"),
                }
            }
            Self::Stalled { offset } => write!(
                f,
                "the list does not go on at offset {offset}, though the service says there is more"
            ),
            Self::Restless => write!(
                f,
                "the list moved {MOST_FRUITLESS_DRIFTS} times before one new run could be read: go on \
                 from the cursor when it is quieter"
            ),
        }
    }
}
