//! What the databases have in common when runs are marked as deleted.

use super::list::SyncList;
use crate::error::{Error, ErrorKind};

/// How long before a walk a run has to be stored, in seconds: a response may be out of date, and
/// not list what another one has.
pub(super) const STALE: i64 = 5 * 60;

/// Says that none of the stored runs is listed. The service always keeps the newest runs of a list,
/// so it is likely to be the list of another account.
pub(super) fn all_gone(list: &SyncList, stored: i64) -> Error {
    let message = format!(
        "none of the {stored} stored runs of {list} is on the list: is the token that of another \
         account? Nothing was marked as deleted"
    );
    Error::new(ErrorKind::Damaged, message)
}
