//! What the databases have in common when runs are marked as deleted.

use super::list::SyncList;
use crate::error::{Error, ErrorKind, Result};

/// How long before a walk a run has to be stored, in seconds: a response may be out of date, and
/// not list what another one has.
pub(super) const STALE: i64 = 5 * 60;

/// What is known of a list when its runs are to be marked.
pub(super) struct Findings {
    /// Stored runs that are not listed.
    pub(super) gone: i64,
    /// Stored runs that are.
    pub(super) kept: i64,
    /// Whether any run is listed.
    pub(super) lists_any: bool,
}

impl Findings {
    /// Checks that the list is the one that was stored. The service always keeps the newest runs, so
    /// a list with none of the stored ones is likely to be that of another account. Only a window of
    /// time may have come to have no runs at all.
    ///
    /// # Errors
    ///
    /// `ErrorKind::Damaged` if it is likely to be another list.
    pub(super) fn check(&self, list: &SyncList) -> Result<()> {
        let may_be_empty = list.has_bounds && !self.lists_any;
        match self.gone > 0 && self.kept == 0 && !may_be_empty {
            true => Err(all_gone(list, self.gone)),
            false => Ok(()),
        }
    }
}

fn all_gone(list: &SyncList, stored: i64) -> Error {
    let message = format!(
        "none of the {stored} stored runs of {list} is on the list: is the token that of another \
         account? Nothing was marked as deleted"
    );
    Error::new(ErrorKind::Damaged, message)
}
