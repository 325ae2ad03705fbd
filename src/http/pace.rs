//! How fast requests are sent.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep_until};

use crate::query::Share;

/// A second as the pace counts it. Requests overtake each other on the way, so that as many as
/// the service allows in one second may arrive in a little less.
const SECOND: f64 = 1.02;

/// Lets requests through one after the other, in the order they came.
pub(crate) struct Pacer {
    /// Held by the request that is next.
    turn: Semaphore,
    pace: Mutex<Pace>,
    /// Notified when a request is no longer in flight.
    request_ended: Notify,
}

/// What decides when the next request may be sent.
struct Pace {
    /// Requests a second, by the client's settings.
    own_rate: f64,
    /// Requests a second, by the service's last word.
    server_rate: f64,
    /// Whether they are sent one by one, with the same time in between.
    is_even: bool,
    /// When the latest requests were sent.
    sent: VecDeque<Instant>,
    /// No request before this time.
    paused_until: Option<Instant>,
    in_flight: usize,
    /// How many requests may be in flight.
    max_in_flight: usize,
    /// Good responses since `max_in_flight` last changed.
    good_responses: usize,
    /// When `max_in_flight` was last halved.
    halved_at: Option<Instant>,
}

/// When the next request may be sent.
#[derive(Debug, PartialEq)]
enum Admission {
    Now,
    At(Instant),
    /// When a request in flight has ended.
    AfterRequest,
}

/// The permission to send one request. It is dropped when the request ends or is cancelled.
pub(crate) struct Permit<'a> {
    pacer: &'a Pacer,
    sent_at: Instant,
}

impl Pacer {
    pub(crate) fn new(rate: f64) -> Self {
        Self {
            turn: Semaphore::new(1),
            pace: Mutex::new(Pace::new(rate)),
            request_ended: Notify::new(),
        }
    }

    /// The pace of a reader who is one of several.
    pub(crate) fn of_share(share: Share) -> Self {
        let pacer = Self::new(share.rate().unwrap_or(f64::INFINITY));
        pacer.pace().is_even = true;
        pacer.pause(share.first_wait());
        pacer
    }

    /// Waits until a request may be sent.
    ///
    /// Cancel-safe: who gives up while waiting takes nothing from the others.
    pub(crate) async fn permit(&self) -> Permit<'_> {
        // The semaphore is never closed.
        let _turn = self.turn.acquire().await;
        loop {
            let sent_at = Instant::now();
            let admission = self.pace().admit(sent_at);
            match admission {
                Admission::Now => {
                    return Permit {
                        pacer: self,
                        sent_at,
                    };
                }
                Admission::At(time) => sleep_until(time).await,
                Admission::AfterRequest => self.request_ended.notified().await,
            }
        }
    }

    /// Lets no request through for this long.
    pub(crate) fn pause(&self, delay: Duration) {
        let until = Instant::now() + delay;
        let mut pace = self.pace();
        pace.paused_until = pace.paused_until.max(Some(until));
    }

    /// Whether no request is in flight, and no earlier one delays the next.
    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        self.pace().is_idle(now)
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// Takes over what a response says of the pace.
    pub(crate) fn on_response(self, status: StatusCode, rate_limit: Option<f64>) {
        let mut pace = self.pacer.pace();
        if let Some(rate) = rate_limit {
            pace.server_rate = rate;
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            pace.refused(self.sent_at, Instant::now());
        } else if status.is_success() {
            pace.good();
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.pacer.pace().in_flight -= 1;
        self.pacer.request_ended.notify_one();
    }
}

impl Pace {
    fn new(rate: f64) -> Self {
        Self {
            own_rate: rate,
            server_rate: f64::INFINITY,
            is_even: false,
            sent: VecDeque::new(),
            paused_until: None,
            in_flight: 0,
            max_in_flight: usize::MAX,
            good_responses: 0,
            halved_at: None,
        }
    }

    /// When the next request may be sent. If that is now, it counts as sent.
    fn admit(&mut self, now: Instant) -> Admission {
        if let Some(until) = self.paused_until.filter(|until| now < *until) {
            return Admission::At(until);
        }
        if self.in_flight >= self.max_in_flight {
            return Admission::AfterRequest;
        }
        let rate = self.own_rate.min(self.server_rate);
        if rate.is_finite() {
            if let Some(time) = self.window_opens(rate, now) {
                return Admission::At(time);
            }
            self.sent.push_back(now);
        }
        self.in_flight += 1;
        Admission::Now
    }

    fn is_idle(&self, now: Instant) -> bool {
        let window = self.window(self.own_rate.min(self.server_rate));
        let counts = |sent: &Instant| *sent + window > now;
        self.in_flight == 0
            && self.paused_until.is_none_or(|until| until <= now)
            && !self.sent.back().is_some_and(counts)
    }

    /// How many requests a window may have: a second, or as much longer as it takes for a whole
    /// number of requests.
    fn requests(&self, rate: f64) -> f64 {
        if self.is_even { 1.0 } else { rate.ceil() }
    }

    fn window(&self, rate: f64) -> Duration {
        if rate.is_infinite() {
            return Duration::ZERO;
        }
        Duration::from_secs_f64(self.requests(rate) / rate * SECOND)
    }

