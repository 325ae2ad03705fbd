//! How long responses take and how large they are, and so how many pages are in flight.

use std::time::Duration;

use crate::limits::{DEFAULT_TOTAL_REQUEST_RATE, MAX_CONCURRENCY};

/// The weight of the last response in the smoothed latency, as for TCP
/// ([RFC 6298](https://www.rfc-editor.org/rfc/rfc6298#section-2)).
const WEIGHT: f64 = 1.0 / 8.0;
/// Room for responses that take longer than the smoothed latency.
const HEADROOM: f64 = 1.25;
/// The pages in flight where no rate limits them.
const UNLIMITED: usize = 8;

/// How many pages a walk may have in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PagesInFlight {
    /// How many it takes to use the whole rate.
    pub(crate) wanted: usize,
    /// The maximum, which also counts pages that wait for one in front of them.
    pub(crate) max: usize,
}

/// How long the good responses for a list take, and how large they are.
#[derive(Debug, Default)]
pub(super) struct ResponseAverages {
    /// The smoothed latency in seconds. `None` before the first response.
    latency: Option<f64>,
    /// The longest body.
    max_body_bytes: usize,
}

impl ResponseAverages {
    /// Adds a good response.
    pub(super) fn add(&mut self, latency: Duration, body_bytes: usize) {
        let latency = latency.as_secs_f64();
        let smoothed = self.latency.unwrap_or(latency);
        self.latency = Some(smoothed + WEIGHT * (latency - smoothed));
        self.max_body_bytes = self.max_body_bytes.max(body_bytes);
    }

    /// How many pages are in flight at this rate of requests a second, if their bodies take
    /// `max_bytes` at most: at least one.
    pub(super) fn pages_in_flight(&self, rate: f64, max_bytes: usize) -> PagesInFlight {
        let max = max_bytes / self.max_body_bytes.max(1);
        let max = max.clamp(1, MAX_CONCURRENCY);
        let wanted = match self.latency {
            // More than the service allows one user for all lists together.
            _ if rate > DEFAULT_TOTAL_REQUEST_RATE => UNLIMITED,
            None => UNLIMITED,
            // As many requests as are sent until the first of them ends.
            Some(latency) => (rate * latency * HEADROOM).ceil() as usize + 1,
        };
        PagesInFlight {
            wanted: wanted.min(max),
            max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The averages of responses that take this number of milliseconds, with bodies of 400 KB.
    fn averages(latencies: &[u64]) -> ResponseAverages {
        let mut averages = ResponseAverages::default();
        for millis in latencies {
            averages.add(Duration::from_millis(*millis), 400_000);
        }
        averages
    }

    fn wanted(latencies: &[u64], rate: f64) -> usize {
        averages(latencies).pages_in_flight(rate, 64 << 20).wanted
    }

    #[test]
    fn so_many_pages_are_in_flight_as_the_rate_sends_in_a_request() {
        assert_eq!(wanted(&[50], 60.0), 5);
        assert_eq!(wanted(&[300], 60.0), 24);
        assert_eq!(wanted(&[1000], 60.0), 64, "never more");
        assert_eq!(wanted(&[1], 0.5), 2, "one is on its way while one is read");
        assert_eq!(wanted(&[], 60.0), 8);
        assert_eq!(wanted(&[50], f64::INFINITY), 8);
    }

    #[test]
    fn one_slow_response_changes_little() {
        let mut latencies = [100; 20];
        let before = wanted(&latencies, 60.0);
        latencies[19] = 1000;
        assert!(wanted(&latencies, 60.0) <= before + 9);
        assert!(wanted(&[&latencies[..], &[1000; 30]].concat(), 60.0) > 60);
    }

    #[test]
    fn bodies_take_no_more_memory_than_they_may() {
        let averages = averages(&[1000]);
        for (max_bytes, pages) in [(0, 1), (400_000, 1), (4_000_000, 10), (64 << 20, 64)] {
            let in_flight = averages.pages_in_flight(60.0, max_bytes);
            assert_eq!((in_flight.wanted, in_flight.max), (pages, pages));
        }
    }
}
