//! How many requests are let through in a second.

use std::collections::VecDeque;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// The requests of the last second that were let through.
#[derive(Debug, Default)]
pub(super) struct LastSecond {
    /// When they arrived, in that order.
    arrivals: VecDeque<Duration>,
}

impl LastSecond {
    /// Whether a request that arrives now is let through, which it is if fewer than `limit`
    /// were in the second before it.
    ///
    /// `now` is a time since any start, and not before that of an earlier call.
    pub(super) fn admit(&mut self, now: Duration, limit: u64) -> bool {
        let is_over = |arrival: &Duration| now.saturating_sub(*arrival) >= SECOND;
        while self.arrivals.front().is_some_and(is_over) {
            self.arrivals.pop_front();
        }
        let has_room = (self.arrivals.len() as u64) < limit;
        if has_room {
            self.arrivals.push_back(now);
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of the requests that arrive at these milliseconds are let through.
    fn let_through(limit: u64, arrivals: &[u64]) -> Vec<u64> {
        let mut last_second = LastSecond::default();
        let mut has_room = |millis: &u64| {
            let now = Duration::from_millis(*millis);
            last_second.admit(now, limit)
        };
        arrivals.iter().copied().filter(&mut has_room).collect()
    }

    #[test]
    fn a_second_ends_before_its_last_moment() {
        assert_eq!(let_through(1, &[0, 1, 999, 1000, 1001]), [0, 1000]);
        assert_eq!(let_through(2, &[5, 5, 5, 1004, 1005, 1005, 1005]).len(), 4);
    }

    #[test]
    fn the_second_is_any_and_not_one_of_the_clocks() {
        let arrivals = [800, 900, 1000, 1100, 1700, 1800, 1850, 1900];
        assert_eq!(let_through(2, &arrivals), [800, 900, 1800, 1900]);
    }

    #[test]
    fn what_is_refused_does_not_count() {
        let arrivals: Vec<_> = (0..3000).collect();
        assert_eq!(let_through(1, &arrivals), [0, 1000, 2000]);
    }

    #[test]
    fn no_more_than_a_second_is_remembered() {
        let mut last_second = LastSecond::default();
        for half_seconds in 0..100 {
            assert!(last_second.admit(half_seconds * SECOND / 2, u64::MAX));
        }
        assert_eq!(last_second.arrivals.len(), 2);
    }
}