    /// When one more request fits in the window that ends with it. `None` if one does now.
    fn window_opens(&mut self, rate: f64, now: Instant) -> Option<Instant> {
        let (requests, window) = (self.requests(rate), self.window(rate));
        while self
            .sent
            .front()
            .is_some_and(|first| *first + window <= now)
        {
            self.sent.pop_front();
        }
        // If the rate has fallen, more were sent than fit.
        let surplus = self.sent.len().checked_sub(requests as usize)?;
        self.sent.get(surplus).map(|first| *first + window)
    }

    fn good(&mut self) {
        self.good_responses += 1;
        if self.good_responses >= self.max_in_flight {
            self.max_in_flight += 1;
            self.good_responses = 0;
        }
    }

    /// Requests that were in flight together are refused together, and are one reason.
    fn refused(&mut self, sent_at: Instant, now: Instant) {
        if self.halved_at.is_some_and(|halved_at| sent_at <= halved_at) {
            return;
        }
        self.max_in_flight = (self.in_flight / 2).max(1);
        self.good_responses = 0;
        self.halved_at = Some(now);
    }
}

/// `X-RateLimit-Limit`: how many requests a second the service allows for one resource
/// ([rate limiting](https://docs.apify.com/api/v2#rate-limiting)).
pub(crate) fn rate_limit(headers: &HeaderMap) -> Option<f64> {
    let limit: u32 = headers
        .get("x-ratelimit-limit")?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    (limit > 0).then(|| limit.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// When requests are sent that are always ready, and answered at once.
    fn sent(pace: &mut Pace, from: Instant, count: usize) -> Vec<Instant> {
        let (mut now, mut sent) = (from, Vec::new());
        while sent.len() < count {
            match pace.admit(now) {
                Admission::Now => {
                    pace.in_flight -= 1;
                    sent.push(now);
                }
                Admission::At(time) => {
                    assert!(time > now, "no time to wait for");
                    now = time;
                }
                Admission::AfterRequest => panic!("nothing is in flight"),
            }
        }
        sent
    }

    #[test]
    fn no_second_has_more_requests_than_the_rate() {
        for rate in [0.25, 1.0, 2.5, 30.0, 59.9, 60.0, 1000.0] {
            let mut pace = Pace::new(rate);
            let count = (rate * 10.0).ceil() as usize;
            let sent = sent(&mut pace, Instant::now(), count);
            let requests = rate.ceil() as usize;
            let window = Duration::from_secs_f64(requests as f64 / rate);
            for (first, over) in sent.iter().zip(&sent[requests..]) {
                assert!(*over - *first >= window, "{rate}");
            }
            // And not many less.
            let elapsed = (sent[count - 1] - sent[0]).as_secs_f64();
            assert!(count as f64 / elapsed > rate * 0.95, "{rate}: {elapsed} s");
        }
    }

    #[test]
    fn a_lower_rate_of_the_service_counts_and_a_higher_one_does_not() {
        for (told, per_second) in [(5.0, 5), (500.0, 30)] {
            let mut pace = Pace::new(30.0);
            let start = Instant::now();
            sent(&mut pace, start, 20);
            pace.server_rate = told;
            // What was sent at the old rate counts too.
            let later = sent(&mut pace, start + MILLISECOND, 100);
            for (first, over) in later.iter().zip(&later[per_second..]) {
                assert!(*over - *first >= Duration::from_secs(1), "{told}");
            }
            assert_eq!(later[0] - start >= Duration::from_secs(1), told == 5.0);
        }
    }

    #[test]
    fn without_a_rate_nothing_waits_and_nothing_is_remembered() {
        let mut pace = Pace::new(f64::INFINITY);
        let start = Instant::now();
        assert_eq!(sent(&mut pace, start, 10_000)[9_999], start);
        assert!(pace.sent.is_empty());
    }

    #[test]
    fn a_refusal_halves_what_is_in_flight_once_and_good_responses_bring_it_back() {
        let mut pace = Pace::new(f64::INFINITY);
        let start = Instant::now();
        for _ in 0..8 {
            assert_eq!(pace.admit(start), Admission::Now);
        }
        let refused = start + 100 * MILLISECOND;
        for _ in 0..8 {
            pace.refused(start, refused);
        }
        assert_eq!(pace.max_in_flight, 4, "all eight are one reason");
        assert_eq!(pace.admit(refused), Admission::AfterRequest);

        pace.in_flight = 3;
        assert_eq!(pace.admit(refused), Admission::Now);
        for _ in 0..4 + 5 + 6 + 7 {
            pace.good();
        }
        assert_eq!(pace.max_in_flight, 8);

        // A request sent since then is another reason.
        pace.in_flight = 1;
        pace.refused(refused + MILLISECOND, refused + MILLISECOND);
        assert_eq!(pace.max_in_flight, 1, "one may always be in flight");
    }

    #[test]
    fn the_service_tells_its_limit_in_a_header() {
        let limit = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("X-RateLimit-Limit", value.parse().unwrap());
            rate_limit(&headers)
        };
        assert_eq!(limit("60"), Some(60.0));
        for nonsense in ["0", "-1", "", "many", "60.5", "99999999999"] {
            assert_eq!(limit(nonsense), None, "{nonsense}");
        }
        assert_eq!(rate_limit(&HeaderMap::new()), None);
    }
}
