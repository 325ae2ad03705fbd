//! The clock of the service.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// A wall clock that advances with tokio's clock, and so also while time is paused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    shown_at_start: DateTime<Utc>,
    start: Instant,
}

impl Clock {
    /// A clock that shows this time now.
    pub(super) fn showing(time: DateTime<Utc>) -> Self {
        Self {
            shown_at_start: time,
            start: Instant::now(),
        }
    }

    pub(super) fn now(self) -> DateTime<Utc> {
        later(self.shown_at_start, self.elapsed())
    }

    pub(super) fn elapsed(self) -> Duration {
        self.start.elapsed()
    }
}

/// The time after a delay, or the maximum if that is exceeded.
pub(super) fn later(time: DateTime<Utc>, delay: Duration) -> DateTime<Utc> {
    let delay = TimeDelta::from_std(delay).ok();
    delay
        .and_then(|delay| time.checked_add_signed(delay))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_clock_advances_with_tokios() {
        let start = crate::timestamp::parse("2025-03-01T00:00:00Z").unwrap();
        let clock = Clock::showing(start);
        tokio::time::sleep(Duration::from_millis(90_500)).await;
        assert_eq!(clock.now(), start + Duration::from_millis(90_500));
        assert_eq!(later(start, Duration::MAX), DateTime::<Utc>::MAX_UTC);
    }
}
