//! What clocks showed when a response came.
//!
//! No clock is trusted alone: the service's `Date` may be minutes off, and so may this machine's.
//! A time has passed for certain once it has by every clock at hand.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// What clocks showed when a response came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clocks {
    /// The service's clock: the `Date` of the response, in whole seconds.
    pub(crate) service: Option<DateTime<Utc>>,
    /// This machine's clock.
    pub(crate) local: DateTime<Utc>,
    /// The time since the walk began, by a clock that never jumps.
    pub(crate) elapsed: Duration,
}

impl Clocks {
    /// Reads this machine's clocks. `began` is when the walk began.
    pub(crate) fn read(service: Option<DateTime<Utc>>, began: Instant) -> Self {
        Self {
            service,
            local: local_now(),
            elapsed: began.elapsed(),
        }
    }

    /// The time by the service's clock, or by this machine's if the response has no `Date`.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.service.unwrap_or(self.local)
    }

    /// The earliest time that a clock shows. Without a `Date`, the newest
    /// time on its list stands in for its clock.
    pub(crate) fn earliest(&self, newest: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        Some(self.service.or(newest)?.min(self.local))
    }
}

/// This machine's clock. Where tokio's clock is paused, it leaps with it.
fn local_now() -> DateTime<Utc> {
    let (now, real) = (Instant::now().into_std(), std::time::Instant::now());
    let leap = TimeDelta::from_std(now.saturating_duration_since(real)).unwrap_or_default();
    let now = Utc::now();
    now.checked_add_signed(leap).unwrap_or(now)
}
