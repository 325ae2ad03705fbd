//! Why an attempt to deliver an alert has failed.

use std::time::Duration;

use crate::exit::{Exit, Failure};

/// Why an attempt to deliver an alert has failed.
pub(crate) enum Undelivered {
    /// The receiver accepts no alert now, and perhaps says how long to wait.
    Unavailable {
        reason: String,
        retry_after: Option<Duration>,
    },
    /// The receiver does not accept this alert.
    Refused { reason: String },
    /// Nothing can be delivered any more: the watch ends.
    Over(Result<Exit, Failure>),
}
