//! How an attempt to deliver an alert ends, if it is not delivered.

use std::time::Duration;

use crate::exit::{Exit, Failure};

/// Why an alert has not been delivered.
pub(crate) enum Undelivered {
    /// The receiver cannot take any alert now: not before this time has passed, if it says so.
    Unavailable {
        reason: String,
        retry_after: Option<Duration>,
    },
    /// The receiver does not take this alert.
    Refused { reason: String },
    /// Nothing can be delivered any more, and the watch ends.
    Over(Result<Exit, Failure>),
}
